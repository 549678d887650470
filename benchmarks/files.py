"""What `||` files cost: check, import, export and monthly figures, against floors.

`python -m benchmarks.files --rows 1000000` prints Markdown tables. Nothing asserts a time.
"""

import argparse
import asyncio
import sys

from benchmarks.checking import measure_check
from benchmarks.counting import measure_figures
from benchmarks.exporting import measure_export
from benchmarks.house import Place, embedded, found
from benchmarks.importing import measure_import
from benchmarks.lines import Files
from benchmarks.measure import Rounds, facts

_VENDOR = "BENCH"


def main() -> None:
    rows = rows_wanted(__doc__)
    with embedded() as place:
        files = Files.write(place.directory, _VENDOR, rows)
        print(facts(asyncio.run(place.version()), rows, files.users, files.size))
        print(measure_check(files.whole, rows), flush=True)
        asyncio.run(_in_house(place, files, rows))


async def _in_house(place: Place, files: Files, rows: int) -> None:
    rounds = Rounds()
    async with place.gateway() as house:
        await found(house, [_VENDOR])
        print(await measure_import(place, house, _VENDOR, files, rows, rounds), flush=True)
        exported = asyncio.to_thread(measure_export, place, _VENDOR)
        print(await exported, flush=True)
        print(await measure_figures(place, house, _VENDOR, rows, rounds), flush=True)


def rows_wanted(description: str | None) -> int:
    """Read `--rows` from the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rows", type=int, default=200_000, help="lines of the file")
    rows = parser.parse_args().rows
    if rows < 1000:
        sys.exit("--rows: 1000 or more")
    return int(rows)


if __name__ == "__main__":
    main()
