"""Monthly figures against the naive count: any roster, any run of imports, any past instant."""

import itertools
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from market import ENHANCED, PRICE, PRODUCTS, found, load, operator
from naive.counting import (
    ACTIVE,
    CANCELLED,
    EXPIRED,
    MOVEMENTS,
    Figures,
    Service,
    count,
    counting_record,
    moving_record,
)
from naive.strategies import (
    ADDRESSES,
    CATEGORIES,
    LENGTHS,
    HypothesisPick,
    Window,
    end_of,
    eventful_months,
    months,
    random_roster,
    rosters,
)
from sqlalchemy import select

from gateway.app.house import House
from gateway.config.clock import today
from gateway.db.embedded import EmbeddedPostgres
from gateway.intake.run import Mode
from gateway.records.filters import UserFilter
from gateway.records.keyset import Page
from gateway.records.movements import Movement
from gateway.records.users import Fields, UserList
from gateway.records.users import page as user_page
from gateway.regulation.codes import FeeCategory, UsageMode
from gateway.regulation.months import Month
from gateway.statistics.figures import figures
from gateway.statistics.grid import StatList
from gateway.statistics.stats import DrillDown, stat_page
from gateway.statistics.upkeep import recount
from gateway.tenancy.session import ScopedSession, open_session

Roster = list[Service]
Key = tuple[str, str, str, date]
Months = Sequence[tuple[int, int]]
Shown = dict[tuple[str, int, int], tuple[Figures, Decimal | None]]
Lists = dict[tuple[str, int, int, str | None, str | None], list[Key]]

TODAY = today()
WINDOW = Window.ending(TODAY)
ROSTERS = rosters(TODAY, PRODUCTS).filter(bool)
CHOICES = tuple(itertools.product((None, *Movement), (None, *FeeCategory)))
BY_FILTER = tuple(one for one in CHOICES if None in one)
IDENTITY = Fields(frozenset({"user_id", "product_name", "usage_mode", "start_date"}))
WHOLE = Page(first=1000)
_numbers = itertools.count()


def examples(number: int) -> settings:
    """The examples of a test share its database; each has a vendor of its own."""
    return settings(
        max_examples=number,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


async def new_vendor(house: House) -> str:
    code = f"V{next(_numbers)}"
    await found(house, code)
    return code


@asynccontextmanager
async def reading(house: House, vendor: str) -> AsyncIterator[ScopedSession]:
    scope = (await operator(house)).narrow(vendors=[vendor])
    async with open_session(house.service, scope) as session:
        yield session


def written(roster: Iterable[Service], *, status: bool = True) -> list[str]:
    """The file's lines, with the status in a twelfth column or without it."""
    if not status:
        return [record.line() for record in roster]
    return [f"{record.line()}||{record.status or ACTIVE}" for record in roster]


# What the gateway shows


def stat_list(session: ScopedSession, wanted: Months, as_of: datetime | None) -> StatList:
    return StatList(session.scope, TODAY, tuple(Month(*month) for month in wanted), as_of=as_of)


async def shown(session: ScopedSession, wanted: Months, as_of: datetime | None = None) -> Shown:
    stat = figures(stat_list(session, wanted, as_of))
    rows = await session.rows(select(*stat.c))
    return {
        (row.product_name, row.month.year, row.month.month): (
            Figures(
                row.full_price,
                row.regulatory,
                row.internal_free,
                row.trial,
                row.new,
                row.ended,
                row.cancelled,
            ),
            row.fee,
        )
        for row in rows
    }


def listed(page: dict[str, Any]) -> list[Key]:
    """The records of a page that holds a whole list."""
    rows = [
        (
            row["user_id"],
            row["product_name"],
            UsageMode(row["usage_mode"]).text,
            date.fromisoformat(row["start_date"]),
        )
        for row in page["rows"]
    ]
    assert len(rows) == page["total"]
    return rows


async def lists_by_filter(
    session: ScopedSession, products: Iterable[str], wanted: Months, as_of: datetime | None = None
) -> Lists:
    """The user list filtered by countedIn and countedAs, or by newIn, endedIn and the others."""
    found_lists: Lists = {}
    for product, month, choice in itertools.product(products, wanted, BY_FILTER):
        condition = filter_of(product, Month(*month), *choice)
        users = UserList(session.scope, TODAY, condition, as_of=as_of)
        page = await session.scalar(select(user_page(users, IDENTITY, WHOLE, total=True)))
        found_lists[product, *month, *named(*choice)] = listed(page)
    return found_lists


def filter_of(
    product: str, month: Month, movement: Movement | None, category: FeeCategory | None
) -> UserFilter:
    products = (product,)
    match movement:
        case None:
            return UserFilter(products=products, counted_in=month, counted_as=category)
        case Movement.NEW:
            moving = UserFilter(products=products, new_in=month)
        case Movement.ENDED:
            moving = UserFilter(products=products, ended_in=month)
        case Movement.CANCELLED:
            moving = UserFilter(products=products, cancelled_in=month)
        case Movement.EXPIRED:
            moving = UserFilter(products=products, expired_in=month)
    return moving


def named(movement: Movement | None, category: FeeCategory | None) -> tuple[str | None, str | None]:
    return movement and movement.name, category and category.text


async def lists_by_figure(
    session: ScopedSession, wanted: Months, as_of: datetime | None = None
) -> Lists:
    """The lists nested in the rows of figures."""
    stats = stat_list(session, wanted, as_of)
    nested = {
        str(named(*choice)): DrillDown(
            IDENTITY, WHOLE, total=True, movement=choice[0], category=choice[1]
        )
        for choice in CHOICES
    }
    page = await session.scalar(select(stat_page(stats, nested, WHOLE, total=False)))
    found_lists: Lists = {}
    for row in page["rows"]:
        month = date.fromisoformat(row["month"])
        for choice, users in zip(CHOICES, row["users"], strict=True):
            place = (row["product_name"], month.year, month.month, *named(*choice))
            found_lists[place] = listed(users)
    return found_lists


# What the naive count says


def products_of(roster: Iterable[Service]) -> set[str]:
    return {record.product for record in roster}


def counted(roster: Roster, products: Iterable[str], wanted: Months) -> Shown:
    """The figures of the products that were ever reported; only ENHANCED has a price."""
    result: Shown = {}
    for product, month in itertools.product(products, wanted):
        one = count(roster, product, *month)
        result[product, *month] = (one, one.full * PRICE if product == ENHANCED else None)
    return result


def counted_lists(
    roster: Roster, products: Iterable[str], wanted: Months, *, by_filter: bool = False
) -> Lists:
    """The records behind each count, in the order of the user list."""
    lists: Lists = {}
    for product, month in itertools.product(products, wanted):
        for movement in (None, *MOVEMENTS):
            records = (
                moving_record(roster, product, *month, movement)
                if movement
                else counting_record(roster, product, *month)
            )
            in_order = [records[user] for user in sorted(records)]
            for category in (None,) if movement and by_filter else (None, *CATEGORIES):
                lists[product, *month, movement, category] = [
                    record.key() for record in in_order if category in (None, record.category)
                ]
    return lists


@dataclass
class Model:
    """What a roster should be after the imports so far, and was after each one."""

    now: dict[Key, Service] = field(default_factory=dict)
    products: set[str] = field(default_factory=set)
    past: list[Roster] = field(default_factory=list)

    def take(self, roster: Roster, mode: Mode, *, status: bool) -> None:
        said = {
            record.key(): record if status else replace(record, status=None) for record in roster
        }
        self.now = said if mode is Mode.SNAPSHOT else self.now | said
        self.products |= products_of(roster)

    @property
    def roster(self) -> Roster:
        return list(self.now.values())


# Runs of imports


@dataclass(frozen=True)
class Step:
    """One file of a run."""

    roster: Roster
    mode: Mode
    status: bool


@st.composite
def runs(draw: DrawFn, files: int = 3) -> list[Step]:
    """Files that follow one another: records changed, left out, as they were, and new ones."""
    roster = draw(ROSTERS)
    run = [Step(roster, draw(st.sampled_from(Mode)), draw(st.booleans()))]
    for _ in range(files - 1):
        roster = draw(successors(roster))
        run.append(Step(roster, draw(st.sampled_from(Mode)), draw(st.booleans())))
    return run


@st.composite
def successors(draw: DrawFn, roster: Roster) -> Roster:
    pick = HypothesisPick(draw)
    added = draw(rosters(TODAY, PRODUCTS, max_users=3, max_records=4))
    later = {record.key(): record for record in added}
    for record in roster:
        fate = pick.choice(("keep", "end", "category", "status", "address", "all", "drop", "drop"))
        if fate == "drop":
            later.pop(record.key(), None)
            continue
        changed = record
        if fate in ("end", "all"):
            changed = replace(changed, end=end_of(pick, WINDOW, record.start, LENGTHS))
        if fate in ("category", "all"):
            changed = replace(changed, category=pick.choice(CATEGORIES))
        if fate in ("status", "all"):
            changed = replace(changed, status=pick.choice((ACTIVE, EXPIRED, CANCELLED)))
        if fate == "address":
            changed = replace(changed, address=pick.choice(ADDRESSES))
        later[record.key()] = changed
    return list(later.values()) or roster


async def carry_out(house: House, vendor: str, run: list[Step], place: Path) -> Model:
    """Import a run's files. Files that change nothing leave no past to go back to."""
    model = Model()
    for step in run:
        outcome = await load(
            house, vendor, written(step.roster, status=step.status), place, step.mode
        )
        model.take(step.roster, step.mode, status=step.status)
        if outcome.batch is not None:
            model.past.append(model.roster)
            assert outcome.batch == len(model.past)
    return model


async def recorded(server: EmbeddedPostgres, database: str, vendor: str) -> list[datetime]:
    """The recorded instants of a vendor's batches, in order."""
    connection = await asyncpg.connect(server.url("postgres", database))
    try:
        rows = await connection.fetch(
            "SELECT recorded_at FROM import_batches JOIN vendors USING (vendor_id)"
            " WHERE code = $1 ORDER BY batch_no",
            vendor,
        )
    finally:
        await connection.close()
    return [row["recorded_at"] for row in rows]


@examples(20)
@given(roster=ROSTERS)
async def test_any_roster(house: House, tmp_path: Path, roster: Roster) -> None:
    vendor = await new_vendor(house)
    await load(house, vendor, written(roster), tmp_path)
    wanted = eventful_months(roster, TODAY)
    async with reading(house, vendor) as session:
        assert await shown(session, wanted) == counted(roster, products_of(roster), wanted)
        assert await recount(session) == 0


@examples(10)
@given(run=runs())
async def test_any_run_of_imports(house: House, tmp_path: Path, run: list[Step]) -> None:
    vendor, model = await new_vendor(house), Model()
    for step in run:
        lines = written(step.roster, status=step.status)
        await load(house, vendor, lines, tmp_path, step.mode)
        model.take(step.roster, step.mode, status=step.status)
        wanted = eventful_months(model.roster, TODAY)
        async with reading(house, vendor) as session:
            assert await shown(session, wanted) == counted(model.roster, model.products, wanted)
            assert await recount(session) == 0


@examples(5)
@given(run=runs())
async def test_figures_and_lists_as_of_each_batch(
    house: House, server: EmbeddedPostgres, database: str, tmp_path: Path, run: list[Step]
) -> None:
    vendor = await new_vendor(house)
    model = await carry_out(house, vendor, run, tmp_path)
    instants = await recorded(server, database, vendor)
    just_before = instants[0] - timedelta(microseconds=1)
    for instant, roster in zip([just_before, *instants], [[], *model.past], strict=True):
        wanted = eventful_months(roster, TODAY)
        newest = wanted[:1]
        async with reading(house, vendor) as session:
            then = await shown(session, wanted, instant)
            lists = await lists_by_filter(session, model.products, newest, instant)
        assert then == counted(roster, model.products, wanted)
        assert lists == counted_lists(roster, model.products, newest, by_filter=True)


@examples(8)
@given(roster=ROSTERS)
async def test_the_lists_filtered_by_a_count(house: House, tmp_path: Path, roster: Roster) -> None:
    vendor, products = await new_vendor(house), products_of(roster)
    await load(house, vendor, written(roster), tmp_path)
    wanted = eventful_months(roster, TODAY)[:4]
    async with reading(house, vendor) as session:
        lists = await lists_by_filter(session, products, wanted)
    assert lists == counted_lists(roster, products, wanted, by_filter=True)


@examples(4)
@given(run=runs(files=2))
async def test_the_lists_nested_in_figures(
    house: House, server: EmbeddedPostgres, database: str, tmp_path: Path, run: list[Step]
) -> None:
    vendor = await new_vendor(house)
    model = await carry_out(house, vendor, run, tmp_path)
    (first, *_) = await recorded(server, database, vendor)
    for instant, roster in ((first, model.past[0]), (None, model.roster)):
        wanted = eventful_months(roster, TODAY)
        async with reading(house, vendor) as session:
            lists = await lists_by_figure(session, wanted, instant)
        assert lists == counted_lists(roster, model.products, wanted)


async def test_moves_that_cancel_each_other_out(house: House, tmp_path: Path) -> None:
    """One user moves up, one down, none is new or ended: February is as January."""
    vendor = await new_vendor(house)
    spans = (
        ("up", "试用用户", "20250101", "20250131"),
        ("up", "全价用户", "20250201", "0"),
        ("down", "全价用户", "20250101", "20250131"),
        ("down", "试用用户", "20250201", "0"),
    )
    await load(
        house,
        vendor,
        [
            f"{user}||甲||个人||{category}||{start}||{end}||{ENHANCED}||Web||0||0||0"
            for user, category, start, end in spans
        ],
        tmp_path,
    )
    async with reading(house, vendor) as session:
        figures_shown = await shown(session, [(2025, 1), (2025, 2)])
        assert figures_shown[ENHANCED, 2025, 1] == (Figures(1, 0, 0, 1, 2, 0, 0), PRICE)
        assert figures_shown[ENHANCED, 2025, 2] == (Figures(1, 0, 0, 1, 0, 0, 0), PRICE)
        assert await recount(session) == 0


async def test_a_nested_list_is_that_of_its_own_month(house: House, tmp_path: Path) -> None:
    """The full-price record of the second month decides nothing in the first."""
    vendor = await new_vendor(house)
    await load(
        house,
        vendor,
        [
            f"u1||甲||个人||试用用户||20250110||20250120||{ENHANCED}||Web||0||0||0",
            f"u1||甲||个人||全价用户||20250210||20250220||{ENHANCED}||Web||0||0||0",
        ],
        tmp_path,
    )
    async with reading(house, vendor) as session:
        lists = await lists_by_figure(session, [(2025, 1), (2025, 2)])
    for movement in (None, "NEW", "ENDED", "EXPIRED"):
        for month in (1, 2):
            record = ("u1", ENHANCED, "Web", date(2025, month, 10))
            assert lists[ENHANCED, 2025, month, movement, None] == [record]
            assert lists[ENHANCED, 2025, month, "CANCELLED", None] == []


async def test_three_thousand_users_over_the_whole_window(house: House, tmp_path: Path) -> None:
    roster = random_roster(random.Random(20100301), TODAY, PRODUCTS, 3000)
    vendor = await new_vendor(house)
    await load(house, vendor, written(roster), tmp_path)
    wanted = months(TODAY, 37)
    async with reading(house, vendor) as session:
        assert await shown(session, wanted) == counted(roster, PRODUCTS, wanted)
        assert await recount(session) == 0


async def test_recount_finds_a_wrong_delta(
    house: House, server: EmbeddedPostgres, database: str, tmp_path: Path
) -> None:
    """So that the zeros above mean something."""
    vendor = await new_vendor(house)
    await load(
        house, vendor, written(random_roster(random.Random(1), TODAY, PRODUCTS, 5)), tmp_path
    )
    connection = await asyncpg.connect(server.url("postgres", database))
    await connection.execute("UPDATE monthly_deltas SET new = new + 1")
    rows = await connection.fetchval("SELECT count(*) FROM monthly_deltas")
    await connection.close()
    async with reading(house, vendor) as session:
        assert await recount(session) == 2 * rows
