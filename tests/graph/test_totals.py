"""Totals and comparisons of monthly figures against the naive recount."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from graphing import ALL, TODAY, calling, reported, small_roster, statements, with_status
from hypothesis import given
from hypothesis import strategies as st
from market import BASIC, ENHANCED, PRICE, PRODUCTS, found, load
from naive.counting import ACTIVE, FULL_PRICE, Service
from naive.recount import COUNTS, Book, Cell, cell, comparison, per_cent, totals

from gateway.app.house import House
from gateway.catalogue import registry
from gateway.regulation.months import WINDOW, Month
from gateway.schema.comparison import FeeChange, FigureChange, percent
from gateway.tenancy.operator import open_operator

NOW = Month.of(TODAY)
KEYS = ("YEAR", "MONTH", "VENDOR", "PRODUCT")
ORDERS = [keys for size in range(5) for keys in itertools.permutations(KEYS, size)]
TOTAL = f"""year month label vendor {{ code }} product {{ name }} {" ".join(COUNTS)}
    fee unpriced provisional"""
CHANGES = " ".join(f"{name} {{ before change percent }}" for name in [*COUNTS, "fee"])
COMPARISONS = {"previousMonth": 1, "sameMonthLastYear": 12}
BESIDE = " ".join(f"{name} {{ month label {CHANGES} }}" for name in COMPARISONS)
ARGUMENTS = """$vendors: [String!], $products: [String!], $from: Month, $to: Month, $year: Int,
    $asOf: DateTime, $first: Int, $after: String"""
GIVEN = """vendors: $vendors, products: $products, from: $from, to: $to, year: $year, asOf: $asOf,
    first: $first, after: $after"""
TOTALS = f"""query ({ARGUMENTS}, $by: [TotalKey!]! = [MONTH]) {{ monthlyStats({GIVEN}) {{
    totals(by: $by) {{ {TOTAL} }} }} }}"""
COMPARED = f"""query ({ARGUMENTS}) {{ monthlyStats({GIVEN}) {{ nodes {{
    month vendor {{ code }} product {{ name }} {BESIDE} }} }} }}"""


STEADY = Service(
    "steady",
    "甲",
    "个人",
    FULL_PRICE,
    date(2001, 1, 1),
    None,
    ENHANCED,
    "Web",
    *"000",
    ACTIVE,
)


@dataclass
class Told:
    """What was imported, by vendor, and when: rosters as known until the next instant."""

    products: dict[str, tuple[str, ...]]
    book: Book
    known: list[dict[str, list[Service]]] = field(default_factory=list)
    instants: list[datetime] = field(default_factory=list)

    def cells(self, wanted: list[Month], at: int = -1, **only: Any) -> Iterator[Cell]:
        """The naive figures of each vendor's product in each month."""
        for vendor, products in self.products.items():
            for product, month in itertools.product(products, wanted):
                if vendor in only.get("vendors", self.products) and product in only.get(
                    "products", PRODUCTS
                ):
                    roster = self.known[at].get(vendor, [])
                    yield cell(roster, vendor, product, (month.year, month.number), self.book)


@pytest.fixture
async def told(house: House, tmp_path: Path) -> Told:
    """A has both products, B and C the one without a price. ENHANCED's price rises, then lapses."""
    await found(house, "C", "A", "B")
    rise, lapse = NOW.plus(-20).first, NOW.plus(-5).last
    async with open_operator(house.operator, "test") as session:
        await registry.set_price(session, ENHANCED, Decimal("20.05"), rise, lapse)
        await registry.set_price(session, ENHANCED, Decimal("9.99"), NOW.plus(-2).first, None)
    book: Book = {
        ENHANCED: [
            (date(2000, 1, 1), None, PRICE),
            (rise, lapse, Decimal("20.05")),
            (NOW.plus(-2).first, None, Decimal("9.99")),
        ]
    }
    made = Told({"A": PRODUCTS, "B": (BASIC,), "C": (BASIC,)}, book)
    for seed in (21, 22):
        rosters = {
            "A": [STEADY, *reported(small_roster(seed, 40))],
            "B": [one for one in reported(small_roster(seed + 10)) if one.product == BASIC],
            "C": [one for one in reported(small_roster(seed + 20)) if one.product == BASIC],
        }
        for vendor, roster in rosters.items():
            await load(house, vendor, with_status(roster), tmp_path)
        made.known.append(rosters)
        made.instants.append(datetime.now(UTC))
    return made


WINDOWED = [NOW.plus(-i) for i in range(WINDOW)]
CHOICES: list[tuple[dict[str, Any], list[Month]]] = [
    ({}, WINDOWED),
    ({"year": NOW.year - 1}, [Month(NOW.year - 1, number) for number in range(1, 13)]),
    ({"from": str(NOW.plus(-14)), "to": str(NOW.plus(-3))}, WINDOWED[3:15]),
    ({"vendors": ["A", "C"]}, WINDOWED),
    ({"products": [BASIC], "from": str(NOW.plus(-1))}, WINDOWED[:2]),
    ({"vendors": ["B"], "products": [ENHANCED]}, WINDOWED),
    ({"vendors": []}, WINDOWED),
    ({"from": str(NOW.plus(1))}, []),
]


async def test_totals_by_any_keys_in_any_order(house: House, told: Told) -> None:
    async with calling(house) as caller:
        for arguments, wanted in CHOICES:
            cells = list(told.cells(wanted, **arguments))
            for by in [*ORDERS[:5], ORDERS[-1]] if arguments else ORDERS:
                with statements(house) as seen:
                    page = await caller.ask(TOTALS, by=by, **arguments)
                assert page["monthlyStats"]["totals"] == totals(cells, by, TODAY), (arguments, by)
                assert len(seen) == 1
    (grand,) = totals(told.cells(WINDOWED), [], TODAY)
    assert all(grand[name] for name in (*COUNTS, "unpriced", "provisional"))
    assert Decimal(str(grand["fee"])) > 0


@pytest.mark.usefixtures("told")
async def test_totals_are_of_the_whole_list_on_every_page(house: House, told: Told) -> None:
    expected = totals(told.cells(WINDOWED), ["VENDOR"], TODAY)
    query = TOTALS.replace("totals", "pageInfo { endCursor } nodes { month } totals")
    after = None
    async with calling(house) as caller:
        for first in (0, 3, 1, 100):
            page = (await caller.ask(query, by=["VENDOR"], first=first, after=after))[
                "monthlyStats"
            ]
            assert page["totals"] == expected
            assert len(page["nodes"]) == first
            after = page["pageInfo"]["endCursor"]


async def test_totals_by_month_unless_asked_otherwise_and_twice_by_alias(
    house: House, told: Told
) -> None:
    cells = list(told.cells(WINDOWED))
    query = f"""{{ monthlyStats {{ totals {{ {TOTAL} }} again: totals {{ {TOTAL} }}
        twice: totals(by: [YEAR, YEAR]) {{ {TOTAL} }} all: totals(by: []) {{ {TOTAL} }} }} }}"""
    async with calling(house) as caller:
        with statements(house) as seen:
            page = (await caller.ask(query))["monthlyStats"]
    assert len(seen) == 1
    by_month = totals(cells, ["MONTH"], TODAY)
    assert page["totals"] == page["again"] == by_month
    assert [one["month"] for one in by_month] == [str(month) for month in WINDOWED[::-1]]
    assert page["twice"] == totals(cells, ["YEAR"], TODAY)
    assert page["all"] == totals(cells, [], TODAY)


async def test_totals_and_comparisons_as_they_were_known(house: House, told: Told) -> None:
    async with calling(house) as caller:
        for at, instant in enumerate(told.instants):
            arguments = {"asOf": instant.isoformat(), "vendors": ["A", "B"]}
            cells = list(told.cells(WINDOWED, at, vendors=["A", "B"]))
            page = await caller.ask(TOTALS, by=["PRODUCT", "YEAR"], **arguments)
            assert page["monthlyStats"]["totals"] == totals(cells, ["PRODUCT", "YEAR"], TODAY)
            page = await caller.ask(COMPARED, first=ALL, **arguments)
            check(told, page["monthlyStats"]["nodes"], len(cells), at)
        long_ago = (told.instants[0] - timedelta(days=400)).isoformat()
        (grand,) = (await caller.ask(TOTALS, by=[], asOf=long_ago))["monthlyStats"]["totals"]
        assert {grand[name] for name in COUNTS} == {0}
        assert grand["fee"] == "0.00"


async def test_a_vendor_and_a_licensor_see_totals_of_their_own(house: House, told: Told) -> None:
    async with calling(house, vendor="B") as caller:
        for by in (["VENDOR"], []):
            own = (await caller.ask(TOTALS, by=by))["monthlyStats"]["totals"]
            assert own == totals(told.cells(WINDOWED, vendors=["B"]), by, TODAY)
        error = await caller.refused(TOTALS, by=[], vendors=["A"])
        assert error["extensions"] == {"code": "NOT_FOUND", "argument": "vendors"}


@pytest.mark.parametrize("by", [["WEEK"], None, [None], "month"])
async def test_bad_keys_are_bad_input(house: House, by: Any) -> None:
    async with calling(house) as caller:
        error = await caller.refused(TOTALS, by=by)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


# Comparisons


def check(told: Told, nodes: list[dict[str, Any]], number: int, at: int = -1) -> None:
    assert len(nodes) == number
    for node in nodes:
        month = Month.parse(node["month"])
        vendor, product = node["vendor"]["code"], node["product"]["name"]
        for name, distance in COMPARISONS.items():
            if name in node:
                now, then = (
                    next(told.cells([one], at, vendors=[vendor], products=[product]))
                    for one in (month, month.plus(-distance))
                )
                assert node[name] == comparison(now, then)


async def test_comparisons_with_earlier_months(house: House, told: Told) -> None:
    async with calling(house) as caller:
        for arguments, wanted in CHOICES:
            with statements(house) as seen:
                page = (await caller.ask(COMPARED, first=ALL, **arguments))["monthlyStats"]
            assert len(seen) == 1
            check(told, page["nodes"], len(list(told.cells(wanted, **arguments))))
            if not arguments:
                for name in COMPARISONS:
                    fees = [node[name]["fee"] for node in page["nodes"]]
                    missing = {tuple(part for part in fee if fee[part] is None) for fee in fees}
                    assert missing >= {(), ("change", "percent"), ("before", "change", "percent")}


@pytest.mark.parametrize("name", COMPARISONS)
async def test_one_comparison_alone_on_a_page_in_any_order(
    house: House, told: Told, name: str
) -> None:
    query = f"""query ($field: MonthlyStatOrderField!, $after: String) {{
        monthlyStats(first: 5, after: $after, orderBy: {{field: $field, direction: DESC}},
                     from: "{NOW.plus(-6)}") {{
          totalCount pageInfo {{ hasNextPage endCursor }} edges {{ node {{
            month vendor {{ code }} product {{ name }} newCount
            {name} {{ month label {CHANGES} }} }} }} }} }}"""
    async with calling(house) as caller:
        for order in ("NEW_COUNT", "FEE", "MONTH"):
            seen, after, more = [], None, True
            while more:
                page = (await caller.ask(query, field=order, after=after))["monthlyStats"]
                seen += [edge["node"] for edge in page["edges"]]
                after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
            check(told, seen, page["totalCount"])
            assert page["totalCount"] == 7 * 4


async def test_first_month_of_the_calendar_is_compared_with_none(
    house: House, tmp_path: Path
) -> None:
    await found(house, "A")
    line = "u||甲||个人||全价用户||00010201||0||" + ENHANCED + "||Web||0||0||0"
    await load(house, "A", [line], tmp_path)
    query = f"""{{ monthlyStats(from: "0001-01", to: "0002-02", orderBy: {{field: MONTH}}) {{
        nodes {{ month {BESIDE} }} }} }}"""
    async with calling(house) as caller:
        nodes = (await caller.ask(query))["monthlyStats"]["nodes"]
    assert [node["previousMonth"] is None for node in nodes] == [True, *[False] * 13]
    assert [node["sameMonthLastYear"] is None for node in nodes] == [*[True] * 12, False, False]
    changes = [node["previousMonth"]["newCount"] for node in nodes[1:3]]
    assert changes[0] == {"before": 0, "change": 1, "percent": None}
    assert changes[1] == {"before": 1, "change": -1, "percent": "-100.00"}
    assert nodes[12]["sameMonthLastYear"]["fullPriceCount"]["change"] == 1
    assert nodes[13]["sameMonthLastYear"]["fullPriceCount"]["percent"] == "0.00"


@pytest.mark.parametrize(
    ("now", "before", "shown"),
    [
        (3, 2, "50.00"),
        (1, 3, "-66.67"),
        (2, 3, "-33.33"),
        (0, 7, "-100.00"),
        (20001, 20000, "0.01"),
        (19999, 20000, "-0.01"),
        (40001, 40000, "0.00"),
        (39999, 40000, "0.00"),
        (100_000, 100_005, "0.00"),
        (5, 0, None),
        (0, 0, None),
    ],
)
def test_per_cent_is_rounded_half_up(now: int, before: int, shown: str | None) -> None:
    change = FigureChange.of(now, before)
    assert (change.before, change.change) == (before, now - before)
    assert (None if change.percent is None else str(change.percent)) == shown


@given(st.integers(0, 2**31), st.integers(0, 2**31))
def test_any_per_cent_is_exact(now: int, before: int) -> None:
    told_percent = percent(Decimal(now - before), Decimal(before))
    expected = per_cent(Fraction(now - before), Fraction(before))
    assert (None if told_percent is None else str(told_percent)) == expected


def test_fees_of_any_size_are_exact() -> None:
    change = FeeChange.of("9" * 40 + ".99", "0.01")
    assert str(change.change) == "9" * 40 + ".98"
    assert str(change.percent) == "9" * 40 + "9800.00"
    assert FeeChange.of(None, "1.00") == FeeChange(
        before=Decimal("1.00"), change=None, percent=None
    )
    assert FeeChange.of("1.00", None) == FeeChange(before=None, change=None, percent=None)
    assert FeeChange.of("1.00", "0.00").percent is None
