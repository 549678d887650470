"""Rule packs, fees by lines and fees side by side, as a caller of the graph sees them."""

import asyncio
import io
import itertools
import random
from collections.abc import Coroutine
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphing import TODAY, Caller, calling
from market import BASIC, ENHANCED, FOREIGN, PRODUCTS, found, load
from naive.counting import ACTIVE, Service
from naive.packs import CATEGORIES, Approved, Priced, Recount
from naive.strategies import FULL_PRICE, random_roster
from rich.console import Console
from sqlalchemy import select

from gateway.app.house import House
from gateway.app.server import application
from gateway.catalogue import registry
from gateway.catalogue.approvals import load_approvals, read_approvals
from gateway.catalogue.models import Product, ProductPack
from gateway.catalogue.packs import MOST_PACKS, add_pack, use_pack
from gateway.demo.licensors import LICENSORS
from gateway.demo.load import found_demo
from gateway.errors import BadInput, NotFound
from gateway.regulation.codes import FeeCategory
from gateway.regulation.months import Month
from gateway.regulation.packs import RulePack
from gateway.tenancy.issue import Holder, issue
from gateway.tenancy.operator import open_operator
from gateway.tenancy.principal import Role

PRICE = Priced({1: Decimal("12.34"), 3: Decimal("7.01")}, Decimal("20.00"))
LICENSOR_OF = dict.fromkeys(PRODUCTS, "SZSEINFO") | {FOREIGN: "HKEX"}
PACKS: dict[str, dict[str, str]] = {
    "days": {"counted": "average", "tiers": "graduated"},
    "mode-peak": {"counted": "peak-day", "unit": "id-and-mode", "tiers": "whole-volume"},
    "each-day": {"category-on-change": "each", "proration": "daily", "tiers": "graduated"},
    "strict": {"unapproved": "rejected", "unit": "id-across-products"},
    "strict-fee": {"unapproved": "full-price", "counted": "last-day"},
}
COUNTS = ("fullPriceCount", "regulatoryCount", "internalFreeCount", "trialCount")
LINES = "feeLines { kind label from to quantity unitPrice amount }"
STAT = f"""month product {{ name }} {" ".join(COUNTS)} newCount endedCount cancelledCount fee
    rulePack quantities {{ category quantity }} unapprovedCount {LINES}"""
BY_PACK = f"""query ($pack: String, $products: [String!], $first: Int, $after: String) {{
    monthlyStats(rulePack: $pack, products: $products, first: $first, after: $after) {{
    totalCount nodes {{ {STAT} }} pageInfo {{ endCursor hasNextPage }} }} }}"""
LISTS = " ".join(
    f"{one.name}: users(category: {one.name}, first: 1000) "
    "{ totalCount nodes { userId startDate } download { url } }"
    for one in FeeCategory
)
MOVED = "NEW: users(movement: NEW, first: 1000) { totalCount download { url } }"


def roster(seed: int = 5, users: int = 16) -> list[Service]:
    """Records with a status, most of them at full price."""
    rng = random.Random(seed)
    return [
        replace(
            one,
            status=one.status or ACTIVE,
            category=FULL_PRICE if rng.random() < 0.5 else one.category,
        )
        for one in random_roster(rng, TODAY, PRODUCTS, users)
    ]


async def set_up(house: House, place: Path, lines: list[Service], vendor: str = "A") -> None:
    await found(house, vendor)
    async with open_operator(house.operator, "test") as session:
        await registry.set_price(
            *(session, ENHANCED, PRICE.tiers[1], date(2000, 1, 1), None),
            tiers={3: PRICE.tiers[3]},
            minimum=PRICE.minimum,
        )
        for name, options in PACKS.items():
            definition = {"name": name, "version": 2, "options": options}
            await add_pack(session, RulePack.read(definition))
    await load(house, vendor, [f"{one.line()}||{one.status}" for one in lines], place)


async def use(house: House, pack: str, product: str | None, month: Month) -> None:
    async with open_operator(house.operator, "test") as session:
        await use_pack(session, pack, "SZSEINFO", product, month)


def way(answer: httpx.Response) -> str:
    return answer.headers["gateway-execution"]


def month_of(node: dict[str, Any]) -> tuple[int, int]:
    year, number = node["month"].split("-")
    return int(year), int(number)


def check(node: dict[str, Any], recount: Recount, price: Priced | None) -> None:
    expected = recount.month(node["product"]["name"], month_of(node), price)
    for name, category in zip(COUNTS, CATEGORIES, strict=True):
        assert node[name] == expected.whole[category]
    exact = [Decimal(one["quantity"]) for one in node["quantities"]]
    assert exact == [expected.quantities[one] for one in CATEGORIES]
    assert [one["category"] for one in node["quantities"]] == [one.name for one in FeeCategory]
    moved = (node["newCount"], node["endedCount"], node["cancelledCount"])
    assert moved == (expected.new, expected.ended, expected.cancelled)
    assert node["unapprovedCount"] == expected.unapproved
    assert (node["fee"] and Decimal(node["fee"])) == expected.fee
    adds_up(node)


def adds_up(node: dict[str, Any]) -> None:
    """The lines' amounts are the fee; each is its quantity times its price."""
    if node["fee"] is None:
        assert node["feeLines"] == []
        return
    amounts = [Decimal(line["amount"]) for line in node["feeLines"]]
    assert sum(amounts) == Decimal(node["fee"])
    assert Decimal(node["fee"]).as_tuple().exponent == -2
    for line in node["feeLines"]:
        if line["kind"] == "USERS":
            product = Decimal(line["quantity"]) * Decimal(line["unitPrice"])
            assert product == Decimal(line["amount"])


def price_of(product: str) -> Priced | None:
    return PRICE if product == ENHANCED else None


@pytest.mark.parametrize("pack", PACKS)
async def test_a_pack_on_demand(house: House, tmp_path: Path, pack: str) -> None:
    lines = roster()
    await set_up(house, tmp_path, lines)
    recount = Recount(lines, PACKS[pack], LICENSOR_OF)
    async with calling(house, vendor="A") as caller:
        answer = await caller.post(BY_PACK, pack=pack, first=1000)
        assert way(answer) == "executor; reason=rulePack"
        nodes = answer.json()["data"]["monthlyStats"]["nodes"]
        assert len(nodes) == len(PRODUCTS) * 37
        for node in nodes:
            assert node["rulePack"] == f"{pack}@2"
            check(node, recount, price_of(node["product"]["name"]))
        after = (await caller.ask(BY_PACK, pack=pack, first=5))["monthlyStats"]["pageInfo"]
        page = await caller.ask(BY_PACK, pack=pack, first=5, after=after["endCursor"])
        assert page["monthlyStats"]["nodes"] == nodes[5:10]


async def test_the_default_pack_on_demand_is_what_is_stored(house: House, tmp_path: Path) -> None:
    """`unapprovedCount` has all figures computed anew; without it they are looked up."""
    await set_up(house, tmp_path, roster())
    plain = f"{' '.join(COUNTS)} newCount endedCount cancelledCount expiredCount price fee rulePack"
    beside = "previousMonth { fullPriceCount { before } fee { before } newCount { change } }"
    query = f"{{ monthlyStats(first: 1000) {{ nodes {{ {plain} {beside} }} totals {{ {plain.replace('price', '').replace('rulePack', '')} }} }} }}"
    anew = query.replace("rulePack", "rulePack unapprovedCount", 1)
    async with calling(house, vendor="A") as caller:
        stored, computed = await caller.post(query), await caller.post(anew)
        assert (way(stored), way(computed)) == ("compiled", "executor; reason=rulePack")
        data = computed.json()["data"]["monthlyStats"]
        bare = [node.pop("unapprovedCount") for node in data["nodes"]]
        assert any(bare)
        expected = stored.json()["data"]["monthlyStats"]
        assert data == expected


async def test_a_pack_in_use_from_a_month_on(house: House, tmp_path: Path) -> None:
    lines = roster(8)
    await set_up(house, tmp_path, lines)
    now = Month.of(TODAY)
    plain = "{ monthlyStats(first: 1000) { nodes { month product { name } fee rulePack } } }"
    async with calling(house, vendor="A") as caller:
        before = await caller.post(plain)
        assert way(before) == "compiled"
        await use(house, "szse-2010", None, now.plus(-30))
        assert way(await caller.post(plain)) == "compiled"
        await use(house, "mode-peak", None, now.plus(-20))
        await use(house, "each-day@2", ENHANCED, now.plus(-10))
        await use(house, "days", None, now.plus(-5))
        await use(house, "szse-2010", ENHANCED, now.plus(-2))
        answer = await caller.post(plain)
        assert way(answer) == "executor; reason=rulePack"
        nodes = (await caller.ask(BY_PACK, first=1000))["monthlyStats"]["nodes"]
        packs = set()
        for node in nodes:
            ago = (now.year - month_of(node)[0]) * 12 + now.number - month_of(node)[1]
            expected = "szse-2010@1" if ago > 20 else "mode-peak@2"
            if node["product"]["name"] == ENHANCED and ago <= 10:
                expected = "each-day@2" if ago > 2 else "szse-2010@1"
            elif node["product"]["name"] == BASIC and ago <= 5:
                expected = "days@2"
            assert node["rulePack"] == expected
            packs.add(expected)
            options = PACKS.get(expected.partition("@")[0], {})
            check(node, Recount(lines, options, LICENSOR_OF), price_of(node["product"]["name"]))
        assert len(packs) == 4
        compared = "{ monthlyStats(first: 1000) { nodes { month product { name } fee previousMonth { fee { before } fullPriceCount { before } } fullPriceCount } } }"
        rows = (await caller.ask(compared))["monthlyStats"]["nodes"]
        held = {(one["product"]["name"], one["month"]): one for one in rows}
        for one in rows:
            earlier = held.get((one["product"]["name"], str(Month.parse(one["month"]).plus(-1))))
            if earlier:
                assert one["previousMonth"]["fee"]["before"] == earlier["fee"]
                count = one["previousMonth"]["fullPriceCount"]["before"]
                assert count == earlier["fullPriceCount"]
        given = (await caller.ask(BY_PACK, pack="szse-2010", first=1000))["monthlyStats"]["nodes"]
        assert {node["rulePack"] for node in given} == {"szse-2010@1"}
        fees = before.json()["data"]["monthlyStats"]["nodes"]
        assert [node["fee"] for node in given] == [node["fee"] for node in fees]
        listed = await caller.refused("{ monthlyStats { nodes { users { totalCount } } } }")
        assert listed["extensions"]["argument"] == "users"


async def test_a_new_product_counts_as_its_licensors_others(house: House, tmp_path: Path) -> None:
    await set_up(house, tmp_path, roster())
    await use(house, "days", None, Month(2020, 1))
    await use(house, "each-day", ENHANCED, Month(2020, 1))
    async with open_operator(house.operator, "test") as session:
        await registry.add_product(session, "第三种", "SZSEINFO")
        await registry.add_licence(session, "A", "第三种", date(2020, 1, 1), None)
        await registry.add_licence(session, "A", FOREIGN, date(2020, 1, 1), None)
    async with calling(house, vendor="A") as caller:
        nodes = (await caller.ask(BY_PACK, first=1000))["monthlyStats"]["nodes"]
    packs = {(node["product"]["name"], node["rulePack"]) for node in nodes}
    assert packs == {
        *((ENHANCED, "each-day@2"), (BASIC, "days@2")),
        *(("第三种", "days@2"), (FOREIGN, "szse-2010@1")),
    }


@pytest.mark.parametrize("pack", [name for name in PACKS if name != "days"])
async def test_lists_and_downloads_are_as_long_as_the_count(
    house: House, tmp_path: Path, pack: str
) -> None:
    lines = roster(9)
    await set_up(house, tmp_path, lines)
    fields = f"{' '.join(COUNTS)} newCount product {{ name }} month {LISTS} {MOVED}"
    query = f'{{ monthlyStats(rulePack: "{pack}", first: 8) {{ nodes {{ {fields} }} }} }}'
    recount = Recount(lines, PACKS[pack], LICENSOR_OF)
    any_listed = 0
    async with calling(house, vendor="A") as caller:
        for node in (await caller.ask(query))["monthlyStats"]["nodes"]:
            expected = recount.month(node["product"]["name"], month_of(node), None)
            pairs = zip(COUNTS, FeeCategory, CATEGORIES, strict=True)
            for count, code, category in pairs:
                listed = node[code.name]
                assert listed["totalCount"] == len(listed["nodes"]) == node[count]
                found_keys = sorted((one["userId"], one["startDate"]) for one in listed["nodes"])
                keys = [(key[0], key[3].isoformat()) for key in expected.lists[category]]
                assert found_keys == sorted(keys)
                text = await caller.follow(listed["download"]["url"])
                assert sorted(line.split("||")[0] for line in text.splitlines()) == sorted(
                    key[0] for key in keys
                )
                any_listed += node[count]
            moved = await caller.follow(node["NEW"]["download"]["url"])
            assert len(moved.splitlines()) == node["NEW"]["totalCount"] == node["newCount"]
    assert any_listed > 10 or pack == "strict"  # of no approvals, few are free of charge


async def test_an_average_has_no_list_but_movements_have(house: House, tmp_path: Path) -> None:
    await set_up(house, tmp_path, roster())
    query = '{ monthlyStats(rulePack: "days") { nodes { newCount %s } } }'
    async with calling(house, vendor="A") as caller:
        error = await caller.refused(query % "users(category: TRIAL) { totalCount }")
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert "days@2" in error["message"]
        told = await caller.refused(query % "users { totalCount }", "zh")
        assert "日均数" in told["message"]
        nodes = (await caller.ask(query % MOVED))["monthlyStats"]["nodes"]
    assert any(node["newCount"] for node in nodes)
    assert all(node["newCount"] == node["NEW"]["totalCount"] for node in nodes)


async def test_fees_side_by_side(house: House, tmp_path: Path) -> None:
    """Each is the fee that its pack has when it is asked for alone; the latest version of each."""
    await set_up(house, tmp_path, roster())
    async with open_operator(house.operator, "test") as session:
        await add_pack(session, RulePack.read({"name": "days", "version": 3, "options": {}}))
    some = 'some: feesByPack(packs: ["strict@2", "days@2"]) { rulePack fee }'
    query = f"{{ monthlyStats(first: 1000) {{ nodes {{ month fee feesByPack {{ rulePack fee }} {some} }} }} }}"
    async with calling(house, vendor="A") as caller:
        nodes = (await caller.ask(query))["monthlyStats"]["nodes"]
        names = [*(f"{name}@{3 if name == 'days' else 2}" for name in sorted(PACKS)), "szse-2010@1"]
        fees: dict[str, list[Any]] = {}
        for name in (*names, "days@2"):
            alone = (await caller.ask(BY_PACK, pack=name, first=1000))["monthlyStats"]["nodes"]
            fees[name] = [node["fee"] for node in alone]
        for place, node in enumerate(nodes):
            assert [one["rulePack"] for one in node["feesByPack"]] == names
            for one in (*node["feesByPack"], *node["some"]):
                assert one["fee"] == fees[one["rulePack"]][place]
            assert [one["rulePack"] for one in node["some"]] == ["strict@2", "days@2"]
        assert len({tuple(one) for one in fees.values()}) >= 5


async def test_the_monthly_download_by_a_pack(house: House, tmp_path: Path) -> None:
    await set_up(house, tmp_path, roster())
    await use(house, "mode-peak", None, Month(2020, 1))
    asked = "monthlyStats(first: 1000%s) { delimited download { url } }"
    async with calling(house, vendor="A") as caller:
        for pack in ("", ', rulePack: "each-day"', ', rulePack: "days"', ', rulePack: "strict"'):
            found_stats = (await caller.ask(f"{{ {asked % pack} }}"))["monthlyStats"]
            text = await caller.follow(found_stats["download"]["url"])
            assert sorted(text.splitlines()) == sorted(found_stats["delimited"].splitlines())
            assert text.count("\n") == len(PRODUCTS) * 37


async def test_one_product_across_products(house: House, tmp_path: Path) -> None:
    """A unit that counts in another product does so, too, when only one product is asked for."""
    lines = roster()
    await set_up(house, tmp_path, lines)
    async with calling(house, vendor="A") as caller:
        both = (await caller.ask(BY_PACK, pack="strict", first=1000))["monthlyStats"]["nodes"]
        one = await caller.ask(BY_PACK, pack="strict", products=[BASIC], first=1000)
        basic = [node for node in both if node["product"]["name"] == BASIC]
        assert one["monthlyStats"]["nodes"] == basic
        query = f'{{ monthlyStats(rulePack: "strict", products: ["{BASIC}"], first: 1000) {{ delimited download {{ url }} }} }}'
        stats = (await caller.ask(query))["monthlyStats"]
        text = await caller.follow(stats["download"]["url"])
        assert sorted(text.splitlines()) == sorted(stats["delimited"].splitlines())


async def test_approvals_decide_who_is_free(house: House, tmp_path: Path) -> None:
    lines = roster(3)
    await set_up(house, tmp_path, lines)
    free = [one for one in lines if one.category != FULL_PRICE]
    approvals = {
        (one.user_id, one.product, one.category, one.start): Approved(
            *(one.user_id, one.product, one.category, one.start, one.end)
        )
        for one in free[::2]
    }
    text = "".join(
        f"{user}||{product}||{category}||{start:%Y%m%d}||{(one.end and f'{one.end:%Y%m%d}') or 0}||号\n"
        for (user, product, category, start), one in approvals.items()
        if start.year > 999
    )
    async with open_operator(house.operator, "test") as session:
        read = read_approvals(text)
        assert await load_approvals(session, "A", read) == len(read)
        assert await load_approvals(session, "A", read) == 0
    recounts = {
        name: Recount(lines, PACKS[name], LICENSOR_OF, list(approvals.values()))
        for name in ("strict", "strict-fee")
    }
    async with calling(house, vendor="A") as caller:
        for name, recount in recounts.items():
            nodes = (await caller.ask(BY_PACK, pack=name, first=1000))["monthlyStats"]["nodes"]
            for node in nodes:
                check(node, recount, price_of(node["product"]["name"]))


async def test_a_past_instant(house: House, tmp_path: Path) -> None:
    """Figures and lists as they were known between two imports."""
    before, after = roster(11), roster(12)
    await set_up(house, tmp_path, before)
    instant = datetime.now(UTC).isoformat()
    await load(house, "A", [f"{one.line()}||{one.status}" for one in after], tmp_path)
    query = BY_PACK.replace("$first: Int", "$first: Int, $asOf: DateTime").replace(
        "first: $first", "first: $first, asOf: $asOf"
    )
    lists = f'{{ monthlyStats(rulePack: "each-day", asOf: "{instant}", first: 4) {{ nodes {{ {" ".join(COUNTS)} {LISTS} }} }} }}'
    async with calling(house, vendor="A") as caller:
        for pack in ("days", "each-day"):
            for at, lines in ((instant, before), (None, after)):
                found_stats = await caller.ask(query, pack=pack, first=1000, asOf=at)
                recount = Recount(lines, PACKS[pack], LICENSOR_OF)
                for node in found_stats["monthlyStats"]["nodes"]:
                    check(node, recount, price_of(node["product"]["name"]))
        for node in (await caller.ask(lists))["monthlyStats"]["nodes"]:
            for count, code in zip(COUNTS, FeeCategory, strict=True):
                assert len(node[code.name]["nodes"]) == node[count]
                text = await caller.follow(node[code.name]["download"]["url"])
                assert len(text.splitlines()) == node[count]


async def test_the_ends_of_the_calendar(house: House, tmp_path: Path) -> None:
    first = roster(users=1)[0]
    ancient = replace(
        first, start=date(1, 1, 1), end=date.max, category=FULL_PRICE, product=ENHANCED
    )
    await set_up(house, tmp_path, [ancient])
    figures = "month fullPriceCount newCount endedCount quantities { quantity } "
    beside = "previousMonth { fullPriceCount { before } } sameMonthLastYear { month }"
    query = f'{{ monthlyStats(rulePack: "%s", from: "0001-01", to: "0001-02", orderBy: [{{field: MONTH}}]) {{ nodes {{ {figures} {beside} }} }} }}'
    async with calling(house, vendor="A") as caller:
        for pack in PACKS:
            one, two = (await caller.ask(query % pack))["monthlyStats"]["nodes"]
            assert (one["fullPriceCount"], one["newCount"], one["endedCount"]) == (1, 1, 0)
            assert one["previousMonth"] is one["sameMonthLastYear"] is None
            assert (two["newCount"], two["sameMonthLastYear"]) == (0, None)
            assert two["previousMonth"] == {"fullPriceCount": {"before": 1}}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a||b", "2 columns"),
        (f"||{ENHANCED}||试用用户||20260101||0||号", "EMPTY"),
        (f"a||{ENHANCED}||全价用户||20260101||0||号", "no free category"),
        (f"a||{ENHANCED}||试用用户||20260231||0||号", "not a date"),
        (f"a||{ENHANCED}||试用用户||20260102||20260101||号", "before"),
        (f"a||{ENHANCED}||试用用户||20260102||0||", "EMPTY"),
    ],
)
def test_a_bad_line_of_approvals(line: str, said: str) -> None:
    good = f"u||{ENHANCED}||试用用户||20260101||0||号\n"
    with pytest.raises(BadInput, match=said) as raised:
        read_approvals(good + line + "\n")
    assert raised.value.argument == "line 2"
    with pytest.raises(BadInput, match="line 1"):
        read_approvals(good + good)


@pytest.mark.parametrize("product", [FOREIGN, "没有的产品"])
async def test_approvals_of_a_product_that_the_vendor_lacks(house: House, product: str) -> None:
    await found(house, "A")
    lines = read_approvals(f"u||{product}||试用用户||20260101||0||号")
    with pytest.raises(BadInput, match=r"line 1: .*has no product"):
        async with open_operator(house.operator, "test") as session:
            await load_approvals(session, "A", lines)


async def test_packs_that_there_are_not(house: House) -> None:
    await found(house, "A")
    query = "query ($pack: String!) { monthlyStats(rulePack: $pack) { totalCount } }"
    fees = (
        "query ($packs: [String!]) { monthlyStats { nodes { feesByPack(packs: $packs) { fee } } } }"
    )
    async with calling(house, vendor="A") as caller:
        for pack, code in (
            ("no-such", "NOT_FOUND"),
            ("szse-2010@2", "NOT_FOUND"),
            ("", "BAD_USER_INPUT"),
            ("SZSE 2010", "BAD_USER_INPUT"),
            ("szse-2010@0", "BAD_USER_INPUT"),
            ("x" * 10_000, "BAD_USER_INPUT"),
        ):
            error = await caller.refused(query, pack=pack)
            assert error["extensions"]["code"] == code, pack
            assert error["extensions"]["argument"] == "rulePack"
            error = await caller.refused(fees, packs=[pack])
            assert error["extensions"]["code"] == code, pack
        error = await caller.refused(fees, packs=["szse-2010"] * (MOST_PACKS + 1))
        assert error["extensions"]["argument"] == "packs"


async def test_as_many_packs_as_there_can_be_are_compared(house: House, tmp_path: Path) -> None:
    """The default takes the latest of all: there are never more than one statement can compare."""
    await found(house, "A")
    await load(
        house, "A", [f"u1||甲||个人||全价用户||20250101||0||{ENHANCED}||Web||0||0||0"], tmp_path
    )
    async with open_operator(house.operator, "test") as session:
        for number in range(1, MOST_PACKS):
            await add_pack(session, RulePack.read({"name": f"p{number}", "version": 1}))
        await add_pack(session, RulePack.read({"name": "p1", "version": 2}))
        with pytest.raises(BadInput, match=f"{MOST_PACKS} rule packs"):
            await add_pack(session, RulePack.read({"name": "another", "version": 1}))
    every = "{ monthlyStats(first: 2) { nodes { feesByPack { rulePack fee } } } }"
    one = (
        '{ monthlyStats { nodes { feesByPack { fee } old: feesByPack(packs: ["p1@1"]) { fee } } } }'
    )
    async with calling(house, vendor="A", limits="measure") as caller:
        nodes = (await caller.ask(every))["monthlyStats"]["nodes"]
        assert len(nodes) == 2
        for node in nodes:
            assert len(node["feesByPack"]) == MOST_PACKS
            assert {one["fee"] for one in node["feesByPack"]} == {"12.34"}
            assert "p1@2" in {one["rulePack"] for one in node["feesByPack"]}
        twice = "{ monthlyStats(first: 1) { nodes { feesByPack(packs: %s) { rulePack } } } }"
        (node,) = (await caller.ask(twice % '["p1", "p2", "p1@2"]'))["monthlyStats"]["nodes"]
        assert [one["rulePack"] for one in node["feesByPack"]] == ["p1@2", "p2@1"]
        error = await caller.refused(one)
        assert error["extensions"]["argument"] == "packs"
        assert str(MOST_PACKS) in error["extensions"]["accepted"]


async def test_a_product_added_meanwhile_counts_by_the_licensors_pack(house: House) -> None:
    """Whichever of the two comes first, and though neither is committed when the other begins."""
    async with open_operator(house.operator, "test") as session:
        await registry.add_product(session, ENHANCED, "SZSEINFO")
        await add_pack(session, RulePack.read({"name": "a", "version": 1}))

    async def use(since: Month) -> None:
        async with open_operator(house.operator, "test") as session:
            await use_pack(session, "a", "SZSEINFO", None, since)

    async def add(product: str) -> None:
        async with open_operator(house.operator, "test") as session:
            await registry.add_product(session, product, "SZSEINFO")

    async def follows(other: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        waiting = asyncio.create_task(other)
        done, _ = await asyncio.wait({waiting}, timeout=0.3)
        assert not done
        return waiting

    async with open_operator(house.operator, "test") as session:
        await use_pack(session, "a", "SZSEINFO", None, Month(2026, 1))
        second = await follows(add("x"))
    await second
    async with open_operator(house.operator, "test") as session:
        await registry.add_product(session, "y", "SZSEINFO")
        second = await follows(use(Month(2026, 2)))
    await second
    used = ProductPack.table()
    async with open_operator(house.operator, "test") as session:
        told = await session.execute(
            select(Product.table().c.name, used.c.from_month)
            .join_from(used, Product.table(), Product.table().c.product_id == used.c.product_id)
            .order_by(Product.table().c.name, used.c.from_month)
        )
        months = {
            name: [one[1].month for one in rows] for name, rows in groupby(told, itemgetter(0))
        }
        assert months == {ENHANCED: [1, 2], "x": [1, 2], "y": [1, 2]}


async def test_a_version_never_changes(house: House) -> None:
    one = RulePack.read({"name": "a", "version": 1, "options": {"counted": "average"}})
    other = RulePack.read({"name": "a", "version": 1})
    async with open_operator(house.operator, "test") as session:
        assert await add_pack(session, one)
        assert not await add_pack(session, one)
        with pytest.raises(BadInput, match="a@1"):
            await add_pack(session, other)
        with pytest.raises(BadInput, match="built in"):
            await add_pack(session, RulePack.read({"name": "szse-2010", "version": 2}))
        with pytest.raises(NotFound):
            await use_pack(session, "b", "SZSEINFO", None, Month(2026, 1))
        with pytest.raises(BadInput, match="no product"):
            await use_pack(session, "a", "SZSEINFO", None, Month(2026, 1))
        await registry.add_licensor(session, "HKEX", "香港交易所")
        await registry.add_product(session, FOREIGN, "HKEX")
        await registry.add_product(session, ENHANCED, "SZSEINFO")
        with pytest.raises(NotFound):
            await use_pack(session, "a", "SZSEINFO", FOREIGN, Month(2026, 1))


async def test_every_fee_of_the_demo_market_adds_up(house: House) -> None:
    """To the fen, by the default pack and by others, with a minimum and tiers as without."""
    await found_demo(
        *(house.service, house.operator, house.security), 0.004, Console(file=io.StringIO())
    )
    transport = httpx.ASGITransport(app=application(house))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        async with open_operator(house.security, "test") as session:
            everyone = []
            for licensor in LICENSORS:
                holder = Holder(licensor_id=await registry.licensor_id(session, licensor.code))
                key, _ = await issue(session, holder, Role.LICENSOR_ANALYST, days=None)
                everyone.append(Caller(client, key.text))
        query = f"query ($pack: String) {{ monthlyStats(rulePack: $pack, first: 1000) {{ totalCount nodes {{ fee {LINES} }} }} }}"
        kinds = set()
        for book in ("plain", "rich"):
            if book == "rich":
                async with open_operator(house.operator, "test") as session:
                    for name, options in PACKS.items():
                        definition = {"name": name, "version": 1, "options": options}
                        await add_pack(session, RulePack.read(definition))
                    names = [
                        product
                        for one in everyone
                        for product in (await one.ask("{ products { nodes { name } } }"))[
                            "products"
                        ]["nodes"]
                    ]
                    for product, ago in itertools.product(names, (20, 8, 0)):
                        start = Month.of(TODAY).plus(-ago).first
                        await registry.set_price(
                            *(session, product["name"], Decimal("12.34"), start, None),
                            tiers={3: Decimal("10.01"), 20: Decimal("9.00")},
                            minimum=Decimal("30.00"),
                        )
            for pack in ("szse-2010",) if book == "plain" else ("szse-2010", *PACKS):
                paid = []
                for one in everyone:
                    stats = (await one.ask(query, pack=pack))["monthlyStats"]
                    assert stats["totalCount"] == len(stats["nodes"]) > 0
                    for node in stats["nodes"]:
                        adds_up(node)
                        kinds |= {line["kind"] for line in node["feeLines"]}
                    paid.append(any(Decimal(node["fee"] or 0) > 0 for node in stats["nodes"]))
                assert sum(paid) >= len(everyone) - 1  # one had no price at first
        assert kinds == {"USERS", "PRORATION", "MINIMUM", "ROUNDING"}
