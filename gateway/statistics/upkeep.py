"""Keeping the monthly figures up to date: part of every change of service records."""

from functools import partial
from typing import Any

from sqlalchemy import (
    FromClause,
    and_,
    cast,
    delete,
    func,
    literal_column,
    or_,
    over,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from gateway.kinds import INTEGER
from gateway.records.known import CURRENT
from gateway.statistics.counting import COUNTS, FIGURES, deltas
from gateway.statistics.models import MonthlyDelta
from gateway.tenancy.scope import Scope
from gateway.tenancy.session import ScopedSession

_TABLE = MonthlyDelta.table()
_KEYS = ("vendor_id", "product_id", "month")


async def add_deltas(session: ScopedSession, rows: FromClause, *, sign: int) -> None:
    """Add what records contribute: with sign -1 before a change of theirs, +1 after it.

    `rows` has the columns of `service_records` that counting needs, and with any record of a user
    and product all of them. It should be small or analysed, because counting joins it with itself.
    `settle` has to follow.
    """
    counted: Any = deltas(rows, session.scope.covers(rows), sign=sign)
    nothing = (literal_column("0", INTEGER).label(name) for name in COUNTS.values())
    adding = insert(_TABLE).from_select(
        [*_KEYS, *FIGURES, *COUNTS.values()], counted.add_columns(*nothing)
    )
    await session.execute(
        adding.on_conflict_do_update(
            index_elements=_KEYS,
            set_={name: _TABLE.c[name] + adding.excluded[name] for name in FIGURES},
        )
    )


async def settle(session: ScopedSession) -> None:
    """Close a change: drop months in which nothing changes any more, add up the counts anew."""
    within = session.scope.covers(_TABLE)
    await session.execute(delete(_TABLE).where(within, *(_TABLE.c[name] == 0 for name in FIGURES)))
    sums = _added_up(session.scope)
    await session.execute(
        update(_TABLE)
        .values({name: sums.c[name] for name in COUNTS.values()})
        .where(
            within,
            *(_TABLE.c[name] == sums.c[name] for name in _KEYS),
            or_(*(_TABLE.c[name] != sums.c[name] for name in COUNTS.values())),
        )
    )


def _added_up(scope: Scope) -> FromClause:
    """Return the counts of each stored month: the sums of the deltas up to it."""
    table = _TABLE.alias("added")
    pair = (table.c.vendor_id, table.c.product_id)
    along = partial(over, partition_by=pair, order_by=table.c.month)
    return (
        select(
            *(table.c[name] for name in _KEYS),
            *(
                cast(along(func.sum(table.c[name])), INTEGER).label(count)
                for name, count in COUNTS.items()
            ),
        )
        .where(scope.covers(table))
        .subquery("sums")
    )


async def recount(session: ScopedSession) -> int:
    """Return how many stored months differ from a recount of everything in scope: 0 is right.

    A month is its deltas, and the counts that they add up to.
    """
    rows = CURRENT.alias("r")
    fresh = deltas(rows, session.scope.covers(rows)).subquery("fresh")
    kept = select(*fresh.c).where(~and_(*(fresh.c[name] == 0 for name in FIGURES)))
    stored = select(*(_TABLE.c[column.name] for column in fresh.c)).where(
        session.scope.covers(_TABLE)
    )
    sums = _added_up(session.scope)
    columns = (*_KEYS, *COUNTS.values())
    counts = select(*(_TABLE.c[name] for name in columns)).where(session.scope.covers(_TABLE))
    differing = (
        kept.except_(stored).subquery("missing"),
        stored.except_(kept).subquery("surplus"),
        counts.except_(select(*(sums.c[name] for name in columns))).subquery("miscounted"),
    )
    return sum([await session.scalar(select(func.count()).select_from(side)) for side in differing])
