"""UserOrder: the regulation's sorts (一、1), both directions, several keys, no ties left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any

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


def user_keys(
    order: Sequence[UserOrder],
    rows: FromClause,
    product_name: ColumnElement[str],
    today: date,
    products: Mapping[int, str] | None = None,
) -> list[Key]:
    """Return the sort keys; the last two, vendor and record number, leave no tie.

    They run in the first key's direction, so that one index serves both directions. With the
    `products` in scope, number -> name, keys of few values bring their choices.
    """
    field = UserOrderField
    order = order or BY_USER_ID
    sources: dict[UserOrderField, tuple[ColumnElement[Any], TypeEngine[Any]]] = {
        field.USER_ID: (rows.c.user_id, TEXT),
        field.USER_NAME: (rows.c.user_name, TEXT),
        field.USER_TYPE: (rows.c.user_type, INTEGER),
        field.START_DATE: (rows.c.start_date, DATE),
        field.END_DATE: (rows.c.end_date, DATE),
        field.PRODUCT: (product_name, TEXT),
        field.SERVICE_STATUS: (status_of(rows, today), INTEGER),
        field.FEE_CATEGORY: (rows.c.fee_category, INTEGER),
    }
    choices = {} if products is None else _choices(rows, today, products)
    keys: dict[str, Key] = {}
    for one in order:
        value, kind = sources[one.field]
        keys.setdefault(
            one.field.name,
            Key(one.field.name, value, kind, one.direction, choices.get(one.field, ())),
        )
    first = next(iter(keys.values())).direction
    return [
        *keys.values(),
        Key("VENDOR", rows.c.vendor_id, INTEGER, first),
        Key("ID", rows.c.record_id, BIG_INTEGER, first),
    ]


def name_of(rows: FromClause, products: Mapping[int, str]) -> ColumnElement[str]:
    """Return the name of a row's product, of those in scope; it sorts by code point as they do."""
    kind = Product.table().c.name.type
    names = {number: literal(name, kind) for number, name in products.items()}
    return case(names, value=rows.c.product_id) if names else literal("", kind)


def _choices(
    rows: FromClause, today: date, products: Mapping[int, str]
) -> dict[UserOrderField, tuple[Choice, ...]]:
    reported, open_end = rows.c.service_status, rows.c.end_date >= calendar_day(today)
    return {
        UserOrderField.USER_TYPE: _codes(rows.c.user_type, UserType),
        UserOrderField.FEE_CATEGORY: _codes(rows.c.fee_category, FeeCategory),
        UserOrderField.PRODUCT: tuple(
            Choice(name, rows.c.product_id == number) for number, name in products.items()
        ),
        UserOrderField.SERVICE_STATUS: (
            *_codes(reported, ServiceStatus),
            Choice(int(ServiceStatus.ACTIVE), and_(reported.is_(None), open_end)),
            Choice(int(ServiceStatus.EXPIRED), and_(reported.is_(None), ~open_end)),
        ),
    }


def _codes(column: ColumnElement[Any], codes: type[Code]) -> tuple[Choice, ...]:
    return tuple(Choice(int(code), column == code) for code in codes)
