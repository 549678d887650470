"""Walks through the list while rosters come in: what was there all along comes once, in order."""

import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from graphing import IDENTITY, TODAY, Caller, Key, calling, node_key, order_by, record_key
from market import PRODUCTS, found, load
from naive.corners import changed, roster, some_status
from naive.counting import Service
from naive.querying import Order, Row, in_order
from rosters import numbers

from gateway.app.house import House
from gateway.intake.run import Mode

PAGE = f"""
query ($orderBy: [UserOrder!], $filter: UserFilter, $vendors: [String!],
       $first: Int, $after: String, $last: Int, $before: String) {{
  users(orderBy: $orderBy, filter: $filter, vendors: $vendors,
        first: $first, after: $after, last: $last, before: $before) {{
    pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
    nodes {{ {IDENTITY} vendor {{ code }} }}
  }}
}}"""
ORDERS: tuple[Order, ...] = (
    [],
    [("USER_ID", "DESC"), ("START_DATE", "ASC")],
    [("END_DATE", "DESC")],
    [("USER_NAME", "ASC"), ("END_DATE", "DESC")],
    [("SERVICE_STATUS", "DESC"), ("FEE_CATEGORY", "ASC"), ("USER_TYPE", "DESC")],
    [("PRODUCT", "ASC"), ("USER_TYPE", "DESC"), ("USER_NAME", "DESC"), ("USER_ID", "ASC")],
)


class Imports:
    """Imports one changed roster after another into vendor A; the steady lines stay in all.

    Deltas change records, sort keys among them, and add some; snapshots remove some and add some.
    """

    def __init__(self, house: House, place: Path, steady: list[Service], seed: str) -> None:
        self._house, self._place, self._steady = house, place, steady
        self._rng = random.Random(seed)
        self._keys = {one.key() for one in steady}
        self._others: dict[Any, Service] = {}
        self.known: set[Key] = {record_key(one) for one in steady}
        self.done = 0
        self._more = anyio.Event()

    def _fresh(self, users: int) -> Iterator[Service]:
        for one in roster(self._rng, TODAY, PRODUCTS, users):
            if one.key() not in self._keys:
                yield replace(one, status=some_status(self._rng))

    async def run_one(self) -> None:
        snapshot = self.done % 2 == 0
        kept = [one for one in self._others.values() if self._rng.random() < 0.6]
        file = [changed(self._rng, TODAY, one) if self._rng.random() < 0.7 else one for one in kept]
        file = [replace(one, status=some_status(self._rng)) for one in file]
        file += self._fresh(20 if snapshot else 6)
        others = {one.key(): one for one in file}
        self._others = others if snapshot else self._others | others
        steady = self._steady if snapshot else self._steady[::3]
        self.known |= {record_key(one) for one in others.values()}
        lines = [f"{one.line()}||{one.status}" for one in (*others.values(), *steady)]
        self._rng.shuffle(lines)
        mode = Mode.SNAPSHOT if snapshot else Mode.DELTA
        outcome = await load(self._house, "A", lines, self._place, mode)
        assert outcome.batch is not None, "nothing changed"
        self.done += 1
        self._more.set()
        self._more = anyio.Event()

    async def run(self) -> None:
        while True:
            await self.run_one()

    async def another(self) -> None:
        """Wait until one more import is through: the next page sees other rows."""
        await self._more.wait()


async def walk(caller: Caller, size: int, backward: bool, **variables: Any) -> AsyncIterator[Any]:
    cursor = None
    while True:
        where = {"last": size, "before": cursor} if backward else {"first": size, "after": cursor}
        page = (await caller.ask(PAGE, **where, **variables))["users"]
        assert len(page["nodes"]) <= size
        info = page["pageInfo"]
        yield page["nodes"]
        if not info["hasPreviousPage" if backward else "hasNextPage"]:
            return
        cursor = info["startCursor" if backward else "endCursor"]


@pytest.mark.parametrize("order", ORDERS, ids=str)
async def test_rows_that_stay_come_once_and_in_order(
    house: House, tmp_path: Path, order: Order
) -> None:
    """9. [...] Ties break by a stable key so that pages never repeat or skip a row."""
    rng = random.Random(f"steady {order}")
    drawn = [replace(one, status=some_status(rng)) for one in roster(rng, TODAY, PRODUCTS, 26)]
    await found(house, "A", "B")
    imports = Imports(house, tmp_path, drawn, f"others {order}")
    await load(house, "B", [f"{one.line()}||{one.status}" for one in drawn], tmp_path)
    await imports.run_one()
    condition = {"startBefore": "9999-12-31"}
    shown: dict[tuple[str, bool], list[tuple[str, Key]]] = {}

    async with (
        calling(house, vendor="A") as own,
        calling(house, vendor="B") as other,
        calling(house) as company,
    ):
        expected = {}
        for code, caller in (("A", own), ("B", other)):
            given = await numbers(caller)
            rows = [Row(0, given[one.key()], one) for one in drawn]
            expected[code] = [record_key(row.line) for row in in_order(rows, order, TODAY)]

        async def follow(name: str, backward: bool) -> None:
            seen: list[tuple[str, Key]] = []
            caller = own if name == "vendor" else company
            size = 13 if name == "vendor" else 30
            async for nodes in walk(
                caller, size, backward, orderBy=order_by(order), filter=condition
            ):
                page = [(node["vendor"]["code"], node_key(node)) for node in nodes]
                seen = [*page, *seen] if backward else [*seen, *page]
                await imports.another()
            shown[name, backward] = seen

        async with anyio.create_task_group() as background:
            background.start_soon(imports.run)
            async with anyio.create_task_group() as walks:
                for name in ("vendor", "company"):
                    for backward in (False, True):
                        walks.start_soon(follow, name, backward)
            background.cancel_scope.cancel()

    assert imports.done > 5
    for (name, backward), seen in shown.items():
        of_a = [key for vendor, key in seen if vendor == "A"]
        assert set(of_a) <= imports.known
        steady = set(expected["A"])
        assert [key for key in of_a if key in steady] == expected["A"], (name, backward)
        of_b = [key for vendor, key in seen if vendor == "B"]
        assert of_b == (expected["B"] if name == "company" else []), (name, backward)
