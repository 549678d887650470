"""`monthlyStats`: the monthly figures (一、2), with the users behind each count."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from operator import attrgetter
from typing import Annotated, Any, TypeVar

import strawberry

from gateway.config.clock import today
from gateway.errors import BadInput
from gateway.exports.requests import MonthlyExport, UserExport
from gateway.recording import decide, derive, present
from gateway.records.filters import UserFilter, spread
from gateway.records.keyset import Page
from gateway.records.movements import Movement
from gateway.records.order import UserOrder
from gateway.records.users import UserList
from gateway.regulation.codes import FeeCategory
from gateway.regulation.months import Month
from gateway.resolvers.fields import list_fields
from gateway.resolvers.users import connection, day_at, read_order
from gateway.schema.context import Context, Info
from gateway.schema.inputs import MonthlyStatOrderInput, UserFilterInput
from gateway.schema.monthly_stat import MonthlyStat, MonthlyStatConnection
from gateway.schema.monthly_total import MonthlyTotal
from gateway.schema.pages import Slice, order_names
from gateway.schema.scalars import past_instant
from gateway.schema.selection import Selected, selected
from gateway.schema.user import UserConnection
from gateway.statistics.figures import PREVIOUS_MONTH, SAME_MONTH_LAST_YEAR, figures
from gateway.statistics.grid import (
    NEWEST_FIRST,
    MonthlyStatOrder,
    StatList,
    months_between,
    stat_keys,
)
from gateway.statistics.stats import DrillDown, stat_page
from gateway.tenancy.principal import Right
from gateway.tenancy.scope import AnyScope, Scope

T = TypeVar("T", bound=Hashable)
DISTANCES = {"previousMonth": PREVIOUS_MONTH, "sameMonthLastYear": SAME_MONTH_LAST_YEAR}


async def monthly_stats(
    info: Info,
    vendors: list[str] | None = None,
    products: list[str] | None = None,
    from_: Annotated[Month | None, strawberry.argument(name="from")] = None,
    to: Month | None = None,
    year: int | None = None,
    order_by: list[MonthlyStatOrderInput] | None = None,
    first: int | None = None,
    after: str | None = None,
    as_of: datetime | None = None,
) -> MonthlyStatConnection:
    """Return a page of the figures in scope, drill-down lists and all, by one statement."""
    context: Context = info.context
    asked = read_stats(
        context.scope, today(), vendors, products, from_, to, year, order_by, first, after, as_of
    )
    stats, paging, selection = asked.stats, asked.paging, selected(info)
    order = stats.order
    of_rows = [*selection.under("nodes"), *selection.under("edges", "node")]
    drill_downs = {
        one.path: drill_down(one, context.scope, stats.scope)
        for one in of_rows
        if one.name == "users"
    }
    summed = {one.path: one.arguments["by"] for one in selection.all("totals")}
    current = Month.of(stats.today)
    found = await context.ask(
        stat_page(
            stats,
            drill_downs,
            paging,
            total="totalCount" in selection.names(),
            summed=summed,
            before=sorted({DISTANCES[one.name] for one in of_rows if one.name in DISTANCES}),
        )
    )
    part = Slice.of(found, order_names(stat_keys(order, figures(stats))), paging)
    return MonthlyStatConnection(
        part=part,
        export=asked.export(),
        stats=[
            MonthlyStat(
                row=row,
                nested={
                    key: _users(row, place, wanted, stats)
                    for place, (key, wanted) in enumerate(drill_downs.items())
                },
                current=current,
            )
            for row in part.rows
        ],
        summed={
            key: [MonthlyTotal.of(row, current) for row in rows]
            for key, rows in zip(summed, found["totals"], strict=True)
        },
    )


@dataclass(frozen=True, slots=True)
class AskedStats:
    """What is asked for: the figures, the page, and the download of all of them."""

    stats: StatList
    paging: Page
    export: Callable[[], MonthlyExport]


def read_stats(
    scope: AnyScope,
    day: date,
    vendors: list[str] | None = None,
    products: list[str] | None = None,
    from_: Month | None = None,
    to: Month | None = None,
    year: int | None = None,
    order_by: list[MonthlyStatOrderInput] | None = None,
    first: int | None = None,
    after: str | None = None,
    as_of: datetime | None = None,
) -> AskedStats:
    """Read the arguments of `monthlyStats`, known or given; `day` is the current date."""
    scope.require(Right.READ_STATISTICS)
    instant = present(derive(past_instant, as_of))
    current = day_at(instant, day)
    months = derive(months_between, current, from_, to, year)
    order = decide(_read_order, order_by)
    listed = scope.narrow(vendors=vendors, products=products)
    return AskedStats(
        StatList(listed, current, months, order, instant),
        Page.asked(first, after),
        partial(derive, _export, months, vendors, products, instant, order),
    )


def _read_order(order_by: Sequence[MonthlyStatOrderInput] | None) -> tuple[MonthlyStatOrder, ...]:
    return tuple(one.read() for one in order_by) if order_by else NEWEST_FIRST


def _export(
    months: tuple[Month, ...],
    vendors: Sequence[str] | None,
    products: Sequence[str] | None,
    instant: datetime | None,
    order: tuple[MonthlyStatOrder, ...],
) -> MonthlyExport:
    return MonthlyExport(
        months,
        None if vendors is None else tuple(vendors),
        None if products is None else tuple(products),
        order,
        instant,
    )


def drill_down(field: Selected, whole: AnyScope, listed: AnyScope) -> DrillDown:
    """Read the arguments of the `users` of figures, known or given.

    `whole` is the caller's scope, `listed` the part that the figures are of.
    """
    arguments = field.arguments
    read = derive(_read_filter, arguments.get("filter"))
    if present(derive(attrgetter("products"), read)) is not None:
        read = listed.read(_of_listed, derive(attrgetter("products"), read), read, whole.own)
    return DrillDown(
        fields=list_fields(field),
        paging=Page.asked(arguments.get("first"), arguments.get("after"), within="users."),
        total="totalCount" in field.names(),
        category=decide(_same, arguments.get("category")),
        movement=decide(_same, arguments.get("movement")),
        filter=spread(read),
        order=decide(read_order, arguments.get("order_by")),
        whole=read,
    )


def _read_filter(wanted: UserFilterInput | None) -> UserFilter:
    try:
        read = UserFilter() if wanted is None else wanted.read()
    except BadInput as error:
        error.argument = f"users.{error.argument}"
        raise
    months = {"countedIn": read.counted_in} | {
        f"{movement.value.lower()}In": read.moved_in(movement) for movement in Movement
    }
    for name, month in months.items():
        if month is not None:
            raise BadInput(
                "the list belongs to a month already",
                "该列表已属于某个月",
                argument=f"users.filter.{name}",
                accepted=f"a filter without {name}",
            )
    return read


def _of_listed(listed: Scope, names: tuple[str, ...], read: UserFilter, whole: Scope) -> UserFilter:
    """Return the filter with those of its products only that the figures are of.

    All of them are known to the caller, and perhaps none is listed.
    """
    named = whole.narrow(products=names, argument="users.filter.").products
    return replace(
        read, products=tuple(name for number, name in named.items() if number in listed.products)
    )


def _same(value: T) -> T:
    return value


def _users(row: dict[str, Any], place: int, wanted: DrillDown, stats: StatList) -> UserConnection:
    listed = UserList(stats.scope, stats.today, wanted.filter, wanted.order, stats.as_of)
    export = behind(
        wanted.filter,
        wanted.category,
        stats.as_of,
        wanted.movement,
        wanted.order,
        str(row["vendor_code"]),
        str(row["product_name"]),
        str(row["month"]),
    )
    return connection(row["users"][place], listed, wanted.paging, export)


def behind(
    wanted: UserFilter,
    category: FeeCategory | None,
    as_of: datetime | None,
    movement: Movement | None,
    order: Sequence[UserOrder],
    vendor: str,
    product: str,
    day: str,
) -> UserExport:
    """Return the download of the users behind a figure; `day` is its month's first."""
    filtered = alike(wanted, category, movement, Month.parse(day[:7]))
    return UserExport((vendor,), (product,), filtered, tuple(order), as_of)


def alike(
    wanted: UserFilter, category: FeeCategory | None, movement: Movement | None, month: Month
) -> UserFilter:
    """Return the filter by which a list of its own shows the same users as a figure's list."""
    if movement is None:
        return replace(wanted, counted_in=month, counted_as=category)
    moved = wanted.moving(movement, month)
    if category is None:
        return moved
    asked = wanted.fee_categories
    return replace(moved, fee_categories=(category,) if asked is None or category in asked else ())
