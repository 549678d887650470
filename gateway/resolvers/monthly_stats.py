"""`monthlyStats`: the monthly figures (一、2), with the users behind each count."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from operator import attrgetter
from typing import Annotated, Any, TypeVar

import strawberry

from gateway.catalogue.packs import MOST_PACKS, named, packs_document, read_packs
from gateway.config.clock import today
from gateway.errors import BadInput
from gateway.exports.requests import CountedByPack, MonthlyExport, UserExport
from gateway.recording import decide, derive, present
from gateway.records.filters import UserFilter, spread
from gateway.records.keyset import Page
from gateway.records.movements import Movement
from gateway.records.order import UserOrder
from gateway.records.users import UserList
from gateway.regulation.codes import FeeCategory
from gateway.regulation.months import Month
from gateway.regulation.packs import SZSE_2010, RulePack
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
    Packs,
    StatList,
    months_between,
    stat_keys,
)
from gateway.statistics.packed import chosen
from gateway.statistics.stats import DrillDown, stat_page
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
    rule_pack: Annotated[
        str | None,
        strawberry.argument(
            description="Count by this rule pack, NAME or NAME@VERSION, instead of the one that is "
            "in use for the product in the month."
        ),
    ] = None,
) -> MonthlyStatConnection:
    """Return a page of the figures in scope, drill-down lists and all, by one statement.

    Where other rule packs than the default have a part in it, by two or three.
    """
    context: Context = info.context
    scope = context.scope
    asked = read_stats(
        *(scope, today(), vendors, products, from_, to, year, order_by, first, after, as_of),
        rule_pack=rule_pack,
    )
    stats, paging, selection = asked.stats, asked.paging, selected(info)
    of_rows = [*selection.under("nodes"), *selection.under("edges", "node")]
    names = {one.name for one in of_rows}
    unapproved = "unapprovedCount" in names
    drill_downs = {
        one.path: drill_down(one, scope, stats.scope) for one in of_rows if one.name == "users"
    }
    summed = {one.path: one.arguments["by"] for one in selection.all("totals")}
    defined: Sequence[RulePack] = (SZSE_2010,)
    compared: dict[str, list[RulePack]] = {}

    async def read() -> Any:
        """Ask for the page by the packs that are known so far."""
        if stats.packs is not None:
            _refuse_lists_of_averages(drill_downs.values(), stats.packs.packs)
        every = list(dict.fromkeys(pack for packs in compared.values() for pack in packs))
        places = {pack: place for place, pack in enumerate(every)}
        page = stat_page(
            stats,
            drill_downs,
            paging,
            total="totalCount" in selection.names(),
            summed=summed,
            before=sorted({DISTANCES[name] for name in names if name in DISTANCES}),
            priced="feeLines" in names,
            compared=every,
        )
        return await context.ask(page), places

    async def known() -> tuple[Sequence[RulePack], Packs | None]:
        """Ask for the packs that there are, and choose."""
        every, used = read_packs(await context.ask(packs_document(stats.scope)))
        return every, chosen(rule_pack, every, used, unapproved=unapproved)

    if rule_pack is not None or unapproved or "feesByPack" in names:
        defined, packs = await known()
        stats = replace(stats, packs=packs)
        compared = {
            one.path: _compared(one.arguments.get("packs"), defined)
            for one in of_rows
            if one.name == "feesByPack"
        }
        _refuse_too_many(len({pack for packs in compared.values() for pack in packs}))
    found, places = await read()
    if rule_pack is None and stats.packs is None and found["other_packs"]:
        defined, packs = await known()
        stats = replace(stats, packs=packs)
        found, places = await read()
    return _connection(asked, stats, found, drill_downs, summed, defined, compared, places)


def _connection(
    asked: "AskedStats",
    stats: StatList,
    found: dict[str, Any],
    drill_downs: Mapping[str, DrillDown],
    summed: Mapping[str, Any],
    defined: Sequence[RulePack],
    compared: Mapping[str, Sequence[RulePack]],
    places: Mapping[RulePack, int],
) -> MonthlyStatConnection:
    """Return a statement's answer as a connection."""
    current = Month.of(stats.today)
    part = Slice.of(found, order_names(stat_keys(stats.order, figures(stats))), asked.paging)
    by_name = {str(pack): pack for pack in defined}
    placed = {key: [(pack, places[pack]) for pack in packs] for key, packs in compared.items()}
    return MonthlyStatConnection(
        part=part,
        export=asked.export(),
        stats=[
            MonthlyStat(
                row=row,
                nested={
                    key: _users(row, place, wanted, stats, by_name)
                    for place, (key, wanted) in enumerate(drill_downs.items())
                },
                current=current,
                packs=by_name,
                compared=placed,
            )
            for row in part.rows
        ],
        summed={
            key: [MonthlyTotal.of(row, current) for row in rows]
            for key, rows in zip(summed, found["totals"], strict=True)
        },
    )


def _compared(asked: Sequence[str] | None, defined: Sequence[RulePack]) -> list[RulePack]:
    """Return the packs whose fees are asked for: by default the latest version of each."""
    if asked is None:
        return list({pack.name: pack for pack in defined}.values())[:MOST_PACKS]
    _refuse_too_many(len(asked))
    return list(dict.fromkeys(named(one, defined) for one in asked))


def _refuse_too_many(number: int) -> None:
    if number > MOST_PACKS:
        raise BadInput(
            f"{number} rule packs are too many to compare at once",
            f"一次最多比较{MOST_PACKS}个规则包",
            argument="packs",
            accepted=f"{MOST_PACKS} at most, in all of the document",
        )


def _refuse_lists_of_averages(wanted: Iterable[DrillDown], packs: Sequence[RulePack]) -> None:
    """Refuse the users behind a count that is no number of users."""
    if all(one.movement is not None for one in wanted):
        return
    for pack in packs:
        if not pack.counts_whole:
            raise BadInput(
                f"{pack} counts the average of the days: no list of users is as long as that",
                f"{pack}按日均数统计，没有与其等长的用户列表",
                argument="users",
                accepted="users(movement: …), or a rule pack that counts users",
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
    rule_pack: str | None = None,
) -> AskedStats:
    """Read the arguments of `monthlyStats`, known or given; `day` is the current date.

    The rule pack is named in the download; a compiled operation has none.
    """
    instant = present(derive(past_instant, as_of))
    current = day_at(instant, day)
    months = derive(months_between, current, from_, to, year)
    order = decide(_read_order, order_by)
    listed = scope.narrow(vendors=vendors, products=products)
    reach = scope.narrow(vendors=vendors)
    return AskedStats(
        StatList(listed, current, months, order, instant, reach=reach),
        Page.asked(first, after),
        partial(derive, partial(_export, rule_pack), months, vendors, products, instant, order),
    )


def _read_order(order_by: Sequence[MonthlyStatOrderInput] | None) -> tuple[MonthlyStatOrder, ...]:
    return tuple(one.read() for one in order_by) if order_by else NEWEST_FIRST


def _export(
    rule_pack: str | None,
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
        rule_pack,
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


def _users(
    row: dict[str, Any],
    place: int,
    wanted: DrillDown,
    stats: StatList,
    packs: Mapping[str, RulePack],
) -> UserConnection:
    listed = UserList(
        stats.scope, stats.today, wanted.filter, wanted.order, stats.as_of, stats.reach
    )
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
    if stats.packs is not None:
        by = CountedByPack(
            packs[row["rule_pack"]],
            Month.parse(str(row["month"])[:7]),
            wanted.category,
            wanted.movement,
        )
        export = replace(export, filter=wanted.filter, counted_by=by)
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
