"""The user list as one SQL statement: filtered, sorted, paged, nested parts and all, in JSON."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial, reduce
from operator import add
from typing import Any, Protocol

from sqlalchemy import (
    ColumnElement,
    FromClause,
    ScalarSelect,
    Select,
    and_,
    case,
    func,
    literal,
    null,
    select,
)

from gateway.catalogue.models import Product, Vendor
from gateway.kinds import INTEGER, TEXT
from gateway.recording import derive, param
from gateway.records.counted import counted
from gateway.records.filters import UserFilter, conditions, status_of
from gateway.records.keyset import Key, Page, beyond, bounds, ordering, places
from gateway.records.known import CURRENT, OPEN_END, VERSIONS, instant, known, once_individual
from gateway.records.models import COLUMNS, ImportBatch
from gateway.records.movements import Movement, moved
from gateway.records.order import (
    BY_USER_ID,
    UserOrder,
    UserOrderField,
    name_of,
    user_keys,
    vendor_place,
)
from gateway.records.parts import Parts, listed_columns
from gateway.records.personal import PERSONAL, Columns, Person, check_revealed, seen
from gateway.records.rows import Rows, json_array
from gateway.records.said import Said, licensor_of
from gateway.records.searches import Search, searches
from gateway.regulation.codes import FeeCategory
from gateway.tenancy.principal import Right
from gateway.tenancy.scope import AnyScope


@dataclass(frozen=True, slots=True)
class Fields:
    """What is wanted of each user: scalar fields, and nested lists by the key they answer under."""

    scalars: frozenset[str]
    other_services: Mapping[str, "Fields"] = field(default_factory=dict)
    history: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class UserList:
    """Which users, in which order. `today` decides derived statuses.

    `reach` is the scope before products were picked from it: where a user has other lines.
    """

    scope: AnyScope
    today: date
    filter: UserFilter = field(default_factory=UserFilter)
    order: Sequence[UserOrder] = BY_USER_ID
    as_of: datetime | None = None
    reach: AnyScope | None = None

    def __post_init__(self) -> None:
        self.scope.require(Right.READ_USERS)
        by_name = any(one.field is UserOrderField.USER_NAME for one in self.order)
        check_revealed(self.scope, self.filter, by_name=by_name)


class Figure(Protocol):
    """What a list belongs to, in the enclosing statement: a monthly figure, a finding."""

    @property
    def vendor_id(self) -> ColumnElement[int]:
        """A column of its row."""

    @property
    def count(self) -> ColumnElement[int] | None:
        """How long the list is, if its row says it."""

    def picks(self, rows: FromClause, users: UserList) -> Iterator[ColumnElement[bool]]:
        """Yield the conditions on the rows."""


@dataclass(frozen=True, slots=True)
class CountedBy:
    """A monthly figure that the list belongs to: its row's columns, in the enclosing statement.

    Without a movement, of all that counted. `count` is None where the row has no such count.
    `among`, where it is given, is the condition on a record to be one that the figure counted by.
    """

    vendor_id: ColumnElement[int]
    product_id: ColumnElement[int]
    first: ColumnElement[date]
    last: ColumnElement[date]
    category: FeeCategory | None
    movement: Movement | None
    count: ColumnElement[int] | None
    among: Callable[[FromClause], ColumnElement[bool]] | None = None

    def picks(self, rows: FromClause, users: UserList) -> Iterator[ColumnElement[bool]]:
        """Yield the conditions on the rows: one of each user that is counted."""
        yield rows.c.vendor_id == self.vendor_id
        yield rows.c.product_id == self.product_id
        month = (rows, self.first, self.last, users.scope, users.as_of)
        if self.among is not None:
            yield self.among(rows)
            if self.movement is None:
                return
        else:
            yield counted(*month) if self.movement is None else moved(self.movement, *month)
        if self.category is not None:
            yield rows.c.fee_category == param(derive(int, self.category), INTEGER)


VENDOR = Vendor.aliased("vendor")
"""The vendor of a list's rows."""
_PRODUCT = Product.table()


def _base(
    users: UserList, name: str, figure: Figure | None = None
) -> tuple[FromClause, list[ColumnElement[bool]]]:
    """Return the rows and the conditions that make the list."""
    rows, reachable = known(users.scope, users.as_of, name)
    where = [reachable, *_conditions(users, rows)]
    if figure is not None:
        where += figure.picks(rows, users)
    return rows, where


def _conditions(users: UserList, rows: FromClause) -> Iterator[ColumnElement[bool]]:
    return conditions(users.filter, rows, users.scope, users.today, users.as_of)


def _searches(users: UserList, figure: Figure | None) -> Sequence[Search]:
    """Return what an index finds: of all current records, not of the few behind a figure."""
    return searches(users.filter) if users.as_of is None and figure is None else ()


def rows_of(users: UserList, paging: Page, figure: Figure | None = None) -> Rows:
    """Return the rows of one page."""

    def shown(row: FromClause) -> list[Key]:
        return user_keys(users.order, row, lambda: row.c.product_name, users.today)

    inner = _page(users, paging, figure, shown)
    vendor_at = vendor_place(users.order)
    code = users.scope.only_code

    def values(row: FromClause) -> Mapping[str, ColumnElement[Any]]:
        return user_values(users, row, VENDOR)

    def placed(row: FromClause) -> list[ColumnElement[Any]]:
        here = VENDOR.c.code if code is None else param(code, TEXT)
        return places(shown(row), vendor_at, here)

    constant = () if code is None else ("VENDOR",)
    return Rows(inner, paging, shown, placed, values, VENDOR, _outer(figure), constant)


def page(
    users: UserList, wanted: Fields, paging: Page, *, total: bool, figure: Figure | None = None
) -> ScalarSelect[Any]:
    """Return one page as JSON: `{"total": n or null, "rows": [{"place": [...], ...}, ...]}`.

    One row more than the page's size is given where there is one, so that the caller sees whether
    the list goes on. Rows stand in list order, also on a page that is counted from its end.
    """
    rows = rows_of(users, paging, figure)
    row = rows.page
    document = func.json_build_object(
        "place", rows.place(row), *_document(users, wanted, row, VENDOR)
    )
    listed = rows.select(row, json_array(document, *ordering(rows.keys(row)))).scalar_subquery()
    number = total_of(users, figure) if total else null()
    return (
        select(func.json_build_object("total", number, "rows", listed))
        .correlate(*_outer(figure))
        .scalar_subquery()
    )


def _page(
    users: UserList,
    paging: Page,
    figure: Figure | None,
    shown: Callable[[FromClause], list[Key]],
) -> FromClause:
    if figure is not None:
        rows, where = _base(users, "r", figure)
        found = (
            select(*listed_columns(rows, users.scope))
            .where(*where)
            .correlate(*_outer(figure))
            .subquery("found")
        )
        keys = shown(found)
        return (
            select(*found.c)
            .where(*beyond(keys, bounds(keys, paging, users.scope, vendor_place(users.order))))
            .order_by(*ordering(keys, backward=paging.backward))
            .limit(paging.limit)
            .subquery("page")
        )
    rows, reachable = known(users.scope, users.as_of, "r")
    products = users.scope.products
    keys = user_keys(
        users.order,
        rows,
        partial(name_of, rows, products),
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
        bounds(keys, paging, users.scope, vendor_place(users.order)),
        paging.backward,
        paging.limit,
        shown,
    ).page()


def total_of(users: UserList, figure: Figure | None = None) -> ColumnElement[int]:
    """Return the list's length. Unfiltered, a figure's list is as long as its count says."""
    if figure is not None and figure.count is not None and users.filter.is_empty:
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


def _outer(figure: Figure | None) -> tuple[FromClause, ...]:
    return () if figure is None else (figure.vendor_id.table,)


def personal_values(
    users: UserList, row: FromClause, columns: Columns
) -> Mapping[str, Callable[[], ColumnElement[Any]]]:
    """Return how the list's scope may see the personal columns of one of its rows, by name.

    An earlier list shows no name of a user whom any line has as an individual.
    """
    person = None if users.as_of is None else _person(users, row)
    return {name: partial(seen, users.scope, name, columns, person) for name in PERSONAL}


def _person(users: UserList, row: FromClause) -> Person:
    return partial(once_individual, users.scope if users.reach is None else users.reach, row)


def user_values(
    users: UserList, row: FromClause, vendor: FromClause
) -> Mapping[str, ColumnElement[Any]]:
    """Return what can be said of a user, by name."""
    return Said(
        {
            "record_id": row.c.record_id,
            "vendor_code": vendor.c.code,
            "vendor_name": vendor.c.name,
            "user_id": row.c.user_id,
            "user_type": row.c.user_type,
            "start_date": row.c.start_date,
            "end_date": lambda: func.nullif(row.c.end_date, OPEN_END),
            "product_name": row.c.product_name,
            "product_id": row.c.product_id,
            "usage_mode": row.c.usage_mode,
            "fee_category": row.c.fee_category,
            "service_status": partial(status_of, row, users.today),
            **personal_values(users, row, row.c),
            **licensor_of(row),
        }
    )


def _document(users: UserList, wanted: Fields, row: FromClause, vendor: FromClause) -> list[Any]:
    """Return the alternating names and values of a user's JSON object."""
    values = user_values(users, row, vendor)
    found: list[Any] = []
    for name in sorted(wanted.scalars):
        found += [name, values[name]]
    nested: list[Any] = []
    for key, fields in wanted.other_services.items():
        others = others_of(users, row, vendor)
        other = func.json_build_object(*_document(others.users, fields, others.rows, vendor))
        nested += [f"other_services:{key}", others.select(json_array(other, *others.order))]
    for key in wanted.history:
        versions = history_of(users, row)
        version = func.json_build_object(
            *(part for pair in versions.values.items() for part in pair)
        )
        nested += [f"history:{key}", versions.select(json_array(version, *versions.order))]
    # in an object of their own: a function of PostgreSQL's takes a hundred arguments at the most
    return [*found, "nested", func.json_build_object(*nested)] if nested else found


@dataclass(frozen=True, slots=True)
class Others:
    """The same user's other records, oldest first."""

    users: UserList
    rows: FromClause
    row: FromClause
    vendor: FromClause

    @property
    def order(self) -> Sequence[ColumnElement[Any]]:
        """The list's order."""
        return self.rows.c.start_date, self.rows.c.record_id

    @property
    def values(self) -> Mapping[str, ColumnElement[Any]]:
        """What can be said of each, by name."""
        return user_values(self.users, self.rows, self.vendor)

    def select(self, aggregate: ColumnElement[Any]) -> ScalarSelect[Any]:
        """Return an aggregate over them, for the row that they belong to."""
        return (
            select(aggregate)
            .select_from(self.rows)
            .where(self.vendor.c.vendor_id == self.rows.c.vendor_id)
            .correlate(self.row, self.vendor)
            .scalar_subquery()
        )


def others_of(users: UserList, row: FromClause, vendor: FromClause) -> Others:
    """Return the other records of a row's user."""
    plain = UserList(users.scope, users.today, as_of=users.as_of, reach=users.reach)
    rows, where = _base(plain, "o")
    products = Product.aliased("o_product")
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
    return Others(plain, inner, row, vendor)


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


@dataclass(frozen=True, slots=True)
class History:
    """All that was recorded of a row's record, oldest first; the last one is current."""

    values: Mapping[str, ColumnElement[Any]]
    order: Sequence[ColumnElement[Any]]
    selected: Callable[[ColumnElement[Any]], ScalarSelect[Any]]

    def select(self, aggregate: ColumnElement[Any]) -> ScalarSelect[Any]:
        """Return an aggregate over the versions, for the row that they belong to."""
        return self.selected(aggregate)


def history_of(users: UserList, row: FromClause) -> History:
    """Return the versions of a row's record."""
    parts: list[Select[*tuple[Any, ...]]] = []
    for table in (CURRENT, VERSIONS):
        closed_by = table.c.closed_by if table is VERSIONS else literal(None, INTEGER)
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
    opened, closed = ImportBatch.aliased("opened"), ImportBatch.aliased("closed")
    until: ColumnElement[Any] = closed.c.recorded_at
    if users.as_of is not None:
        until = case((until <= instant(users.as_of), until))
    person = _person(users, row)
    values = Said(
        {
            **{name: said.c[name] for name in _VERSIONED},
            **{name: partial(seen, users.scope, name, said.c, person) for name in PERSONAL},
            "end_date": lambda: func.nullif(said.c.end_date, OPEN_END),
            "batch_no": opened.c.number,
            "recorded_from": opened.c.recorded_at,
            "recorded_to": until,
        }
    )

    def selected(aggregate: ColumnElement[Any]) -> ScalarSelect[Any]:
        return (
            select(aggregate)
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
            .where(
                *([opened.c.recorded_at <= instant(users.as_of)] if users.as_of is not None else [])
            )
            .correlate(row)
            .scalar_subquery()
        )

    return History(values, (said.c.batch_no,), selected)


def whole(
    users: UserList, among: Callable[[FromClause], ColumnElement[bool]] | None = None
) -> tuple[dict[str, ColumnElement[Any]], Select[*tuple[Any, ...]]]:
    """Return the whole list for a download: its columns by name, and the select to add them to.

    `among` is a further condition on a record.
    """
    rows, where = _base(users, "r")
    if among is not None:
        where.append(among(rows))
    keys = user_keys(users.order, rows, lambda: _PRODUCT.c.name, users.today)
    columns: dict[str, ColumnElement[Any]] = {name: rows.c[name] for name in COLUMNS}
    columns |= {name: value() for name, value in personal_values(users, rows, columns).items()}
    columns["product"] = _PRODUCT.c.name
    columns["service_status"] = status_of(rows, users.today)
    named = (users.scope.covers(_PRODUCT), _PRODUCT.c.product_id == rows.c.product_id)
    return columns, select().where(*where, *named).order_by(*ordering(keys))
