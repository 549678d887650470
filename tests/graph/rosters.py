"""A market whose vendors import roster after roster, and what the list holds after each round."""

import base64
import json
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from graphing import Caller, calling
from market import FOREIGN, PRODUCTS, found, load, operator
from naive.corners import Import, imports
from naive.counting import Service
from naive.querying import (
    FEE_CATEGORIES,
    SERVICE_STATUSES,
    USAGE_MODES,
    USER_TYPES,
    Row,
    named,
    status,
)

from gateway.app.house import House
from gateway.intake.run import Mode

VENDORS = ("ALPHA", "MID", "ZED")
LINE = (
    "id userId userName userType startDate endDate product { name } usageMode contact address "
    "phone feeCategory serviceStatus"
)
NUMBERS = """query ($after: String) { users(first: 1000, after: $after) {
    nodes { id userId product { name } usageMode startDate } pageInfo { hasNextPage } } }"""


@dataclass
class World:
    """Who can ask, and what is known since which instant, oldest first."""

    house: House
    company: Caller
    vendors: dict[str, Caller]
    known: list[tuple[datetime, list[Row]]]
    order: list[str]
    """The vendors' codes in the order of their numbers, which are random."""

    def vendor(self, row: Row) -> str:
        return self.order[row.vendor]

    def visible(self, caller: Caller, rows: Sequence[Row]) -> list[Row]:
        """The data company sees all vendors, of its own products; a vendor sees all of its own."""
        if caller is self.company:
            return [row for row in rows if row.line.product in PRODUCTS]
        return [row for row in rows if self.vendors[self.vendor(row)] is caller]

    def products(self, caller: Caller) -> tuple[str, ...]:
        return PRODUCTS if caller is self.company else (*PRODUCTS, FOREIGN)


async def settle(
    house: House, place: Path, stack: AsyncExitStack, files: dict[str, list[Import]]
) -> World:
    """Import the vendors' files in rounds, one of each vendor, and note what is known then."""
    await found(house, *VENDORS)
    scope = await operator(house)
    order = [scope.vendors[number] for number in scope.ids("vendor_id")]
    company = await stack.enter_async_context(calling(house))
    vendors = {
        code: await stack.enter_async_context(calling(house, vendor=code)) for code in VENDORS
    }
    known: list[tuple[datetime, list[Row]]] = [(datetime.now(UTC), [])]
    for turn in range(max(map(len, files.values()))):
        rows: list[Row] = []
        for code, caller in vendors.items():
            files_so_far = files.get(code, [])[: turn + 1]
            if turn < len(files_so_far):
                await take(house, code, files_so_far[turn], place)
            roster = files_so_far[-1].after if files_so_far else []
            rows += await numbered(caller, order.index(code), roster)
        known.append((datetime.now(UTC), rows))
    return World(house, company, vendors, known, order)


async def take(house: House, vendor: str, one: Import, place: Path) -> int | None:
    """Import a file for each licensor, in twelve columns if its lines have a status.

    Return the number of the last one's batch.
    """
    mode = Mode.SNAPSHOT if one.snapshot else Mode.DELTA
    batch = None
    for foreign in (True, False):
        lines = [
            line.line() if line.status is None else f"{line.line()}||{line.status}"
            for line in one.lines
            if (line.product == FOREIGN) is foreign
        ]
        if lines:
            batch = (await load(house, vendor, lines, place, mode)).batch
    return batch


async def numbered(caller: Caller, vendor: int, roster: Sequence[Service]) -> list[Row]:
    """The rows of the whole roster, with the numbers that the gateway gave."""
    given = await numbers(caller)
    assert given.keys() == {line.key() for line in roster}
    return [Row(vendor, given[line.key()], line) for line in roster]


async def numbers(caller: Caller) -> dict[tuple[str, str, str, date], int]:
    """A vendor's records' numbers, by which ties are broken.

    The one place where tests look into an id: the record's number stands last in it.
    """
    shown = (await caller.ask(NUMBERS))["users"]
    assert not shown["pageInfo"]["hasNextPage"]
    given = {}
    for node in shown["nodes"]:
        key = (
            node["userId"],
            node["product"]["name"],
            USAGE_MODES[node["usageMode"]],
            date.fromisoformat(node["startDate"]),
        )
        given[key] = json.loads(base64.urlsafe_b64decode(node["id"] + "=="))[-1]
    return given


def shown_as(row: Row, vendor: str, today: date) -> dict[str, Any]:
    """A row as `LINE` asks for it."""
    line = row.line
    document = json.dumps(["User", vendor, row.number], separators=(",", ":"))
    return {
        "id": base64.urlsafe_b64encode(document.encode()).decode().rstrip("="),
        "userId": line.user_id,
        "userName": line.user_name,
        "userType": named(USER_TYPES, line.user_type),
        "startDate": line.start.isoformat(),
        "endDate": line.end and line.end.isoformat(),
        "product": {"name": line.product},
        "usageMode": named(USAGE_MODES, line.mode),
        "contact": None if line.contact == "0" else line.contact,
        "address": None if line.address == "0" else line.address,
        "phone": None if line.phone == "0" else line.phone,
        "feeCategory": named(FEE_CATEGORIES, line.category),
        "serviceStatus": named(SERVICE_STATUSES, status(line, today)),
    }


def random_files(seed: str, today: date, users: int, rounds: int) -> dict[str, list[Import]]:
    """Each vendor's files; the vendors have some user IDs in common."""
    rng = random.Random(seed)
    return {
        code: [
            Import([*own.lines, *other.lines], own.snapshot, [*own.after, *other.after])
            for own, other in zip(
                imports(rng, today, PRODUCTS, users, rounds),
                imports(rng, today, (FOREIGN,), max(8, users // 3), rounds),
                strict=True,
            )
        ]
        for code in VENDORS
    }
