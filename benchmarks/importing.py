"""Imports, against COPY of rows whose types are decided already."""

from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks import floors
from benchmarks.house import Place, bring_in
from benchmarks.lines import Files
from benchmarks.measure import ROUNDS, Line, Rounds, speeds, watching
from gateway.app.house import House
from gateway.intake import merge, run
from gateway.intake.run import Mode
from gateway.tenancy.session import ScopedSession

_EMPTY = (
    "TRUNCATE service_records, service_record_versions, monthly_deltas, rosters, import_batches"
)


async def measure_import(
    place: Place, house: House, vendor: str, files: Files, rows: int, rounds: Rounds
) -> str:
    """Return the table of imports; the roster stays as the last one left it."""
    typed = place.directory / "typed.copy"
    await bring_in(house, vendor, files.whole)
    async with place.postgres() as postgres:
        await floors.dump(postgres, typed)
        for _ in range(ROUNDS):
            await postgres.execute(_EMPTY)
            await _floors(postgres, typed, rounds)
            await postgres.execute("CHECKPOINT")
            await _first_import(house, vendor, files.whole, rounds)
            for what, path, mode in (
                ("again", files.whole, Mode.SNAPSHOT),
                ("delta", files.delta, Mode.DELTA),
                ("next", files.next_whole, Mode.SNAPSHOT),
            ):
                await postgres.execute("CHECKPOINT")
                with rounds.time(what):
                    await bring_in(house, vendor, path, mode)
    lines = (
        Line("(a) COPY of typed rows, no index", "bare"),
        Line("(b) COPY of typed rows, keys and checks as the gateway's", "indexed"),
        Line("first import: read, validated, staged", "staged", "bare", "(a)", "≥ 0.65"),
        Line("first import: committed", "committed", "indexed", "(b)", "≥ 0.9"),
        Line("… and the planner's statistics renewed", "renewed", "indexed", "(b)"),
        Line("the same file again", "again", "committed", "first import"),
        Line("1 % changed: a delta of these lines", "delta", "committed", "first import"),
        Line("1 % changed: the whole file", "next", "committed", "first import"),
    )
    return speeds("Import", rounds, rows, lines)


async def _floors(postgres: Any, typed: Path, rounds: Rounds) -> None:
    for name, indexed in (("bare", False), ("indexed", True)):
        await floors.make_table(postgres, name, indexed=indexed)
        await postgres.execute("CHECKPOINT")
        with rounds.time(name):
            await floors.copy_in(postgres, name, typed)
        await postgres.execute(f"DROP TABLE {name}")


async def _first_import(house: House, vendor: str, path: Path, rounds: Rounds) -> None:
    """Import into an empty roster; note when the lines were staged, counted and committed."""
    with (
        watching(ScopedSession, "copy_in") as staging,
        watching(merge, "add_deltas") as counting,
        watching(run, "open_session") as sessions,
        rounds.time("renewed"),
    ):
        begin = perf_counter()  # the first lines are read before the session opens
        await bring_in(house, vendor, path)
    rounds.add("staged", staging.ends[0] - begin)
    rounds.add("committed", sessions.ends[0] - begin)
    rounds.add("counted", counting.total)
