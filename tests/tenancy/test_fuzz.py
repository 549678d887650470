"""A fuzzer that wants other tenants' rows, figures, counts, order and existence.

Operations are drawn from the whole schema with one tenant's names, ids and cursors, and asked with
another's key: in the whole market, on both ways, and in a gateway where nobody else exists. All
answers must be the same, byte by byte, and none may hold a word of anybody else's that was not asked.

`GATEWAY_FUZZ=1000000 pytest -s tests/tenancy/test_fuzz.py` asks a million and says how far it is;
with `GATEWAY_FUZZ_FROM=250000` it goes on where another run ended.
"""

import json
import os
import random
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import httpx
import pytest
from graphing import Caller
from operations import measures
from operations.documents import Operation, operation, vary
from operations.material import Material, gather
from test_schema_cases import SCHEMA
from worlds import (
    ALPHA,
    BETA,
    HKEX,
    LICENSOR_NAME,
    PRINCIPALS,
    SZSE,
    Principal,
    World,
    opened,
    revealed,
    settle,
)

from gateway.config.clock import today
from gateway.db.embedded import EmbeddedPostgres

OPERATIONS = int(os.environ.get("GATEWAY_FUZZ", "120"))
FROM = int(os.environ.get("GATEWAY_FUZZ_FROM", "0"))
PER_DOCUMENT = 4
"""How often a document is asked, each time with other values or another key."""
LINK = re.compile(r"http://test/exports/([\w=-]+)")
INSTANT = re.compile(r'"(\d{4}-\d\d-\d\dT[^"]*)"')
ESCAPE = re.compile(r"\\u(?:([0-9A-Fa-f]{4})|\{([0-9A-Fa-f]+)\})")
"""A character that a document spells by its number."""
PUBLIC = {word for pair in LICENSOR_NAME.items() for word in pair}
"""The catalogue names the data companies to everybody."""


@dataclass
class Arena:
    """All tenants' market by both ways, each tenant's world without the others, what to ask."""

    market: World
    executing: World
    alone: dict[Principal, World]
    material: Material


async def everything(market: World) -> Material:
    """What all tenants can ask for, and the cursors of lists that either licensor sees."""
    callers = {who.code: Caller(market.client, who.key.text) for who in PRINCIPALS}
    found = await gather(callers, SZSE.code, today())
    other = await gather(callers, HKEX.code, today())
    for key, cursors in other.cursors.items():
        found.cursors[key] = [*found.cursors.get(key, []), *cursors]
    return found


@pytest.fixture(scope="module")
async def arena(
    server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Arena]:
    async with AsyncExitStack() as stack:

        async def made(only: Principal | None) -> World:
            place = tmp_path_factory.mktemp("fuzz")
            world = await stack.enter_async_context(opened(server, place, limits="measure"))
            return await settle(world, only)

        market = await made(None)
        alone = {who: await made(who) for who in PRINCIPALS}
        executing = await stack.enter_async_context(market.executing())
        yield Arena(market, executing, alone, await everything(market))


def drawn(rng: random.Random, material: Material) -> list[tuple[Principal, Operation]]:
    """One document with values of several tenants, and who asks it with them."""
    codes = [who.code for who in PRINCIPALS]
    first = operation(rng, SCHEMA, material, rng.choice(codes), rng.choice((8, 20, 60)))
    found = []
    for _ in range(PER_DOCUMENT):
        values_of = rng.choice(codes)
        one = vary(rng, first, material, values_of)
        sender = rng.choice(
            [who for who in PRINCIPALS if rng.random() < 0.3 or who.code != values_of]
        )
        found.append((sender, one))
    return found


async def told(world: World, who: Principal, one: Operation) -> tuple[int, str]:
    """An answer, what its links carry in their place, without when they expire.

    Expiring is all that is later than the world. Its field may have any alias, so the value tells.
    """
    answer: httpx.Response = await Caller(world.client, who.key.text, one.purpose).send(one.body)
    text = LINK.sub(lambda found: repr(world.house.links.open(found[1])), answer.text)
    return answer.status_code, INSTANT.sub(lambda found: dated(found, world.settled), text)


def dated(found: re.Match[str], settled: datetime) -> str:
    """An instant, or nothing if it is of now."""
    try:
        return '""' if datetime.fromisoformat(found[1]) > settled else found[0]
    except (TypeError, ValueError):
        return found[0]


def asked_words(one: Operation) -> str:
    """All that the sender said itself, ids and cursors read."""
    document = ESCAPE.sub(lambda match: chr(int(match[1] or match[2], 16)), one.document)
    return revealed(f"{document} {json.dumps(one.variables, ensure_ascii=False)}")


async def attack(arena: Arena, who: Principal, one: Operation) -> tuple[str, bool]:
    """Ask everywhere; return what is wrong, and whether there was data."""
    compiled = await told(arena.market, who, one)
    if compiled[0] >= 500 or '"incident":"' in compiled[1]:
        return f"a fault: {compiled}", False
    said, shown = asked_words(one), revealed(compiled[1])
    if found := [word for word in who.canaries - PUBLIC if word in shown and word not in said]:
        return f"canaries {found}", True
    if compiled != (other := await told(arena.executing, who, one)):
        return f"the executor tells another answer: {compiled} {other}", True
    if compiled != (other := await told(arena.alone[who], who, one)):
        return f"others make a difference: {compiled} {other}", True
    return "", '"data":{' in compiled[1]


async def test_no_operation_tells_of_anybody_else(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in measures.EXECUTORS:
        monkeypatch.setitem(measures.WEIGHTS, name, 0.3)
    outcomes: Counter[Any] = Counter()
    for number in range(FROM, FROM + OPERATIONS, PER_DOCUMENT):
        if number % 1000 == 0:
            print(f"{number - FROM} asked", flush=True)
        rng = random.Random(f"fuzz {number}")
        for who, one in drawn(rng, arena.material):
            day = today()
            wrong, answered = await attack(arena, who, one)
            if day != today():  # at midnight one of the answers is of the day before
                wrong, answered = await attack(arena, who, one)
            assert not wrong, (wrong, who.code, one.purpose, one.document, one.variables)
            outcomes[who.code, answered] += 1
    assert all(outcomes[who.code, True] for who in (ALPHA, BETA, SZSE, HKEX))
    print(f"{OPERATIONS} asked: {dict(outcomes)}")


async def test_what_a_link_carries_is_compared_and_not_when_it_expires(arena: Arena) -> None:
    document = "{ users { download { y: expiresAt u: url } } }"
    one = Operation(document, None, {}, ALPHA.code, "test", (), (None,))
    _, text = await told(arena.market, ALPHA, one)
    ticket = f"Ticket(key='{ALPHA.key.prefix}', export=UserExport("
    assert text.startswith('{"data":{"users":{"download":{"y":"","u":"' + ticket)


async def test_the_fuzzer_finds_a_leak(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    """With another tenant's key in the place of the sender's, it tells within a few operations."""
    mixed = {who: replace(arena.alone[who]) for who in PRINCIPALS}
    mixed[ALPHA] = arena.alone[BETA]
    leaking = replace(arena, alone=mixed)
    for number in range(40):
        for _, one in drawn(random.Random(f"leak {number}"), arena.material):
            if (await attack(leaking, ALPHA, one))[0].startswith("others make a difference"):
                return
    pytest.fail("forty documents told it")
