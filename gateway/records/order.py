"""UserOrder: the regulation's sorts (一、1), both directions, several keys, no ties left."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    FromClause,
    and_,
    case,
    literal,
)
from sqlalchemy.types import TypeEngine

from gateway.catalogue.models import Product
from gateway.kinds import BIG_INTEGER, DATE, INTEGER, TEXT
from gateway.records.filters import status_of
from gateway.records.keyset import Choice, Direction, Key
from gateway.records.known import calendar_day
from gateway.regulation.codes import Code, FeeCategory, ServiceStatus, UserType


class UserOrderField(Enum):
    """What users can be sorted by."""

    USER_ID = "USER_ID"
    USER_NAME = "USER_NAME"
    USER_TYPE = "USER_TYPE"
    START_DATE = "START_DATE"
    END_DATE = "END_DATE"
    PRODUCT = "PRODUCT"
    SERVICE_STATUS = "SERVICE_STATUS"
    FEE_CATEGORY = "FEE_CATEGORY"


@dataclass(frozen=True, slots=True)
class UserOrder:
    """One sort key and its direction."""

    field: UserOrderField
    direction: Direction = Direction.ASC


BY_USER_ID = (UserOrder(UserOrderField.USER_ID),)
_KINDS: Final[dict[UserOrderField, TypeEngine[Any]]] = {
    UserOrderField.USER_ID: TEXT,
    UserOrderField.USER_NAME: TEXT,
    UserOrderField.USER_TYPE: INTEGER,
    UserOrderField.START_DATE: DATE,
    UserOrderField.END_DATE: DATE,
    UserOrderField.PRODUCT: TEXT,
    UserOrderField.SERVICE_STATUS: INTEGER,
    UserOrderField.FEE_CATEGORY: INTEGER,
}
"""The types of the keys. Most are of the column that has their name."""


def user_keys(
    order: Sequence[UserOrder],
    rows: FromClause,
    product_name: Callable[[], ColumnElement[str]],
    today: date,
    products: Mapping[int, str] | None = None,
) -> list[Key]:
    """Return the sort keys; the last two, vendor and record number, leave no tie.

    They run in the first key's direction, so that one index serves both directions. With the
    `products` in scope, number -> name, keys of few values bring their choices.
    """
    keys: dict[UserOrderField, Key] = {}
    for one in order or BY_USER_ID:
        field = one.field
        if field in keys:
            continue
        match field:
            case UserOrderField.PRODUCT:
                value: ColumnElement[Any] = product_name()
            case UserOrderField.SERVICE_STATUS:
                value = status_of(rows, today)
            case _:
                value = rows.c[field.value.lower()]
        choices = () if products is None else _choices(field, rows, today, products)
        keys[field] = Key(field.name, value, _KINDS[field], one.direction, choices)
    first = next(iter(keys.values())).direction
    return [
        *keys.values(),
        Key("VENDOR", rows.c.vendor_id, INTEGER, first),
        Key("ID", rows.c.record_id, BIG_INTEGER, first),
    ]


def vendor_place(order: Sequence[UserOrder]) -> int:
    """Return the place of the vendor among the keys."""
    return len({one.field for one in order or BY_USER_ID})


def name_of(rows: FromClause, products: Mapping[int, str]) -> ColumnElement[str]:
    """Return the name of a row's product, of those in scope; it sorts by code point as they do."""
    kind = Product.table().c.name.type
    names = {number: literal(name, kind) for number, name in products.items()}
    return case(names, value=rows.c.product_id) if names else literal("", kind)


def _choices(
    field: UserOrderField, rows: FromClause, today: date, products: Mapping[int, str]
) -> tuple[Choice, ...]:
    match field:
        case UserOrderField.USER_TYPE:
            return _codes(rows.c.user_type, UserType)
        case UserOrderField.FEE_CATEGORY:
            return _codes(rows.c.fee_category, FeeCategory)
        case UserOrderField.PRODUCT:
            return tuple(
                Choice(name, rows.c.product_id == number) for number, name in products.items()
            )
        case UserOrderField.SERVICE_STATUS:
            reported, open_end = rows.c.service_status, rows.c.end_date >= calendar_day(today)
            return (
                *_codes(reported, ServiceStatus),
                Choice(int(ServiceStatus.ACTIVE), and_(reported.is_(None), open_end)),
                Choice(int(ServiceStatus.EXPIRED), and_(reported.is_(None), ~open_end)),
            )
    return ()


def _codes(column: ColumnElement[Any], codes: type[Code]) -> tuple[Choice, ...]:
    return tuple(Choice(int(code), column == code) for code in codes)
