"""Writer of `||` lines. No I/O."""

from collections.abc import Iterable, Sequence
from enum import Enum

from gateway.regulation.layouts import MISSING, SEPARATOR
from gateway.regulation.text import fault


class LineEnd(Enum):
    """A line end of files; the value is its characters."""

    LF = "\n"
    CRLF = "\r\n"


def line(values: Sequence[str | None]) -> str:
    """Join a line's values, `0` for a missing one; raise ValueError rather than write a bad one."""
    cells = [MISSING if value is None else value for value in values]
    for cell in cells:
        if broken := fault(cell):
            raise ValueError(f"{cell!r} can't stand in a || line: {broken}")
    return SEPARATOR.join(cells)


def lines(rows: Iterable[Sequence[str | None]], end: LineEnd = LineEnd.LF) -> str:
    """Write rows as lines, each with its end."""
    return "".join(line(row) + end.value for row in rows)
