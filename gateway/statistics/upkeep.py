"""Keeping the monthly figures up to date: part of every change of service records."""

from typing import Any

from sqlalchemy import FromClause, and_, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from gateway.records.known import CURRENT
from gateway.statistics.counting import FIGURES, deltas
from gateway.statistics.models import MonthlyDelta
from gateway.tenancy.session import ScopedSession

_TABLE = MonthlyDelta.table()


async def add_deltas(session: ScopedSession, rows: FromClause, *, sign: int) -> None:
    """Add what records contribute: with sign -1 before a change of theirs, +1 after it.

    `rows` has the columns of `service_records` that counting needs, and with any record of a user
    and product all of them. It should be small or analysed, because counting joins it with itself.
    """
    counted: Any = deltas(rows, session.scope.covers(rows), sign=sign)
    keys = ("vendor_id", "product_id", "month")
    adding = insert(_TABLE).from_select([*keys, *FIGURES], counted)
    await session.execute(
        adding.on_conflict_do_update(
            index_elements=keys,
            set_={name: _TABLE.c[name] + adding.excluded[name] for name in FIGURES},
        )
    )


async def tidy(session: ScopedSession) -> None:
    """Drop months in which nothing changes any more."""
    await session.execute(
        delete(_TABLE).where(
            session.scope.covers(_TABLE), *(_TABLE.c[name] == 0 for name in FIGURES)
        )
    )


async def recount(session: ScopedSession) -> int:
    """Return how many stored deltas differ from a recount of everything in scope: 0 is right."""
    rows = CURRENT.alias("r")
    fresh = deltas(rows, session.scope.covers(rows)).subquery("fresh")
    kept = select(*fresh.c).where(~and_(*(fresh.c[name] == 0 for name in FIGURES)))
    stored = select(*(_TABLE.c[column.name] for column in fresh.c)).where(
        session.scope.covers(_TABLE)
    )
    one_way = kept.except_(stored).subquery("missing")
    other_way = stored.except_(kept).subquery("surplus")
    found = 0
    for side in (one_way, other_way):
        found += await session.scalar(select(func.count()).select_from(side))
    return found
