"""`vendors`, `vendor`, `products`: the catalogue as far as it is in scope."""

from gateway.catalogue.models import Product as ProductRow
from gateway.catalogue.models import Vendor as VendorRow
from gateway.recording import derive
from gateway.records.catalogue_lists import product_keys, product_page, vendor_keys, vendor_page
from gateway.records.keyset import Page
from gateway.schema.context import Info
from gateway.schema.pages import Slice, order_names
from gateway.schema.product import Product, ProductConnection
from gateway.schema.selection import selected
from gateway.schema.vendor import Vendor, VendorConnection
from gateway.tenancy.scope import AnyScope


async def vendors(
    info: Info,
    search: str | None = None,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> VendorConnection:
    """Return a page of the vendors in scope, by code."""
    paging = Page.asked(first, after, last, before)
    total = "totalCount" in selected(info).names()
    found = await info.context.ask(vendor_page(info.context.scope, search, paging, total=total))
    names = order_names(vendor_keys(VendorRow.table()))
    return VendorConnection(part=Slice.of(found, names, paging))


async def vendor(info: Info, code: str) -> Vendor | None:
    """Return one vendor in scope; null for any other code."""
    scope = one_vendor(info.context.scope, code)
    if scope is None:
        return None
    found = await info.context.ask(vendor_page(scope, None, Page(first=1), total=False))
    return next((Vendor(row=row) for row in found["rows"]), None)


async def products(
    info: Info,
    search: str | None = None,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> ProductConnection:
    """Return a page of the products in scope, by name."""
    paging = Page.asked(first, after, last, before)
    total = "totalCount" in selected(info).names()
    found = await info.context.ask(product_page(info.context.scope, search, paging, total=total))
    names = order_names(product_keys(ProductRow.table()))
    return ProductConnection(part=Slice.of(found, names, paging))


async def product(info: Info, name: str) -> Product | None:
    """Return one product in scope; null for any other name."""
    scope = one_product(info.context.scope, name)
    if scope is None:
        return None
    found = await info.context.ask(product_page(scope, None, Page(first=1), total=False))
    return next((Product(row=row) for row in found["rows"]), None)


def one_vendor(scope: AnyScope, code: str) -> AnyScope | None:
    """Return the part of the scope of one vendor; None for one outside of it."""
    codes = derive(_alone, code)
    return scope.narrow(vendors=codes) if scope.reaches(vendors=codes) else None


def one_product(scope: AnyScope, name: str) -> AnyScope | None:
    """Return the part of the scope of one product; None for one outside of it."""
    names = derive(_alone, name)
    return scope.narrow(products=names) if scope.reaches(products=names) else None


def _alone(name: str) -> list[str]:
    return [name]
