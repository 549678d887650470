"""Vendors and products in scope as one SQL statement each, in JSON, like `records.users.page`."""

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import ColumnElement, FromClause, ScalarSelect, Text, func, null, or_, select

from gateway.catalogue.licensors import licensor_text
from gateway.catalogue.models import Product, Vendor
from gateway.recording import decide, derive, param
from gateway.records.filters import ascii_lower
from gateway.records.keyset import Direction, Key, Page, beyond, bounds, ordering, places
from gateway.records.rows import Rows, json_array
from gateway.tenancy.scope import AnyScope


def vendor_keys(rows: FromClause) -> list[Key]:
    """Return the order of vendors: by code."""
    return [Key("CODE", rows.c.code, Text, Direction.ASC)]


def product_keys(rows: FromClause) -> list[Key]:
    """Return the order of products: by name."""
    return [Key("NAME", rows.c.name, Text, Direction.ASC)]


def vendor_page(
    scope: AnyScope, search: str | None, paging: Page, *, total: bool
) -> ScalarSelect[Any]:
    """Return the vendors whose code begins with the text or whose name contains it."""
    return _page(vendor_rows(scope, search, paging), vendor_total(scope, search) if total else None)


def product_page(
    scope: AnyScope, search: str | None, paging: Page, *, total: bool
) -> ScalarSelect[Any]:
    """Return the products whose name contains the text."""
    return _page(
        product_rows(scope, search, paging), product_total(scope, search) if total else None
    )


def vendor_rows(scope: AnyScope, search: str | None, paging: Page) -> Rows:
    """Return a page's vendors."""
    return _rows(Vendor.table(), vendor_keys, scope, search, paging)


def product_rows(scope: AnyScope, search: str | None, paging: Page) -> Rows:
    """Return a page's products."""
    return _rows(Product.table(), product_keys, scope, search, paging)


def vendor_total(scope: AnyScope, search: str | None) -> ScalarSelect[int]:
    """Return how many vendors there are."""
    return _total(Vendor.table(), scope, search)


def product_total(scope: AnyScope, search: str | None) -> ScalarSelect[int]:
    """Return how many products there are."""
    return _total(Product.table(), scope, search)


def _page(rows: Rows, total: ScalarSelect[int] | None) -> ScalarSelect[Any]:
    values = {"place": rows.place(rows.page), **rows.values(rows.page)}
    document = func.json_build_object(*(part for pair in values.items() for part in pair))
    listed = rows.select(rows.page, json_array(document, *ordering(rows.keys(rows.page))))
    number = null() if total is None else total
    return select(
        func.json_build_object("total", number, "rows", listed.scalar_subquery())
    ).scalar_subquery()


def _rows(
    table: FromClause,
    keys_of: Callable[[FromClause], list[Key]],
    scope: AnyScope,
    search: str | None,
    paging: Page,
) -> Rows:
    keys = keys_of(table)
    inner = (
        select(*table.c)
        .where(
            *_conditions(table, scope, search),
            *beyond(keys, bounds(keys, paging, scope)),
        )
        .order_by(*ordering(keys, backward=paging.backward))
        .limit(paging.limit)
        .subquery("page")
    )

    def values(row: FromClause) -> dict[str, ColumnElement[Any]]:
        if "code" in table.c:
            return {"vendor_code": row.c.code, "vendor_name": row.c.name}
        return {
            "product_name": row.c.name,
            "licensor_code": licensor_text(row, "code"),
            "licensor_name": licensor_text(row, "name"),
        }

    return Rows(inner, paging, keys_of, lambda row: places(keys_of(row)), values)


def _total(table: FromClause, scope: AnyScope, search: str | None) -> ScalarSelect[int]:
    where = _conditions(table, scope, search)
    return select(func.count()).select_from(table).where(*where).scalar_subquery()


def _conditions(
    table: FromClause, scope: AnyScope, search: str | None
) -> Iterator[ColumnElement[bool]]:
    yield scope.covers(table)
    if search is not None and decide(bool, search):
        term = param(derive(ascii_lower, search), Text)
        matches = [func.strpos(func.lower(table.c.name), term) > 0]
        if "code" in table.c:
            matches.append(func.starts_with(func.lower(table.c.code), term))
        yield or_(*matches)
