"""Exports, each in a process of its own so that its memory is seen, against COPY and a cursor."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from time import perf_counter

from benchmarks import floors
from benchmarks.house import Place, whole_scope
from benchmarks.measure import ROUNDS, Memory, Rounds, table
from gateway.delimited.encoding import TextEncoding
from gateway.exports.requests import UserExport, run_export
from gateway.exports.stream import Form

_MB = 1e6


@dataclass(frozen=True, slots=True)
class Exported:
    """What came out, how long it took, and how far memory grew and where it peaked, in bytes."""

    rows: int
    size: int
    seconds: float
    growth: int
    peak: int


Way = Callable[[Place, str, TextEncoding], Awaitable[Exported]]


class _Counter:
    """A sink that counts bytes."""

    def __init__(self) -> None:
        self.size = 0

    async def __call__(self, data: bytes) -> None:
        self.size += len(data)


async def _measured(export: Callable[[_Counter], Awaitable[int]]) -> Exported:
    sink, memory, begin = _Counter(), Memory(), perf_counter()
    rows = await export(sink)
    return Exported(rows, sink.size, perf_counter() - begin, memory.growth, memory.peak)


async def gateway(place: Place, vendor: str, encoding: TextEncoding) -> Exported:
    async with place.gateway() as house:
        scope = await whole_scope(house)
        async with house.service.connect():  # so that the pool has one, as a server's has
            pass

        async def export(sink: _Counter) -> int:
            wanted, form = UserExport(vendors=(vendor,)), Form(encoding)
            return (await run_export(house.service, scope, wanted, form, sink)).rows

        return await _measured(export)


async def copy(place: Place, vendor: str, encoding: TextEncoding) -> Exported:
    return await _floor(floors.copy_out, place, vendor, encoding)


async def cursor(place: Place, vendor: str, encoding: TextEncoding) -> Exported:
    return await _floor(floors.cursor_out, place, vendor, encoding)


async def _floor(
    write: Callable[..., Awaitable[int]], place: Place, vendor: str, encoding: TextEncoding
) -> Exported:
    async with place.postgres() as postgres:
        number = await postgres.fetchval("SELECT vendor_id FROM vendors WHERE code = $1", vendor)
        await postgres.execute("SET work_mem = '64MB'")  # as the gateway's exports have
        return await _measured(lambda sink: write(postgres, number, encoding.value, sink))


def measure_export(place: Place, vendor: str) -> str:
    """Return the table of exports."""
    rounds = Rounds()
    last: dict[str, Exported] = {}
    growth: dict[str, list[int]] = defaultdict(list)
    for _ in range(ROUNDS):
        for encoding in TextEncoding:
            for way in (copy, gateway, cursor):
                what = f"{way.__name__} {encoding.value}"
                last[what] = _alone(way, place, vendor, encoding)
                rounds.add(what, last[what].seconds)
                growth[what].append(last[what].growth)
    names = {
        "copy": "COPY of the plain columns",
        "gateway": "export",
        "cursor": "server cursor, joined in Python",
    }
    goals = {"gateway": ("≥ 0.9", "≤ 80"), "cursor": ("≤ 0.25", "")}
    return table(
        "Export",
        (
            "",
            "seconds",
            "k rows/s",
            "MB",
            "speed against COPY",
            "goal",
            "memory grows by, MB",
            "goal, MB",
        ),
        (
            (
                f"{names[way]}, {encoding.name}",
                rounds.seconds(what),
                last[what].rows / rounds.seconds(what) / 1000,
                last[what].size / _MB,
                rounds.speed(what, f"copy {encoding.value}"),
                goals.get(way, ("", ""))[0],
                max(growth[what]) / _MB,
                goals.get(way, ("", ""))[1],
            )
            for encoding in TextEncoding
            for way in names
            for what in (f"{way} {encoding.value}",)
        ),
    )


def _alone(export: Way, place: Place, vendor: str, encoding: TextEncoding) -> Exported:
    """Run an export in a new process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_run, export, place, vendor, encoding).result()


def _run(export: Way, place: Place, vendor: str, encoding: TextEncoding) -> Exported:
    async def work() -> Exported:
        return await export(place, vendor, encoding)

    return asyncio.run(work())
