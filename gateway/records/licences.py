"""Licences in scope: whose, of which product, how long and for which usage modes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    ScalarSelect,
    Select,
    any_,
    false,
    func,
    or_,
    select,
)

from gateway.catalogue.licensors import licensor_text
from gateway.catalogue.models import Licence, Product, Vendor
from gateway.kinds import DATE, SMALL_INTEGER, TEXT
from gateway.recording import param
from gateway.records.catalogue_lists import document
from gateway.records.keyset import Direction, Key, Page, beyond, bounds, ordering, places
from gateway.records.known import calendar_day
from gateway.records.rows import Rows, json_array
from gateway.regulation.codes import UsageMode
from gateway.tenancy.scope import AnyScope

_LICENCES, _VENDORS, _PRODUCTS = Licence.table(), Vendor.table(), Product.table()


@dataclass(frozen=True, slots=True)
class LicenceFilter:
    """Conditions on licences; all that are given hold together.

    In force on `valid_on`, begun on `valid_from`; of `usage_modes` it allows one at least.
    """

    valid_on: date | None = None
    valid_from: date | None = None
    usage_modes: Sequence[UsageMode] | None = None


def licence_keys(rows: FromClause) -> list[Key]:
    """Return the order of licences: by vendor, product, first day."""
    return _keys(rows.c.vendor_code, rows.c.product_name, rows.c.valid_from)


def licence_page(
    scope: AnyScope, wanted: LicenceFilter, paging: Page, *, total: bool
) -> ScalarSelect[Any]:
    """Return a page of licences as JSON."""
    keys = _keys(_VENDORS.c.code, _PRODUCTS.c.name, _LICENCES.c.valid_from)
    inner = (
        _licences(scope, wanted)
        .where(*beyond(keys, bounds(keys, paging, scope)))
        .order_by(*ordering(keys, backward=paging.backward))
        .limit(paging.limit)
        .subquery("page")
    )
    rows = Rows(inner, paging, licence_keys, lambda row: places(licence_keys(row)), _values)
    counted = select(func.count()).select_from(_licences(scope, wanted).subquery("all_licences"))
    return document(rows, counted.scalar_subquery() if total else None)


def vendors_licences(
    scope: AnyScope, codes: Sequence[str], wanted: LicenceFilter
) -> ScalarSelect[Any]:
    """Return all licences of some vendors in scope as a JSON array, in the order of `licences`."""
    held = _licences(scope.narrow(vendors=codes), wanted).subquery("held")
    values = _values(held)
    row = func.json_build_object(*(part for pair in values.items() for part in pair))
    return select(json_array(row, *ordering(licence_keys(held)))).scalar_subquery()


def _keys(vendor: Any, product: Any, start: Any) -> list[Key]:
    return [
        Key("VENDOR", vendor, TEXT, Direction.ASC),
        Key("PRODUCT", product, TEXT, Direction.ASC),
        Key("VALID_FROM", start, DATE, Direction.ASC),
    ]


def _licences(scope: AnyScope, wanted: LicenceFilter) -> Select[*tuple[Any, ...]]:
    columns = _LICENCES.c
    return (
        select(
            columns.product_id,
            _VENDORS.c.code.label("vendor_code"),
            _VENDORS.c.name.label("vendor_name"),
            _PRODUCTS.c.name.label("product_name"),
            columns.valid_from,
            columns.valid_to,
            columns.usage_modes,
        )
        .select_from(_LICENCES)
        .join(_VENDORS, _VENDORS.c.vendor_id == columns.vendor_id)
        .join(_PRODUCTS, _PRODUCTS.c.product_id == columns.product_id)
        .where(scope.covers(_LICENCES), *_conditions(wanted))
    )


def _conditions(wanted: LicenceFilter) -> Iterator[ColumnElement[bool]]:
    columns = _LICENCES.c
    if wanted.valid_on is not None:
        day = calendar_day(wanted.valid_on)
        yield columns.valid_from <= day
        yield or_(columns.valid_to.is_(None), columns.valid_to >= day)
    if wanted.valid_from is not None:
        yield columns.valid_from == calendar_day(wanted.valid_from)
    if wanted.usage_modes is not None:
        modes = [param(int(mode), SMALL_INTEGER) for mode in wanted.usage_modes]
        yield or_(false(), *(mode == any_(columns.usage_modes) for mode in modes))


def _values(row: FromClause) -> dict[str, ColumnElement[Any]]:
    return {
        "vendor_code": row.c.vendor_code,
        "vendor_name": row.c.vendor_name,
        "product_name": row.c.product_name,
        "licensor_code": licensor_text(row, "code"),
        "licensor_name": licensor_text(row, "name"),
        "valid_from": row.c.valid_from,
        "valid_to": row.c.valid_to,
        "usage_modes": row.c.usage_modes,
    }
