"""The user list as one SQL statement: filtered, sorted, paged, nested parts and all, in JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    ScalarSelect,
    Select,
    case,
    func,
    literal,
    null,
    select,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from gateway.catalogue.licensors import licensor_text
from gateway.catalogue.models import Product, Vendor
from gateway.records.counted import counted
from gateway.records.filters import UserFilter, conditions, status_of
from gateway.records.keyset import Page, beyond, ordering, place
from gateway.records.known import CURRENT, OPEN_END, VERSIONS, known
from gateway.records.models import COLUMNS
from gateway.records.movements import Movement, moved
from gateway.records.order import BY_USER_ID, UserOrder, user_keys
from gateway.regulation.codes import FeeCategory
from gateway.tenancy.scope import Scope


@dataclass(frozen=True, slots=True)
class Fields:
    """What is wanted of each user: scalar fields, and nested lists by the key they answer under."""

    scalars: frozenset[str]
    other_services: Mapping[str, "Fields"] = field(default_factory=dict)
    history: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class UserList:
    """Which users, in which order. `today` decides derived statuses."""

    scope: Scope
    today: date
    filter: UserFilter = field(default_factory=UserFilter)
    order: Sequence[UserOrder] = BY_USER_ID
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class CountedBy:
    """A monthly figure that the list belongs to: its row's columns, in the enclosing statement.

    Without a movement, of all that counted. `count` is None where the row has no such count.
    """

    vendor_id: ColumnElement[int]
    product_id: ColumnElement[int]
    first: ColumnElement[date]
    last: ColumnElement[date]
    category: FeeCategory | None
    movement: Movement | None
    count: ColumnElement[int] | None

    def picks(self, rows: FromClause, users: UserList) -> Iterator[ColumnElement[bool]]:
        """Yield the conditions on the rows: one of each user that is counted."""
        yield rows.c.vendor_id == self.vendor_id
        yield rows.c.product_id == self.product_id
        month = (rows, self.first, self.last, users.scope, users.as_of)
        yield counted(*month) if self.movement is None else moved(self.movement, *month)
        if self.category is not None:
            yield rows.c.fee_category == self.category


_VENDOR = Vendor.table()
_PRODUCT = Product.table()


def _base(
    users: UserList, name: str, figure: CountedBy | None = None
) -> tuple[FromClause, FromClause, list[ColumnElement[bool]]]:
    """Return the rows, their products, and the conditions that make the list."""
    rows, reachable = known(users.scope, users.as_of, name)
    products = _PRODUCT.alias(f"{name}_product")
    where = [
        reachable,
        products.c.product_id == rows.c.product_id,
        *conditions(users.filter, rows, users.scope, users.today, users.as_of),
    ]
    if figure is not None:
        where += figure.picks(rows, users)
    return rows, products, where


def page(
    users: UserList, wanted: Fields, paging: Page, *, total: bool, figure: CountedBy | None = None
) -> ScalarSelect[Any]:
    """Return one page as JSON: `{"total": n or null, "rows": [{"place": [...], ...}, ...]}`.

    One row more than the page's size is given where there is one, so that the caller sees whether
    the list goes on. Rows stand in list order, also on a page that is counted from its end.
    """
    rows, products, where = _base(users, "r", figure)
    keys = user_keys(users.order, rows, products.c.name, users.today)
    vendor_at = len(keys) - 2
    inner = (
        select(
            *(rows.c[column] for column in COLUMNS),
            products.c.name.label("product_name"),
        )
        .where(*where, *beyond(keys, paging, users.scope, vendor_at))
        .order_by(*ordering(keys, backward=paging.backward))
        .limit(paging.size + 1)
        .correlate(*_outer(figure))
        .subquery("page")
    )
    shown = user_keys(users.order, inner, inner.c.product_name, users.today)
    vendor = _VENDOR.alias("vendor")
    document = func.json_build_object(
        "place",
        place(shown, vendor_at, vendor.c.code),
        *_document(users, wanted, inner, vendor),
    )
    listed = (
        select(
            func.coalesce(
                func.json_agg(aggregate_order_by(document, *ordering(shown))),
                func.json_build_array(),
            )
        )
        .select_from(inner, vendor)
        .where(vendor.c.vendor_id == inner.c.vendor_id)
        .correlate(*_outer(figure))
        .scalar_subquery()
    )
    number = _total(users, figure) if total else null()
    return (
        select(func.json_build_object("total", number, "rows", listed))
        .correlate(*_outer(figure))
        .scalar_subquery()
    )


def _total(users: UserList, figure: CountedBy | None) -> ColumnElement[int]:
    """Return the list's length. Unfiltered, a figure's list is as long as its count says."""
    if figure is not None and figure.count is not None and users.filter == UserFilter():
        return figure.count
    _, _, where = _base(users, "t", figure)
    return select(func.count()).where(*where).correlate(*_outer(figure)).scalar_subquery()


def _outer(figure: CountedBy | None) -> tuple[FromClause, ...]:
    return () if figure is None else (figure.vendor_id.table,)


def _document(users: UserList, wanted: Fields, row: FromClause, vendor: FromClause) -> list[Any]:
    """Return the alternating names and values of a user's JSON object."""
    values: dict[str, Any] = {
        "record_id": row.c.record_id,
        "vendor_code": vendor.c.code,
        "vendor_name": vendor.c.name,
        "user_id": row.c.user_id,
        "user_name": row.c.user_name,
        "user_type": row.c.user_type,
        "start_date": row.c.start_date,
        "end_date": func.nullif(row.c.end_date, OPEN_END),
        "product_name": row.c.product_name,
        "product_id": row.c.product_id,
        "usage_mode": row.c.usage_mode,
        "contact": row.c.contact,
        "address": row.c.address,
        "phone": row.c.phone,
        "fee_category": row.c.fee_category,
        "service_status": status_of(row, users.today),
        "licensor_code": licensor_text(row, "code"),
        "licensor_name": licensor_text(row, "name"),
    }
    found: list[Any] = []
    for name in sorted(wanted.scalars):
        found += [name, values[name]]
    for key, fields in wanted.other_services.items():
        found += [f"other_services:{key}", _others(users, fields, row, vendor)]
    for key in wanted.history:
        found += [f"history:{key}", _history(users, row)]
    return found


def _others(
    users: UserList, wanted: Fields, row: FromClause, vendor: FromClause
) -> ScalarSelect[Any]:
    """Return the same user's other records, oldest first."""
    plain = UserList(users.scope, users.today, as_of=users.as_of)
    rows, products, where = _base(plain, "o")
    inner = (
        select(*(rows.c[column] for column in COLUMNS), products.c.name.label("product_name"))
        .where(
            *where,
            rows.c.vendor_id == row.c.vendor_id,
            rows.c.user_id == row.c.user_id,
            rows.c.record_id != row.c.record_id,
        )
        .correlate(row)
        .subquery("others")
    )
    document = func.json_build_object(*_document(plain, wanted, inner, vendor))
    ordered = aggregate_order_by(document, inner.c.start_date, inner.c.record_id)
    return (
        select(func.coalesce(func.json_agg(ordered), func.json_build_array()))
        .select_from(inner)
        .where(vendor.c.vendor_id == inner.c.vendor_id)
        .correlate(row, vendor)
        .scalar_subquery()
    )


_VERSIONED = (
    "batch_no",
    "user_name",
    "user_type",
    "end_date",
    "contact",
    "address",
    "phone",
    "fee_category",
    "service_status",
)


def _history(users: UserList, row: FromClause) -> ScalarSelect[Any]:
    """Return all that was recorded of the row's record, oldest first; the last one is current."""
    parts: list[Select[*tuple[Any, ...]]] = []
    for table in (CURRENT, VERSIONS):
        until: Any = (
            table.c.recorded_to if table is VERSIONS else literal(None, table.c.recorded_from.type)
        )
        if users.as_of is not None and table is VERSIONS:
            until = case((until <= users.as_of, until), else_=None)
        parts.append(
            select(
                *(table.c[name] for name in _VERSIONED), table.c.recorded_from, until.label("until")
            )
            .where(
                users.scope.covers(table),
                table.c.vendor_id == row.c.vendor_id,
                table.c.record_id == row.c.record_id,
                *([table.c.recorded_from <= users.as_of] if users.as_of is not None else []),
            )
            .correlate(row)
        )
    all_of_it = parts[0].union_all(parts[1]).subquery("versions")
    values: dict[str, Any] = {name: all_of_it.c[name] for name in _VERSIONED}
    values["end_date"] = func.nullif(all_of_it.c.end_date, OPEN_END)
    pairs = [part for pair in values.items() for part in pair]
    document = func.json_build_object(
        *pairs, "recorded_from", all_of_it.c.recorded_from, "recorded_to", all_of_it.c.until
    )
    ordered = aggregate_order_by(document, all_of_it.c.recorded_from)
    return select(func.json_agg(ordered)).select_from(all_of_it).correlate(row).scalar_subquery()


def whole(users: UserList) -> tuple[dict[str, ColumnElement[Any]], Select[*tuple[Any, ...]]]:
    """Return the whole list for a download: its columns by name, and the select to add them to."""
    rows, products, where = _base(users, "r")
    keys = user_keys(users.order, rows, products.c.name, users.today)
    columns: dict[str, ColumnElement[Any]] = {name: rows.c[name] for name in COLUMNS}
    columns["product"] = products.c.name
    columns["service_status"] = status_of(rows, users.today)
    return columns, select().where(*where).order_by(*ordering(keys))
