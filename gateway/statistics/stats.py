"""The list of monthly figures as one SQL statement, drill-down lists and all, in JSON."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    ScalarSelect,
    Select,
    and_,
    cast,
    func,
    literal,
    null,
    select,
)

from gateway.catalogue.packs import others_in_use
from gateway.kinds import TEXT
from gateway.records.filters import UserFilter
from gateway.records.keyset import Key, Page, beyond, bounds, ordering, places
from gateway.records.known import calendar_day
from gateway.records.movements import Movement
from gateway.records.order import UserOrder
from gateway.records.rows import Rows, json_array
from gateway.records.said import Said, licensor_of
from gateway.records.users import CountedBy, Fields, UserList
from gateway.records.users import page as user_page
from gateway.regulation.codes import FeeCategory
from gateway.regulation.packs import RulePack
from gateway.statistics.counting import FIGURES
from gateway.statistics.figures import COMPARED, SHOWN, beside, changes, figures
from gateway.statistics.grid import Packs, StatList, grid, stat_keys
from gateway.statistics.packed import Packed, packed_values
from gateway.statistics.pricing import in_force, tiers_in_force
from gateway.statistics.totals import TotalKey, totals
from gateway.statistics.units import CELL


@dataclass(frozen=True, slots=True)
class DrillDown:
    """The users behind a figure, as asked for: the list's own filter, order and page."""

    fields: Fields
    paging: Page
    total: bool
    category: FeeCategory | None = None
    movement: Movement | None = None
    filter: UserFilter = field(default_factory=UserFilter)
    order: Sequence[UserOrder] = ()
    whole: Any = None
    """The filter as one value, where `filter` is spread."""


@dataclass(frozen=True, slots=True)
class Stats:
    """A page's figures, and the whole list, with figures only where it is added up."""

    stats: StatList
    every: FromClause
    rows: Rows
    packed: Packed | None = None

    @property
    def total(self) -> ScalarSelect[int]:
        """How many rows the whole list has."""
        return select(func.count()).select_from(grid(self.stats)).scalar_subquery()


def stats_of(
    stats: StatList, paging: Page, before: Sequence[int] = (), *, summed: bool = False
) -> Stats:
    """Return a page's figures, each beside those so many months before.

    `summed` says that the whole list is added up too. Otherwise an order that no figure has a part
    in leads to the page first: then only its figures are looked up.
    """
    page_first = stats.orders_grid and not summed
    last = changes(stats)
    whole = grid(stats) if page_first else figures(stats, last)
    if summed:
        whole = select(*whole.c).cte()
    keys = stat_keys(stats.order, whole)
    vendor_at = len(keys) - 1
    page = (
        select(*whole.c)
        .where(*beyond(keys, bounds(keys, paging, stats.scope, vendor_at)))
        .order_by(*ordering(keys, backward=paging.backward))
        .limit(paging.limit)
        .subquery("stats")
    )
    inner = beside(stats, page, last, own=page_first, before=before)

    def shown(row: FromClause) -> list[Key]:
        return stat_keys(stats.order, row)

    def values(row: FromClause) -> Mapping[str, ColumnElement[Any]]:
        names = ("vendor_code", "vendor_name", "product_name", "product_id", "month", *SHOWN)
        return Said(
            {
                **{name: row.c[name] for name in names},
                **(packed_values(row) if stats.packs else {}),
                **{name: partial(cast, row.c[name], TEXT) for name in ("price", "fee")},
                **licensor_of(row),
            }
        )

    def placed(row: FromClause) -> list[ColumnElement[Any]]:
        return places(shown(row), vendor_at, row.c.vendor_code)

    rows = Rows(inner, paging, shown, placed, values)
    return Stats(stats, whole, rows, last if isinstance(last, Packed) else None)


def stat_page(
    stats: StatList,
    drill_downs: Mapping[str, DrillDown],
    paging: Page,
    *,
    total: bool,
    summed: Mapping[str, Sequence[TotalKey]] = MappingProxyType({}),
    before: Sequence[int] = (),
    priced: bool = False,
    compared: Sequence[RulePack] = (),
) -> ScalarSelect[Any]:
    """Return one page as JSON, like `records.users.page`.

    `drill_downs` are lists of users nested in each row as `users`, and `summed` the keys of totals
    of the whole list, given as `totals`; both by the key that they answer under, and given as
    arrays in that order, for PostgreSQL builds an object of at most fifty pairs. `before` says
    with which months each row is compared, as so many before. `priced` asks for the price's
    `minimum` and `tiers`, to explain the fee by; `compared` for the `fees` by so many rule packs.
    `other_packs` tells whether any product in scope counts by another pack than the default.
    """
    found = stats_of(stats, paging, before, summed=bool(summed))
    rows, every = found.rows, found.every
    if compared:
        rows = replace(rows, page=_fees(stats, rows.page, compared))
    inner = rows.page
    document = func.json_build_object(
        *("place", rows.place(inner)),
        *(part for pair in rows.values(inner).items() for part in pair),
        *(part for distance in before for part in _earlier(inner, distance)),
        *(_price(stats, inner) if priced else ()),
        "fees",
        func.json_build_array(*(cast(inner.c[f"fee_by_{i}"], TEXT) for i in range(len(compared)))),
        "users",
        func.json_build_array(
            *(_users(stats, wanted, inner, found.packed) for wanted in drill_downs.values())
        ),
    )
    listed = rows.select(inner, json_array(document, *ordering(rows.keys(inner))))
    number: Any = found.total if total else null()
    return select(
        func.json_build_object(
            "total",
            number,
            "rows",
            listed.scalar_subquery(),
            "totals",
            func.json_build_array(*(totals(every, by) for by in summed.values())),
            "other_packs",
            others_in_use(stats.scope),
        )
    ).scalar_subquery()


def _price(stats: StatList, row: FromClause) -> tuple[Any, ...]:
    """Return the names and values of what a row's fee is made of, beside the price itself."""
    minimum = in_force(row, row.c.month, stats.scope, lambda price: price.c.minimum)
    return "minimum", cast(minimum, TEXT), "tiers", tiers_in_force(row, stats.scope)


def _fees(stats: StatList, page: FromClause, packs: Sequence[RulePack]) -> FromClause:
    """Return the page's rows with their fees by each rule pack, as `fee_by_0` and so on."""
    listed = select(*page.c).cte("compared_page")
    found: FromClause = listed
    columns: list[ColumnElement[Any]] = list(listed.c)
    for i, pack in enumerate(packs):
        by = replace(stats, packs=Packs((pack,), fixed=True))
        keys = select(*(listed.c[name] for name in CELL)).cte(f"compared{i}cells")
        figures_by = Packed(by, f"compared{i}").beside(keys, own=True, before=())
        fee = select(figures_by.c.fee, *(figures_by.c[name] for name in CELL)).subquery(
            f"compared{i}fee"
        )
        same = and_(*(fee.c[name] == listed.c[name] for name in CELL))
        found = found.join(fee, same, isouter=True)
        columns.append(fee.c.fee.label(f"fee_by_{i}"))
    return select(*columns).select_from(found).subquery("compared_stats")


def _earlier(row: FromClause, distance: int) -> tuple[str, ColumnElement[Any]]:
    """Return the name and value of the figures so many months before, exact numbers as text."""
    values: dict[str, ColumnElement[Any]] = {name: row.c[f"{name}_{distance}"] for name in COMPARED}
    values["fee"] = cast(values["fee"], TEXT)
    return f"before:{distance}", func.json_build_object(
        *(part for pair in values.items() for part in pair)
    )


def drilled(
    stats: StatList, wanted: DrillDown, row: Any, packed: Packed | None = None
) -> tuple[UserList, CountedBy]:
    """Return the users behind a row's figure: the list, and the figure that it belongs to."""
    figure = CountedBy(
        row.c.vendor_id,
        row.c.product_id,
        row.c.month,
        row.c.last_day,
        wanted.category,
        wanted.movement,
        _count(wanted, row),
        None if packed is None else packed.among(row, wanted.movement, wanted.category),
    )
    users = UserList(
        stats.scope, stats.today, wanted.filter, wanted.order, stats.as_of, stats.reach
    )
    return users, figure


def counted_by(
    stats: StatList, movement: Movement | None, category: FeeCategory | None
) -> Callable[[FromClause], ColumnElement[bool]]:
    """Return the condition that a record is one behind a figure of the only month listed.

    With a movement, the category is the record's own.
    """
    packed = Packed(stats)
    packed.beside(grid(stats), own=True, before=())
    (month,) = stats.months
    first = calendar_day(month.first)

    def condition(rows: FromClause) -> ColumnElement[bool]:
        found = packed.among(rows, movement, category, first)(rows)
        if movement is None or category is None:
            return found
        return and_(found, rows.c.fee_category == literal(int(category)))

    return condition


def _users(
    stats: StatList, wanted: DrillDown, row: Any, packed: Packed | None
) -> ScalarSelect[Any]:
    users, figure = drilled(stats, wanted, row, packed)
    return user_page(users, wanted.fields, wanted.paging, total=wanted.total, figure=figure)


def _count(wanted: DrillDown, row: Any) -> ColumnElement[int] | None:
    """Return the figure that the list is as long as; there is none per category of a movement."""
    match wanted.movement:
        case None:
            categories = dict(zip(FeeCategory, FIGURES, strict=False))
            chosen = FeeCategory if wanted.category is None else (wanted.category,)
            return sum((row.c[categories[one]] for one in chosen), literal(0))
        case _ if wanted.category is not None:
            return None
        case movement:
            return row.c[movement.value.lower()]  # type: ignore[no-any-return]


def whole_stats(stats: StatList) -> tuple[dict[str, ColumnElement[Any]], Select[*tuple[Any, ...]]]:
    """Return all the figures for a download: columns by name, and the select to add them to."""
    every = figures(stats)
    columns: dict[str, ColumnElement[Any]] = {column.name: column for column in every.c}
    for name in SHOWN:
        columns[f"{name}_count"] = columns[name]
    return columns, select().order_by(*ordering(stat_keys(stats.order, every)))
