"""Answers per second, beside PostGraphile: `python -m benchmarks.answering --rows 10000000`.

Four servers stand on one database, one process and one worker each: PostGraphile, a plain server
of Strawberry and SQLAlchemy, the gateway, and the floor, which runs the gateway's own SQL and does
nothing else. All read under row-level security. Before anything is timed, each answers each
request, and the answers have to be the same rows. Then rounds: within each, every server in turn is
asked for some seconds by the same load generator. Numbers are medians of the rounds.
"""

import argparse
import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from sqlalchemy import select

from benchmarks import built
from benchmarks.asked import EVERYONE, VENDORS, Case, cases, middle
from benchmarks.bars import Group, picture
from benchmarks.house import Place, embedded, whole_scope
from benchmarks.load import Plan, Prepared, Seen, drive
from benchmarks.measure import Cell, table
from benchmarks.peers.floor import Floor
from benchmarks.peers.gateway import Gateway
from benchmarks.peers.peer import Caller, Callers, Peer
from benchmarks.peers.plain import Plain
from benchmarks.peers.postgraphile import PostGraphile
from benchmarks.peers.unlogged import Synchronous, Unguarded, Unlogged
from gateway.app.house import House
from gateway.catalogue.models import Licensor
from gateway.tenancy.admission import Admissions
from gateway.tenancy.issue import Holder, issue
from gateway.tenancy.operator import OperatorSession, open_operator
from gateway.tenancy.principal import Role

CONNECTIONS = (1, 16)
SERVERS = (PostGraphile.name, Plain.name, Gateway.name, Floor.name)
PEERS: Mapping[str, type[Peer]] = {
    kind.name: kind
    for kind in (PostGraphile, Plain, Gateway, Floor, Unguarded, Unlogged, Synchronous)
}
_COLOURS = {
    PostGraphile.name: "#5b8def",
    Plain.name: "#e0a03c",
    Gateway.name: "#2da44e",
    Floor.name: "#9aa4ae",
}
_FIGURES_SQL = Path(__file__).parent / "peers" / "figures.sql"
_PICTURE = Path(__file__).parent / "answering.svg"
_WARM_UP = 1.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to measure, and how long."""

    servers: Sequence[str]
    only: Sequence[str]
    seconds: float
    rounds: int


@dataclass(slots=True)
class Results:
    """What was seen: case, server and connections -> one for each round; and memory after it."""

    seen: dict[tuple[str, str, int], list[Seen]] = field(default_factory=dict)
    resident: dict[str, int] = field(default_factory=dict)

    def rate(self, case: str, server: str, connections: int) -> float:
        return median(one.rate for one in self.seen[case, server, connections])

    def times(self, case: str, server: str, connections: int) -> str:
        """Return the medians of the rounds' p50 and p99."""
        seen = self.seen[case, server, connections]
        return f"{median(one.p50 for one in seen):.1f} / {median(one.p99 for one in seen):.1f}"

    def ratio(self, case: str, server: str, base: str, connections: int) -> float:
        """Return the median of each round's ratio."""
        pairs = zip(
            self.seen[case, server, connections], self.seen[case, base, connections], strict=True
        )
        return median(one.rate / other.rate for one, other in pairs)


async def ready(place: Place) -> tuple[Callers, list[Case]]:
    """Count figures, issue keys, and look up what the requests vary by."""
    async with place.gateway() as house:
        await built.count(house)
        keys = await keys_of(house, VENDORS)
        admissions = Admissions(house.service)
        callers = {
            who: Caller(key, await admissions.admit(f"Bearer {key}")) for who, key in keys.items()
        }
    async with place.postgres() as postgres:
        await postgres.execute(_FIGURES_SQL.read_text())
        return callers, cases(await middle(postgres))


async def keys_of(house: House, vendors: Sequence[str]) -> dict[str, str]:
    """Issue a key to the licensor, for everyone, and to each of the vendors, good for a day."""
    numbers = {code: number for number, code in (await whole_scope(house)).vendors.items()}
    async with open_operator(house.security, "benchmark") as session:
        keys = {EVERYONE: await _key(session, await _licensor(session), Role.LICENSOR_ANALYST)}
        for code in vendors:
            holder = Holder(vendor_id=numbers[code])
            keys[code] = await _key(session, holder, Role.VENDOR_OPERATOR)
    return keys


async def _licensor(session: OperatorSession) -> Holder:
    number = (await session.execute(select(Licensor.table().c.licensor_id))).scalars().one()
    return Holder(licensor_id=number)


async def _key(session: OperatorSession, holder: Holder, role: Role) -> str:
    key, _ = await issue(session, holder, role, days=1)
    return key.text


def compare(peers: Sequence[Peer], asked: Case, callers: Callers) -> dict[str, list[Prepared]]:
    """Have each server answer each request; AssertionError unless all give the same rows."""
    prepared: dict[str, list[Prepared]] = {peer.name: [] for peer in peers}
    for one in asked.requests:
        answers: dict[str, Any] = {}
        for peer in peers:
            request = peer.request(one, callers[one.who])
            body = peer.ask(request)
            answers[peer.name] = peer.read(one, orjson.loads(body))
            prepared[peer.name].append(Prepared(request.message(), len(body)))
        first, *others = peers
        expected = answers[first.name]
        if not expected.rows:
            raise AssertionError(f"{one}: {first.name} gives no rows")
        for other in others:
            if answers[other.name] != expected:
                raise AssertionError(
                    f"{one}: {other.name} differs from {first.name}\n"
                    f"{_difference(answers[other.name].rows, expected.rows)}"
                )
    return prepared


def _difference(rows: list[Any], expected: list[Any]) -> str:
    for number, (one, other) in enumerate(zip(rows, expected, strict=False)):
        if one != other:
            return f"row {number}: {one}\nnot {other}"
    return f"{len(rows)} rows, not {len(expected)}, or the end is told otherwise"


def measure(place: Place, wanted: Wanted, directory: Path) -> tuple[list[Case], Results]:
    """Start the servers, compare their answers, and drive them round by round."""
    callers, every = asyncio.run(ready(place))
    chosen = [case for case in every if not wanted.only or case.name in wanted.only]
    asked = [one for case in chosen for one in case.requests]
    peers = [PEERS[name](place.service, directory) for name in wanted.servers]
    results = Results()
    with ExitStack() as stack:
        for peer in peers:
            peer.prepare(asked, callers)
            stack.enter_context(peer.running())
            peer.learn(asked, callers)
        prepared = {case.name: compare(peers, case, callers) for case in chosen}
        print("all give the same rows", flush=True)
        for number in range(wanted.rounds):
            for case in chosen:
                for connections in CONNECTIONS:
                    # each round begins with another server: none always follows the same one
                    turn = number % len(peers)
                    for peer in [*peers[turn:], *peers[:turn]]:
                        requests = prepared[case.name][peer.name]
                        plan = Plan(peer.port, requests, connections, _WARM_UP, wanted.seconds)
                        seen = drive(plan)
                        key = (case.name, peer.name, connections)
                        results.seen.setdefault(key, []).append(seen)
                        print(
                            f"round {number + 1}, {case.name}, c={connections}, {peer.name}: "
                            f"{seen.rate:.0f}/s, {seen.p50:.2f} ms, {seen.p99:.2f} ms, "
                            f"asking {seen.cpu:.3f} ms",
                            flush=True,
                        )
        results.resident = {peer.name: peer.resident() for peer in peers}
    return chosen, results


def report(chosen: Sequence[Case], results: Results, wanted: Wanted) -> str:
    """Write tables of rates and of times for each number of connections, and one of memory."""
    titles = [PEERS[server].title for server in wanted.servers]
    held = [base for base in (PostGraphile, Floor) if base.name in wanted.servers]
    own = Gateway.name in wanted.servers
    ratios = [f"the gateway × {base.title}" for base in held] if own else []
    parts = []
    for connections in CONNECTIONS:
        rates: list[list[Cell]] = []
        times: list[list[Cell]] = []
        for case in chosen:
            rate = [results.rate(case.name, server, connections) for server in wanted.servers]
            ratio = [
                results.ratio(case.name, Gateway.name, base.name, connections)
                for base in held
                if own
            ]
            rates.append([case.text, *rate, *ratio])
            time = [results.times(case.name, server, connections) for server in wanted.servers]
            times.append([case.text, *time])
        asked = f"{connections} connection{'s' if connections > 1 else ''}"
        parts.append(table(f"Requests/s, {asked}", ("", *titles, *ratios), rates))
        parts.append(table(f"Milliseconds, p50 / p99, {asked}", ("", *titles), times))
    memory = [(PEERS[name].title, size / 1e6) for name, size in results.resident.items()]
    parts.append(table("Resident memory afterwards", ("", "MB"), memory))
    return "\n".join(parts)


def draw(chosen: Sequence[Case], results: Results, wanted: Wanted) -> str:
    """Draw the rates as SVG."""
    columns = []
    for connections in CONNECTIONS:
        groups = [
            Group(
                case.text,
                {
                    PEERS[server].title: results.rate(case.name, server, connections)
                    for server in wanted.servers
                },
            )
            for case in chosen
        ]
        asked = f"{connections} connections" if connections > 1 else "One connection"
        columns.append((asked, groups))
    colours = {PEERS[server].title: _COLOURS[server] for server in wanted.servers}
    return picture(columns, colours, "/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="records in the market")
    parser.add_argument("--keep", type=Path, help="a directory to build the market in, or to use")
    parser.add_argument("--seconds", type=float, default=3, help="how long each is asked")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", default=[], help="a case; may be repeated")
    parser.add_argument(
        "--servers",
        default=",".join(SERVERS),
        type=lambda given: [PEERS[name].name for name in given.split(",")],
        help=f"of {', '.join(PEERS)}, divided by commas",
    )
    parser.add_argument("--picture", type=Path, default=_PICTURE, help="where to draw it")
    given = parser.parse_args()
    wanted = Wanted(given.servers, given.only, given.seconds, given.rounds)
    with embedded(given.keep) as place, TemporaryDirectory(prefix="answering-") as scratch:
        built.ensure(place, given.rows)
        before = os.getloadavg()[0]
        chosen, results = measure(place, wanted, Path(scratch))
        print(f"\nload before the start: {before:.1f}\n\n{report(chosen, results, wanted)}")
        given.picture.write_text(draw(chosen, results, wanted))


if __name__ == "__main__":
    main()
