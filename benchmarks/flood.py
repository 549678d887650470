"""One tenant's flood, and what another feels of it: `python -m benchmarks.flood --rows 1000000`.

A vendor asks for pages over one connection, alone, and while the data company asks for all that it
can over many: pages, figures, and pages by documents that are all new to the server. Told are the
vendor's p50 and p99 in both, and the ratio of the p99: rounds' medians.
"""

import argparse
import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import built
from benchmarks.answering import compare, ready
from benchmarks.asked import EVERYONE, Case, Users
from benchmarks.house import embedded
from benchmarks.load import Plan, Prepared, Seen, drive
from benchmarks.measure import Cell, table
from benchmarks.peers.gateway import Gateway, operation
from benchmarks.peers.peer import Caller, Request
from gateway.compiled.operations import MOST_DOCUMENTS

_BEFORE, _WARM_UP = 2.0, 0.5


def _by_tenant(every: list[Case]) -> tuple[list[Case], list[Case]]:
    """Return cases of single vendors, and those of the data company over all of them."""
    mine = [case for case in every if all(one.who != EVERYONE for one in case.requests)]
    return mine, [case for case in every if all(one.who == EVERYONE for one in case.requests)]


def _new_documents(peer: Gateway, caller: Caller) -> list[Prepared]:
    """Return requests whose documents are forgotten before they come again."""
    query, variables = operation(Users(EVERYONE, 50))
    found = []
    for number in range(MOST_DOCUMENTS + 200):
        document = query.replace("users(", f"u{number}: users(", 1)
        named = {"Authorization": f"Bearer {caller.key}", "Gateway_Purpose": "benchmark"}
        request = Request.graphql(document, variables, **named)
        found.append(Prepared(request.message(), len(peer.ask(request))))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="records in the market")
    parser.add_argument("--keep", type=Path, help="a directory to build the market in, or to use")
    parser.add_argument("--seconds", type=float, default=5, help="how long the vendor asks")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=48, help="of the flood")
    given = parser.parse_args()
    rows: list[list[Cell]] = []
    with embedded(given.keep) as place, TemporaryDirectory(prefix="flood-") as scratch:
        built.ensure(place, given.rows)
        callers, every = asyncio.run(ready(place))
        mine, theirs = _by_tenant(every)
        peer = Gateway(place.service, Path(scratch))
        asked = [one for case in (*mine, *theirs) for one in case.requests]
        peer.prepare(asked, callers)
        with peer.running(), ThreadPoolExecutor(1) as aside:
            peer.learn(asked, callers)
            waves = {flood.text: compare([peer], flood, callers)[peer.name] for flood in theirs}
            waves["50 users of all vendors, each by a new document"] = _new_documents(
                peer, callers[EVERYONE]
            )
            for text, wave in waves.items():
                quiet = mine[0]
                requests = compare([peer], quiet, callers)[peer.name]
                plan = Plan(peer.port, requests, 1, _WARM_UP, given.seconds)
                alone: list[Seen] = []
                beside: list[Seen] = []
                for _ in range(given.rounds):
                    alone.append(drive(plan))
                    whole = _BEFORE + _WARM_UP + given.seconds + 1
                    coming = aside.submit(
                        drive, Plan(peer.port, wave, given.connections, 0.1, whole)
                    )
                    time.sleep(_BEFORE)
                    beside.append(drive(plan))
                    coming.result()
                ratio = median(
                    one.p99 / other.p99 for one, other in zip(beside, alone, strict=True)
                )
                rows.append([text, _times(alone), _times(beside), ratio])
                print(rows[-1], flush=True)
    titles = ("the flood", "alone, ms p50 / p99", "beside it", "p99 ×")
    print(table(f"A vendor's page beside {given.connections} connections of another", titles, rows))


def _times(seen: list[Seen]) -> str:
    return f"{median(one.p50 for one in seen):.1f} / {median(one.p99 for one in seen):.1f}"


if __name__ == "__main__":
    main()
