"""Writer of lines. No I/O."""

from collections.abc import Iterable, Sequence

from gateway.regulation.formats.format import ReportFormat
from gateway.regulation.layouts import SZSE_2010
from gateway.regulation.written import LineEnd

__all__ = ["LineEnd", "line", "lines"]


def line(values: Sequence[str | None], report_format: ReportFormat = SZSE_2010) -> str:
    """Join a line's values, the format's mark for a missing one.

    Raise ValueError rather than write a bad one.
    """
    missing = report_format.missing
    return report_format.line([missing if value is None else value for value in values])


def lines(
    rows: Iterable[Sequence[str | None]],
    end: LineEnd = LineEnd.LF,
    report_format: ReportFormat = SZSE_2010,
) -> str:
    """Write rows as lines, each with its end."""
    return "".join(line(row, report_format) + end.value for row in rows)
