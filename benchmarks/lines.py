"""Files to measure with: a fictitious vendor's roster in the statutory eleven columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.config.clock import today
from gateway.demo.market import BASIC, ENHANCED, DemoVendor, roster
from gateway.regulation.codes import UsageMode
from gateway.regulation.layouts import DOWNLOAD, SEPARATOR

PRODUCTS = tuple(sorted((ENHANCED, BASIC)))
"""In the order in which they are added, so that a product's number sorts as its place here."""

_USER, _START, _PRODUCT, _MODE, _CONTACT = (
    DOWNLOAD.names.index(name)
    for name in ("user_id", "start_date", "product", "usage_mode", "contact")
)


def lines_of(code: str, rows: int) -> list[str]:
    """Return exactly so many lines of a vendor, in the order of its records' keys."""
    vendor = DemoVendor(code, f"{code}信息有限公司", (ENHANCED, BASIC), rows)
    twelve = (line for line, _ in zip(roster(vendor, today()), range(rows), strict=False))
    return [line.rpartition(SEPARATOR)[0] for line in twelve]


def key(line: str) -> tuple[str, int, int, str]:
    """Return what an export of freshly imported records is sorted by."""
    values = line.split(SEPARATOR)
    mode = UsageMode.texts()[values[_MODE]]
    return values[_USER], PRODUCTS.index(values[_PRODUCT]), int(mode), values[_START]


def changed(lines: Sequence[str], every: int, contact: str) -> Iterator[str]:
    """Yield all lines, each so-manieth with another contact."""
    for number, line in enumerate(lines):
        if number % every:
            yield line
        else:
            values = line.split(SEPARATOR)
            values[_CONTACT] = contact
            yield SEPARATOR.join(values)


@dataclass(frozen=True, slots=True)
class Files:
    """The roster; only its changed lines; and the roster with other changed lines in it."""

    whole: Path
    delta: Path
    next_whole: Path
    users: int
    size: int

    @classmethod
    def write(cls, place: Path, code: str, rows: int) -> "Files":
        lines = lines_of(code, rows)
        users = len({line.partition(SEPARATOR)[0] for line in lines})
        whole = put(place / "whole.txt", lines)
        return cls(
            whole,
            put(place / "delta.txt", list(changed(lines, 100, "新联系人"))[::100]),
            put(place / "next.txt", changed(lines, 100, "又一联系人")),
            users,
            whole.stat().st_size,
        )


def put(path: Path, lines: Iterator[str] | Sequence[str], encoding: str = "utf-8") -> Path:
    """Write lines to a file; return its path."""
    with path.open("w", encoding=encoding, newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
    return path
