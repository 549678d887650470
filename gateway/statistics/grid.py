"""Which monthly figures are asked for: a grid of vendors, products and months, and its order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    cast,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.types import TypeEngine

from gateway.catalogue.models import Product, Vendor, VendorProduct
from gateway.errors import BadInput
from gateway.kinds import DATE, DATES, INTEGER, INTERVAL, NUMERIC, TEXT, TEXTS, WALL_CLOCK
from gateway.recording import derive, param
from gateway.records.keyset import Direction, Key
from gateway.regulation.months import WINDOW, Month
from gateway.regulation.packs import RulePack
from gateway.tenancy.principal import Right
from gateway.tenancy.scope import AnyScope

MAX_MONTHS = 600


class MonthlyStatOrderField(Enum):
    """What monthly figures can be sorted by."""

    MONTH = "MONTH"
    VENDOR = "VENDOR"
    PRODUCT = "PRODUCT"
    FULL_PRICE_COUNT = "FULL_PRICE_COUNT"
    REGULATORY_COUNT = "REGULATORY_COUNT"
    INTERNAL_FREE_COUNT = "INTERNAL_FREE_COUNT"
    TRIAL_COUNT = "TRIAL_COUNT"
    NEW_COUNT = "NEW_COUNT"
    ENDED_COUNT = "ENDED_COUNT"
    CANCELLED_COUNT = "CANCELLED_COUNT"
    EXPIRED_COUNT = "EXPIRED_COUNT"
    FEE = "FEE"


_SOURCES: dict[MonthlyStatOrderField, tuple[str, TypeEngine[Any]]] = {
    MonthlyStatOrderField.MONTH: ("month", DATE),
    MonthlyStatOrderField.VENDOR: ("vendor_code", TEXT),
    MonthlyStatOrderField.PRODUCT: ("product_name", TEXT),
    MonthlyStatOrderField.FULL_PRICE_COUNT: ("full_price", INTEGER),
    MonthlyStatOrderField.REGULATORY_COUNT: ("regulatory", INTEGER),
    MonthlyStatOrderField.INTERNAL_FREE_COUNT: ("internal_free", INTEGER),
    MonthlyStatOrderField.TRIAL_COUNT: ("trial", INTEGER),
    MonthlyStatOrderField.NEW_COUNT: ("new", INTEGER),
    MonthlyStatOrderField.ENDED_COUNT: ("ended", INTEGER),
    MonthlyStatOrderField.CANCELLED_COUNT: ("cancelled", INTEGER),
    MonthlyStatOrderField.EXPIRED_COUNT: ("expired", INTEGER),
    MonthlyStatOrderField.FEE: ("fee", NUMERIC),
}
"""The column of each key, and its type."""
_OF_GRID = (
    MonthlyStatOrderField.MONTH,
    MonthlyStatOrderField.VENDOR,
    MonthlyStatOrderField.PRODUCT,
)


@dataclass(frozen=True, slots=True)
class MonthlyStatOrder:
    """One sort key and its direction."""

    field: MonthlyStatOrderField
    direction: Direction = Direction.ASC


NEWEST_FIRST = (
    MonthlyStatOrder(MonthlyStatOrderField.MONTH, Direction.DESC),
    MonthlyStatOrder(MonthlyStatOrderField.VENDOR),
    MonthlyStatOrder(MonthlyStatOrderField.PRODUCT),
)
OLDEST_FIRST = (
    MonthlyStatOrder(MonthlyStatOrderField.MONTH),
    MonthlyStatOrder(MonthlyStatOrderField.VENDOR),
    MonthlyStatOrder(MonthlyStatOrderField.PRODUCT),
)


@dataclass(frozen=True, slots=True)
class Packs:
    """By which rule packs to count: by the only one, or by that in use for a product in a month.

    `unapproved` says that users with a free service not approved are counted too.
    """

    packs: Sequence[RulePack]
    fixed: bool
    unapproved: bool = False


@dataclass(frozen=True, slots=True)
class StatList:
    """Which figures, in which order. Months run from the earliest to the latest, both included.

    Without `packs` they are those that are stored, of the default rule pack. `reach` is the scope
    before products were picked from it, for packs that count across products, and for users' other
    lines.
    """

    scope: AnyScope
    today: date
    months: tuple[Month, ...]
    order: Sequence[MonthlyStatOrder] = NEWEST_FIRST
    as_of: datetime | None = None
    packs: Packs | None = None
    reach: AnyScope | None = None

    def __post_init__(self) -> None:
        self.scope.require(Right.READ_STATISTICS)

    @property
    def orders_grid(self) -> bool:
        """Whether the order is known before any figure is."""
        return all(one.field in _OF_GRID for one in self.order)


def months_between(
    today: date, first: Month | None, last: Month | None, year: int | None
) -> tuple[Month, ...]:
    """Return the months asked for, none in the future; by default the three-year window.

    By year or by month range, not both (一、2: 提供按年或月查询的方式).
    """
    current = Month.of(today)
    if year is not None:
        if first is not None or last is not None:
            raise BadInput(
                "year and from/to exclude each other",
                "year与from/to不能同时使用",
                argument="year",
                accepted="either year, or from and to",
            )
        if not 1 <= year <= 9998:
            raise BadInput(
                f"{year} is not a year", f"{year}不是年份", argument="year", accepted="1 to 9998"
            )
        first, last = Month(year, 1), Month(year, 12)
    last = min(last or current, current)
    first = first or last.plus(1 - WINDOW)
    number = (last.year - first.year) * 12 + last.number - first.number + 1
    if number > MAX_MONTHS:
        raise BadInput(
            f"{number} months are more than can be asked for at once",
            f"一次最多查询{MAX_MONTHS}个月",
            argument="from",
            accepted=f"at most {MAX_MONTHS} months",
        )
    return _months(first, max(number, 0))


@lru_cache(maxsize=1000)
def _months(first: Month, number: int) -> tuple[Month, ...]:
    return tuple(first.plus(i) for i in range(number))


def grid(stats: StatList) -> FromClause:
    """Return one row per vendor, product and month in scope, months without users included.

    Columns: vendor_id, product_id, month (first day), last_day, vendor_code, vendor_name and
    product_name.
    """
    held = VendorProduct.aliased("held")
    days = _calendar(stats)
    vendors = Vendor.aliased("stat_vendor")
    products = Product.aliased("stat_product")
    return (
        select(
            held.c.vendor_id,
            held.c.product_id,
            days.c.month,
            days.c.last_day,
            vendors.c.code.label("vendor_code"),
            vendors.c.name.label("vendor_name"),
            products.c.name.label("product_name"),
        )
        .select_from(held.join(vendors, true()).join(products, true()).join(days, true()))
        .where(
            stats.scope.covers(held),
            vendors.c.vendor_id == held.c.vendor_id,
            products.c.product_id == held.c.product_id,
        )
        .subquery("grid")
    )


def earlier(month: ColumnElement[Any], distance: int) -> ColumnElement[Any]:
    """Return the first day of the month so many months before one, given as its first day."""
    ago: ColumnElement[Any] = literal_column(f"interval '{distance} months'", INTERVAL)
    return cast(cast(month, WALL_CLOCK) - ago, DATE)


def _calendar(stats: StatList) -> FromClause:
    """Return the months as rows, in the list's order if it begins with the month.

    Then a page ends before most months' rows are sorted.
    """
    found = month_rows(stats.months)
    order = [*stats.order, *NEWEST_FIRST][0]
    if order.field is MonthlyStatOrderField.MONTH:
        month = found.selected_columns.month
        found = found.order_by(month.desc() if order.direction is Direction.DESC else month)
    return found.subquery("calendar")


def month_rows(months: tuple[Month, ...]) -> Select[*tuple[Any, ...]]:
    """Return months as rows: month (the first day) and last_day."""
    days = (
        func.unnest(_days("first", months), _days("last", months))
        .table_valued("month", "last_day", name="days")
        .render_derived()
    )
    return select(
        cast(days.c.month, DATE).label("month"), cast(days.c.last_day, DATE).label("last_day")
    )


def _days(end: str, months: Sequence[Month]) -> ColumnElement[Any]:
    """Return the months' first or last days as one parameter.

    They go as text, for asyncpg has its own idea of the last date.
    """
    return cast(param(derive(partial(_texts, end), months), TEXTS), DATES)


@lru_cache(maxsize=1000)
def _texts(end: str, months: tuple[Month, ...]) -> list[str]:
    return [getattr(month, end).isoformat() for month in months]


def stat_keys(order: Sequence[MonthlyStatOrder], row: FromClause) -> list[Key]:
    """Return the sort keys; month, product and vendor leave no tie."""
    keys: dict[str, Key] = {}
    for one in (*(order or NEWEST_FIRST), *NEWEST_FIRST):
        column, kind = _SOURCES[one.field]
        value = (
            func.coalesce(row.c.fee, -1)
            if one.field is MonthlyStatOrderField.FEE
            else row.c[column]
        )
        keys.setdefault(one.field.name, Key(one.field.name, value, kind, one.direction))
    first = next(iter(keys.values())).direction
    return [*keys.values(), Key("HOLDER", row.c.vendor_id, INTEGER, first)]
