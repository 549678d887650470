"""Vendors and products in scope as one SQL statement each, in JSON, like `records.users.page`."""

from typing import Any

from sqlalchemy import FromClause, ScalarSelect, Text, func, null, or_, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from gateway.catalogue.licensors import licensor_text
from gateway.catalogue.models import Product, Vendor
from gateway.records.filters import ascii_lower
from gateway.records.keyset import Direction, Key, Page, beyond, bounds, ordering, place
from gateway.tenancy.scope import Scope


def vendor_keys(rows: FromClause) -> list[Key]:
    """Return the order of vendors: by code."""
    return [Key("CODE", rows.c.code, Text, Direction.ASC)]


def product_keys(rows: FromClause) -> list[Key]:
    """Return the order of products: by name."""
    return [Key("NAME", rows.c.name, Text, Direction.ASC)]


def vendor_page(
    scope: Scope, search: str | None, paging: Page, *, total: bool
) -> ScalarSelect[Any]:
    """Return the vendors whose code begins with the text or whose name contains it."""
    return _page(Vendor.table(), vendor_keys, scope, search, paging, total=total)


def product_page(
    scope: Scope, search: str | None, paging: Page, *, total: bool
) -> ScalarSelect[Any]:
    """Return the products whose name contains the text."""
    return _page(Product.table(), product_keys, scope, search, paging, total=total)


def _page(
    table: FromClause,
    keys_of: Any,
    scope: Scope,
    search: str | None,
    paging: Page,
    *,
    total: bool,
) -> ScalarSelect[Any]:
    where = [scope.covers(table)]
    if search:
        term = ascii_lower(search)
        matches = [func.strpos(func.lower(table.c.name), term) > 0]
        if "code" in table.c:
            matches.append(func.starts_with(func.lower(table.c.code), term))
        where.append(or_(*matches))
    keys = keys_of(table)
    inner = (
        select(*table.c)
        .where(*where, *beyond(keys, bounds(keys, paging, scope)))
        .order_by(*ordering(keys, backward=paging.backward))
        .limit(paging.size + 1)
        .subquery("page")
    )
    shown = keys_of(inner)
    values: dict[str, Any] = {"place": place(shown, None, inner.c.name)}
    if "code" in table.c:
        values |= {"vendor_code": inner.c.code, "vendor_name": inner.c.name}
    else:
        values |= {
            "product_name": inner.c.name,
            "licensor_code": licensor_text(inner, "code"),
            "licensor_name": licensor_text(inner, "name"),
        }
    document = func.json_build_object(*(part for pair in values.items() for part in pair))
    listed = select(
        func.coalesce(
            func.json_agg(aggregate_order_by(document, *ordering(shown))), func.json_build_array()
        )
    ).select_from(inner)
    number: Any = null()
    if total:
        number = select(func.count()).select_from(table).where(*where).scalar_subquery()
    return select(
        func.json_build_object("total", number, "rows", listed.scalar_subquery())
    ).scalar_subquery()
