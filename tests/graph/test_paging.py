"""Keyset pages: forwards, backwards, in any order. Walks during imports: test_walk_during_imports."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from graphing import (
    IDENTITY,
    Caller,
    Key,
    calling,
    keys,
    listed,
    order_by,
    reported,
    small_roster,
    sort,
    with_status,
)
from market import found, load

from gateway.app.house import House

PAGE = f"""
query ($vendors: [String!], $filter: UserFilter, $orderBy: [UserOrder!],
       $first: Int, $after: String, $last: Int, $before: String) {{
  users(vendors: $vendors, filter: $filter, orderBy: $orderBy,
        first: $first, after: $after, last: $last, before: $before) {{
    totalCount
    pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
    edges {{ cursor }}
    nodes {{ {IDENTITY} vendor {{ code }} }}
  }}
}}"""
ROSTER = reported(small_roster(users=14))
ORDERS: tuple[list[tuple[str, str]], ...] = (
    [],
    [("USER_ID", "DESC")],
    [("END_DATE", "DESC")],
    [("END_DATE", "ASC"), ("USER_NAME", "DESC")],
    [("USER_TYPE", "ASC"), ("START_DATE", "DESC"), ("PRODUCT", "ASC")],
    [("SERVICE_STATUS", "DESC"), ("FEE_CATEGORY", "ASC")],
)
Row = tuple[str, Key]


def rows(page: dict[str, Any]) -> list[Row]:
    vendors = [node["vendor"]["code"] for node in page["nodes"]]
    return list(zip(vendors, listed(page), strict=True))


async def pages(
    caller: Caller, size: int, *, backward: bool = False, **arguments: Any
) -> AsyncIterator[dict[str, Any]]:
    """Walk a list, page after page, as Relay does."""
    cursor, seen = None, 0
    while True:
        where = {"last": size, "before": cursor} if backward else {"first": size, "after": cursor}
        page = (await caller.ask(PAGE, **where, **arguments))["users"]
        info, cursors = page["pageInfo"], [edge["cursor"] for edge in page["edges"]]
        assert len(cursors) <= size
        ends = (cursors[0], cursors[-1]) if cursors else (None, None)
        assert (info["startCursor"], info["endCursor"]) == ends
        behind = "hasNextPage" if backward else "hasPreviousPage"
        assert info[behind] is (cursor is not None)
        yield page
        seen += len(cursors)
        if not info["hasPreviousPage" if backward else "hasNextPage"]:
            return
        assert seen < 1000
        cursor = info["startCursor" if backward else "endCursor"]


async def walk(caller: Caller, size: int, *, backward: bool = False, **arguments: Any) -> list[Row]:
    shown: list[Row] = []
    async for page in pages(caller, size, backward=backward, **arguments):
        shown = [*rows(page), *shown] if backward else [*shown, *rows(page)]
    return shown


@pytest.mark.parametrize("order", ORDERS, ids=str)
async def test_pages_give_exactly_the_whole_list(
    house: House, tmp_path: Path, order: list[tuple[str, str]]
) -> None:
    await found(house, "A")
    await load(house, "A", with_status(ROSTER), tmp_path)
    whole = [("A", key) for key in keys(sort(ROSTER, order))]
    async with calling(house, vendor="A") as caller:
        for size in (1, 2, 7, len(whole)):
            for backward in (False, True):
                assert await walk(caller, size, backward=backward, orderBy=order_by(order)) == whole


@pytest.mark.parametrize("order", ORDERS, ids=str)
async def test_pages_over_several_vendors(
    house: House, tmp_path: Path, order: list[tuple[str, str]]
) -> None:
    """The vendors hold the same lines, so that every place is tied but for the vendor."""
    await found(house, "A", "B", "C")
    for code in "ABC":
        await load(house, code, with_status(ROSTER[:12]), tmp_path)
    async with calling(house) as caller:
        whole = await walk(caller, 1000, orderBy=order_by(order))
        assert sorted(whole) == sorted((code, key) for code in "ABC" for key in keys(ROSTER[:12]))
        for code in "ABC":
            of_one = [key for vendor, key in whole if vendor == code]
            assert of_one == keys(sort(ROSTER[:12], order))
        for size in (1, 2, 7):
            for backward in (False, True):
                shown = await walk(caller, size, backward=backward, orderBy=order_by(order))
                assert shown == whole
        two = await walk(caller, 7, orderBy=order_by(order), vendors=["C", "A"])
        assert two == [row for row in whole if row[0] != "B"]


async def test_a_page_between_two_cursors(house: House, tmp_path: Path) -> None:
    await found(house, "A")
    await load(house, "A", with_status(ROSTER), tmp_path)
    whole = keys(sort(ROSTER, []))
    async with calling(house, vendor="A") as caller:
        edges = (await caller.ask(PAGE, first=1000))["users"]["edges"]
        between = {"after": edges[2]["cursor"], "before": edges[8]["cursor"]}
        for arguments, expected in (
            (between, whole[3:8]),
            (between | {"first": 2}, whole[3:5]),
            (between | {"last": 2}, whole[6:8]),
        ):
            page = (await caller.ask(PAGE, **arguments))["users"]
            assert listed(page) == expected
            assert page["totalCount"] == len(whole)
        swapped = {"after": edges[8]["cursor"], "before": edges[2]["cursor"]}
        assert listed((await caller.ask(PAGE, **swapped))["users"]) == []


async def test_a_cursor_holds_its_place_when_its_row_is_gone(house: House, tmp_path: Path) -> None:
    await found(house, "A")
    roster = sort(ROSTER, [])
    await load(house, "A", with_status(roster), tmp_path)
    async with calling(house, vendor="A") as caller:
        cursor = (await caller.ask(PAGE, first=3))["users"]["pageInfo"]["endCursor"]
        await load(house, "A", with_status(roster[:2] + roster[3:]), tmp_path)
        assert listed((await caller.ask(PAGE, after=cursor, first=2))["users"]) == keys(roster[3:5])
        assert listed((await caller.ask(PAGE, before=cursor, last=5))["users"]) == keys(roster[:2])


async def test_page_sizes(house: House, tmp_path: Path) -> None:
    many = [
        f"u{number:04d}||甲||个人||全价用户||20260101||0||增强行情||Web||0||0||0"
        for number in range(1002)
    ]
    await found(house, "A")
    await load(house, "A", many, tmp_path)
    async with calling(house, vendor="A") as caller:
        for arguments, length, more in (
            ({}, 50, "hasNextPage"),
            ({"first": None, "last": None}, 50, "hasNextPage"),
            ({"first": 0}, 0, "hasNextPage"),
            ({"last": 0}, 0, "hasPreviousPage"),
            ({"first": 1000}, 1000, "hasNextPage"),
            ({"last": 1000}, 1000, "hasPreviousPage"),
        ):
            page = (await caller.ask(PAGE, **arguments))["users"]
            assert len(page["nodes"]) == length
            assert page["pageInfo"][more] is True
            assert page["totalCount"] == len(many)


BAD_SIZES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"first": -1}, "first"),
    ({"first": 1001}, "first"),
    ({"first": 2**31 - 1}, "first"),
    ({"last": -1}, "last"),
    ({"last": 1001}, "last"),
    ({"first": 1, "last": 1}, "last"),
)
LISTS = {
    "users": "users(%s) { nodes { id } }",
    "vendors": "vendors(%s) { nodes { id } }",
    "products": "products(%s) { nodes { id } }",
    "monthlyStats": "monthlyStats(%s) { nodes { month } }",
}


@pytest.mark.parametrize("name", LISTS)
async def test_bad_sizes_and_cursors_name_the_argument(house: House, name: str) -> None:
    await found(house, "A")
    async with calling(house, vendor="A") as caller:
        for arguments, named in BAD_SIZES:
            if name == "monthlyStats" and "last" in arguments:
                continue
            text = ", ".join(f"{key}: {value}" for key, value in arguments.items())
            error = await caller.refused(f"{{ {LISTS[name] % text} }}")
            assert_bad_input(error, named)
        for cursor in ("", "x", "W10", "W1tdLFtdXQ", "bnVsbA", "IIII", "é", "x" * 10_000):
            for argument in ("after",) if name == "monthlyStats" else ("after", "before"):
                text = f"{argument}: {json.dumps(cursor)}"
                error = await caller.refused(f"{{ {LISTS[name] % text} }}")
                assert_bad_input(error, argument)


def assert_bad_input(error: dict[str, Any], argument: str) -> None:
    extensions = error["extensions"]
    assert extensions["code"] == "BAD_USER_INPUT", error
    assert extensions["argument"] == argument, error
    assert extensions["accepted"]
    assert argument in error["message"]


async def test_cursors_of_other_orders_and_forged_ones(house: House, tmp_path: Path) -> None:
    await found(house, "A")
    await load(house, "A", with_status(ROSTER), tmp_path)
    by_type = order_by([("USER_TYPE", "ASC"), ("START_DATE", "ASC"), ("USER_ID", "ASC")])
    async with calling(house, vendor="A") as caller:
        own = (await caller.ask(PAGE, first=1, orderBy=by_type))["users"]["pageInfo"]["endCursor"]
        for order in ([], by_type[:2], [by_type[0] | {"direction": "DESC"}, *by_type[1:]]):
            error = await caller.refused(PAGE, after=own, orderBy=order)
            assert_bad_input(error, "after")
        names, place = json.loads(base64.urlsafe_b64decode(own + "=" * (-len(own) % 4)))
        forged = [[names, place[:-1]], [names, [*place, 1]], [names, None], [names, {}]]
        forged += [
            [names, [*place[:i], value, *place[i + 1 :]]]
            for i in range(len(place))
            for value in (None, True, 1.5, [], {}, "B", "\0", "2026-02-30", 2**31, 2**63, -(2**40))
        ]
        wrong = {}
        for document in forged:
            text = json.dumps(document)
            cursor = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
            answer = (await caller.post(PAGE, after=cursor, orderBy=by_type)).json()
            (error,) = answer.get("errors") or [{"extensions": {"code": None}}]
            if error["extensions"]["code"] == "INTERNAL":
                wrong[text] = error
        assert wrong == {}


async def test_a_cursor_of_another_vendor_is_garbage(house: House, tmp_path: Path) -> None:
    await found(house, "A", "B")
    for code in "AB":
        await load(house, code, with_status(ROSTER), tmp_path)
    async with calling(house, vendor="A") as one, calling(house, vendor="B") as other:
        cursor = (await one.ask(PAGE, first=1))["users"]["pageInfo"]["endCursor"]
        assert_bad_input(await other.refused(PAGE, after=cursor), "after")
