"""The figures of a month as the regulation shows them (一、2), and those of earlier months."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    FromClause,
    and_,
    case,
    func,
    literal_column,
    or_,
    over,
    select,
    true,
)

from gateway.kinds import DATE
from gateway.recording import Known
from gateway.records.known import known
from gateway.statistics.counting import CATEGORIES, COUNTS, EVENTS, FIGURES, deltas
from gateway.statistics.grid import StatList, earlier, grid
from gateway.statistics.models import MonthlyDelta
from gateway.statistics.packed import Packed
from gateway.statistics.pricing import at_least, in_force

PREVIOUS_MONTH, SAME_MONTH_LAST_YEAR = 1, 12
SHOWN = (*FIGURES, "expired")
COMPARED = (*SHOWN, "fee")
_FIRST_DAY: Final[ColumnElement[Any]] = literal_column("'00010101'::date", DATE)

Lookup = Callable[
    [FromClause, FromClause, ColumnElement[Any], str],
    tuple[FromClause, Mapping[str, ColumnElement[Any]]],
]
"""Joins counts to what is found so far.

Takes what is found, the rows of a grid among it, a month of theirs and a name that is free. Returns
it with what was counted in that month, and the values of FIGURES, null where there are none."""


def changes(stats: StatList) -> Lookup | Packed:
    """Return how to find what last changed; one for all that a statement looks up."""
    if stats.packs is not None:
        return Packed(stats)
    return _stored(stats) if stats.as_of is None else _known(stats, stats.as_of)


def figures(stats: StatList, last: Lookup | Packed | None = None) -> FromClause:
    """Return the rows of `grid`, each with its figures: SHOWN, price and fee.

    SHOWN are the four counts, new, ended, and of these cancelled and expired; price and fee are
    null where none was in force.
    """
    return beside(stats, grid(stats), last or changes(stats))


def beside(
    stats: StatList,
    rows: FromClause,
    last: Lookup | Packed,
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
    if isinstance(last, Packed):
        return last.beside(rows, own=own, before=before)
    found = rows
    columns: list[ColumnElement[Any]] = list(rows.c)
    for distance in (*([0] if own else ()), *before):
        month = earlier(rows.c.month, distance) if distance else rows.c.month
        found, counted = last(found, rows, month, f"m{distance}")
        columns += _figures(stats, rows, counted, month, distance)
    return select(*columns).select_from(found).subquery("stat" if own else "compared")


def _figures(
    stats: StatList,
    rows: FromClause,
    counted: Mapping[str, ColumnElement[Any]],
    month: ColumnElement[Any],
    distance: int,
) -> list[ColumnElement[Any]]:
    """Return the figures of a month."""
    values: dict[str, ColumnElement[Any]] = {
        name: func.coalesce(counted[name], 0) for name in FIGURES
    }
    full_price = values["full_price"]
    values["expired"] = values["ended"] - values["cancelled"]

    def fee(price: FromClause) -> ColumnElement[Any]:
        return at_least(full_price * price.c.amount, full_price, price.c.minimum)

    values["fee"] = in_force(rows, month, stats.scope, fee)
    if not distance:
        price = in_force(rows, month, stats.scope, lambda price: price.c.amount)
        return [price.label("price"), *(value.label(name) for name, value in values.items())]
    there = month >= _FIRST_DAY
    return [case((there, value)).label(f"{name}_{distance}") for name, value in values.items()]


def _stored(stats: StatList) -> Lookup:
    """Read what is stored: the month's own row, and only where it has none the last before it."""
    table = MonthlyDelta.table()

    def last(
        found: FromClause, rows: FromClause, month: ColumnElement[Any], name: str
    ) -> tuple[FromClause, Mapping[str, ColumnElement[Any]]]:
        own = MonthlyDelta.aliased(f"{name}own")
        same = [
            own.c.vendor_id == rows.c.vendor_id,
            own.c.product_id == rows.c.product_id,
            own.c.month == month,
        ]
        found = found.join(own, and_(stats.scope.covers(own), *same), isouter=True)
        # tied to the scope by the row alone: its list of vendors would be looked at for each
        before = (
            select(*(table.c[count] for count in COUNTS.values()))
            .where(
                own.c.month.is_(None),
                table.c.vendor_id == rows.c.vendor_id,
                table.c.product_id == rows.c.product_id,
                table.c.month < month,
            )
            .order_by(table.c.month.desc())
            .limit(1)
            .correlate(rows, own)
            .lateral(f"{name}before")
        )
        counts = {
            one: func.coalesce(own.c[count], before.c[count]) for one, count in COUNTS.items()
        }
        events = {one: own.c[one] for one in EVENTS}
        return found.join(before, true(), isouter=True), {**counts, **events}

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
        *(along(func.sum(table.c[name])).label(name) for name in CATEGORIES),
        along(func.lead(table.c.month)).label("until"),
    ).cte()

    def last(
        found: FromClause, rows: FromClause, month: ColumnElement[Any], name: str
    ) -> tuple[FromClause, Mapping[str, ColumnElement[Any]]]:
        change = held.alias()
        condition = and_(
            change.c.vendor_id == rows.c.vendor_id,
            change.c.product_id == rows.c.product_id,
            change.c.month <= month,
            or_(change.c.until.is_(None), change.c.until > month),
        )
        counts = {one: change.c[one] for one in CATEGORIES}
        events = {one: case((change.c.month == month, change.c[one])) for one in EVENTS}
        return found.join(change, condition, isouter=True), {**counts, **events}

    return last
