"""UserOrder: the regulation's sorts (一、1), both directions, several keys, no ties left."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Date, FromClause, Integer, Text
from sqlalchemy.types import TypeEngine

from gateway.records.filters import status_of
from gateway.records.keyset import Direction, Key


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
    order: Sequence[UserOrder], rows: FromClause, product_name: ColumnElement[str], today: date
) -> list[Key]:
    """Return the sort keys; the last two, vendor and record number, leave no tie.

    They run in the first key's direction, so that one index serves both directions.
    """
    order = order or BY_USER_ID
    sources: dict[UserOrderField, tuple[ColumnElement[Any], type[TypeEngine[Any]]]] = {
        UserOrderField.USER_ID: (rows.c.user_id, Text),
        UserOrderField.USER_NAME: (rows.c.user_name, Text),
        UserOrderField.USER_TYPE: (rows.c.user_type, Integer),
        UserOrderField.START_DATE: (rows.c.start_date, Date),
        UserOrderField.END_DATE: (rows.c.end_date, Date),
        UserOrderField.PRODUCT: (product_name, Text),
        UserOrderField.SERVICE_STATUS: (status_of(rows, today), Integer),
        UserOrderField.FEE_CATEGORY: (rows.c.fee_category, Integer),
    }
    keys: dict[str, Key] = {}
    for one in order:
        value, kind = sources[one.field]
        keys.setdefault(one.field.name, Key(one.field.name, value, kind, one.direction))
    first = next(iter(keys.values())).direction
    return [
        *keys.values(),
        Key("VENDOR", rows.c.vendor_id, Integer, first),
        Key("ID", rows.c.record_id, BigInteger, first),
    ]
