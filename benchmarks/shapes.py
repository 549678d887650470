"""Memory of the server under ever new operations: `python -m benchmarks.shapes --requests 20000`.

The gateway's own server is sent documents of so many distinct shapes: other fields, aliases,
filters, sorts and nested lists each time, over and over. What is told is its resident memory as the
requests go by; caches of documents and plans are bounded if it stays where the first round left it.
All shapes in turn are more than the caches hold, so that each request is compiled anew; with
`--together 500` so many are asked again and again before the next ones come.
"""

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import perf_counter

import uvloop

from benchmarks import built
from benchmarks.answering import keys_of
from benchmarks.asked import EVERYONE
from benchmarks.house import Place, embedded
from benchmarks.measure import Cell, table
from benchmarks.peers.gateway import Gateway
from benchmarks.peers.peer import Request

_CONNECTIONS = 4
_SAMPLES = 20

_SCALARS = (
    *("id", "userId", "userName", "userType", "startDate", "endDate", "usageMode"),
    *("contact", "address", "phone", "feeCategory", "serviceStatus"),
)
_OBJECTS = (
    *("vendor { code }", "vendor { code name }", "product { name }"),
    *("product { licensor { code name } }", "otherServices { userId startDate endDate }"),
    *("otherServices { product { name } }", "history { userName recordedFrom batch }"),
)
_COUNTS = (
    *("label", "month", "fullPriceCount", "regulatoryCount", "internalFreeCount", "trialCount"),
    *("newCount", "endedCount", "cancelledCount", "expiredCount", "price", "fee", "provisional"),
    *("vendor { code }", "product { name }", "previousMonth { newCount { change percent } }"),
    "sameMonthLastYear { fee { change } }",
)
_FILTERS = (
    *('search: "szse"', 'userId: { startsWith: "u1" }', 'userName: { contains: "证券" }'),
    *("userTypes: [INSTITUTION]", "feeCategories: [FULL_PRICE, TRIAL]", "usageModes: [WEB]"),
    *("serviceStatuses: [ACTIVE]", 'startFrom: "2022-06-01"', 'endTo: "2026-12-31"'),
    *('startBefore: "2024-01-01"', 'countedIn: "2025-03"'),
)
_SORTS = (
    *("USER_ID", "USER_NAME", "USER_TYPE", "START_DATE", "END_DATE", "PRODUCT"),
    *("SERVICE_STATUS", "FEE_CATEGORY"),
)


def documents(number: int) -> list[str]:
    """Return so many documents, no two alike; the same ones each time."""
    random = Random(7)
    found: dict[str, None] = {}
    while len(found) < number:
        found[_users(random) if random.random() < 0.8 else _figures(random)] = None
    return list(found)


def _users(random: Random) -> str:
    fields = _some(random, _SCALARS, 1, len(_SCALARS)) + _some(random, _OBJECTS, 0, 3)
    filters, sorts = _some(random, _FILTERS, 0, 3), _some(random, _SORTS, 0, 2)
    arguments = [f"first: {random.choice((1, 2, 5))}"]
    if filters:
        arguments.append(f"filter: {{ {', '.join(filters)} }}")
    if sorts:
        keys = (f"{{ field: {one}, direction: {_direction(random)} }}" for one in sorts)
        arguments.append(f"orderBy: [{', '.join(keys)}]")
    rows = " ".join(_aliased(random, fields))
    listed = f"nodes {{ {rows} }}" if random.random() < 0.5 else f"edges {{ node {{ {rows} }} }}"
    ends = random.choice(("", "pageInfo { hasNextPage }", "pageInfo { endCursor }"))
    return f"{{ users({', '.join(arguments)}) {{ {listed} {ends} }} }}"


def _figures(random: Random) -> str:
    rows = " ".join(_aliased(random, _some(random, _COUNTS, 1, 9)))
    month = f"2025-{random.randint(1, 12):02d}"
    return f'{{ monthlyStats(from: "{month}", to: "{month}", first: 10) {{ nodes {{ {rows} }} }} }}'


def _some(random: Random, of: Sequence[str], least: int, most: int) -> list[str]:
    return random.sample(of, random.randint(least, most))


def _direction(random: Random) -> str:
    return random.choice(("ASC", "DESC"))


def _aliased(random: Random, fields: Sequence[str]) -> Iterator[str]:
    for at, one in enumerate(fields):
        # two objects of one name would merge, or not: an alias keeps them apart
        plain = " " not in one and random.random() < 0.7
        yield one if plain else f"a{at}: {one}"


async def _send(port: int, key: str, documents: Iterator[str]) -> None:
    """Send documents over several connections: each takes the next when it has its answer."""
    async with asyncio.TaskGroup() as senders:
        for _ in range(_CONNECTIONS):
            senders.create_task(_send_over_one(port, key, documents))


async def _send_over_one(port: int, key: str, documents: Iterator[str]) -> None:
    """Send documents one by one; AssertionError for one that is not answered well."""
    stated = {"Authorization": f"Bearer {key}", "Gateway_Purpose": "benchmark"}
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for document in documents:
        writer.write(Request.graphql(document, {}, **stated).message())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
        answer = await reader.readexactly(int(length))
        if not head.startswith(b"http/1.1 200 ") or b'"errors":' in answer:
            raise AssertionError(f"{document}\n{head.decode()}{answer[:2000].decode()}")
    writer.close()
    await writer.wait_closed()


def in_turn(made: list[str], requests: int, together: int) -> Iterator[str]:
    """Yield documents, so many together in turn, until the requests are used up."""
    turns = max(1, requests // len(made))
    for begin in cycle(range(0, len(made), together)):
        yield from made[begin : begin + together] * turns


def measure(
    place: Place, requests: int, shapes: int, together: int, directory: Path
) -> list[tuple[Cell, ...]]:
    """Send the requests; return resident memory and speed as they went by."""
    key = asyncio.run(_key(place))
    made = documents(shapes)
    waiting = in_turn(made, requests, together)
    server = Gateway(place.service, directory)
    step = max(1, requests // _SAMPLES)
    with server.running(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_send(server.port, key, iter(made[:20])))
        lines: list[tuple[Cell, ...]] = [(0, server.resident() / 1e6, None)]
        for begin in range(0, requests, step):
            due = min(step, requests - begin)
            started = perf_counter()
            runner.run(_send(server.port, key, islice(waiting, due)))
            rate = due / (perf_counter() - started)
            lines.append((begin + due, server.resident() / 1e6, rate))
            print(*(f"{cell:,.0f}" for cell in lines[-1] if cell is not None), flush=True)
    return lines


async def _key(place: Place) -> str:
    async with place.gateway() as house:
        await built.count(house)
        return (await keys_of(house, ()))[EVERYONE]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--shapes", type=int, default=10_000, help="distinct documents")
    parser.add_argument("--together", type=int, help="documents in turn; all, unless given")
    parser.add_argument("--rows", type=int, default=20_000, help="records in the market")
    parser.add_argument("--keep", type=Path, help="a directory to build the market in, or to use")
    given = parser.parse_args()
    with embedded(given.keep) as place, TemporaryDirectory(prefix="shapes-") as scratch:
        built.ensure(place, given.rows)
        together = given.together or given.shapes
        lines = measure(place, given.requests, given.shapes, together, Path(scratch))
    heads = ("requests", "resident, MB", "requests/s")
    print(f"\n{table(f'Memory over {given.shapes:,} distinct operations', heads, lines)}")


if __name__ == "__main__":
    main()
