"""`licences`: who may deal in what, how long and how."""

from datetime import date

from gateway.errors import NotFound
from gateway.records.keyset import Page
from gateway.records.licences import LicenceFilter, licence_page
from gateway.regulation.codes import UsageMode
from gateway.schema.context import Info
from gateway.schema.licence import Licence, LicenceConnection
from gateway.schema.pages import Slice
from gateway.schema.selection import selected

_ORDER = ("VENDOR ASC", "PRODUCT ASC", "VALID_FROM ASC")


async def licences(
    info: Info,
    vendors: list[str] | None = None,
    products: list[str] | None = None,
    valid_on: date | None = None,
    usage_modes: list[UsageMode] | None = None,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> LicenceConnection:
    """Return a page of the licences in scope, by vendor, product and first day."""
    context = info.context
    scope = context.scope.narrow(vendors=vendors, products=products)
    wanted = LicenceFilter(valid_on=valid_on, usage_modes=usage_modes)
    paging = Page.asked(first, after, last, before)
    total = "totalCount" in selected(info).names()
    found = await context.ask(licence_page(scope, wanted, paging, total=total))
    return LicenceConnection(part=Slice.of(found, _ORDER, paging))


async def licence(info: Info, vendor: str, product: str, start: date) -> Licence | None:
    """Return one licence in scope; null for any other."""
    try:
        scope = info.context.scope.narrow(vendors=[vendor], products=[product])
    except NotFound:
        return None
    wanted = LicenceFilter(valid_from=start)
    found = await info.context.ask(licence_page(scope, wanted, Page(first=1), total=False))
    return next((Licence(row=row) for row in found["rows"]), None)
