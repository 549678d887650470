"""`monthlyStats` against the naive count, with the lists behind each figure."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from graphing import (
    ALL,
    TODAY,
    Caller,
    calling,
    keys,
    listed,
    reported,
    small_roster,
    sort,
    statements,
    with_status,
    without_status,
)
from market import BASIC, ENHANCED, PRICE, PRODUCTS, found, load
from naive.counting import Service, count, counting_record, monthly_line
from naive.strategies import months

from gateway.app.house import House
from gateway.regulation.codes import FeeCategory
from gateway.regulation.months import WINDOW, Month

ROSTER = reported(small_roster())
NOW = Month.of(TODAY)
FIGURES = """month label fullPriceCount regulatoryCount internalFreeCount trialCount newCount
    endedCount cancelledCount expiredCount price fee provisional rulePack
    vendor { code } product { name }"""
STATS = f"""
query ($vendors: [String!], $products: [String!], $from: Month, $to: Month, $year: Int,
       $orderBy: [MonthlyStatOrder!], $asOf: DateTime) {{
  monthlyStats(vendors: $vendors, products: $products, from: $from, to: $to, year: $year,
               orderBy: $orderBy, asOf: $asOf, first: {ALL}) {{
    totalCount delimited download {{ url }} nodes {{ {FIGURES} }}
  }}
}}"""


def expected(roster: list[Service], vendor: str, name: str, month: Month) -> dict[str, Any]:
    figures = count(roster, name, month.year, month.number)
    price = PRICE if name == ENHANCED else None
    return {
        "month": str(month),
        "label": f"{month.year}年{month.number:02d}月",
        "fullPriceCount": figures.full,
        "regulatoryCount": figures.regulatory,
        "internalFreeCount": figures.internal,
        "trialCount": figures.trial,
        "newCount": figures.new,
        "endedCount": figures.ended,
        "cancelledCount": figures.cancelled,
        "expiredCount": figures.ended - figures.cancelled,
        "price": None if price is None else str(price),
        "fee": None if price is None else str(figures.full * price),
        "provisional": month == NOW,
        "rulePack": "szse-2010@1",
        "vendor": {"code": vendor},
        "product": {"name": name},
    }


async def stats(caller: Caller, **arguments: Any) -> dict[str, Any]:
    page: dict[str, Any] = (await caller.ask(STATS, **arguments))["monthlyStats"]
    assert page["totalCount"] == len(page["nodes"])
    return page


def places(page: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (node["month"], node["vendor"]["code"], node["product"]["name"]) for node in page["nodes"]
    ]


@pytest.fixture
async def two_vendors(house: House, tmp_path: Path) -> dict[str, list[Service]]:
    """A has both products, B the one without a price."""
    rosters = {"A": ROSTER, "B": [one for one in reported(small_roster(8)) if one.product == BASIC]}
    await found(house, *rosters)
    for code, roster in rosters.items():
        await load(house, code, with_status(roster), tmp_path)
    return rosters


async def test_the_window_by_default_newest_first(
    house: House, two_vendors: dict[str, list[Service]]
) -> None:
    async with calling(house) as caller:
        with statements(house) as seen:
            page = await stats(caller)
        own = {code: two_vendors[code] for code in sorted(two_vendors)}
        assert page["nodes"] == [
            expected(roster, code, name, Month(*month))
            for month in months(TODAY, WINDOW)
            for code, roster in own.items()
            for name in (sorted(PRODUCTS) if code == "A" else [BASIC])
        ]
        assert len(seen) == 1
    assert {node["fee"] is None for node in page["nodes"]} == {True, False}
    assert all(
        any(node[figure] for node in page["nodes"])
        for figure in page["nodes"][0]
        if figure.endswith("Count")
    )


@pytest.mark.usefixtures("two_vendors")
async def test_ranges_years_products_and_vendors(house: House) -> None:
    last = NOW.plus(-1)
    this_year = [Month(NOW.year, number) for number in range(NOW.number, 0, -1)]
    last_year = [Month(NOW.year - 1, number) for number in range(12, 0, -1)]
    window = [NOW.plus(-i) for i in range(WINDOW)]
    ranges: tuple[tuple[dict[str, Any], list[Month]], ...] = (
        ({"from": str(last), "to": str(last)}, [last]),
        ({"from": str(NOW.plus(-2)), "to": str(last)}, [last, NOW.plus(-2)]),
        ({"from": str(last).replace("-", "")}, [NOW, last]),
        ({"to": str(last)}, [last.plus(-i) for i in range(WINDOW)]),
        ({"from": str(last), "to": "9999-12"}, [NOW, last]),
        ({"from": str(NOW), "to": str(last)}, []),
        ({"from": str(NOW.plus(1)), "to": str(NOW.plus(3))}, []),
        ({"year": NOW.year}, this_year),
        ({"year": NOW.year - 1}, last_year),
        ({"year": NOW.year + 1}, []),
        ({"year": None, "from": None, "to": None}, window),
    )
    async with calling(house) as caller:
        for arguments, wanted in ranges:
            page = await stats(caller, vendors=["A"], products=[ENHANCED], **arguments)
            assert places(page) == [(str(month), "A", ENHANCED) for month in wanted], arguments
            flags = [node["provisional"] for node in page["nodes"]]
            assert flags == [month == NOW for month in wanted]
        month = {"from": str(last), "to": str(last)}
        page = await stats(caller, products=[BASIC], **month)
        assert places(page) == [(str(last), code, BASIC) for code in "AB"]
        assert (await stats(caller, vendors=["B"], products=[ENHANCED], **month))["nodes"] == []
        assert (await stats(caller, vendors=[], **month))["nodes"] == []


@pytest.mark.usefixtures("two_vendors")
async def test_bad_ranges_name_the_argument(house: House) -> None:
    async with calling(house) as caller:
        for arguments, named in (
            ({"year": 2026, "from": "2026-01"}, "year"),
            ({"year": 2026, "to": "2026-01"}, "year"),
            ({"year": 0}, "year"),
            ({"year": 10_000}, "year"),
            ({"year": -1}, "year"),
            ({"from": "0001-01"}, "from"),
        ):
            error = await caller.refused(STATS, **arguments)
            assert error["extensions"]["code"] == "BAD_USER_INPUT"
            assert error["extensions"]["argument"] == named
            assert error["extensions"]["accepted"]


ORDERS: dict[str, Any] = {
    "MONTH": lambda node: node["month"],
    "VENDOR": lambda node: node["vendor"]["code"],
    "PRODUCT": lambda node: node["product"]["name"],
    "FULL_PRICE_COUNT": lambda node: node["fullPriceCount"],
    "REGULATORY_COUNT": lambda node: node["regulatoryCount"],
    "INTERNAL_FREE_COUNT": lambda node: node["internalFreeCount"],
    "TRIAL_COUNT": lambda node: node["trialCount"],
    "NEW_COUNT": lambda node: node["newCount"],
    "ENDED_COUNT": lambda node: node["endedCount"],
    "CANCELLED_COUNT": lambda node: node["cancelledCount"],
    "EXPIRED_COUNT": lambda node: node["expiredCount"],
    "FEE": lambda node: Decimal(-1 if node["fee"] is None else node["fee"]),
}


@pytest.mark.usefixtures("two_vendors")
async def test_every_order_and_the_lines_of_page_and_file(house: House) -> None:
    """The page's lines and the file's are the nodes' own, in the nodes' order."""
    window = {"from": str(NOW.plus(-11))}
    async with calling(house) as caller:
        nodes = (await stats(caller, **window))["nodes"]
        for field, of in ORDERS.items():
            for direction in ("ASC", "DESC"):
                order = [{"field": field, "direction": direction}]
                page = await stats(caller, orderBy=order, **window)
                in_order = sorted(nodes, key=of, reverse=direction == "DESC")
                assert page["nodes"] == in_order, (field, direction)
                lines = "".join(line(node) for node in in_order)
                assert page["delimited"] == lines
                assert await caller.follow(page["download"]["url"]) == lines


def line(node: dict[str, Any]) -> str:
    cells = (
        f"{node['vendor']['code']}信息有限公司",
        node["month"].replace("-", ""),
        *(
            node[f"{name}Count"]
            for name in ("fullPrice", "regulatory", "internalFree", "trial", "new", "ended")
        ),
        node["fee"] or "0",
    )
    return "||".join(map(str, cells)) + "\n"


async def test_delimited_is_the_statutory_line(
    house: House, two_vendors: dict[str, list[Service]]
) -> None:
    month = months(TODAY, 2)[1]
    text = f"{month[0]}-{month[1]:02d}"
    async with calling(house, vendor="A") as caller:
        page = await stats(caller, **{"from": text, "to": text})
    assert page["delimited"].splitlines() == [
        monthly_line(
            "A信息有限公司",
            *month,
            count(two_vendors["A"], name, *month),
            PRICE if name == ENHANCED else None,
        )
        for name in sorted(PRODUCTS)
    ]


COUNTS = {
    "FULL_PRICE": "fullPriceCount",
    "REGULATORY": "regulatoryCount",
    "INTERNAL_FREE": "internalFreeCount",
    "TRIAL": "trialCount",
}
BEHIND = f"""{{ monthlyStats(first: {ALL}) {{ nodes {{
    month product {{ name }} {" ".join(COUNTS.values())}
    all: users(first: {ALL}) {{
        totalCount nodes {{ userId product {{ name }} usageMode startDate feeCategory }} }}
    {
    " ".join(
        f"{name}: users(category: {name}, first: 1) {{ totalCount pageInfo {{ hasNextPage }} }}"
        for name in COUNTS
    )
}
}} }} }}"""


async def test_each_count_opens_a_list_of_that_length(
    house: House, two_vendors: dict[str, list[Service]]
) -> None:
    async with calling(house, vendor="A", limits="measure") as caller:
        with statements(house) as seen:
            nodes = (await caller.ask(BEHIND))["monthlyStats"]["nodes"]
        assert len(seen) == 1
    assert len(nodes) == WINDOW * len(PRODUCTS)
    for node in nodes:
        year, month = map(int, node["month"].split("-"))
        counting = counting_record(two_vendors["A"], node["product"]["name"], year, month)
        assert listed(node["all"]) == keys(sort(counting.values(), []))
        assert node["all"]["totalCount"] == len(counting)
        for name, figure in COUNTS.items():
            assert node[name]["totalCount"] == node[figure]
            assert node[name]["pageInfo"]["hasNextPage"] is (node[figure] > 1)
            listed_so = [one for one in node["all"]["nodes"] if one["feeCategory"] == name]
            assert len(listed_so) == node[figure]


def behind(category: FeeCategory | None, condition: str, after: str | None) -> str:
    cursor = f'"{after}"' if after else "null"
    return f"""{{ monthlyStats(first: 1, products: ["{BASIC}"]) {{ nodes {{
        users(category: {category.name if category else "null"}, filter: {{{condition}}},
              orderBy: {{field: START_DATE, direction: DESC}}, first: 3, after: {cursor}) {{
          totalCount pageInfo {{ hasNextPage endCursor }} delimited download {{ url }}
          nodes {{ userId product {{ name }} usageMode startDate }}
        }} }} }} }}"""


async def test_the_list_behind_a_count_has_its_own_filter_order_pages_and_file(
    house: House, two_vendors: dict[str, list[Service]]
) -> None:
    counting = counting_record(two_vendors["A"], BASIC, NOW.year, NOW.number).values()
    async with calling(house, vendor="A") as caller:
        for category in (None, *FeeCategory):
            for condition in ("", "userTypes: [INDIVIDUAL]"):
                wanted = sort(
                    (
                        one
                        for one in counting
                        if category in (None, FeeCategory.texts()[one.category])
                        and (not condition or one.user_type == "个人")
                    ),
                    [("START_DATE", "DESC")],
                )
                shown, after = [], None
                for _ in range(len(wanted) + 1):
                    data = await caller.ask(behind(category, condition, after))
                    users = data["monthlyStats"]["nodes"][0]["users"]
                    assert users["totalCount"] == len(wanted)
                    shown += listed(users)
                    after = users["pageInfo"]["endCursor"]
                    if not users["pageInfo"]["hasNextPage"]:
                        break
                assert shown == keys(wanted)
                lines = "".join(f"{one.line()}\n" for one in wanted)
                assert lines.endswith(users["delimited"])
                assert await caller.follow(users["download"]["url"]) == lines


@pytest.mark.usefixtures("two_vendors")
async def test_variables_below_the_root(house: House) -> None:
    query = """query ($category: FeeCategory, $filter: UserFilter, $first: Int = 2) {
      monthlyStats(first: 1) { nodes { trialCount
        users(category: $category, filter: $filter, first: $first) {
          totalCount nodes { feeCategory } } } } }"""
    async with calling(house, vendor="A") as caller:
        (node,) = (await caller.ask(query, category="TRIAL", filter={"search": ""}))[
            "monthlyStats"
        ]["nodes"]
    assert node["users"]["totalCount"] == node["trialCount"]
    assert node["users"]["nodes"] == [{"feeCategory": "TRIAL"}] * min(2, node["trialCount"])


async def test_figures_as_they_were_known(house: House, tmp_path: Path) -> None:
    first, second = small_roster(11), small_roster(12)
    await found(house, "A")
    before = datetime.now(UTC)
    await load(house, "A", without_status(first), tmp_path)
    between = datetime.now(UTC)
    await load(house, "A", without_status(second), tmp_path)
    query = """query ($asOf: DateTime) { monthlyStats(asOf: $asOf, first: 1000) { nodes {
        month product { name } trialCount newCount users { totalCount } } } }"""
    async with calling(house, vendor="A") as caller:
        for instant, roster in ((before, []), (between, first), (None, second)):
            data = await caller.ask(query, asOf=instant and instant.isoformat())
            for node in data["monthlyStats"]["nodes"]:
                year, month = map(int, node["month"].split("-"))
                name = node["product"]["name"]
                own = [one for one in roster if one.product == name]
                figures = count(own, name, year, month)
                assert node["trialCount"] == figures.trial
                assert node["newCount"] == figures.new
                counting = counting_record(own, name, year, month)
                assert node["users"]["totalCount"] == len(counting)


@pytest.mark.usefixtures("two_vendors")
@pytest.mark.parametrize("field", ["MONTH", "FEE", "TRIAL_COUNT", "PRODUCT"])
async def test_pages_of_figures_give_the_whole_list(house: House, field: str) -> None:
    query = f"""query ($first: Int, $after: String, $orderBy: [MonthlyStatOrder!]) {{
      monthlyStats(first: $first, after: $after, orderBy: $orderBy, from: "{NOW.plus(-11)}") {{
        pageInfo {{ hasNextPage endCursor }} edges {{ cursor node {{
            month vendor {{ code }} product {{ name }} }} }} }} }}"""
    order = [{"field": field, "direction": "DESC"}, {"field": "VENDOR"}]
    async with calling(house) as caller:
        whole = places(await stats(caller, orderBy=order, **{"from": str(NOW.plus(-11))}))
        for size in (1, 7, 60):
            shown, after = [], None
            for _ in range(len(whole) + 1):
                page = (await caller.ask(query, first=size, after=after, orderBy=order))[
                    "monthlyStats"
                ]
                shown += places({"nodes": [edge["node"] for edge in page["edges"]]})
                after = page["pageInfo"]["endCursor"]
                assert page["edges"][-1]["cursor"] == after
                if not page["pageInfo"]["hasNextPage"]:
                    break
            assert shown == whole
