"""A second data company in the demo: its product is reported in a format of its own."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from importlib.resources import files
from typing import Final

from gateway.catalogue import registry
from gateway.catalogue.formats import add_format
from gateway.demo import market
from gateway.regulation.fields import Kind
from gateway.regulation.formats.format import ReportFormat
from gateway.regulation.layouts import DOWNLOAD_WITH_STATUS, MISSING, SEPARATOR
from gateway.tenancy.operator import OperatorSession

CODE: Final = "HKEX"
PRODUCT: Final = "港股二级行情"
VENDOR: Final = next(one for one in market.VENDORS if one.code == "JHRJ")
_PRICE: Final = Decimal("20.00")
_FORMAT: Final = "hkex-csv.toml"


async def found_second(session: OperatorSession, begin: date) -> ReportFormat:
    """Set up the data company, its format, its product and one vendor's licence."""
    content = files("gateway.demo").joinpath(_FORMAT).read_text(encoding="utf-8")
    added, _ = await add_format(session, content, _FORMAT)
    await registry.add_licensor(session, CODE, "香港交易所", added.code)
    await registry.add_product(session, PRODUCT, CODE)
    await registry.set_price(session, PRODUCT, _PRICE, begin, None)
    await registry.add_licence(session, VENDOR.code, PRODUCT, begin, None)
    return added


def report(report_format: ReportFormat, today: date, scale: float) -> Iterator[str]:
    """Yield the vendor's report: headings, and its users of its first product once more."""
    yield report_format.header_line(report_format.users)
    for line in market.roster(VENDOR, today, scale=scale):
        values = _values(line)
        if values["product"] == VENDOR.products[0]:
            values["product"] = PRODUCT
            fields = report_format.users.fields
            yield report_format.line(one.text(values[one.name]) for one in fields)


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
