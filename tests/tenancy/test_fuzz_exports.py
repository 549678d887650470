"""Downloads under the fuzzer: links of one tenant in the hands of others, whole and changed.

A link is good for whoever has it, and gives what the key that asked for it may see now. So with any
key beside it, it gives what it gives in a gateway where nobody else exists, byte by byte; and
changed in any way it gives nothing. `GATEWAY_FUZZ_LINKS=1000` follows a thousand.
"""

import os
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import asyncpg
import httpx
import pytest
from fuzzing import LINK
from graphing import Caller
from operations import measures
from operations.documents import Operation, operation, vary
from operations.material import Material, gather
from test_schema_cases import SCHEMA
from worlds import (
    ALPHA,
    BETA,
    ENHANCED,
    HKEX,
    MINIMUM,
    PRINCIPALS,
    SZSE,
    USERS,
    Principal,
    World,
    sign,
)

from gateway.app.server import application
from gateway.config.clock import today
from gateway.http import exports

LINKS = int(os.environ.get("GATEWAY_FUZZ_LINKS", "25"))
WANTED = {"users": 30, "monthlyStats": 30, "download": 60, "url": 5}
Told = tuple[int, bytes, str]


@dataclass(frozen=True)
class Places:
    """Clients of the whole market and of each tenant's own world, and what to ask."""

    market: httpx.AsyncClient
    alone: dict[str, httpx.AsyncClient]
    material: Material


@pytest.fixture(scope="module")
async def places(market: World, alone: dict[Principal, World]) -> AsyncIterator[Places]:
    async with AsyncExitStack() as stack:

        async def client(world: World) -> httpx.AsyncClient:
            settings = world.house.settings.model_copy(update={"limits": "measure"})
            app = application(replace(world.house, settings=settings))
            transport = httpx.ASGITransport(app=app)
            made = httpx.AsyncClient(transport=transport, base_url="http://test")
            return await stack.enter_async_context(made)

        whole = await client(market)
        callers = {who.code: Caller(whole, who.key.text) for who in PRINCIPALS}
        material = await gather(callers, SZSE.code, today())
        yield Places(whole, {who.code: await client(alone[who]) for who in PRINCIPALS}, material)


def drawn(rng: random.Random, material: Material, who: Principal) -> Operation:
    """Lists to be downloaded, with one's own values or another's."""
    with pytest.MonkeyPatch.context() as patch:
        for name, weight in WANTED.items():
            patch.setitem(measures.WEIGHTS, name, weight)
        one = operation(rng, SCHEMA, material, who.code, 6)
    return vary(rng, one, material, rng.choice([who.code, rng.choice(PRINCIPALS).code]))


async def links(client: httpx.AsyncClient, who: Principal, one: Operation) -> list[str]:
    """The tokens of the downloads in an answer."""
    answer = await Caller(client, who.key.text, one.purpose).send(one.body)
    return [found[1] for found in LINK.finditer(answer.text)]


async def followed(client: httpx.AsyncClient, token: str, key: str | None) -> Told:
    """What a link gives to whoever presents a key beside it."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    answer = await client.get(f"/exports/{token}", headers=headers)
    return answer.status_code, answer.content, str(sorted(answer.headers.items()))


def text_of(told: Told) -> str:
    return told[1].decode("gb18030" if "charset=GB18030" in told[2] else "utf-8")


async def attack(places: Places, rng: random.Random, who: Principal, one: Operation) -> list[Told]:
    """Follow an operation's links with others' keys; return the files, of which all was right."""
    found = await links(places.market, who, one)
    in_own = await links(places.alone[who.code], who, one)
    assert len(found) == len(in_own)
    files = []
    for token, own in zip(found, in_own, strict=True):
        key = rng.choice([None, *(other.key.text for other in PRINCIPALS if other != who)])
        told = await followed(places.market, token, key)
        assert told[0] < 500, told
        assert not [word for word in who.canaries if word in text_of(told)], (who, one)
        assert told == await followed(places.alone[who.code], own, key), (who, one)
        files.append(told)
    return files


async def test_a_link_gives_its_askers_rows_whoever_follows_it(places: Places) -> None:
    rows, number = dict.fromkeys((who.code for who in PRINCIPALS), 0), 0
    for seed in range(100_000):
        rng = random.Random(f"links {seed}")
        who = rng.choice(PRINCIPALS)
        one = drawn(rng, places.material, who)
        for told in await attack(places, rng, who, one):
            number += 1
            rows[who.code] += told[1].count(b"\n")
        if number >= LINKS:
            break
    assert all(rows.values())


async def test_another_reading_of_a_link_is_found(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A planted leak: a link gives what another tenant sees."""
    read = exports.reauthenticate
    monkeypatch.setattr(exports, "reauthenticate", lambda engine, *_: read(engine, BETA.key.prefix))
    one = Operation("{ users { download { url } } }", None, {}, "", "test", (), (None,))
    with pytest.raises(AssertionError, match=r"beta|BETA"):
        await attack(places, random.Random(1), ALPHA, one)


def changed(rng: random.Random, token: str, other: str) -> str:
    """A token with other characters, with a part of another tenant's, cut, or longer."""
    at, length = rng.randrange(len(token)), rng.randint(1, 40)
    way = rng.randrange(4)
    if way == 0:
        return token[:at] + other[at:]
    if way == 1:
        return token[:at] + other[at : at + length] + token[at + length :]
    if way == 2:
        return token[:at] + token[at + length :]
    letters = "".join(rng.choices("ABCDEFabcdef0123456789-_", k=length))
    return token[:at] + letters + token[at + length * rng.randrange(2) :]


async def test_a_link_that_was_changed_gives_nothing(places: Places) -> None:
    asked = Operation("{ users { download { url } } }", None, {}, "", "test", (), (None,))
    tokens = {who: (await links(places.market, who, asked))[0] for who in PRINCIPALS}
    none = await followed(places.market, "x", None)
    for seed in range(5 * LINKS):
        rng = random.Random(f"changed {seed}")
        who, other = rng.sample(PRINCIPALS, 2)
        token = changed(rng, tokens[who], tokens[other])
        if token not in tokens.values():
            assert await followed(places.market, token, other.key.text) == none, (seed, token)
    for who, token in tokens.items():
        assert (await followed(places.market, token, None))[0] == 200, who


async def test_a_link_narrows_with_its_keys_reach(own: World) -> None:
    """A product goes over to another data company: nothing of it is left in the former's links."""
    users = "{ users { download { url } } }"
    figures = '{ monthlyStats(from: "2024-01", to: "2024-06") { download { url } } }'
    marks = {users: sign("VENDBETA", ENHANCED), figures: MINIMUM[ENHANCED]}
    held = {await own.link(SZSE, query): mark for query, mark in marks.items()}
    taken = {await own.link(HKEX, query): mark for query, mark in marks.items()}
    for url, mark in held.items():
        assert mark in await own.file(url)
    for url, mark in taken.items():
        assert mark not in await own.file(url)
    admin = await asyncpg.connect(own.admin)
    await admin.execute(
        "UPDATE products SET licensor_id = (SELECT licensor_id FROM licensors WHERE code = 'HKEX') "
        "WHERE name = $1",
        ENHANCED,
    )
    await admin.close()
    for url, mark in held.items():
        told = await own.file(url)
        assert told.startswith("200")
        assert not [word for word in (mark, *signs()) if word in told]
    for url, mark in taken.items():
        assert mark in await own.file(url)


def signs() -> list[str]:
    """What marks the users of the product."""
    return [ENHANCED, *(sign(*pair) for pair in USERS if pair[1] == ENHANCED)]
