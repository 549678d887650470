"""The figures of a month as the regulation shows them (一、2), and those of earlier months."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Date,
    DateTime,
    FromClause,
    Interval,
    and_,
    case,
    cast,
    func,
    literal_column,
    or_,
    over,
    select,
    true,
)

from gateway.catalogue.models import Price
from gateway.recording import Known
from gateway.records.known import known
from gateway.statistics.counting import CATEGORIES, COUNTS, EVENTS, FIGURES, deltas
from gateway.statistics.grid import StatList, grid
from gateway.statistics.models import MonthlyDelta
from gateway.tenancy.scope import AnyScope

PREVIOUS_MONTH, SAME_MONTH_LAST_YEAR = 1, 12
SHOWN = (*FIGURES, "expired")
COMPARED = (*SHOWN, "fee")
_FIRST_DAY: Final[ColumnElement[Any]] = literal_column("'00010101'::date", Date)

Lookup = Callable[[FromClause, ColumnElement[Any], str], tuple[FromClause, ColumnElement[bool]]]
"""Takes rows of a grid, a month of theirs and a name: returns what last changed until then, by that
name, and the condition to join it by."""


def changes(stats: StatList) -> Lookup:
    """Return how to find what last changed; one for all that a statement looks up."""
    return _stored(stats) if stats.as_of is None else _known(stats, stats.as_of)


def figures(stats: StatList, last: Lookup | None = None) -> FromClause:
    """Return the rows of `grid`, each with its figures: SHOWN, price and fee.

    SHOWN are the four counts, new, ended, and of these cancelled and expired; price and fee are
    null where none was in force.
    """
    return beside(stats, grid(stats), last or changes(stats))


def beside(
    stats: StatList,
    rows: FromClause,
    last: Lookup,
    *,
    own: bool = True,
    before: Sequence[int] = (),
) -> FromClause:
    """Return rows of the grid with their `own` figures, and those of so many months before.

    Own figures are called as in `figures`; COMPARED of an earlier month as in `full_price_12`. They
    are null where the calendar has no such month, and the fee also where no price was in force.
    """
    if not own and not before:
        return rows
    found = rows
    columns: list[ColumnElement[Any]] = list(rows.c)
    for distance in (*([0] if own else ()), *before):
        month = _before(rows.c.month, distance) if distance else rows.c.month
        change, condition = last(rows, month, f"change{distance}m")
        found = found.join(change, condition, isouter=True)
        columns += _figures(change, _price(rows, month, stats.scope), month, distance)
    return select(*columns).select_from(found).subquery("stat" if own else "compared")


def _before(month: ColumnElement[Any], distance: int) -> ColumnElement[Any]:
    ago: ColumnElement[Any] = literal_column(f"interval '{distance} months'", Interval)
    return cast(cast(month, DateTime(timezone=False)) - ago, Date)


def _figures(
    change: FromClause, price: ColumnElement[Any], month: ColumnElement[Any], distance: int
) -> list[ColumnElement[Any]]:
    """Return the figures of a month, of which `change` is the last until then."""
    counts = {name: func.coalesce(change.c[COUNTS[name]], 0) for name in CATEGORIES}
    events = {name: case((change.c.month == month, change.c[name]), else_=0) for name in EVENTS}
    values: dict[str, ColumnElement[Any]] = {
        **counts,
        **events,
        "expired": events["ended"] - events["cancelled"],
        "fee": counts["full_price"] * price,
    }
    if not distance:
        return [price.label("price"), *(value.label(name) for name, value in values.items())]
    there = month >= _FIRST_DAY
    return [case((there, value)).label(f"{name}_{distance}") for name, value in values.items()]


def _stored(stats: StatList) -> Lookup:
    table = MonthlyDelta.table()

    def last(
        rows: FromClause, month: ColumnElement[Any], name: str
    ) -> tuple[FromClause, ColumnElement[bool]]:
        change = (
            select(*(table.c[name] for name in ("month", *COUNTS.values(), *EVENTS)))
            .where(
                stats.scope.covers(table),
                table.c.vendor_id == rows.c.vendor_id,
                table.c.product_id == rows.c.product_id,
                table.c.month <= month,
            )
            .order_by(table.c.month.desc())
            .limit(1)
            .correlate(rows)
            .lateral(name)
        )
        return change, true()

    return last


def _known(stats: StatList, as_of: Known[datetime]) -> Lookup:
    """Count what was known then: once, for as many lookups as there are."""
    table = deltas(*known(stats.scope, as_of, "past")).subquery("changes")
    pair = [table.c.vendor_id, table.c.product_id]
    along = partial(over, partition_by=pair, order_by=table.c.month)
    held = select(
        *pair,
        table.c.month,
        *(table.c[name] for name in EVENTS),
        *(along(func.sum(table.c[name])).label(COUNTS[name]) for name in CATEGORIES),
        along(func.lead(table.c.month)).label("until"),
    ).cte("held_counts")

    def last(
        rows: FromClause, month: ColumnElement[Any], name: str
    ) -> tuple[FromClause, ColumnElement[bool]]:
        change = held.alias(name)
        return change, and_(
            change.c.vendor_id == rows.c.vendor_id,
            change.c.product_id == rows.c.product_id,
            change.c.month <= month,
            or_(change.c.until.is_(None), change.c.until > month),
        )

    return last


def _price(row: FromClause, month: ColumnElement[Any], scope: AnyScope) -> ColumnElement[Any]:
    """Return the price in force on the month's first day: the latest begun, unless it is over."""
    price = Price.table().alias("price")
    in_force = case((or_(price.c.valid_to.is_(None), price.c.valid_to >= month), price.c.amount))
    return (
        select(in_force)
        .where(
            scope.covers(price),
            price.c.product_id == row.c.product_id,
            price.c.valid_from <= month,
        )
        .order_by(price.c.valid_from.desc())
        .limit(1)
        .correlate(row)
        .scalar_subquery()
    )
