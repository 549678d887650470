"""Monthly figures as the regulation shows them (一、2), for a grid of vendors, products, months."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from functools import partial
from typing import Any

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Date,
    FromClause,
    Integer,
    Numeric,
    Text,
    case,
    cast,
    false,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.types import TypeEngine

from gateway.catalogue.models import Price, Product, Vendor, VendorProduct
from gateway.errors import BadInput
from gateway.recording import derive, param
from gateway.records.keyset import Direction, Key
from gateway.records.known import known
from gateway.regulation.codes import FeeCategory
from gateway.regulation.months import WINDOW, Month
from gateway.statistics.counting import FIGURES, deltas
from gateway.statistics.models import MonthlyDelta
from gateway.tenancy.scope import AnyScope

MAX_MONTHS = 600
SHOWN = (*FIGURES, "expired")
_CATEGORIES = FIGURES[: len(FeeCategory)]
_EVENTS = FIGURES[len(FeeCategory) :]


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
class StatList:
    """Which figures, in which order. Months run from the earliest to the latest, both included."""

    scope: AnyScope
    today: date
    months: tuple[Month, ...]
    order: Sequence[MonthlyStatOrder] = NEWEST_FIRST
    as_of: datetime | None = None


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
    return tuple(first.plus(i) for i in range(max(number, 0)))


def figures(stats: StatList) -> FromClause:
    """Return one row per vendor, product and month in scope, months without users included.

    Columns: vendor_id, product_id, month (first day), last_day, vendor_code, vendor_name,
    product_name, SHOWN (the four counts, new, ended, and of these cancelled and expired), price
    and fee (null without a price).
    """
    scope = stats.scope
    held = VendorProduct.table().alias("held")
    days = (
        func.unnest(
            _days("first", stats.months),
            _days("last", stats.months),
        )
        .table_valued("month", "last_day", name="days")
        .render_derived()
    )
    changes = _changes(stats)
    vendors = Vendor.table().alias("stat_vendor")
    products = Product.table().alias("stat_product")
    # they come in here, where rows are few, not after the sums: the policy looks at each of them
    names = {
        "vendor_code": vendors.c.code,
        "vendor_name": vendors.c.name,
        "product_name": products.c.name,
    }
    points = union_all(
        select(
            held.c.vendor_id,
            held.c.product_id,
            cast(days.c.month, Date).label("month"),
            cast(days.c.last_day, Date).label("last_day"),
            *(column.label(name) for name, column in names.items()),
            *(literal(0, Integer).label(name) for name in FIGURES),
            true().label("shown"),
        )
        .select_from(held.join(vendors, true()).join(products, true()).join(days, true()))
        .where(
            scope.covers(held),
            vendors.c.vendor_id == held.c.vendor_id,
            products.c.product_id == held.c.product_id,
        ),
        select(
            changes.c.vendor_id,
            changes.c.product_id,
            changes.c.month,
            changes.c.month,
            *(literal(None, column.type) for column in names.values()),
            *(changes.c[name] for name in FIGURES),
            false(),
        ),
    ).subquery("points")
    pair = [points.c.vendor_id, points.c.product_id]
    summed = select(
        *pair,
        points.c.month,
        points.c.last_day,
        points.c.shown,
        *(points.c[name] for name in names),
        *(
            func.sum(points.c[name])
            .over(partition_by=pair, order_by=points.c.month, range_=(None, 0))
            .label(name)
            for name in _CATEGORIES
        ),
        *(
            func.sum(points.c[name]).over(partition_by=[*pair, points.c.month]).label(name)
            for name in _EVENTS
        ),
    ).subquery("summed")
    price = _price(summed, scope)
    priced = (
        select(
            *(column for column in summed.c if column.name != "shown"),
            price.label("price"),
        )
        .where(cast(summed.c.shown, Boolean))
        .subquery("priced")
    )
    return select(
        *priced.c,
        (priced.c.ended - priced.c.cancelled).label("expired"),
        (priced.c.full_price * priced.c.price).label("fee"),
    ).subquery("stat")


def _days(end: str, months: Sequence[Month]) -> ColumnElement[Any]:
    """Return the months' first or last days as one parameter.

    They go as text, for asyncpg has its own idea of the last date.
    """
    return cast(param(derive(partial(_texts, end), months), ARRAY(Text)), ARRAY(Date))


def _texts(end: str, months: Sequence[Month]) -> list[str]:
    return [getattr(month, end).isoformat() for month in months]


def _changes(stats: StatList) -> FromClause:
    if stats.as_of is not None:
        rows, reachable = known(stats.scope, stats.as_of, "past")
        return deltas(rows, reachable).subquery("changes")
    table = MonthlyDelta.table()
    return (
        select(*(table.c[name] for name in ("vendor_id", "product_id", "month", *FIGURES)))
        .where(stats.scope.covers(table))
        .subquery("changes")
    )


def _price(row: FromClause, scope: AnyScope) -> ColumnElement[Any]:
    """Return the price in force on the month's first day: the latest begun, unless it is over."""
    price = Price.table().alias("price")
    in_force = case(
        (or_(price.c.valid_to.is_(None), price.c.valid_to >= row.c.month), price.c.amount)
    )
    return (
        select(in_force)
        .where(
            scope.covers(price),
            price.c.product_id == row.c.product_id,
            price.c.valid_from <= row.c.month,
        )
        .order_by(price.c.valid_from.desc())
        .limit(1)
        .correlate(row)
        .scalar_subquery()
    )


def stat_keys(order: Sequence[MonthlyStatOrder], row: FromClause) -> list[Key]:
    """Return the sort keys; month, product and vendor leave no tie."""
    field = MonthlyStatOrderField
    sources: dict[MonthlyStatOrderField, tuple[ColumnElement[Any], type[TypeEngine[Any]]]] = {
        field.MONTH: (row.c.month, Date),
        field.VENDOR: (row.c.vendor_code, Text),
        field.PRODUCT: (row.c.product_name, Text),
        field.FULL_PRICE_COUNT: (row.c.full_price, Integer),
        field.REGULATORY_COUNT: (row.c.regulatory, Integer),
        field.INTERNAL_FREE_COUNT: (row.c.internal_free, Integer),
        field.TRIAL_COUNT: (row.c.trial, Integer),
        field.NEW_COUNT: (row.c.new, Integer),
        field.ENDED_COUNT: (row.c.ended, Integer),
        field.CANCELLED_COUNT: (row.c.cancelled, Integer),
        field.EXPIRED_COUNT: (row.c.expired, Integer),
        field.FEE: (func.coalesce(row.c.fee, -1), Numeric),
    }
    keys: dict[str, Key] = {}
    asked = (*(order or NEWEST_FIRST), *NEWEST_FIRST)
    for one in asked:
        value, kind = sources[one.field]
        keys.setdefault(one.field.name, Key(one.field.name, value, kind, one.direction))
    first = next(iter(keys.values())).direction
    return [*keys.values(), Key("HOLDER", row.c.vendor_id, Integer, first)]
