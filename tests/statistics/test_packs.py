"""Every rule pack against the naive recount, day by day; fees against their lines."""

import itertools
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from market import BASIC, ENHANCED, FOREIGN, PRODUCTS, load, operator
from naive.counting import ACTIVE, Service
from naive.packs import CATEGORIES, Approved, Counted, Priced, Recount
from naive.strategies import FULL_PRICE, eventful_months, random_roster, rosters
from sqlalchemy import select

from gateway.app.house import House
from gateway.catalogue import registry
from gateway.catalogue.approvals import ApprovalLine, load_approvals
from gateway.config.clock import today
from gateway.records.keyset import Page
from gateway.records.movements import Movement
from gateway.records.users import Fields
from gateway.regulation.codes import FeeCategory, UsageMode
from gateway.regulation.fees import Basis, Tier, fee_lines
from gateway.regulation.months import Month
from gateway.regulation.packs import _OPTIONS, RulePack
from gateway.statistics.grid import Packs, StatList
from gateway.statistics.stats import DrillDown, stat_page
from gateway.tenancy.operator import open_operator
from gateway.tenancy.session import ScopedSession, open_session

TODAY = today()
LICENSOR_OF = {ENHANCED: "SZSEINFO", BASIC: "SZSEINFO", FOREIGN: "HKEX"}
EVERY = (*PRODUCTS, FOREIGN)
CHOICES = {name: [one.value for one in kind] for name, (_, kind) in _OPTIONS.items()}
NOW = Month.of(TODAY)
_ALWAYS = date(2000, 1, 1)
BOOK = {
    ENHANCED: [
        (_ALWAYS, None, Priced({1: Decimal("12.34"), 3: Decimal("7.01"), 5: Decimal("3.33")}, None))
    ],
    # a price that begins on a month's second day holds from the next month on
    BASIC: [
        (_ALWAYS, None, Priced({1: Decimal("3.03")}, None)),
        (
            NOW.plus(-20).first + timedelta(1),
            None,
            Priced({1: Decimal("9.99"), 2: Decimal("11.07")}, Decimal("25.00")),
        ),
    ],
    FOREIGN: [
        (
            NOW.plus(-30).first,
            NOW.plus(-12).first,
            Priced({1: Decimal("5.55"), 2: Decimal("4.4")}, None),
        ),
        (NOW.plus(-8).first, NOW.plus(-3).last, Priced({1: Decimal("6.66")}, None)),
    ],
}
"""Products' prices: from when, to when, what. One never changes, one does, one lapses twice."""
IDENTITY = Fields(frozenset({"user_id", "product_name", "usage_mode", "start_date"}))
WHOLE = Page(first=1000)
NAMES = dict(zip(CATEGORIES, ("full_price", "regulatory", "internal_free", "trial"), strict=True))
_numbers = itertools.count()


def examples(number: int) -> settings:
    return settings(
        max_examples=number,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def combinations() -> list[dict[str, str]]:
    """Each option alone, and each pair of options."""
    alone = [{name: value} for name, values in CHOICES.items() for value in values[1:]]
    pairs = [one | other for one, other in itertools.combinations(alone, 2)]
    return [{}, *alone, *(pair for pair in pairs if len(pair) == 2 and is_possible(pair))]


def is_possible(options: Mapping[str, str]) -> bool:
    return (options.get("counted"), options.get("proration")) != ("average", "daily")


def pack_of(options: Mapping[str, str], name: str = "tested") -> RulePack:
    return RulePack.read({"name": name, "version": 1, "options": dict(options)})


async def set_up(house: House) -> str:
    """Found a market of three products, priced by the book, and a vendor of its own."""
    code = f"P{next(_numbers)}"
    async with open_operator(house.operator, "test") as session:
        await registry.add_licensor(session, "HKEX", "香港交易所")
        for product, licensor in LICENSOR_OF.items():
            await registry.add_product(session, product, licensor)
        for product, prices in BOOK.items():
            for begin, end, price in prices:
                tiers = {at: one for at, one in price.tiers.items() if at > 1}
                await registry.set_price(
                    *(session, product, price.tiers[1], begin, end),
                    tiers=tiers,
                    minimum=price.minimum,
                )
        await registry.add_vendor(session, code, f"{code}信息有限公司")
        for product in EVERY:
            await registry.add_licence(session, code, product, date(2000, 1, 1), None)
    return code


def price_of(product: str, month: date) -> Priced | None:
    """Return the price in force on a month's first day: the last that began, if it still holds."""
    begun = [one for one in BOOK[product] if one[0] <= month]
    if not begun:
        return None
    _, end, price = begun[-1]
    return price if end is None or end >= month else None


async def approve(house: House, vendor: str, approvals: Sequence[Approved]) -> None:
    lines = [
        ApprovalLine(
            i, one.user, one.product, FeeCategory.texts()[one.category], one.start, one.end, "号"
        )
        for i, one in enumerate(approvals)
    ]
    async with open_operator(house.operator, "test") as session:
        await load_approvals(session, vendor, lines)


@asynccontextmanager
async def reading(house: House, vendor: str) -> AsyncIterator[ScopedSession]:
    scope = (await operator(house)).narrow(vendors=[vendor])
    async with open_session(house.service, scope) as session:
        yield session


async def take(house: House, vendor: str, roster: Sequence[Service], place: Path) -> None:
    """Import a file for each licensor."""
    for licensor in dict.fromkeys(LICENSOR_OF.values()):
        lines = [record for record in roster if LICENSOR_OF[record.product] == licensor]
        if lines:
            await load(house, vendor, written(lines), place)


def written(roster: Sequence[Service]) -> list[str]:
    return [f"{record.line()}||{record.status or ACTIVE}" for record in roster]


@st.composite
def approvals_of(draw: DrawFn, roster: Sequence[Service]) -> list[Approved]:
    """Approvals that cover services, or nearly, or in two parts with or without a gap."""
    found: dict[Any, Approved] = {}
    for record in roster:
        if record.category == FULL_PRICE:
            continue
        for _ in range(draw(st.integers(0, 2))):
            start = shifted(record.start, draw(st.sampled_from((0, 0, -40, 1, 10, 31))))
            end = record.end and max(
                shifted(record.end, draw(st.sampled_from((0, 0, -1, -15, 40)))), start
            )
            middle = shifted(start, draw(st.sampled_from((5, 20, 45))))
            parts = [(start, end)]
            if draw(st.booleans()) and (end is None or middle < end):
                gap = draw(st.sampled_from((1, 1, 2)))
                parts = [(start, middle)]
                after = shifted(middle, gap)
                parts += [(after, end)] if end is None or after <= end else []
            for one in parts:
                key = (record.user_id, record.product, record.category, one[0])
                found[key] = Approved(*key, one[1])
    return list(found.values())


def shifted(day: date, days: int) -> date:
    try:
        return day + timedelta(days=days)
    except OverflowError:
        return day


async def shown(
    session: ScopedSession,
    wanted: Sequence[tuple[int, int]],
    packs: Packs,
    before: Sequence[int] = (),
) -> list[dict[str, Any]]:
    """The rows of figures with the lists behind them."""
    stats = StatList(
        session.scope,
        TODAY,
        tuple(Month(*month) for month in wanted),
        packs=packs,
        reach=session.scope,
    )
    counts = packs.packs[0].counts_whole
    nested = {one.name: DrillDown(IDENTITY, WHOLE, total=True, category=one) for one in FeeCategory}
    if not counts:
        nested = {}
    nested |= {one.name: DrillDown(IDENTITY, WHOLE, total=True, movement=one) for one in Movement}
    if counts:
        nested["ALL"] = DrillDown(IDENTITY, WHOLE, total=True)
    page = await session.scalar(
        select(stat_page(stats, nested, WHOLE, total=True, before=before, priced=True))
    )
    assert page["total"] == len(page["rows"])
    for row in page["rows"]:
        row["lists"] = dict(zip(nested, row["users"], strict=True))
    return page["rows"]


def keys(found: dict[str, Any]) -> list[Any]:
    assert found["total"] == len(found["rows"]), found
    return sorted(
        (
            row["user_id"],
            row["product_name"],
            UsageMode(row["usage_mode"]).text,
            date.fromisoformat(row["start_date"]),
        )
        for row in found["rows"]
    )


def check(row: dict[str, Any], expected: Counted, pack: RulePack) -> None:
    """Compare a row with the recount: figures, lists, and the fee's lines with the fee."""
    for category, name in NAMES.items():
        assert row[name] == expected.whole[category], (category, row)
        assert Decimal(row[f"{name}_quantity"]) == expected.quantities[category]
    assert (row["new"], row["ended"]) == (expected.new, expected.ended)
    assert (row["cancelled"], row["expired"]) == (
        expected.cancelled,
        expected.ended - expected.cancelled,
    )
    assert Decimal(row["billed"]) == expected.billed
    assert row["unapproved"] == expected.unapproved
    assert (row["fee"] and Decimal(row["fee"])) == expected.fee
    for code, category in zip(FeeCategory, CATEGORIES, strict=True):
        if code.name in row["lists"]:
            assert keys(row["lists"][code.name]) == expected.lists[category]
    for movement in Movement:
        assert keys(row["lists"][movement.name]) == expected.lists[movement.name]
    if "ALL" in row["lists"]:
        every = sorted(key for one in CATEGORIES for key in expected.lists[one])
        assert keys(row["lists"]["ALL"]) == every
    check_lines(row, pack)


def check_lines(row: dict[str, Any], pack: RulePack) -> None:
    if row["price"] is None:
        assert row["fee"] is None
        return
    tiers = [Tier(1, Decimal(row["price"])), *(Tier(a, Decimal(b)) for a, b in row["tiers"])]
    basis = Basis(
        Decimal(row["full_price_quantity"]),
        Decimal(row["billed"]),
        tiers,
        row["minimum"] and Decimal(row["minimum"]),
    )
    lines = fee_lines(pack, basis)
    assert sum(line.amount for line in lines) == Decimal(row["fee"])
    assert all(line.quantity * line.unit_price == line.amount for line in lines if line.unit_price)


async def compare(
    session: ScopedSession,
    roster: Sequence[Service],
    options: Mapping[str, str],
    approvals: Sequence[Approved],
    wanted: Sequence[tuple[int, int]],
) -> None:
    pack = pack_of(options)
    recount = Recount(roster, options, LICENSOR_OF, approvals)
    rows = await shown(session, wanted, Packs((pack,), fixed=True, unapproved=True))
    assert len(rows) == len(EVERY) * len(wanted)
    for row in rows:
        day = date.fromisoformat(row["month"])
        product = row["product_name"]
        expected = recount.month(product, (day.year, day.month), price_of(product, day))
        try:
            check(row, expected, pack)
        except AssertionError as error:
            error.add_note(f"{options} {product} {day}")
            raise


def packs_options() -> st.SearchStrategy[dict[str, str]]:
    return st.fixed_dictionaries(
        {name: st.sampled_from(values) for name, values in CHOICES.items()}
    ).filter(is_possible)


@dataclass(frozen=True)
class Case:
    """A roster, its approvals, the packs' options and the months to look at."""

    roster: list[Service]
    approvals: list[Approved]
    options: list[dict[str, str]]
    months: list[tuple[int, int]]


@st.composite
def cases(draw: DrawFn) -> Case:
    roster = draw(rosters(TODAY, EVERY).filter(bool))
    roster = [replace(one, status=one.status or ACTIVE) for one in roster]
    months = eventful_months(roster, TODAY)
    wanted = draw(st.lists(st.sampled_from(months), min_size=1, max_size=3, unique=True))
    options = draw(st.lists(packs_options(), min_size=2, max_size=3))
    return Case(roster, draw(approvals_of(roster)), options, sorted(wanted))


@examples(14)
@given(cases())
async def test_any_pack_counts_as_the_naive_recount(
    house: House, tmp_path: Path, case: Case
) -> None:
    vendor = await set_up(house)
    await take(house, vendor, case.roster, tmp_path)
    await approve(house, vendor, case.approvals)
    async with reading(house, vendor) as session:
        for options in case.options:
            await compare(session, case.roster, options, case.approvals, case.months)


@pytest.mark.parametrize("part", range(4))
async def test_each_option_and_each_pair_of_options(
    house: House, tmp_path: Path, part: int
) -> None:
    """A roster of many users whose services overlap, so that every option makes a difference."""
    rng = random.Random(f"packs {part}")
    roster = [
        replace(one, status=one.status or ACTIVE) for one in random_roster(rng, TODAY, EVERY, 14)
    ]
    approvals = list(
        {
            (one.user_id, one.product, one.category, one.start): Approved(
                *(one.user_id, one.product, one.category, one.start),
                rng.choice((None, shifted(one.start, 25), one.end)),
            )
            for one in roster
            if one.category != FULL_PRICE and rng.random() < 0.6
        }.values()
    )
    vendor = await set_up(house)
    await take(house, vendor, roster, tmp_path)
    await approve(house, vendor, approvals)
    months = eventful_months(roster, TODAY)
    async with reading(house, vendor) as session:
        for options in combinations()[part::4]:
            wanted = sorted(rng.sample(months, 2))
            await compare(session, roster, options, approvals, wanted)
