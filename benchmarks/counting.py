"""The monthly figures: counted by the import, read afterwards, against counting on every read."""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select

from benchmarks.floors import count_distinct
from benchmarks.house import Place, bring_in, found, whole_scope
from benchmarks.lines import lines_of, put
from benchmarks.measure import ROUNDS, Line, Rounds, speeds
from gateway.app.house import House
from gateway.config.clock import today
from gateway.records.keyset import MAX_PAGE, Page
from gateway.regulation.months import Month
from gateway.statistics.grid import StatList
from gateway.statistics.stats import stat_page
from gateway.statistics.upkeep import recount
from gateway.tenancy.scope import Scope
from gateway.tenancy.session import open_session

MONTHS = 36
_OTHERS = tuple(f"S{number:02d}" for number in range(1, 100))
_OTHERS_ROWS = 500
_READS = 20


async def measure_figures(
    place: Place, house: House, vendor: str, rows: int, rounds: Rounds
) -> str:
    """Return the table of the figures. `rounds` holds what the imports' counts took."""
    months = tuple(Month.of(today()).plus(-number) for number in reversed(range(MONTHS)))
    await _add_others(house, place.directory)
    scope = await whole_scope(house)
    one = scope.narrow(vendors=[vendor])
    async with place.postgres() as postgres:
        for _ in range(ROUNDS):
            with rounds.time("distinct"):
                await count_distinct(postgres, scope.vendor_number(vendor), months)
            with rounds.time("recount"):
                await _recount(house, one)
            for what, reach in (("one", one), ("all", scope)):
                rounds.add(what, await _read(house, reach, months))
    by_count = "count(distinct)"
    others = len(_OTHERS)
    lines = (
        Line(f"{by_count} for each of {MONTHS} months", "distinct"),
        Line("first count, within the import", "counted", "distinct", by_count),
        Line("recount, two ways", "recount", "distinct", by_count, "2.5 M rows ≤ 2 s"),
        Line(f"read {MONTHS} months", "one", "distinct", by_count, "≥ 50", handles=False),
        Line(f"read them and {others} more vendors'", "all", "distinct", by_count, handles=False),
    )
    return speeds("Figures", rounds, rows, lines)


async def _add_others(house: House, directory: Path) -> None:
    await found(house, _OTHERS)
    for code in _OTHERS:
        await bring_in(house, code, put(directory / "other.txt", lines_of(code, _OTHERS_ROWS)))


async def _recount(house: House, scope: Scope) -> None:
    async with open_session(house.service, scope) as session:
        await session.tune(work_mem="256MB", statement_timeout="0")
        differing = await recount(session)
    assert differing == 0, f"{differing} stored figures differ from a recount"


async def _read(house: House, scope: Scope, months: Sequence[Month]) -> float:
    """Return the seconds of one read of monthlyStats, from its transaction's begin to its end."""
    stats = StatList(scope, today(), tuple(months))
    reading, figures = Rounds(), select(stat_page(stats, {}, Page(first=MAX_PAGE), total=False))
    for _ in range(_READS):
        with reading.time("read"):
            async with open_session(house.service, scope) as session:
                await session.scalar(figures)
    return reading.seconds("read")
