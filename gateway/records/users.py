"""The user list as one SQL statement: filtered, sorted, paged, nested parts and all, in JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    ScalarSelect,
    Select,
    and_,
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
from gateway.records.keyset import Page, beyond, bounds, ordering, place
from gateway.records.known import BATCHES, CURRENT, OPEN_END, VERSIONS, known
from gateway.records.models import COLUMNS
from gateway.records.movements import Movement, moved
from gateway.records.order import BY_USER_ID, UserOrder, name_of, user_keys
from gateway.records.parts import Parts
from gateway.records.searches import Search, searches
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
) -> tuple[FromClause, list[ColumnElement[bool]]]:
    """Return the rows and the conditions that make the list."""
    rows, reachable = known(users.scope, users.as_of, name)
    where = [reachable, *_conditions(users, rows)]
    if figure is not None:
        where += figure.picks(rows, users)
    return rows, where


def _conditions(users: UserList, rows: FromClause) -> Iterator[ColumnElement[bool]]:
    return conditions(users.filter, rows, users.scope, users.today, users.as_of)


def _searches(users: UserList, figure: CountedBy | None) -> Sequence[Search]:
    """Return what an index finds: of all current records, not of the few behind a figure."""
    return searches(users.filter) if users.as_of is None and figure is None else ()


def page(
    users: UserList, wanted: Fields, paging: Page, *, total: bool, figure: CountedBy | None = None
) -> ScalarSelect[Any]:
    """Return one page as JSON: `{"total": n or null, "rows": [{"place": [...], ...}, ...]}`.

    One row more than the page's size is given where there is one, so that the caller sees whether
    the list goes on. Rows stand in list order, also on a page that is counted from its end.
    """
    found = _found(users, paging, figure)
    keys = user_keys(users.order, found, _PRODUCT.c.name, users.today)
    vendor_at = len(keys) - 2
    inner = (
        select(*found.c, _PRODUCT.c.name.label("product_name"))
        .where(
            users.scope.covers(_PRODUCT),
            _PRODUCT.c.product_id == found.c.product_id,
            *beyond(keys, bounds(keys, paging, users.scope, vendor_at)),
        )
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


def _found(users: UserList, paging: Page, figure: CountedBy | None) -> FromClause:
    """Return rows of the list, the page's among them."""
    if figure is not None:
        rows, where = _base(users, "r", figure)
        columns = [rows.c[column] for column in COLUMNS]
        return select(*columns).where(*where).correlate(*_outer(figure)).subquery("found")
    rows, reachable = known(users.scope, users.as_of, "r")
    products = users.scope.products
    keys = user_keys(
        users.order,
        rows,
        name_of(rows, products),
        users.today,
        products if users.as_of is None else None,  # no index serves what was known before
    )
    return Parts(
        users.scope,
        rows,
        reachable,
        lambda rows: list(_conditions(users, rows)),
        _searches(users, figure),
        keys,
        bounds(keys, paging, users.scope, len(keys) - 2),
        paging.backward,
        paging.size + 1,
    ).gathered()


def _total(users: UserList, figure: CountedBy | None) -> ColumnElement[int]:
    """Return the list's length. Unfiltered, a figure's list is as long as its count says."""
    if figure is not None and figure.count is not None and users.filter == UserFilter():
        return figure.count
    number = select(func.count())
    asked = _searches(users, figure)
    if not asked:
        rows, where = _base(users, "t", figure)
        number = number.select_from(rows).where(*where)
        return number.correlate(*_outer(figure)).scalar_subquery()
    numbers: list[ColumnElement[int]] = []
    for search in asked:
        found = search.records(users.scope, most=None)
        where = [search.condition(found), *_conditions(users, found)]
        numbers.append(number.select_from(found).where(*where).scalar_subquery())
    return reduce(add, numbers)


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
    nested: list[Any] = []
    for key, fields in wanted.other_services.items():
        nested += [f"other_services:{key}", _others(users, fields, row, vendor)]
    for key in wanted.history:
        nested += [f"history:{key}", _history(users, row)]
    # in an object of their own: a function of PostgreSQL's takes a hundred arguments at the most
    return [*found, "nested", func.json_build_object(*nested)] if nested else found


def _others(
    users: UserList, wanted: Fields, row: FromClause, vendor: FromClause
) -> ScalarSelect[Any]:
    """Return the same user's other records, oldest first."""
    plain = UserList(users.scope, users.today, as_of=users.as_of)
    rows, where = _base(plain, "o")
    products = _PRODUCT.alias("o_product")
    inner = (
        select(*(rows.c[column] for column in COLUMNS), products.c.name.label("product_name"))
        .where(
            *where,
            users.scope.covers(products),
            products.c.product_id == rows.c.product_id,
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
        closed_by = table.c.closed_by if table is VERSIONS else literal(None, Integer)
        parts.append(
            select(*(table.c[name] for name in _VERSIONED), closed_by.label("closed_by"))
            .where(
                users.scope.covers(table),
                table.c.vendor_id == row.c.vendor_id,
                table.c.record_id == row.c.record_id,
            )
            .correlate(row)
        )
    said = parts[0].union_all(parts[1]).subquery("said")
    opened, closed = BATCHES.alias("opened"), BATCHES.alias("closed")
    until: ColumnElement[Any] = closed.c.recorded_at
    if users.as_of is not None:
        until = case((until <= users.as_of, until))
    values: dict[str, Any] = {name: said.c[name] for name in _VERSIONED}
    values["end_date"] = func.nullif(said.c.end_date, OPEN_END)
    values |= {"recorded_from": opened.c.recorded_at, "recorded_to": until}
    document = func.json_build_object(*(part for pair in values.items() for part in pair))
    return (
        select(func.json_agg(aggregate_order_by(document, said.c.batch_no)))
        .select_from(
            said.join(
                opened,
                and_(
                    users.scope.covers(opened),
                    opened.c.vendor_id == row.c.vendor_id,
                    opened.c.batch_no == said.c.batch_no,
                ),
            ).outerjoin(
                closed,
                and_(
                    users.scope.covers(closed),
                    closed.c.vendor_id == row.c.vendor_id,
                    closed.c.batch_no == said.c.closed_by,
                ),
            )
        )
        .where(*([opened.c.recorded_at <= users.as_of] if users.as_of is not None else []))
        .correlate(row)
        .scalar_subquery()
    )


def whole(users: UserList) -> tuple[dict[str, ColumnElement[Any]], Select[*tuple[Any, ...]]]:
    """Return the whole list for a download: its columns by name, and the select to add them to."""
    rows, where = _base(users, "r")
    keys = user_keys(users.order, rows, _PRODUCT.c.name, users.today)
    columns: dict[str, ColumnElement[Any]] = {name: rows.c[name] for name in COLUMNS}
    columns["product"] = _PRODUCT.c.name
    columns["service_status"] = status_of(rows, users.today)
    named = (users.scope.covers(_PRODUCT), _PRODUCT.c.product_id == rows.c.product_id)
    return columns, select().where(*where, *named).order_by(*ordering(keys))
