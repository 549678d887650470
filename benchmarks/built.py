"""A market that stands: built once, and there for the next run if its directory is kept."""

import asyncio

from sqlalchemy import func, select

from benchmarks import market
from benchmarks.house import Place, found, whole_scope
from gateway.app.house import House
from gateway.records.known import CURRENT
from gateway.statistics.models import MonthlyDelta
from gateway.statistics.upkeep import add_deltas, settle
from gateway.tenancy.session import open_session


def ensure(place: Place, rows: int) -> None:
    """Build the market, unless the directory holds one already."""
    built = place.directory / "built"
    if not built.exists():
        asyncio.run(_build(place, rows))
        built.touch()


async def _build(place: Place, rows: int) -> None:
    async with place.gateway() as house:
        await found(house, [market.code(i) for i in range(market.VENDORS)], market.PRODUCTS)
        async with place.postgres() as postgres:
            await market.fill(postgres, rows)


async def count(house: House) -> None:
    """Have the gateway count the monthly figures of vendors that have none yet.

    The market's records are written past the import, which would have counted them.
    """
    table = MonthlyDelta.table()
    everything = await whole_scope(house)
    for code in everything.vendors.values():
        scope = everything.narrow(vendors=[code])
        async with open_session(house.service, scope, write=True) as session:
            held = select(func.count()).select_from(table).where(scope.covers(table))
            if not await session.scalar(held):
                await session.tune(work_mem="256MB", statement_timeout="0")
                await add_deltas(session, CURRENT.alias("r"), sign=1)
                await settle(session)
