"""Lists of the catalogue as one SQL statement each, in JSON, like `records.users.page`.

Here vendors and products in scope, and what all lists of the catalogue share.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, FromClause, ScalarSelect, func, null, or_, select

from gateway.catalogue.models import Product, Vendor
from gateway.kinds import TEXT
from gateway.recording import decide, derive, param
from gateway.records.filters import ascii_lower
from gateway.records.keyset import Direction, Key, Page, beyond, bounds, ordering, places
from gateway.records.rows import Rows, json_array
from gateway.records.said import Said, licensor_of
from gateway.tenancy.scope import AnyScope


def vendor_keys(rows: FromClause) -> list[Key]:
    """Return the order of vendors: by code."""
    return [Key("CODE", rows.c.code, TEXT, Direction.ASC)]


def product_keys(rows: FromClause) -> list[Key]:
    """Return the order of products: by name."""
    return [Key("NAME", rows.c.name, TEXT, Direction.ASC)]


def vendor_page(
    scope: AnyScope, search: str | None, paging: Page, *, total: bool
) -> ScalarSelect[Any]:
    """Return the vendors whose code begins with the text or whose name contains it."""
    return document(
        vendor_rows(scope, search, paging), vendor_total(scope, search) if total else None
    )


def product_page(
    scope: AnyScope, search: str | None, paging: Page, *, total: bool
) -> ScalarSelect[Any]:
    """Return the products whose name contains the text."""
    rows = product_rows(scope, search, paging)
    return document(rows, product_total(scope, search) if total else None)


def vendor_rows(scope: AnyScope, search: str | None, paging: Page) -> Rows:
    """Return a page's vendors."""
    table = Vendor.table()
    return of_one_table(
        table, vendor_keys, _conditions(table, scope, search), _vendor, scope, paging
    )


def product_rows(scope: AnyScope, search: str | None, paging: Page) -> Rows:
    """Return a page's products."""
    table = Product.table()
    return of_one_table(
        table, product_keys, _conditions(table, scope, search), _product, scope, paging
    )


def vendor_total(scope: AnyScope, search: str | None) -> ScalarSelect[int]:
    """Return how many vendors there are."""
    return _total(Vendor.table(), scope, search)


def product_total(scope: AnyScope, search: str | None) -> ScalarSelect[int]:
    """Return how many products there are."""
    return _total(Product.table(), scope, search)


def document(rows: Rows, total: ScalarSelect[int] | None) -> ScalarSelect[Any]:
    """Return a page as JSON: its rows, each with its place, and how many there are in all."""
    values = {"place": rows.place(rows.page), **rows.values(rows.page)}
    row = func.json_build_object(*(part for pair in values.items() for part in pair))
    listed = rows.select(rows.page, json_array(row, *ordering(rows.keys(rows.page))))
    number = null() if total is None else total
    return select(
        func.json_build_object("total", number, "rows", listed.scalar_subquery())
    ).scalar_subquery()


def of_one_table(
    table: FromClause,
    keys_of: Callable[[FromClause], list[Key]],
    conditions: Iterable[ColumnElement[bool]],
    values: Callable[[FromClause], Mapping[str, ColumnElement[Any]]],
    scope: AnyScope,
    paging: Page,
) -> Rows:
    """Return a page of a table's rows that meet conditions."""
    keys = keys_of(table)
    inner = (
        select(*table.c)
        .where(*conditions, *beyond(keys, bounds(keys, paging, scope)))
        .order_by(*ordering(keys, backward=paging.backward))
        .limit(paging.limit)
        .subquery("page")
    )
    return Rows(inner, paging, keys_of, lambda row: places(keys_of(row)), values)


def matches(
    search: str | None, begin: Iterable[ColumnElement[str]], contain: Iterable[ColumnElement[str]]
) -> Iterator[ColumnElement[bool]]:
    """Yield the condition that a text begins one column or is in another; ASCII case is ignored."""
    if search is None or not decide(bool, search):
        return
    term = param(derive(ascii_lower, search), TEXT)
    yield or_(
        *(func.strpos(func.lower(one), term) > 0 for one in contain),
        *(func.starts_with(func.lower(one), term) for one in begin),
    )


def _vendor(row: FromClause) -> dict[str, ColumnElement[Any]]:
    return {"vendor_code": row.c.code, "vendor_name": row.c.name}


def _product(row: FromClause) -> Mapping[str, ColumnElement[Any]]:
    return Said({"product_name": row.c.name, **licensor_of(row)})


def _total(table: FromClause, scope: AnyScope, search: str | None) -> ScalarSelect[int]:
    where = _conditions(table, scope, search)
    return select(func.count()).select_from(table).where(*where).scalar_subquery()


def _conditions(
    table: FromClause, scope: AnyScope, search: str | None
) -> Iterator[ColumnElement[bool]]:
    yield scope.covers(table)
    codes = [table.c.code] if "code" in table.c else []
    yield from matches(search, codes, [table.c.name])
