"""Import a shuffled file, export it, compare bytes: in UTF-8 and in GB18030.

`python -m benchmarks.round_trip --rows 1000000`; exit code 1 where any byte differs.
"""

import asyncio
import hashlib
import sys
from pathlib import Path
from random import Random
from time import perf_counter

from benchmarks.files import rows_wanted
from benchmarks.house import Place, bring_in, embedded, found, whole_scope
from benchmarks.lines import key, lines_of, put
from gateway.app.house import House
from gateway.delimited.encoding import TextEncoding
from gateway.exports.files import to_file
from gateway.exports.requests import UserExport, run_export
from gateway.exports.stream import Form

_CHUNK = 1 << 20


def main() -> None:
    rows = rows_wanted(__doc__)
    with embedded() as place:
        same = asyncio.run(_both(place, rows))
    sys.exit(0 if same else 1)


async def _both(place: Place, rows: int) -> bool:
    same = True
    async with place.gateway() as house:
        await found(house, [encoding.name for encoding in TextEncoding])
        for encoding in TextEncoding:
            begin = perf_counter()
            difference = await _there_and_back(house, place.directory, encoding, rows)
            seconds = perf_counter() - begin
            found_out = "the same bytes" if difference is None else difference
            print(f"{encoding.name}: {rows:,} lines, {found_out} ({seconds:.0f} s)", flush=True)
            same = same and difference is None
    return same


async def _there_and_back(
    house: House, directory: Path, encoding: TextEncoding, rows: int
) -> str | None:
    """Return how the file that comes back differs, or None."""
    vendor = encoding.name
    lines = lines_of(vendor, rows)
    Random(rows).shuffle(lines)
    given = put(directory / "given.txt", lines, encoding.value)
    expected = put(directory / "expected.txt", sorted(lines, key=key), encoding.value)
    del lines
    outcome = await bring_in(house, vendor, given)
    if outcome.change.added != rows:
        return f"{outcome.change.added} records added"
    scope = await whole_scope(house)
    wanted, form = UserExport(vendors=(vendor,)), Form(encoding)
    back = directory / "back.txt"
    receipt = await to_file(back, lambda sink: run_export(house.service, scope, wanted, form, sink))
    if receipt.rows != rows or receipt.size != expected.stat().st_size:
        return f"{receipt.rows} lines and {receipt.size} bytes come back"
    if receipt.sha256 != hashlib.sha256(back.read_bytes()).hexdigest():
        return "the receipt's digest is not the file's"
    return _first_difference(expected, back)


def _first_difference(one: Path, other: Path) -> str | None:
    with one.open("rb") as this, other.open("rb") as that:
        while (chunk := this.read(_CHUNK)) or that.read(1):
            if chunk != that.read(len(chunk)):
                return f"bytes differ before byte {this.tell()}"
    return None


if __name__ == "__main__":
    main()
