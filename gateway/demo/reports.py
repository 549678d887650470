"""The vendors' reports in the demo, in the format of the data company that each is for."""

from collections.abc import Iterator
from datetime import date
from importlib.resources import files
from typing import Final

from gateway.catalogue.formats import add_format
from gateway.demo import irregular, market
from gateway.regulation.fields import Kind
from gateway.regulation.formats.format import ReportFormat
from gateway.regulation.layouts import DOWNLOAD_WITH_STATUS, MISSING, SEPARATOR, SZSE_2010
from gateway.tenancy.operator import OperatorSession

_FORMATS: Final = {"HKEX": "hkex-csv.toml"}
"""Data companies that have their reports in a format of their own."""


async def found_format(session: OperatorSession, licensor: str) -> ReportFormat:
    """Return a data company's format, added to the catalogue if it is its own."""
    if licensor not in _FORMATS:
        return SZSE_2010
    file = _FORMATS[licensor]
    content = files("gateway.demo").joinpath(file).read_text(encoding="utf-8")
    added, _ = await add_format(session, content, file)
    return added


def report(
    vendor: market.DemoVendor, report_format: ReportFormat, today: date, scale: float
) -> Iterator[str]:
    """Yield a vendor's report in a format, line by line."""
    lines = market.roster(vendor, today, scale=scale)
    if report_format is SZSE_2010:
        yield from lines
        if vendor in market.VENDORS:
            yield from irregular.lines(vendor, today)
        return
    yield report_format.header_line(report_format.users)
    for line in lines:
        values = _values(line)
        yield report_format.line(one.text(values[one.name]) for one in report_format.users.fields)


def _values(line: str) -> dict[str, object]:
    """Read a line of the regulation's format."""
    found: dict[str, object] = {}
    for one, text in zip(DOWNLOAD_WITH_STATUS.fields, line.split(SEPARATOR), strict=True):
        if one.kind is Kind.CODE:
            found[one.name] = one.texts[text]
        elif one.kind is Kind.DATE:
            day = None if text in one.opens else one.dates.read(text)
            found[one.name] = None if day is None else day.isoformat()
        else:
            found[one.name] = None if text == MISSING else text
    return found
