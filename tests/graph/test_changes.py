"""`changes`: what imports did between two instants, against the rosters that were imported."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from graphing import Key, calling, mode_of, small_roster, statements, type_of
from graphing import category_of as category
from market import found, load
from naive.counting import Service

from gateway.app.house import House
from gateway.intake.run import Mode

STATE = "userName userType endDate contact address phone feeCategory serviceStatus"
CHANGES = f"""
    query ($from: DateTime!, $to: DateTime, $kinds: [ChangeKind!], $products: [String!],
           $first: Int, $after: String, $last: Int, $before: String) {{
        changes(vendor: "A", from: $from, to: $to, kinds: $kinds, products: $products,
                first: $first, after: $after, last: $last, before: $before) {{
            totalCount counts {{ added changed superseded }}
            pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
            nodes {{
                kind userId product {{ name }} usageMode startDate vendor {{ code }}
                batch {{ number recordedAt actor source mode }}
                before {{ {STATE} }} after {{ {STATE} }} fields {{ field heading before after }}
            }}
        }}
    }}
"""
ALWAYS = "0001-01-02T00:00:00Z"
State = dict[str, Any]


def key_of(one: Service) -> Key:
    return (one.user_id, one.product, mode_of(one).name, one.start.isoformat())


def state_of(one: Service) -> State:
    """What a line says apart from its key, as the graph shows it."""
    _, name, _, _, _, _, _, _, address, contact, phone = one.line().split("||")
    return {
        "userName": name,
        "userType": type_of(one).name,
        "endDate": None if one.end is None else one.end.isoformat(),
        "contact": None if contact == "0" else contact,
        "address": None if address == "0" else address,
        "phone": None if phone == "0" else phone,
        "feeCategory": category(one).name,
        "serviceStatus": None,
    }


@dataclass
class Past:
    """The rosters after each import, and the instants between the imports."""

    rosters: list[dict[Key, State]]
    instants: list[str]


@pytest.fixture
async def past(house: House, tmp_path: Path) -> Past:
    """Six imports of a vendor: snapshots and deltas that add, change, remove and bring back."""
    await found(house, "A", "B")
    chance = random.Random(7)
    lines = small_roster(7, 25)
    kept = Past([{}], [datetime.now(UTC).isoformat()])
    roster: list[Service] = []
    for number in range(6):
        mode = Mode.DELTA if number % 3 == 2 else Mode.SNAPSHOT
        file = [changed(one, chance) for one in lines if chance.random() < 0.7]
        outcome = await load(house, "A", [one.line() for one in file], tmp_path, mode)
        assert outcome.batch == number + 1
        await load(house, "B", [one.line() for one in file], tmp_path)
        known = {} if mode is Mode.SNAPSHOT else {key_of(one): one for one in roster}
        roster = list((known | {key_of(one): one for one in file}).values())
        kept.rosters.append({key_of(one): state_of(one) for one in roster})
        kept.instants.append(datetime.now(UTC).isoformat())
    return kept


def changed(one: Service, chance: random.Random) -> Service:
    """Give some lines another end or category."""
    if chance.random() < 0.3:
        one = replace(one, end=one.start + timedelta(days=chance.randrange(900)))
    if chance.random() < 0.2:
        one = replace(one, category=chance.choice(("全价用户", "试用用户", "监管用户")))
    return one


def expected(
    past: Past, since: int, until: int
) -> Iterator[tuple[str, Key, int, State | None, State | None]]:
    """Compare each two rosters that follow one another: (kind, key, batch, before, after)."""
    for batch in range(since + 1, until + 1):
        old, new = past.rosters[batch - 1], past.rosters[batch]
        for key in old.keys() | new.keys():
            before, after = old.get(key), new.get(key)
            if before != after:
                kind = "ADDED" if before is None else "SUPERSEDED" if after is None else "CHANGED"
                yield kind, key, batch, before, after


def told(node: dict[str, Any]) -> tuple[str, Key, int, State | None, State | None]:
    key = (node["userId"], node["product"]["name"], node["usageMode"], node["startDate"])
    return node["kind"], key, node["batch"]["number"], node["before"], node["after"]


def by_text(rows: Any) -> list[Any]:
    return sorted(rows, key=repr)


async def test_changes_between_any_two_instants(house: House, past: Past) -> None:
    """Added, changed and superseded lines, by which batch, to the row."""
    last = len(past.instants) - 1
    async with calling(house, vendor="A") as caller:
        for since in range(last + 1):
            for until in range(since, last + 1):
                page = (
                    await caller.ask(
                        CHANGES,
                        **{"from": past.instants[since], "to": past.instants[until], "first": 1000},
                    )
                )["changes"]
                wanted = list(expected(past, since, until))
                assert by_text(map(told, page["nodes"])) == by_text(wanted), (since, until)
                kinds = Counter(kind for kind, *_ in wanted)
                assert page["counts"] == {
                    name.lower(): kinds[name] for name in ("ADDED", "CHANGED", "SUPERSEDED")
                }
                assert page["totalCount"] == len(wanted)
                batches = [node["batch"]["number"] for node in page["nodes"]]
                assert batches == sorted(batches)


async def test_the_fields_of_a_change_are_those_that_differ(house: House, past: Past) -> None:
    async with calling(house, vendor="A") as caller:
        page = (await caller.ask(CHANGES, **{"from": ALWAYS, "first": 1000}))["changes"]
    changes = [node for node in page["nodes"] if node["kind"] == "CHANGED"]
    assert len(changes) > 10
    for node in page["nodes"]:
        fields = {one["field"]: (one["before"], one["after"]) for one in node["fields"]}
        if node["kind"] != "CHANGED":
            assert fields == {}
            continue
        before, after = node["before"], node["after"]
        assert fields == {
            name: (before[name], after[name]) for name in before if before[name] != after[name]
        }
    headings = {one["field"]: one["heading"] for node in changes for one in node["fields"]}
    assert headings == {"endDate": "终止日期", "feeCategory": "优惠标记"}


async def test_without_an_end_until_now_and_with_provenance(house: House, past: Past) -> None:
    async with calling(house, vendor="A") as caller:
        page = (await caller.ask(CHANGES, **{"from": past.instants[-2], "first": 1000}))["changes"]
    batches = {tuple(node["batch"].items()) for node in page["nodes"]}
    (batch,) = ({**dict(one)} for one in batches)
    recorded = datetime.fromisoformat(batch.pop("recordedAt"))
    assert batch == {"number": 6, "actor": "test", "source": "A.txt", "mode": "delta"}
    first, last = (datetime.fromisoformat(one) for one in past.instants[-2:])
    assert first < recorded < last


@pytest.mark.parametrize(
    "kinds", [["ADDED"], ["CHANGED"], ["SUPERSEDED"], ["ADDED", "SUPERSEDED"], ["CHANGED", "ADDED"]]
)
async def test_kinds_and_products(house: House, past: Past, kinds: list[str]) -> None:
    async with calling(house, vendor="A") as caller:
        for product in (None, "增强行情"):
            page = (
                await caller.ask(
                    CHANGES,
                    kinds=kinds,
                    products=product and [product],
                    **{"from": ALWAYS, "first": 1000},
                )
            )["changes"]
            wanted = [
                one
                for one in expected(past, 0, len(past.instants) - 1)
                if one[0] in kinds and product in {None, one[1][1]}
            ]
            assert wanted
            assert by_text(map(told, page["nodes"])) == by_text(wanted)
            assert page["totalCount"] == len(wanted)


@pytest.mark.parametrize("size", [7, 50])
async def test_pages_forward_and_backward_are_the_whole_list(
    house: House, past: Past, size: int
) -> None:
    async with calling(house, vendor="A") as caller:
        whole = (await caller.ask(CHANGES, **{"from": ALWAYS, "first": 1000}))["changes"]["nodes"]
        forward: list[Any] = []
        page: dict[str, Any] = {"pageInfo": {"hasNextPage": True, "endCursor": None}}
        while page["pageInfo"]["hasNextPage"]:
            cursor = page["pageInfo"]["endCursor"]
            page = (await caller.ask(CHANGES, **{"from": ALWAYS, "first": size, "after": cursor}))[
                "changes"
            ]
            forward += page["nodes"]
        backward: list[Any] = []
        page = {"pageInfo": {"hasPreviousPage": True, "startCursor": None}}
        while page["pageInfo"]["hasPreviousPage"]:
            cursor = page["pageInfo"]["startCursor"]
            page = (await caller.ask(CHANGES, **{"from": ALWAYS, "last": size, "before": cursor}))[
                "changes"
            ]
            backward = page["nodes"] + backward
    assert forward == whole
    assert backward == whole


async def test_one_statement_and_no_count_unless_it_is_asked_for(house: House, past: Past) -> None:
    query = '{ changes(vendor: "A", from: "2001-01-01T00:00:00Z") { nodes { kind } } }'
    async with calling(house, vendor="A") as caller:
        with statements(house) as seen:
            await caller.ask(query)
    (statement,) = seen
    assert "count(" not in statement


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ('vendor: "B", from: "2001-01-01T00:00:00Z"', "vendor"),
        ('vendor: "nobody", from: "2001-01-01T00:00:00Z"', "vendor"),
        ('vendor: "A", from: "2001-01-01T00:00:00Z", products: ["?"]', "products"),
        ('vendor: "A", from: "2001-01-01T00:00:00"', "from"),
        ('vendor: "A", from: "2999-01-01T00:00:00Z"', "from"),
        ('vendor: "A", from: "2001-01-01T00:00:00Z", to: "2999-01-01T00:00:00Z"', "to"),
        ('vendor: "A", from: "2001-01-02T00:00:00Z", to: "2001-01-01T00:00:00Z"', "to"),
        ('vendor: "A", from: "2001-01-01T00:00:00Z", kinds: []', "kinds"),
        ('vendor: "A", from: "2001-01-01T00:00:00Z", after: "x"', "after"),
    ],
)
async def test_what_is_refused(house: House, arguments: str, argument: str) -> None:
    await found(house, "A", "B")
    async with calling(house, vendor="A") as caller:
        error = await caller.refused(f"{{ changes({arguments}) {{ nodes {{ kind }} }} }}")
    assert error["extensions"]["argument"] == argument
    assert error["extensions"]["code"] in {"NOT_FOUND", "BAD_USER_INPUT"}
