"""`users` and `node` against a naive reading of a small nasty roster."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import permutations, product
from pathlib import Path
from typing import Any

import pytest
from graphing import (
    SORT_KEYS,
    TODAY,
    USERS,
    Key,
    calling,
    category_of,
    keys,
    listed,
    mode_of,
    node_key,
    numbering,
    order_by,
    record_key,
    reported,
    small_roster,
    sort,
    statements,
    status_of,
    type_of,
    with_status,
    without_status,
)
from market import BASIC, ENHANCED, PRODUCTS, found, load
from naive.counting import MOVEMENTS, Service, counting_record, moving_record
from naive.strategies import eventful_months

from gateway.app.house import House
from gateway.intake.run import Mode
from gateway.regulation.codes import FeeCategory, ServiceStatus, UsageMode, UserType

Predicate = Callable[[Service], bool]

ROSTER = small_roster()
MIDDLE = sorted(one.start for one in ROSTER)[len(ROSTER) // 2]
EARLY, LATE = MIDDLE - timedelta(days=400), MIDDLE + timedelta(days=200)
FOREVER = date(9999, 12, 31)


def lower(text: str) -> str:
    """ASCII letters only: full-width and accented ones are other letters."""
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)


def searched(term: str) -> Predicate:
    low = lower(term)
    return lambda one: lower(one.user_id).startswith(low) or low in lower(one.user_name)


def ends_after(one: Service, day: date) -> bool:
    return one.end is None or one.end > day


def search_cases() -> dict[str, tuple[dict[str, Any], Predicate]]:
    terms = (
        *("szse", "SZSE-00000", "sZsE-000001", "s", "用户", "用户1", "\U00020bb7", "0", "x|"),
        *("张", "张三", "三", "SMITH", "smith & SONS, l", "上海\uff21", "\uff41", "%", "_", "50%_"),
        *("|", "<b>", "\u200b", "\U0001f600", "\u3000", "\\", "'", "nobody at all", ""),
    )
    return {f"search {term!r}": ({"search": term}, searched(term)) for term in terms}


def text_cases() -> dict[str, tuple[dict[str, Any], Predicate]]:
    cases: dict[str, tuple[dict[str, Any], Predicate]] = {}
    for field, attribute in (("userId", "user_id"), ("userName", "user_name")):
        for text in ("SZSE-000002", "szse", "x|", "00", "张三", "SmItH", "野", "%", ""):
            low = lower(text)

            def value(one: Service, attribute: str = attribute) -> str:
                return lower(getattr(one, attribute))

            conditions: dict[str, Predicate] = {
                "equals": lambda one, low=low, value=value: value(one) == low,
                "startsWith": lambda one, low=low, value=value: value(one).startswith(low),
                "contains": lambda one, low=low, value=value: low in value(one),
            }
            for name, predicate in conditions.items():
                cases[f"{field} {name} {text!r}"] = ({field: {name: text}}, predicate)
    both = {"userId": {"startsWith": "szse", "contains": "3"}}
    cases["TextMatch: all hold"] = (
        both,
        lambda one: lower(one.user_id).startswith("szse") and "3" in one.user_id,
    )
    cases["TextMatch: none given"] = ({"userId": {}}, lambda _: True)
    return cases


def code_cases() -> dict[str, tuple[dict[str, Any], Predicate]]:
    cases: dict[str, tuple[dict[str, Any], Predicate]] = {}
    for field, codes, of in (
        ("userTypes", UserType, type_of),
        ("feeCategories", FeeCategory, category_of),
        ("serviceStatuses", ServiceStatus, status_of),
        ("usageModes", UsageMode, mode_of),
    ):
        for chosen in ([], *([code] for code in codes), list(codes)[1:], list(codes)):
            names = [code.name for code in chosen]
            cases[f"{field} {names}"] = (
                {field: names},
                lambda one, chosen=chosen, of=of: of(one) in chosen,
            )
    for chosen in ([], [BASIC], [ENHANCED], list(PRODUCTS)):
        cases[f"products {chosen}"] = (
            {"products": chosen},
            lambda one, chosen=chosen: one.product in chosen,
        )
    return cases


def date_cases() -> dict[str, tuple[dict[str, Any], Predicate]]:
    cases: dict[str, tuple[dict[str, Any], Predicate]] = {}
    for day in (EARLY, MIDDLE, LATE, TODAY, FOREVER):
        text = day.isoformat()
        cases |= {
            f"startBefore {day}": ({"startBefore": text}, lambda one, day=day: one.start < day),
            f"endAfter {day}": ({"endAfter": text}, lambda one, day=day: ends_after(one, day)),
            f"startFrom {day}": ({"startFrom": text}, lambda one, day=day: one.start >= day),
            f"startTo {day}": ({"startTo": text}, lambda one, day=day: one.start <= day),
            f"endFrom {day}": (
                {"endFrom": text},
                lambda one, day=day: one.end is None or one.end >= day,
            ),
            f"endTo {day}": (
                {"endTo": text},
                lambda one, day=day: one.end is not None and one.end <= day,
            ),
        }
    for start, end in ((EARLY, LATE), (LATE, MIDDLE), (MIDDLE, TODAY)):
        two = {"startBefore": start.isoformat(), "endAfter": end.isoformat()}

        def either(one: Service, start: date = start, end: date = end) -> bool:
            return one.start < start or ends_after(one, end)

        def both(one: Service, start: date = start, end: date = end) -> bool:
            return one.start < start and ends_after(one, end)

        cases[f"{start} {end} default"] = (two, either)
        cases[f"{start} {end} null"] = (two | {"dateJoin": None}, either)
        cases[f"{start} {end} OR"] = (two | {"dateJoin": "OR"}, either)
        cases[f"{start} {end} AND"] = (two | {"dateJoin": "AND"}, both)
        low, high = sorted((start, end))
        closed = {"startFrom": low.isoformat(), "startTo": high.isoformat()}
        cases[f"{start} {end} range"] = (
            closed,
            lambda one, low=low, high=high: low <= one.start <= high,
        )
    together = {
        "startBefore": MIDDLE.isoformat(),
        "endAfter": TODAY.isoformat(),
        "feeCategories": ["FULL_PRICE", "TRIAL"],
        "search": "szse",
    }
    cases["category and search AND (dates by OR)"] = (
        together,
        lambda one: (
            (one.start < MIDDLE or ends_after(one, TODAY))
            and category_of(one).name in together["feeCategories"]
            and searched("szse")(one)
        ),
    )
    return cases


def counted_cases(roster: list[Service]) -> dict[str, tuple[dict[str, Any], Predicate]]:
    cases: dict[str, tuple[dict[str, Any], Predicate]] = {}
    for month in (*eventful_months(roster, TODAY)[:4], (1999, 12)):
        counting = {
            record_key(one)
            for name in PRODUCTS
            for one in counting_record(roster, name, *month).values()
        }
        text = f"{month[0]:04d}-{month[1]:02d}"

        def counts(one: Service, counting: set[Key] = counting) -> bool:
            return record_key(one) in counting

        cases[f"countedIn {text}"] = ({"countedIn": text}, counts)
        for category in FeeCategory:
            cases[f"countedIn {text} as {category.name}"] = (
                {"countedIn": text, "countedAs": category.name},
                lambda one, counts=counts, category=category: (
                    counts(one) and category_of(one) is category
                ),
            )
        for movement in MOVEMENTS:
            moving = {
                record_key(one)
                for name in PRODUCTS
                for one in moving_record(roster, name, *month, movement).values()
            }
            name = f"{movement.lower()}In"
            cases[f"{name} {text}"] = ({name: text}, lambda one, m=moving: record_key(one) in m)
    return cases


@pytest.mark.parametrize("status", [True, False], ids=["reported", "derived"])
async def test_every_filter(house: House, tmp_path: Path, status: bool) -> None:
    if status:
        roster = reported(ROSTER)
        lines = with_status(roster)
    else:
        roster = [replace(one, status=None) for one in ROSTER]
        lines = without_status(roster)
    await found(house, "A")
    await load(house, "A", lines, tmp_path)
    cases = search_cases() | text_cases() | code_cases() | date_cases() | counted_cases(roster)
    wrong: dict[str, tuple[set[Key], set[Key]]] = {}
    chosen = set()
    async with calling(house, vendor="A") as caller:
        for name, (condition, predicate) in cases.items():
            page = (await caller.ask(USERS, filter=condition))["users"]
            shown, expected = listed(page), keys(sort(filter(predicate, roster), []))
            assert page["totalCount"] == len(shown)
            chosen.add(len(shown))
            if shown != expected:
                wrong[name] = (set(shown) - set(expected), set(expected) - set(shown))
    assert wrong == {}
    assert len(chosen) > 20, "the cases are too alike to tell anything"


async def test_every_order_in_both_directions(house: House, tmp_path: Path) -> None:
    roster = reported(ROSTER)
    orders: list[list[tuple[str, str]]] = [[]]
    orders += [[one] for one in product(SORT_KEYS, ("ASC", "DESC"))]
    for one, two in permutations(("USER_TYPE", "FEE_CATEGORY", "PRODUCT", "END_DATE"), 2):
        orders += [[(one, "ASC"), (two, "DESC")], [(one, "DESC"), (two, "DESC")]]
    orders.append([("SERVICE_STATUS", "DESC"), ("PRODUCT", "ASC"), ("USER_NAME", "DESC")])
    orders.append([("USER_TYPE", "DESC"), ("USER_TYPE", "ASC"), ("START_DATE", "ASC")])
    await found(house, "A")
    await load(house, "A", with_status(roster), tmp_path)
    wrong = []
    async with calling(house, vendor="A") as caller:
        for order in orders:
            shown = listed((await caller.ask(USERS, orderBy=order_by(order)))["users"])
            if shown != keys(sort(roster, list(dict(reversed(order)).items())[::-1])):
                wrong.append(order)
    assert wrong == []


async def test_all_fields_are_as_in_the_file(house: House, tmp_path: Path) -> None:
    roster = reported(ROSTER)
    await found(house, "A")
    await load(house, "A", with_status(roster), tmp_path)
    query = """{ users(first: 1000) { nodes {
        vendor { code name } userId userName userType startDate endDate usageMode
        product { name licensor { code name } } contact address phone feeCategory serviceStatus
    } } }"""
    async with calling(house, vendor="A") as caller:
        shown = (await caller.ask(query))["users"]["nodes"]
    assert shown == [
        {
            "vendor": {"code": "A", "name": "A信息有限公司"},
            "userId": one.user_id,
            "userName": one.user_name,
            "userType": type_of(one).name,
            "startDate": one.start.isoformat(),
            "endDate": one.end and one.end.isoformat(),
            "usageMode": mode_of(one).name,
            "product": {
                "name": one.product,
                "licensor": {"code": "SZSEINFO", "name": "深圳证券信息有限公司"},
            },
            "contact": None if one.contact == "0" else one.contact,
            "address": None if one.address == "0" else one.address,
            "phone": None if one.phone == "0" else one.phone,
            "feeCategory": category_of(one).name,
            "serviceStatus": status_of(one).name,
        }
        for one in sort(roster, [])
    ]


async def test_what_was_known_before_between_and_after_imports(
    house: House, tmp_path: Path
) -> None:
    first = [replace(one, status=None) for one in small_roster(seed=4)]
    kept = [replace(one, category="监管用户") for one in first[::2]]
    second = [*kept, *(one for one in small_roster(seed=5) if one.key() not in {
        other.key() for other in first
    })]  # fmt: skip
    await found(house, "A")
    before = datetime.now(UTC)
    await load(house, "A", without_status(first), tmp_path)
    between = datetime.now(UTC)
    await load(house, "A", without_status(second), tmp_path)
    async with calling(house, vendor="A") as caller:
        for instant, roster in (
            (before, []),
            (between, first),
            (datetime.now(UTC), second),
            (None, second),
        ):
            for condition in ({}, {"feeCategories": ["REGULATORY"]}, {"search": "szse"}):
                page = (
                    await caller.ask(USERS, filter=condition, asOf=instant and instant.isoformat())
                )["users"]
                wanted = [
                    one
                    for one in roster
                    if ("feeCategories" not in condition or one.category == "监管用户")
                    and searched(str(condition.get("search", "")))(one)
                ]
                assert sorted(listed(page)) == sorted(keys(wanted)), (instant, condition)
                assert page["totalCount"] == len(wanted)


async def test_other_services_are_the_users_other_lines(house: House, tmp_path: Path) -> None:
    roster = reported(ROSTER)
    await found(house, "A", "B")
    await load(house, "A", with_status(roster), tmp_path)
    await load(house, "B", with_status(roster[:10]), tmp_path)
    query = """{ users(vendors: ["A"], first: 1000, filter: {usageModes: [WEB]}) { nodes {
        userId product { name } usageMode startDate
        all: otherServices { userId product { name } usageMode startDate }
        vendors: otherServices { vendor { code } }
    } } }"""
    async with calling(house) as caller:
        nodes = (await caller.ask(query))["users"]["nodes"]
    assert [node_key(node) for node in nodes] == keys(
        sort((one for one in roster if one.mode == "Web"), [])
    )
    for node in nodes:
        others = sorted(
            (
                one
                for one in roster
                if one.user_id == node["userId"] and record_key(one) != node_key(node)
            ),
            key=lambda one: (one.start, numbering(one)),
        )
        assert [node_key(one) for one in node["all"]] == keys(others)
        assert [one["vendor"]["code"] for one in node["vendors"]] == ["A"] * len(others)
    assert any(len(node["all"]) > 2 for node in nodes)


async def test_other_services_of_other_services(house: House, tmp_path: Path) -> None:
    await found(house, "A")
    later = LINE.replace("20260101", "20260201")
    await load(house, "A", [LINE, later], tmp_path)
    query = """{ users { nodes { startDate otherServices {
        startDate otherServices { startDate history { batch } } } } } }"""
    async with calling(house, vendor="A") as caller:
        nodes = (await caller.ask(query))["users"]["nodes"]
    first, second = "2026-01-01", "2026-02-01"
    assert nodes == [
        {
            "startDate": one,
            "otherServices": [
                {
                    "startDate": other,
                    "otherServices": [{"startDate": one, "history": [{"batch": 1}]}],
                }
            ],
        }
        for one, other in ((first, second), (second, first))
    ]


LINE = f"u1||甲||个人||试用用户||20260101||0||{ENHANCED}||Web||0||0||0"


async def test_history_tells_each_version_once(house: House, tmp_path: Path) -> None:
    await found(house, "A")
    await load(house, "A", [LINE], tmp_path)
    then = datetime.now(UTC)
    await load(house, "A", [LINE], tmp_path)
    changed = LINE.replace("试用用户||20260101||0", "全价用户||20260101||20260131")
    await load(house, "A", [changed.replace("甲", "甲一")], tmp_path)
    query = """query ($asOf: DateTime) { users(asOf: $asOf) { nodes { history {
        batch userName userType feeCategory endDate serviceStatus contact recordedFrom recordedTo
    } now: history { batch } } } }"""
    async with calling(house, vendor="A") as caller:
        (now,) = (await caller.ask(query))["users"]["nodes"]
        (past,) = (await caller.ask(query, asOf=then.isoformat()))["users"]["nodes"]
    first, second = now["history"]
    assert [one["batch"] for one in now["now"]] == [1, 2]
    assert (first["userName"], first["feeCategory"], first["endDate"]) == ("甲", "TRIAL", None)
    assert (second["userName"], second["feeCategory"]) == ("甲一", "FULL_PRICE")
    assert second["endDate"] == "2026-01-31"
    assert first["recordedTo"] == second["recordedFrom"]
    assert second["recordedTo"] is None
    assert past["history"] == [first | {"recordedTo": None}]


async def test_a_line_keeps_its_id_while_it_changes(house: House, tmp_path: Path) -> None:
    await found(house, "A")
    await load(house, "A", [LINE], tmp_path)
    async with calling(house, vendor="A") as caller:
        (one,) = (await caller.ask("{ users { nodes { id } } }"))["users"]["nodes"]
        await load(house, "A", [LINE.replace("甲", "乙")], tmp_path)
        query = "query ($id: ID!) { node(id: $id) { id ... on User { userName } } }"
        assert await caller.ask(query, id=one["id"]) == {"node": one | {"userName": "乙"}}
        await load(house, "A", [LINE.replace("u1", "u2")], tmp_path, Mode.SNAPSHOT)
        assert await caller.ask(query, id=one["id"]) == {"node": None}


async def test_two_connections_with_aliases_fragments_and_directives(
    house: House, tmp_path: Path
) -> None:
    roster = reported(ROSTER)
    await found(house, "A")
    await load(house, "A", with_status(roster), tmp_path)
    query = """
    query ($yes: Boolean!, $no: Boolean!) {
      full: users(filter: {feeCategories: [FULL_PRICE]}, first: 1000) {
        __typename totalCount ...Lines
        skipped: totalCount @skip(if: $yes)
        pageInfo { ...Ends }
      }
      newest: users(orderBy: [{field: START_DATE, direction: DESC}], first: 3) {
        edges { node { ...Line product { __typename } ... on Node { id } } }
        nodes { id phone @include(if: $no) contact @include(if: $yes) }
        ... on UserConnection @include(if: $no) { delimited }
        ... @skip(if: $no) { pageInfo { hasNextPage } }
      }
    }
    fragment Lines on UserConnection { nodes { ...Line } }
    fragment Line on User { userId usageMode product { name } ...Start }
    fragment Start on User { startDate }
    fragment Ends on PageInfo { hasNextPage hasPreviousPage }
    """
    async with calling(house, vendor="A") as caller:
        with statements(house) as seen:
            data = await caller.ask(query, yes=True, no=False)
    full = sort((one for one in roster if one.category == "全价用户"), [])
    assert listed(data["full"]) == keys(full)
    assert set(data["full"]) == {"__typename", "totalCount", "nodes", "pageInfo"}
    assert data["full"]["__typename"] == "UserConnection"
    assert data["full"]["totalCount"] == len(full)
    assert data["full"]["pageInfo"] == {"hasNextPage": False, "hasPreviousPage": False}
    newest = data["newest"]
    assert [node_key(edge["node"]) for edge in newest["edges"]] == keys(
        sort(roster, [("START_DATE", "DESC")])[:3]
    )
    assert [edge["node"]["id"] for edge in newest["edges"]] == [
        node["id"] for node in newest["nodes"]
    ]
    assert [set(node) for node in newest["nodes"]] == [{"id", "contact"}] * 3
    assert set(newest) == {"edges", "nodes", "pageInfo"}
    assert newest["edges"][0]["node"]["product"]["__typename"] == "Product"
    assert len(seen) == 1  # however many root fields there are


NODE = """query ($id: ID!) { node(id: $id) { __typename id
    ... on Vendor { code name }
    ... on Product { title: name licensor { code } }
    ... on User { userId userName otherServices { startDate } product { id } vendor { id } }
} }"""


async def test_node_finds_each_type_by_one_statement(house: House, tmp_path: Path) -> None:
    await found(house, "A", "B")
    await load(house, "A", [LINE], tmp_path)
    async with calling(house, vendor="A") as caller:
        (line,) = (
            await caller.ask(
                "{ users { nodes { id userId userName otherServices { startDate } "
                "vendor { id code name } product { id name licensor { code } } } } }"
            )
        )["users"]["nodes"]
        vendor, one = line["vendor"], line["product"]
        expected = {
            vendor["id"]: {"__typename": "Vendor", **vendor},
            one["id"]: {
                "__typename": "Product",
                "id": one["id"],
                "title": ENHANCED,
                "licensor": one["licensor"],
            },
            line["id"]: {
                "__typename": "User",
                **line,
                "vendor": {"id": vendor["id"]},
                "product": {"id": one["id"]},
            },
        }
        for global_id, node in expected.items():
            with statements(house) as seen:
                assert await caller.ask(NODE, id=global_id) == {"node": node}
            assert len(seen) == 1
        for unknown in ("", "x", "A", "====", "W10", "WzFd", "\u00e9", line["id"][:-4]):
            assert await caller.ask(NODE, id=unknown) == {"node": None}


async def test_one_response_key_for_different_fields_of_different_types(
    house: House, tmp_path: Path
) -> None:
    """GraphQL lets two types that never meet answer under one key."""
    await found(house, "A")
    await load(house, "A", [LINE], tmp_path)
    query = """query ($id: ID!) { node(id: $id) {
        ... on Vendor { text: name } ... on Product { text: name } ... on User { text: userName }
    } }"""
    async with calling(house, vendor="A") as caller:
        (line,) = (await caller.ask("{ users { nodes { id } } }"))["users"]["nodes"]
        assert await caller.ask(query, id=line["id"]) == {"node": {"text": "甲"}}


async def test_a_foreign_node_is_as_absent_as_none(house: House, tmp_path: Path) -> None:
    await found(house, "A", "B")
    await load(house, "A", [LINE], tmp_path)
    await load(house, "B", [LINE.replace(ENHANCED, BASIC)], tmp_path)
    query = "{ users { nodes { id vendor { id } product { id } } } }"
    async with calling(house, vendor="A") as caller, calling(house, vendor="B") as other:
        (line,) = (await caller.ask(query))["users"]["nodes"]
        for one in (line, line["vendor"], line["product"]):
            assert await other.ask(NODE, id=one["id"]) == {"node": None}


async def test_vendors_argument(house: House, tmp_path: Path) -> None:
    await found(house, "A", "B", "C")
    for code in "ABC":
        await load(house, code, [LINE.replace("u1", f"u{code}")], tmp_path)
    query = """query ($vendors: [String!]) { users(vendors: $vendors) {
        totalCount nodes { userId vendor { code } } } }"""
    async with calling(house) as caller:
        for vendors in (None, [], ["B"], ["C", "A"], ["A", "A"]):
            page = (await caller.ask(query, vendors=vendors))["users"]
            expected = sorted(set("ABC" if vendors is None else vendors))
            assert [node["vendor"]["code"] for node in page["nodes"]] == expected
            assert [node["userId"] for node in page["nodes"]] == [f"u{one}" for one in expected]
            assert page["totalCount"] == len(expected)


FILES: dict[str, tuple[dict[str, Any], list[tuple[str, str]], Predicate]] = {
    "all": ({}, [], lambda _: True),
    "searched": (
        {"search": "szse"},
        [("END_DATE", "DESC"), ("USER_NAME", "ASC")],
        searched("szse"),
    ),
    "by code": (
        {"feeCategories": ["TRIAL"], "usageModes": ["WEB", "DATAFEED"]},
        [("SERVICE_STATUS", "ASC")],
        lambda one: one.category == "试用用户" and one.mode in ("Web", "datafeed"),
    ),
    "by status": (
        {"serviceStatuses": ["EXPIRED", "CANCELLED"]},
        [("PRODUCT", "DESC")],
        lambda one: one.status in ("服务到期", "用户注销"),
    ),
    "by date": (
        {"startBefore": MIDDLE.isoformat(), "endAfter": TODAY.isoformat()},
        [("FEE_CATEGORY", "DESC"), ("USER_TYPE", "ASC")],
        lambda one: one.start < MIDDLE or ends_after(one, TODAY),
    ),
    "of one product": ({"products": [BASIC]}, [], lambda one: one.product == BASIC),
    "nothing": ({"userTypes": []}, [], lambda _: False),
}


@pytest.mark.parametrize("name", FILES)
async def test_delimited_is_the_export_of_the_same_lines(
    house: House, tmp_path: Path, name: str
) -> None:
    condition, order, predicate = FILES[name]
    roster = reported(ROSTER)
    await found(house, "A")
    await load(house, "A", with_status(roster), tmp_path)
    query = """query ($filter: UserFilter, $orderBy: [UserOrder!]) {
        users(filter: $filter, orderBy: $orderBy, first: 1000) { delimited download { url } } }"""
    async with calling(house, vendor="A") as caller:
        page = (await caller.ask(query, filter=condition, orderBy=order_by(order)))["users"]
        expected = sort(filter(predicate, roster), order)
        assert page["delimited"] == "".join(f"{one.line()}\n" for one in expected)
        assert await caller.follow(page["download"]["url"]) == page["delimited"]


async def test_the_export_of_the_counted_is_as_long_as_the_count(
    house: House, tmp_path: Path
) -> None:
    roster = reported(ROSTER)
    await found(house, "A")
    await load(house, "A", with_status(roster), tmp_path)
    month = eventful_months(roster, TODAY)[0]
    query = """query ($filter: UserFilter) { users(filter: $filter, first: 1000) {
        totalCount delimited download { url } } }"""
    async with calling(house, vendor="A") as caller:
        for name in PRODUCTS:
            condition = {"countedIn": f"{month[0]}-{month[1]:02d}", "products": [name]}
            page = (await caller.ask(query, filter=condition))["users"]
            lines = await caller.follow(page["download"]["url"])
            assert lines == page["delimited"]
            expected = len(counting_record(roster, name, *month))
            assert lines.count("\n") == page["totalCount"] == expected


async def test_one_statement_per_root_field_and_a_count_only_where_selected(
    house: House, tmp_path: Path
) -> None:
    await found(house, "A")
    await load(house, "A", without_status(ROSTER), tmp_path)
    roots = {
        "users { nodes { id vendor { id } product { licensor { code } } } }": False,
        "users { nodes { id otherServices { userId history { batch } } } }": False,
        "users { nodes { history { batch } } }": False,
        "users { delimited download { url } pageInfo { endCursor } edges { cursor } }": False,
        "users { totalCount }": True,
        "users { nodes { id } }": False,
        "monthlyStats { nodes { fee vendor { name } product { licensor { name } } } }": False,
        "monthlyStats { nodes { users { nodes { history { batch } } } } }": False,
        'monthlyStats { nodes { users(filter: {search: "s"}) { totalCount } } }': True,
        "monthlyStats { totalCount delimited download { url } }": True,
        "vendors { nodes { id } }": False,
        "vendors { totalCount }": True,
        "products { nodes { licensor { name } } }": False,
        'vendor(code: "A") { id }': False,
        "viewer { vendors { name } }": False,
    }
    wrong = {}
    async with calling(house, vendor="A") as caller:
        for root, counts in roots.items():
            with statements(house) as seen:
                answer = (await caller.post(f"{{ {root} }}")).json()
            if "errors" in answer or len(seen) != 1 or ("count(" in seen[0]) is not counts:
                wrong[root] = (answer.get("errors"), len(seen))
        assert wrong == {}
        with statements(house) as seen:
            await caller.ask("{ viewer { name role rights } __typename }")
        assert not any("FROM" in text for text in seen)
