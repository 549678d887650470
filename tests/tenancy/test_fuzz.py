"""A fuzzer that wants other tenants' rows, figures, acts, counts, order and existence.

Operations are drawn from the whole schema with one tenant's names, ids and cursors, and asked with
another's key or its auditor's: in the whole market, on both ways, and in a gateway where nobody
else exists. All answers must be the same, byte by byte, and none may hold a word of anybody else's
that was not asked. So that the logs can be compared too, what was done stands in them, and what the
fuzzer asks does not.

`GATEWAY_FUZZ=1000000 pytest -s tests/tenancy/test_fuzz.py` asks a million and says how far it is;
with `GATEWAY_FUZZ_FROM=250000` the first document is another. So several share the work, each with
a database of its own:

    for i in 0 1 2 3; do
        GATEWAY_FUZZ=250000 GATEWAY_FUZZ_FROM=$((i * 250000)) pytest -s tests/tenancy/test_fuzz.py &
    done; wait
"""

import gc
import json
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from itertools import count
from time import monotonic
from typing import Any

import httpx
import pytest
from fuzzing import AUDITORS, Arena, Way, drawn
from graphing import Caller
from graphql import GraphQLError
from operations.coverage import coordinates, touched
from operations.documents import Operation
from operations.material import NOWHERE, Material, gather
from stilled import APART, planted, still
from test_schema_cases import SCHEMA
from worlds import ALPHA, BETA, FIRST, HKEX, PRINCIPALS, SZSE, Principal, World, settled

from gateway.app.server import routes
from gateway.audit.chain import text_of
from gateway.config.clock import today
from gateway.db.embedded import EmbeddedPostgres
from gateway.resolvers.query import build_schema
from gateway.tenancy.appending import Entry

OPERATIONS = int(os.environ.get("GATEWAY_FUZZ", "120"))
FROM = int(os.environ.get("GATEWAY_FUZZ_FROM", "0"))
PER_DOCUMENT, TOGETHER, ALIKE = (5, 2, 1) if OPERATIONS < 1000 else (200, 4, 16)
"""How often a document is asked, by how many with the same values, and with how many of one form.

To read and compile a document takes far longer than to answer it: a long run asks it more often.
"""
SECONDS = 2
"""After which a document is not asked again, but for a second round: one of a hundred months would hold
up all others."""
LICENCES = "{ licences { edges { cursor node { id } } } }"
FINDINGS = """{ findings(first: 100, from: "2024-01", to: "2024-12") {
  edges { cursor node { month } } } }"""
LOG = "{ auditEvents(first: 1000) { edges { cursor node { occurredAt actor action } } } }"

WHOLE_LOG = """{ auditEvents(first: 1000) { totalCount checkpoint { number digest signature }
  nodes { number action address durationMicros text digest } } }"""


async def live(world: World, tenants: Iterable[Principal]) -> None:
    """Have something to log: questions, one that is refused, and downloads of vendors' own lists.

    What a data company downloads stands in its vendors' logs too, which are to be equal.
    """
    for who in tenants:
        await world.answer(who, "query Mine($n: Int) { users(first: $n) { nodes { phone } } }", n=3)
        await world.errors(who, "{ nothing }")
        if who.is_vendor:
            await world.file(await world.link(who))
        await world.answer(who.auditor, "{ auditEvents(first: 1) { totalCount } }")


async def everything(market: World) -> Material:
    """What all tenants can ask for, and the cursors that any of them can have."""
    callers = {who.code: Caller(market.client, who.key.text) for who in PRINCIPALS}
    found = await gather(callers, SZSE.code, today())
    other = await gather(callers, HKEX.code, today())
    cursors = [*other.cursors.items()]
    for who in PRINCIPALS:
        shown = await market.answer(who, LICENCES) | await market.answer(who.auditor, LOG)
        if not who.is_vendor:  # of whose findings the data companies' lists have the cursors
            shown |= await market.answer(who, FINDINGS)
        cursors += [
            ((kind, ""), [(NOWHERE, edge["cursor"]) for edge in some["edges"]])
            for kind, some in shown.items()
        ]
        found.reaches[who.code].ids += [edge["node"]["id"] for edge in shown["licences"]["edges"]]
        logged = [edge["node"] for edge in shown["auditEvents"]["edges"]]
        found.logged_at += [entry["occurredAt"] for entry in logged]
        found.actors += sorted({entry["actor"] for entry in logged})
        found.actions += sorted({entry["action"] for entry in logged})
    for key, some in cursors:
        found.cursors[key] = [*found.cursors.get(key, []), *some]
    return found


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The event loop that the server has."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="module")
async def arena(
    server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Arena]:
    keys = tmp_path_factory.mktemp("keys")
    alike = {"limits": "measure", "secret": "x" * 32, "audit_keys": keys, "audit_seconds": 0}
    async with AsyncExitStack() as stack:

        async def made(*tenants: Principal) -> Way:
            place = tmp_path_factory.mktemp("fuzz")
            only = tenants[0] if len(tenants) == 1 else None
            world = await stack.enter_async_context(settled(server, place, only, **alike))
            await live(world, tenants)
            await still(world)
            return Way(world, world.app._app)  # type: ignore[attr-defined]

        market = await made(*PRINCIPALS)
        alone = {who.code: await made(who) for who in PRINCIPALS}
        executing = replace(market, app=routes(market.world.house, build_schema()))
        transport = httpx.ASGITransport(app=market.app)
        client = await stack.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url="http://test")
        )
        found = Arena(
            market, executing, alone, await everything(replace(market.world, client=client))
        )
        # as the server does: what is there now is not looked through again and again
        gc.freeze()
        usual = gc.get_threshold()
        gc.set_threshold(100_000, 50, 100)
        yield found
        gc.set_threshold(*usual)
        gc.unfreeze()


async def test_no_operation_tells_of_anybody_else(arena: Arena) -> None:
    outcomes: Counter[Any] = Counter()
    ways: Counter[str] = Counter()
    for number in count(FROM):
        rng = random.Random(f"fuzz {number}")
        until = monotonic() + SECONDS
        asked = drawn(rng, SCHEMA, arena.material, PER_DOCUMENT, TOGETHER, ALIKE)
        for times, (who, one) in enumerate(asked, 1):
            day = today()
            found = await arena.attack(who, one)
            if day != today():  # at midnight one of the answers is of the day before
                found = await arena.attack(who, one)
            said = f"{found.wrong} {who} {number} {one.purpose} {one.body}"  # pytest cuts others
            assert not found.wrong, said
            outcomes[who.code, who.role.name, found.answered] += 1
            ways[found.way] += 1
            if ways.total() % 1000 == 0:
                print(
                    f"{monotonic():.0f} {ways.total()} asked, document {number}: {dict(ways)}",
                    flush=True,
                )
            late = times >= 2 * TOGETHER and monotonic() > until
            if late or ways.total() == OPERATIONS:
                break
        if ways.total() == OPERATIONS:
            break
    assert all(outcomes[who.code, who.role.name, True] for who in (*PRINCIPALS, *AUDITORS))
    assert ways["compiled"] > ways["executor"] // 2 > 0
    print(f"{OPERATIONS} asked: {dict(outcomes)}")


async def test_the_fuzzer_draws_all_of_the_schema(arena: Arena) -> None:
    """Each field, argument and input field, in some hundred documents."""
    found: Counter[str] = Counter()
    for number in range(2500):
        rng = random.Random(f"touched {number}")
        for _, one in drawn(rng, SCHEMA, arena.material, 2, 1):
            with suppress(GraphQLError):  # a document may be wrong
                found.update(touched(SCHEMA, one))
    missing = coordinates(SCHEMA) - found.keys()
    assert not missing, sorted(missing)


def asking(document: str) -> Operation:
    return Operation(document, None, {}, "", "test", (), (None,))


async def test_what_a_link_carries_is_compared_and_not_when_it_expires(arena: Arena) -> None:
    one = asking("{ users { download { y: expiresAt u: url } } }")
    text = (await arena.market.told(ALPHA, one)).text
    ticket = f"Ticket(key='{ALPHA.key.prefix}', export=UserExport("
    assert text.startswith('{"data":{"users":{"download":{"y":"","u":"' + ticket)


@pytest.mark.parametrize("who", AUDITORS, ids=[who.code for who in AUDITORS])
async def test_the_whole_log_of_a_tenant_is_that_of_its_own_world(
    arena: Arena, who: Principal
) -> None:
    one = asking(WHOLE_LOG)
    found = await arena.attack(who, one)
    assert (found.wrong, found.answered) == ("", True)
    text = (await arena.market.told(who, one)).text
    log = json.loads(text)["data"]["auditEvents"]
    assert log["totalCount"] == len(log["nodes"]) > 10
    assert log["checkpoint"]["digest"] == log["nodes"][0]["digest"]
    assert {"query", "scope"} < {entry["action"] for entry in log["nodes"]}


async def found(leaking: Arena, who: Principal, sign: str, field: str = "") -> None:
    """Demand that the fuzzer finds what is wrong within a few documents, that have a field."""
    for number in range(100):
        rng = random.Random(f"leak {number}")
        for _, one in drawn(rng, SCHEMA, leaking.material, PER_DOCUMENT, TOGETHER, ALIKE):
            if field not in one.document:
                continue
            if (await leaking.attack(who, one)).wrong.startswith(sign):
                return
    pytest.fail("a hundred documents did not tell it")


@pytest.mark.parametrize(
    ("where", "sign"),
    [
        ("market", "canaries"),
        ("executing", "the executor tells another answer"),
        ("alone", "others make a difference"),
    ],
)
async def test_the_fuzzer_finds_a_leak(arena: Arena, where: str, sign: str) -> None:
    """With another tenant's key in the place of the sender's, wherever it is."""
    leaking = replace(arena.market, key=lambda _: BETA.key.text)
    at: Any = {ALPHA.code: leaking} if where == "alone" else leaking
    await found(replace(arena, **{where: at}), ALPHA, sign)


async def test_the_fuzzer_finds_anothers_entry_in_the_log(arena: Arena) -> None:
    """One that has no canary, and is at the beginning of all times."""
    world = arena.market.world
    holder = (await world.scope(ALPHA)).principal.holder
    entry = Entry(holder, text_of(FIRST - APART, "test", "vendor.add", {}))
    async with planted(world, entry):
        await found(arena, ALPHA.auditor, "others make a difference", "auditEvents")
    found_now = await arena.attack(ALPHA.auditor, asking("{ auditEvents { totalCount } }"))
    assert not found_now.wrong
