"""`monthlyStats`: the monthly figures (一、2), with the users behind each count."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import strawberry

from gateway.errors import BadInput
from gateway.exports.requests import MonthlyExport, UserExport, day
from gateway.records.filters import UserFilter
from gateway.records.keyset import Page
from gateway.records.movements import Movement
from gateway.records.users import UserList
from gateway.regulation.months import Month
from gateway.resolvers.fields import list_fields
from gateway.resolvers.users import connection, read_order
from gateway.schema.context import Context, Info
from gateway.schema.inputs import MonthlyStatOrderInput
from gateway.schema.monthly_stat import MonthlyStat, MonthlyStatConnection
from gateway.schema.monthly_total import MonthlyTotal
from gateway.schema.pages import Slice, order_names
from gateway.schema.scalars import past_instant
from gateway.schema.selection import Selected, selected
from gateway.schema.user import UserConnection
from gateway.statistics.comparisons import PREVIOUS_MONTH, SAME_MONTH_LAST_YEAR
from gateway.statistics.figures import NEWEST_FIRST, StatList, figures, months_between, stat_keys
from gateway.statistics.stats import DrillDown, stat_page
from gateway.tenancy.principal import Right
from gateway.tenancy.scope import Scope

_DISTANCES = {"previousMonth": PREVIOUS_MONTH, "sameMonthLastYear": SAME_MONTH_LAST_YEAR}


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
    context.scope.require(Right.READ_STATISTICS)
    instant = past_instant(as_of)
    today = day(instant)
    months = months_between(today, from_, to, year)
    order = tuple(one.read() for one in order_by) if order_by else NEWEST_FIRST
    scope = context.scope.narrow(vendors=vendors, products=products)
    stats = StatList(scope, today, months, order, instant)
    paging = Page(first, after)
    selection = selected(info)
    of_rows = [*selection.under("nodes"), *selection.under("edges", "node")]
    drill_downs = {
        one.path: _drill_down(one, context.scope, scope) for one in of_rows if one.name == "users"
    }
    summed = {one.path: one.arguments["by"] for one in selection.all("totals")}
    found = await context.ask(
        stat_page(
            stats,
            drill_downs,
            paging,
            total="totalCount" in selection.names(),
            summed=summed,
            distances=sorted({_DISTANCES[one.name] for one in of_rows if one.name in _DISTANCES}),
        )
    )
    part = Slice.of(found, order_names(stat_keys(order, figures(stats))), paging)
    export = MonthlyExport(
        months,
        None if vendors is None else tuple(vendors),
        None if products is None else tuple(products),
        order,
        instant,
    )
    current = Month.of(today)
    return MonthlyStatConnection(
        part=part,
        export=export,
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


def _drill_down(field: Selected, whole: Scope, listed: Scope) -> DrillDown:
    arguments = field.arguments
    wanted = arguments.get("filter")
    try:
        read = wanted.read() if wanted else UserFilter()
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
    if read.products is not None:
        # known to the caller, and perhaps none of those that the figures are of
        named = whole.narrow(products=read.products, argument="users.filter.").products
        mine = tuple(name for number, name in named.items() if number in listed.products)
        read = replace(read, products=mine)
    return DrillDown(
        fields=list_fields(field),
        paging=Page(arguments.get("first"), arguments.get("after"), within="users."),
        total="totalCount" in field.names(),
        category=arguments.get("category"),
        movement=arguments.get("movement"),
        filter=read,
        order=read_order(arguments.get("order_by")),
    )


def _users(row: dict[str, Any], place: int, wanted: DrillDown, stats: StatList) -> UserConnection:
    month = Month.parse(str(row["month"])[:7])
    listed = UserList(stats.scope, stats.today, wanted.filter, wanted.order, stats.as_of)
    export = UserExport(
        (str(row["vendor_code"]),),
        (str(row["product_name"]),),
        _alike(wanted, month),
        tuple(wanted.order),
        stats.as_of,
    )
    return connection(row["users"][place], listed, wanted.paging, export)


def _alike(wanted: DrillDown, month: Month) -> UserFilter:
    """Return the filter by which a list of its own shows the same users."""
    category = wanted.category
    if wanted.movement is None:
        return replace(wanted.filter, counted_in=month, counted_as=category)
    moved = wanted.filter.moving(wanted.movement, month)
    if category is None:
        return moved
    asked = wanted.filter.fee_categories
    return replace(moved, fee_categories=(category,) if asked is None or category in asked else ())
