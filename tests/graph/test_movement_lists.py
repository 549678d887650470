"""The users behind the new, the ended, the cancelled and the expired, against the naive recount."""

import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from graphing import (
    ALL,
    TODAY,
    calling,
    keys,
    listed,
    reported,
    small_roster,
    sort,
    statements,
    with_status,
)
from market import BASIC, PRODUCTS, found, load
from naive.counting import MOVEMENTS, Service, moving_record
from naive.strategies import months

from gateway.app.house import House
from gateway.regulation.codes import FeeCategory
from gateway.regulation.months import WINDOW, Month

ROSTER = reported(small_roster(5, 60))
CATEGORIES = (None, *FeeCategory)
LISTS = " ".join(
    f"{movement}_{category and category.name}: users(movement: {movement}, "
    f"category: {category.name if category else 'null'}, first: {ALL}) "
    "{ totalCount nodes { userId product { name } usageMode startDate } }"
    for movement, category in itertools.product(MOVEMENTS, CATEGORIES)
)
BEHIND = f"""query ($asOf: DateTime) {{ monthlyStats(first: {ALL}, asOf: $asOf) {{ nodes {{
    month product {{ name }} newCount endedCount cancelledCount expiredCount {LISTS} }} }} }}"""


def moving(
    roster: list[Service], node: dict[str, Any], movement: str, category: FeeCategory | None
) -> list[Service]:
    """The lines behind a node's count."""
    year, month = map(int, node["month"].split("-"))
    records = moving_record(roster, node["product"]["name"], year, month, movement).values()
    return [one for one in records if category in (None, FeeCategory.texts()[one.category])]


async def test_each_movement_opens_the_list_of_its_users(house: House, tmp_path: Path) -> None:
    """Line by line, in each month of the window, now and as of each instant between imports."""
    rosters = [ROSTER, reported(small_roster(6, 60)), reported(small_roster(7, 60))]
    await found(house, "A")
    instants = [datetime.now(UTC)]
    for roster in rosters:
        await load(house, "A", with_status(roster), tmp_path)
        instants.append(datetime.now(UTC))
    known: list[list[Service]] = [[], *rosters]
    async with calling(house, vendor="A", limits="measure") as caller:
        for instant, roster in [*zip(instants, known, strict=True), (None, rosters[-1])]:
            with statements(house) as seen:
                data = await caller.ask(BEHIND, asOf=instant and instant.isoformat())
            assert len(seen) == 1
            nodes = data["monthlyStats"]["nodes"]
            assert len(nodes) == WINDOW * len(PRODUCTS)
            lengths = set()
            for node, movement in itertools.product(nodes, MOVEMENTS):
                for category in CATEGORIES:
                    users = node[f"{movement}_{category and category.name}"]
                    expected = sort(moving(roster, node, movement, category), [])
                    assert listed(users) == keys(expected)
                    assert users["totalCount"] == len(expected)
                    lengths.add(len(expected))
                assert node[f"{movement.lower()}Count"] == node[f"{movement}_None"]["totalCount"]
            assert (lengths == {0}) is (not roster)


def behind(movement: str, category: FeeCategory | None, condition: str, after: str | None) -> str:
    cursor = f'"{after}"' if after else "null"
    year, month = max(
        months(TODAY, WINDOW), key=lambda one: len(moving_record(ROSTER, BASIC, *one, movement))
    )
    text = f"{year}-{month:02d}"
    return f"""{{ monthlyStats(from: "{text}", to: "{text}", products: ["{BASIC}"]) {{ nodes {{
        month product {{ name }}
        users(movement: {movement}, category: {category.name if category else "null"},
              filter: {{{condition}}}, orderBy: {{field: START_DATE, direction: DESC}},
              first: 2, after: {cursor}) {{
          totalCount pageInfo {{ hasNextPage endCursor }} delimited download {{ url }}
          nodes {{ userId product {{ name }} usageMode startDate }}
        }} }} }} }}"""


@pytest.mark.parametrize("movement", MOVEMENTS)
async def test_such_a_list_has_its_own_filter_order_pages_and_file(
    house: House, tmp_path: Path, movement: str
) -> None:
    await found(house, "A")
    await load(house, "A", with_status(ROSTER), tmp_path)
    conditions = {
        "": lambda _: True,
        "userTypes: [INDIVIDUAL]": lambda one: one.user_type == "个人",
        "feeCategories: [TRIAL, FULL_PRICE]": lambda one: one.category in ("试用用户", "全价用户"),
    }
    async with calling(house, vendor="A") as caller:
        for category, (condition, holds) in itertools.product(CATEGORIES, conditions.items()):
            shown, after, more = [], None, True
            while more:
                data = await caller.ask(behind(movement, category, condition, after))
                (node,) = data["monthlyStats"]["nodes"]
                users = node["users"]
                wanted = filter(holds, moving(ROSTER, node, movement, category))
                expected = sort(wanted, [("START_DATE", "DESC")])
                shown += listed(users)
                after, more = users["pageInfo"]["endCursor"], users["pageInfo"]["hasNextPage"]
                assert users["totalCount"] == len(expected)
            assert shown == keys(expected)
            lines = "".join(f"{one.line()}\n" for one in expected)
            assert lines.endswith(users["delimited"])
            assert await caller.follow(users["download"]["url"]) == lines
            assert expected or condition or category


async def test_the_file_of_a_list_is_as_of_its_instant(house: House, tmp_path: Path) -> None:
    await found(house, "A")
    await load(house, "A", with_status(ROSTER), tmp_path)
    instant = datetime.now(UTC).isoformat()
    await load(house, "A", with_status(reported(small_roster(9))), tmp_path)
    query = f"""{{ monthlyStats(asOf: "{instant}", from: "{Month.of(TODAY).plus(-5)}") {{ nodes {{
        month product {{ name }} users(movement: ENDED) {{ download {{ url }} }} }} }} }}"""
    async with calling(house, vendor="A") as caller:
        for node in (await caller.ask(query))["monthlyStats"]["nodes"]:
            expected = sort(moving(ROSTER, node, "ENDED", None), [])
            told = await caller.follow(node["users"]["download"]["url"])
            assert told == "".join(f"{one.line()}\n" for one in expected)


@pytest.mark.parametrize("name", ["countedIn", "newIn", "endedIn", "cancelledIn", "expiredIn"])
@pytest.mark.parametrize("movement", ["null", "NEW"])
async def test_a_list_behind_a_count_takes_no_other_month(
    house: House, name: str, movement: str
) -> None:
    query = f"""{{ monthlyStats {{ nodes {{
        users(movement: {movement}, filter: {{{name}: "2026-01"}}) {{ totalCount }} }} }} }}"""
    async with calling(house) as caller:
        error = await caller.refused(query)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["argument"] == f"users.filter.{name}"
    assert error["extensions"]["accepted"] == f"a filter without {name}"
