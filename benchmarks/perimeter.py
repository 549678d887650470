"""What the perimeter costs: `python -m benchmarks.perimeter --rows 1000000`.

The gateway as it is, one without any perimeter, one without the log of accesses, and one whose
answers wait for the log stand on one database, and are asked in turn as in `benchmarks.answering`.
Ratios are the rounds' medians.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import built
from benchmarks.answering import CONNECTIONS, Wanted, measure
from benchmarks.house import embedded
from benchmarks.measure import Cell, table
from benchmarks.peers.gateway import Gateway
from benchmarks.peers.unlogged import Synchronous, Unguarded, Unlogged

PEERS = (Unguarded, Unlogged, Gateway, Synchronous)
RATIOS = ((Gateway, Unguarded), (Gateway, Unlogged), (Synchronous, Unlogged))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="records in the market")
    parser.add_argument("--keep", type=Path, help="a directory to build the market in, or to use")
    parser.add_argument("--seconds", type=float, default=3, help="how long each is asked")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", default=[], help="a case; may be repeated")
    given = parser.parse_args()
    wanted = Wanted([one.name for one in PEERS], given.only, given.seconds, given.rounds)
    with embedded(given.keep) as place, TemporaryDirectory(prefix="perimeter-") as scratch:
        built.ensure(place, given.rows)
        chosen, results = measure(place, wanted, Path(scratch))
    for connections in CONNECTIONS:
        rows: list[list[Cell]] = []
        for case in chosen:
            rates = [results.rate(case.name, one.name, connections) for one in PEERS]
            ratios = [
                results.ratio(case.name, one.name, other.name, connections) for one, other in RATIOS
            ]
            rows.append([case.text, *rates, *ratios])
        titles = ("", *(one.title for one in PEERS), "gateway / none ×", "logged ×", "waiting ×")
        print(table(f"Requests/s, connections: {connections}", titles, rows))


if __name__ == "__main__":
    main()
