"""All combinations of filter x sort x direction x page, against the naive evaluation.

Drawn at random from the seed that the test's name says; each block asks a hundred questions.
"""

import random
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from graphing import TODAY, Caller, order_by, statements
from houses import fresh_database, opened
from naive.corners import some_filter, some_order
from naive.querying import Condition, Order, Row, Shown, in_order, matching, page
from rosters import LINE, VENDORS, World, random_files, settle, shown_as

from gateway.db.embedded import EmbeddedPostgres

BLOCKS, QUESTIONS = 5, 100
SIZES = (1, 2, 3, 4, 5, 6, 7, 50)
QUERY = f"""
query ($vendors: [String!], $filter: UserFilter, $orderBy: [UserOrder!], $asOf: DateTime,
       $first: Int, $after: String, $last: Int, $before: String, $total: Boolean!) {{
  users(vendors: $vendors, filter: $filter, orderBy: $orderBy, asOf: $asOf,
        first: $first, after: $after, last: $last, before: $before) {{
    totalCount @include(if: $total)
    pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
    edges {{ cursor node {{ {LINE} }} }}
  }}
}}"""
CURSORS = """query ($vendors: [String!], $orderBy: [UserOrder!], $asOf: DateTime) {
  users(vendors: $vendors, orderBy: $orderBy, asOf: $asOf, first: 1000) { edges { cursor } } }"""


@pytest.fixture(scope="module")
async def world(
    server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """Three vendors after four rounds of imports each, some 300 rows in the end."""
    place = tmp_path_factory.mktemp("every_query")
    async with AsyncExitStack() as stack:
        name = await stack.enter_async_context(fresh_database(server))
        house = await stack.enter_async_context(opened(server, name, place))
        yield await settle(house, place, stack, random_files("every query", TODAY, 45, 4))


@dataclass
class Question:
    """Who asks for which list, and the list as it should be."""

    world: World
    caller: Caller
    variables: dict[str, Any]
    listed: list[Row]
    places: list[Row]
    """The list without its filter: where its cursors may stand."""
    cursors: dict[Row, str] = field(default_factory=dict)


def draw(rng: random.Random, world: World) -> Question:
    code = rng.choice((None, None, *VENDORS))
    caller = world.company if code is None else world.vendors[code]
    instant, rows = rng.choice(world.known) if rng.random() < 0.3 else (None, world.known[-1][1])
    rows = world.visible(caller, rows)
    vendors = None
    if rng.random() < 0.4:
        allowed = VENDORS if code is None else (code,)
        vendors = rng.sample(allowed, rng.randint(0 if rng.random() < 0.1 else 1, len(allowed)))
        rows = [row for row in rows if world.vendor(row) in vendors]
    order: Order = some_order(rng, TODAY)
    condition: Condition = some_filter(rng, rows, world.products(caller), TODAY) if rows else {}
    places = in_order(rows, order, TODAY)
    chosen = set(matching(rows, condition, TODAY))
    variables = {
        "vendors": vendors,
        "filter": condition,
        "orderBy": order_by(order),
        "asOf": instant and instant.isoformat(),
    }
    return Question(world, caller, variables, [row for row in places if row in chosen], places)


async def check(question: Question, *, total: bool, **wanted: Any) -> Shown:
    """Ask for a page, compare all of it, remember its cursors."""
    expected = page(question.listed, question.places, **wanted)
    cursors = {
        name: question.cursors[row] if isinstance(row, Row) else row for name, row in wanted.items()
    }
    variables = question.variables | cursors | {"total": total}
    answer = (await question.caller.ask(QUERY, **variables))["users"]
    edges = answer["edges"]
    assert [edge["node"] for edge in edges] == [
        shown_as(row, question.world.vendor(row), TODAY) for row in expected.rows
    ]
    assert answer["pageInfo"] == {
        "hasNextPage": expected.has_next,
        "hasPreviousPage": expected.has_previous,
        "startCursor": edges[0]["cursor"] if edges else None,
        "endCursor": edges[-1]["cursor"] if edges else None,
    }
    assert answer.get("totalCount") == (expected.total if total else None)
    question.cursors |= {
        row: edge["cursor"] for row, edge in zip(expected.rows, edges, strict=True)
    }
    return expected


async def walk(rng: random.Random, question: Question, *, pages: int) -> None:
    """Turn pages from one end on, with another size each time."""
    backward = rng.random() < 0.5
    size, cursor = ("last", "before") if backward else ("first", "after")
    at: Row | None = None
    for turn in range(pages):
        wanted = {size: rng.choice(SIZES), cursor: at}
        shown = await check(question, total=turn == 0, **wanted)
        if not (shown.has_previous if backward else shown.has_next):
            return
        at = shown.rows[0 if backward else -1]


async def jump(rng: random.Random, question: Question) -> None:
    """Ask for a page somewhere: after a cursor, before one, or between two, in either order."""
    known = list(question.cursors)
    wanted: dict[str, Any] = {}
    if known:
        for name in rng.choice((("after",), ("before",), ("after", "before"))):
            wanted[name] = rng.choice(known)
    side = rng.choice(("first", "first", "last", "last", None))
    if side is not None:
        wanted[side] = rng.choice((0, 300, *SIZES))
    await check(question, total=rng.random() < 0.2, **wanted)


async def learn(question: Question) -> None:
    """Learn the cursors of the unfiltered list: places that the filtered one may not have."""
    variables = {name: question.variables[name] for name in ("vendors", "orderBy", "asOf")}
    edges = (await question.caller.ask(CURSORS, **variables))["users"]["edges"]
    question.cursors = dict(zip(question.places, (edge["cursor"] for edge in edges), strict=True))


def bound_searches(patch: pytest.MonkeyPatch, most: int) -> None:
    """Have searches take the way of a large market: as if more were found than can be sorted."""
    for name, module in list(sys.modules.items()):
        if name.startswith("gateway.records.") and hasattr(module, "MOST"):
            patch.setattr(module, "MOST", most)


@pytest.mark.parametrize("block", range(BLOCKS))
async def test_a_hundred_random_queries(
    world: World, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(f"every query {block}")
    if block % 2:
        bound_searches(monkeypatch, rng.choice((0, 1, 3, 10)))
    telling = 0
    for number in range(QUESTIONS):
        question = draw(rng, world)
        telling += 0 < len(question.listed) < len(question.places)
        try:
            await walk(rng, question, pages=12 if number % 25 == 0 else rng.choice((1, 1, 1, 2)))
            if number % 12 == 0:
                await learn(question)
            if number % 3 == 0:
                await jump(rng, question)
        except AssertionError as error:
            error.add_note(f"block {block}, question {number}: {question.variables}")
            raise
    assert telling > QUESTIONS / 2, "the questions are too alike to tell anything"


async def test_a_total_that_is_not_selected_is_not_counted(world: World) -> None:
    """One statement for each page, with a count of the list only where `totalCount` is selected.

    A search may count what its index finds, up to a bound, to choose between two ways.
    """
    rng = random.Random("totals")
    for _ in range(30):
        question = draw(rng, world)
        counts = {}
        for total in (True, False):
            with statements(world.house) as seen:
                await check(question, total=total, first=3)
            (statement,) = seen
            counts[total] = statement.lower().count("count(")
        assert counts[True] > counts[False], question.variables
        condition = question.variables["filter"]
        if all(condition.get(name) is None for name in ("search", "userId", "userName")):
            assert counts[False] == 0, question.variables
