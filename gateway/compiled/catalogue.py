"""Vendors and products in JSON text: lists, and single ones by code, name or id."""

from typing import Any

from sqlalchemy import func

from gateway.compiled.lists import Connection, connection, paged
from gateway.compiled.objects import Row, written
from gateway.compiled.request import Request
from gateway.compiled.text import NULL, Json, number, raw
from gateway.kinds import TEXT
from gateway.recording import present
from gateway.records.catalogue_lists import (
    product_rows,
    product_total,
    vendor_rows,
    vendor_total,
)
from gateway.records.keyset import Page
from gateway.records.rows import Rows
from gateway.resolvers.catalogue import one_product, one_vendor
from gateway.schema.selection import Selected


def vendors(request: Request, selected: Selected) -> Json:
    """Return the root field `vendors`."""
    return _listed(request, selected, "Vendor")


def products(request: Request, selected: Selected) -> Json:
    """Return the root field `products`."""
    return _listed(request, selected, "Product")


def vendor(request: Request, selected: Selected) -> Json:
    """Return the root field `vendor`."""
    return vendor_by_code(request, selected.arguments["code"], selected.below)


def vendor_by_code(request: Request, code: str, selection: list[Selected]) -> Json:
    """Return a vendor, or null outside the scope."""
    scope = one_vendor(request.scope, code)
    if scope is None:
        return NULL
    return only("Vendor", selection, vendor_rows(scope, None, Page(first=1, peeks=False)))


def product_by_name(request: Request, name: str, selection: list[Selected]) -> Json:
    """Return a product, or null outside the scope."""
    scope = one_product(request.scope, name)
    if scope is None:
        return NULL
    return only("Product", selection, product_rows(scope, None, Page(first=1, peeks=False)))


def only(kind: str, selection: list[Selected], rows: Rows) -> Json:
    """Return the object of the only row, or null without one."""
    json = written(kind, selection, Row(rows.values(rows.page)))
    found = rows.select(rows.page, json.text).scalar_subquery()
    return raw(func.coalesce(found, NULL.text, type_=TEXT))


def _listed(request: Request, selected: Selected, node: str) -> Json:
    rows_of, total = (
        (vendor_rows, vendor_total) if node == "Vendor" else (product_rows, product_total)
    )
    given = selected.arguments
    search = present(given.get("search"))
    ends: list[Any] = [given.get(name) for name in ("first", "after", "last", "before")]
    paging = Page.asked(*ends)
    rows = rows_of(request.scope, search, paged(paging, selected))
    what = Connection(
        f"{node}Connection",
        node,
        lambda row: Row(rows.values(row)),
        {"totalCount": lambda *_: number(total(request.scope, search))},
    )
    return raw(connection(what, selected, rows))
