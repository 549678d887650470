"""Corners that reviewers found: exact cursors, the calendar's ends, aliases, one failing field."""

import re
from datetime import date
from pathlib import Path

from graphing import calling, small_roster
from market import ENHANCED, found, load
from sqlalchemy import select

from gateway.app.house import House
from gateway.records.keyset import Page
from gateway.records.order import UserOrder, UserOrderField
from gateway.records.users import Fields, UserList, page
from gateway.tenancy.principal import Principal, Role
from gateway.tenancy.scope import mint
from gateway.tenancy.session import for_driver

LINE = "{}||甲||个人||全价用户||{}||{}||" + ENHANCED + "||Web||0||0||0"


async def test_pages_by_fee_are_exact(house: House, tmp_path: Path) -> None:
    """Several vendors with one fractional fee: a cursor through a float would lose its place."""
    vendors = ["A", "B", "C", "D", "E"]
    await found(house, *vendors)
    for vendor in vendors:
        await load(house, vendor, [LINE.format(i, "20260101", "0") for i in range(1, 4)], tmp_path)
    query = """query ($after: String, $way: Direction!) {
        monthlyStats(from: "2026-02", to: "2026-02", orderBy: [{field: FEE, direction: $way}],
                     first: 2, after: $after) {
          nodes { vendor { code } fee } pageInfo { hasNextPage endCursor } } }"""
    async with calling(house) as caller:
        for way in ("ASC", "DESC"):
            seen, after, more = [], None, True
            while more:
                page = (await caller.ask(query, way=way, after=after))["monthlyStats"]
                seen += [node["vendor"]["code"] for node in page["nodes"]]
                assert {node["fee"] for node in page["nodes"]} == {"37.02"}
                after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
            assert sorted(seen) == vendors


async def test_the_first_and_the_last_day_of_the_calendar(house: House, tmp_path: Path) -> None:
    await found(house, "A")
    lines = [
        LINE.format("first", "00010101", "0"),
        LINE.format("last", "99991230", "99991230"),
        LINE.format("open", "20260101", "0"),
        LINE.format("very last", "99991231", "0"),
    ]
    await load(house, "A", lines, tmp_path)
    async with calling(house, vendor="A") as caller:

        async def matching(condition: str) -> set[str]:
            users = await caller.ask(
                f"{{ users(filter: {{ {condition} }}) {{ nodes {{ userId }} }} }}"
            )
            return {node["userId"] for node in users["users"]["nodes"]}

        assert await matching('endAfter: "9999-12-31"') == {"first", "open", "very last"}
        assert await matching('endTo: "9999-12-31"') == {"last"}
        assert await matching('startTo: "0001-01-01"') == {"first"}
        assert await matching('startFrom: "9999-12-31"') == {"very last"}
        assert await matching('newIn: "0001-01"') == {"first"}
        assert await matching('newIn: "9999-12"') == {"last", "very last"}
        for ended in ("endedIn", "expiredIn"):
            assert await matching(f'{ended}: "9999-12"') == {"last"}
            assert await matching(f'{ended}: "9999-11"') == set()
        assert await matching('cancelledIn: "9999-12"') == set()
        for way in ("ASC", "DESC"):
            seen, after = [], None
            for _ in lines:
                page = await caller.ask(
                    """query ($after: String, $way: Direction!) { users(first: 1, after: $after,
                    orderBy: [{field: START_DATE, direction: $way}])
                    { nodes { userId } pageInfo { endCursor } } }""",
                    after=after,
                    way=way,
                )
                seen += [node["userId"] for node in page["users"]["nodes"]]
                after = page["users"]["pageInfo"]["endCursor"]
            expected = ["first", "open", "last", "very last"]
            assert seen == (expected if way == "ASC" else expected[::-1])
        year = await caller.ask("{ monthlyStats(year: 1) { nodes { month fullPriceCount } } }")
        assert {node["fullPriceCount"] for node in year["monthlyStats"]["nodes"]} == {1}
        nodes = (
            await caller.ask("""{ monthlyStats(year: 1, orderBy: {field: MONTH}) { nodes { month
                users(movement: NEW) { totalCount nodes { userId } } previousMonth { month }
                sameMonthLastYear { month } } totals(by: [YEAR]) { year newCount } } }""")
        )["monthlyStats"]
        assert nodes["totals"] == [{"year": 1, "newCount": 1}]
        lists = [node["users"] for node in nodes["nodes"]]
        assert lists[0] == {"totalCount": 1, "nodes": [{"userId": "first"}]}
        assert lists[1:] == [{"totalCount": 0, "nodes": []}] * 11
        before = [node["previousMonth"] for node in nodes["nodes"]]
        assert before == [None, *({"month": node["month"]} for node in nodes["nodes"][:-1])]
        assert {node["sameMonthLastYear"] for node in nodes["nodes"]} == {None}


async def test_one_connection_twice_with_different_lists(house: House, tmp_path: Path) -> None:
    await found(house, "A")
    trial = LINE.format("t", "20260101", "0").replace("全价用户", "试用用户")
    await load(house, "A", [LINE.format("f", "20260101", "0"), trial], tmp_path)
    async with calling(house, vendor="A") as caller:
        stats = (
            await caller.ask(
                """{ monthlyStats(from: "2026-02", to: "2026-02") {
                x: nodes { users(category: FULL_PRICE) { nodes { userId } } }
                y: nodes { users(category: TRIAL) { nodes { userId } } }
                edges { node { users { totalCount } } } } }"""
            )
        )["monthlyStats"]
        assert [u["userId"] for u in stats["x"][0]["users"]["nodes"]] == ["f"]
        assert [u["userId"] for u in stats["y"][0]["users"]["nodes"]] == ["t"]
        assert stats["edges"][0]["node"]["users"]["totalCount"] == 2
        users = await caller.ask(
            "{ users { a: nodes { otherServices { userId } } b: nodes { otherServices { userName }"
            " history { batch } } } }"
        )
        assert len(users["users"]["a"]) == len(users["users"]["b"]) == 2
        vendor = (await caller.ask('{ vendor(code: "A") { id } }'))["vendor"]["id"]
        node = await caller.ask(
            "query ($id: ID!) { node(id: $id)"
            " { ... on Vendor { x: code } ... on User { x: userName } } }",
            id=vendor,
        )
        assert node == {"node": {"x": "A"}}


async def test_one_bad_value_does_not_take_the_answer_with_it(house: House, tmp_path: Path) -> None:
    await found(house, "A")
    await load(house, "A", [LINE.format("u", "20260101", "0")], tmp_path)
    query = (
        "query ($s: String) {"
        " a: users(filter: {search: $s}) { totalCount } b: users { totalCount } }"
    )
    async with calling(house, vendor="A") as caller:
        answer = await caller.post(query, s="\0")
        assert answer.status_code == 200
        codes = {error["extensions"]["code"] for error in answer.json()["errors"]}
        assert codes == {"BAD_USER_INPUT"}
        assert (await caller.ask(query, s="u"))["a"] == {"totalCount": 1}


async def test_bodies_that_are_no_request_are_told_in_json(house: House) -> None:
    await found(house, "A")
    async with calling(house, vendor="A") as caller:
        for body in (b"{", b"[]", b"3", b"null", b"{}", b'{"query": 1}', b"\xff"):
            answer = await caller.client.post(
                "/graphql",
                content=body,
                headers={
                    "Authorization": f"Bearer {caller.key}",
                    "Content-Type": "application/json",
                },
            )
            assert 400 <= answer.status_code < 500 or answer.json()["errors"], body
            assert answer.json()["errors"][0]["message"]


async def test_as_many_lists_as_aliases_are_allowed(house: House, tmp_path: Path) -> None:
    """PostgreSQL builds a JSON object of at most fifty pairs; there are more values than lists."""
    await found(house, "A")
    await load(house, "A", [LINE.format("u", "20260101", "0")], tmp_path)
    lists = " ".join(f"u{i}: users(first: 1) {{ totalCount }}" for i in range(50))
    sums = " ".join(f"t{i}: totals(by: []) {{ fullPriceCount }}" for i in range(50))
    async with calling(house, vendor="A") as caller:
        query = '{ monthlyStats(from: "2026-01", to: "2026-01") { %s } }'
        page = await caller.ask(query % f"nodes {{ {lists} previousMonth {{ month }} }}")
        (node,) = page["monthlyStats"]["nodes"]
        assert [node[f"u{i}"] for i in range(50)] == [{"totalCount": 1}] * 50
        page = (await caller.ask(query % sums))["monthlyStats"]
        assert [page[f"t{i}"] for i in range(50)] == [[{"fullPriceCount": 1}]] * 50


async def test_as_many_histories_as_there_may_be_aliases(house: House, tmp_path: Path) -> None:
    await found(house, "A")
    await load(house, "A", [one.line() for one in small_roster(1, 2)], tmp_path)
    nested = " ".join(
        f"a{i}: history {{ batch }} b{i}: otherServices {{ userId }}" for i in range(25)
    )
    everything = "userId userName userType startDate endDate contact address phone serviceStatus"
    async with calling(house, vendor="A") as caller:
        answer = await caller.ask(f"{{ users {{ nodes {{ {everything} {nested} }} }} }}")
    for node in answer["users"]["nodes"]:
        assert all(node[f"a{i}"] == [{"batch": 1}] for i in range(25))


async def test_a_drill_downs_products(house: House, tmp_path: Path) -> None:
    """One of the caller's that the figures are not of has no rows; one of nobody is not found."""
    await found(house, "A")
    await load(house, "A", [one.line() for one in small_roster(1, 20)], tmp_path)
    query = """query ($product: String!) { monthlyStats(products: ["增强行情"], first: 1) {
        nodes { users(filter: {products: [$product]}) { totalCount } } } }"""
    async with calling(house, vendor="A") as caller:
        stats = (await caller.ask(query, product="基本行情"))["monthlyStats"]
        assert stats["nodes"] == [{"users": {"totalCount": 0}}]
        error = await caller.refused(query, product="nothing")
        assert error["extensions"]["argument"] == "users.filter.products"


async def test_product_names_sort_by_code_point_in_any_database() -> None:
    """The database's own collation has no part in it: a page would lose rows."""
    scope = mint(Principal("test", Role.VENDOR_OPERATOR), {1: "A"}, {1: "a2", 2: "B1"})
    order = (UserOrder(UserOrderField.USER_ID), UserOrder(UserOrderField.PRODUCT))
    listed = UserList(scope, date(2026, 1, 1), order=order)
    text, _ = for_driver(select(page(listed, Fields(frozenset()), Page(first=1), total=False)))
    names = re.findall(r"WHEN \$\d+::INTEGER THEN \$\d+::VARCHAR( COLLATE \"C\")?", text)
    assert names
    assert all(names)
