"""`history` and `otherServices` after random imports, now and as of each earlier one."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from graphing import TODAY, Caller, calling
from market import PRODUCTS, found
from naive.corners import Import, imports
from naive.counting import Service
from naive.history import Key, Version, histories
from naive.querying import FEE_CATEGORIES, SERVICE_STATUSES, USAGE_MODES, USER_TYPES, named, status
from rosters import take

from gateway.app.house import House

SEEDS, ROUNDS = 6, 6
QUERY = """query ($asOf: DateTime) { users(first: 1000, asOf: $asOf) { nodes {
    userId product { name } usageMode startDate
    history { batch recordedFrom recordedTo userName userType endDate contact address phone
              feeCategory serviceStatus }
    otherServices { userId product { name } usageMode startDate endDate userName feeCategory
                    serviceStatus history { batch } }
} } }"""


def key_of(node: dict[str, Any]) -> Key:
    return (
        node["userId"],
        node["product"]["name"],
        USAGE_MODES[node["usageMode"]],
        date.fromisoformat(node["startDate"]),
    )


def missing(text: str) -> str | None:
    return None if text == "0" else text


def shown(version: Version, instants: dict[int, str]) -> dict[str, Any]:
    line = version.line
    return {
        "batch": version.since,
        "recordedFrom": instants[version.since],
        "recordedTo": None if version.until is None else instants[version.until],
        "userName": line.user_name,
        "userType": named(USER_TYPES, line.user_type),
        "endDate": line.end and line.end.isoformat(),
        "contact": missing(line.contact),
        "address": missing(line.address),
        "phone": missing(line.phone),
        "feeCategory": named(FEE_CATEGORIES, line.category),
        "serviceStatus": line.status and named(SERVICE_STATUSES, line.status),
    }


def other(line: Service, versions: Sequence[Version]) -> dict[str, Any]:
    return {
        "userId": line.user_id,
        "product": {"name": line.product},
        "usageMode": named(USAGE_MODES, line.mode),
        "startDate": line.start.isoformat(),
        "endDate": line.end and line.end.isoformat(),
        "userName": line.user_name,
        "feeCategory": named(FEE_CATEGORIES, line.category),
        "serviceStatus": named(SERVICE_STATUSES, status(line, TODAY)),
        "history": [{"batch": version.since} for version in versions],
    }


def files(seed: str) -> list[Import]:
    """Imports in which no record comes back once it was left out, and one that repeats a file."""
    found: list[Import] = []
    gone: set[Key] = set()
    before: set[Key] = set()
    for one in imports(random.Random(seed), TODAY, PRODUCTS, 16, ROUNDS):
        lines, after = (
            [line for line in part if line.key() not in gone] for part in (one.lines, one.after)
        )
        found.append(replace(one, lines=lines, after=after))
        now = {line.key() for line in after}
        gone |= before - now
        before = now
    return [*found[:2], found[1], *found[2:]]  # fmt: skip


async def as_of(caller: Caller, instant: datetime | None) -> dict[Key, dict[str, Any]]:
    variables = {"asOf": instant and instant.isoformat()}
    nodes = (await caller.ask(QUERY, **variables))["users"]["nodes"]
    assert len({key_of(node) for node in nodes}) == len(nodes)
    return {key_of(node): node for node in nodes}


def instants_of(known: Sequence[dict[Key, dict[str, Any]]]) -> dict[int, str]:
    """When each batch was recorded: the same for all of its versions."""
    instants: dict[int, str] = {}
    for nodes in known:
        for node in nodes.values():
            for version in node["history"]:
                instant = version["recordedFrom"]
                assert instants.setdefault(version["batch"], instant) == instant
    return instants


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_histories_after_random_imports(house: House, tmp_path: Path, seed: int) -> None:
    await found(house, "A", "B")
    rosters: list[tuple[int, list[Service]]] = []
    moments: list[tuple[datetime | None, int]] = []
    async with calling(house, vendor="A") as caller:
        for one in files(f"history {seed}"):
            batch = await take(house, "A", one, tmp_path)
            changed = not rosters or set(rosters[-1][1]) != set(one.after)
            assert (batch is not None) is changed, "a batch is an import that changes something"
            if batch is not None:
                rosters.append((batch, one.after))
            moments.append((datetime.now(UTC), len(rosters)))
            # Another vendor with the same users: nothing of it may show.
            await take(house, "B", one, tmp_path)
        moments.append((None, len(rosters)))
        known = [await as_of(caller, instant) for instant, _ in moments]
    instants = instants_of(known)
    assert [batch for batch, _ in rosters] == sorted(instants)
    longest = 0
    for (instant, count), nodes in zip(moments, known, strict=True):
        roster, versions = rosters[count - 1][1], histories(rosters[:count])
        assert nodes.keys() == {line.key() for line in roster}
        for line in roster:
            node = nodes[line.key()]
            expected = [shown(version, instants) for version in versions[line.key()]]
            assert node["history"] == expected, (instant, line)
            longest = max(longest, len(expected))
            others = [
                one for one in roster if one.user_id == line.user_id and one.key() != line.key()
            ]
            starts = [one["startDate"] for one in node["otherServices"]]
            assert starts == sorted(starts)
            assert {key_of(one): one for one in node["otherServices"]} == {
                one.key(): other(one, versions[one.key()]) for one in others
            }
    assert longest > 3, "the rosters change too little to tell anything"
