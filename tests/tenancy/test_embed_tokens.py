"""Embed tokens: what they open, where, for how long, and that they end with their key."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from test_keys import ASKED, behind, issued
from worlds import ALPHA, BETA, EXECUTOR, SZSE, World

from gateway.app.server import application, routes
from gateway.catalogue import registry
from gateway.resolvers.query import build_schema
from gateway.tenancy import registered
from gateway.tenancy.issue import revoke
from gateway.tenancy.operator import open_operator
from gateway.tenancy.principal import Role
from gateway.tenancy.registered import digest_of_document

PORTAL = "https://portal.alpha.example"
REACHED = "{ viewer { role rights vendors { code } } users { totalCount } }"
LISTED = "{ users(first: 2) { nodes { userId } } }"


async def registering(world: World, *documents: str) -> None:
    """Register documents of VENDALPHA's, which its tokens may run."""
    async with open_operator(world.house.security, "test") as session:
        number = await registry.vendor_id(session, "VENDALPHA")
        for document in documents:
            await registered.add_document(session, number, "of a page", document)


@pytest.fixture
async def front(own: World) -> AsyncIterator[httpx.AsyncClient]:
    """The whole application; at another address one where the executor answers everything."""
    await registering(own, ASKED, REACHED, LISTED)
    transport = httpx.ASGITransport(application(own.house))
    executing = {EXECUTOR: httpx.ASGITransport(routes(own.house, build_schema()))}
    async with httpx.AsyncClient(
        transport=transport, mounts=executing, base_url="http://test"
    ) as client:
        yield client


async def exchange(client: httpx.AsyncClient, key: str, **wanted: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return await client.post("/embed/tokens", json=wanted, headers=headers)


async def token_of(client: httpx.AsyncClient, key: str, **wanted: Any) -> str:
    answer = await exchange(client, key, **wanted)
    assert answer.status_code == 201, answer.text
    made: str = answer.json()["token"]
    return made


async def ask(
    client: httpx.AsyncClient, token: str, query: str = ASKED, origin: str | None = None
) -> list[httpx.Response]:
    """Ask on both ways: a plain request, and one that only the executor takes."""
    headers = {"Authorization": f"Bearer {token}"}
    if origin is not None:
        headers["Origin"] = origin
    return [
        await client.post("/graphql", json={"query": query}, headers=headers),
        await client.get(f"{EXECUTOR}/graphql", params={"query": query}, headers=headers),
    ]


async def test_a_token_has_its_vendors_scope_and_no_more_rights(
    own: World, front: httpx.AsyncClient
) -> None:
    key = await issued(own, Role.VENDOR_ADMINISTRATOR)
    token = await token_of(front, key.text, origins=[PORTAL])
    for answer in await ask(front, token, REACHED, PORTAL):
        told = answer.json()["data"]
        assert told["viewer"]["role"] == "VENDOR_PORTAL"
        assert told["viewer"]["rights"] == ["READ_STATISTICS", "READ_USERS"]
        assert [one["code"] for one in told["viewer"]["vendors"]] == ["VENDALPHA"]
        assert told["users"]["totalCount"] > 0
    again = await exchange(front, token)
    assert again.status_code == 404
    assert again.json()["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_both_ways_answer_and_the_plain_one_is_compiled(
    own: World, front: httpx.AsyncClient
) -> None:
    token = await token_of(front, (await issued(own, Role.VENDOR_PORTAL)).text)
    plain, other = await ask(front, token, LISTED)
    assert plain.headers["gateway-execution"] == "compiled"
    assert other.headers["gateway-execution"].startswith("executor")
    assert plain.json() == other.json()


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "https://evil.example",
        PORTAL + ".evil.example",
        PORTAL + ":8443",
        PORTAL.upper(),
        "http://portal.alpha.example",
    ],
)
async def test_other_origins_are_refused(
    shared: World, shared_front: httpx.AsyncClient, origin: str | None
) -> None:
    await registering(shared, ASKED)
    token = await token_of(
        shared_front, (await issued(shared, Role.VENDOR_PORTAL)).text, origins=[PORTAL]
    )
    assert all(one.status_code == 200 for one in await ask(shared_front, token, origin=PORTAL))
    for answer in await ask(shared_front, token, origin=origin):
        assert answer.status_code == 403
        told = answer.json()["errors"][0]["extensions"]
        assert (told["code"], told["argument"]) == ("FORBIDDEN", "Origin")


@pytest.mark.parametrize("bound", [False, True])
async def test_only_registered_documents_run(
    own: World, front: httpx.AsyncClient, bound: bool
) -> None:
    """All of the vendor's, or those of them that the token is bound to."""
    key = await issued(own, Role.VENDOR_PORTAL)
    wanted = {"documents": [digest_of_document(ASKED)]} if bound else {}
    token = await token_of(front, key.text, **wanted)
    others = ["{ users { totalCount } }", ASKED + " ", "{ __schema { types { name } } }"]
    for query, allowed in [(ASKED, True), (LISTED, not bound), *((one, False) for one in others)]:
        for answer in await ask(front, token, query):
            assert answer.status_code == (200 if allowed else 403)
            if not allowed:
                told = answer.json()["errors"][0]["extensions"]
                assert (told["code"], told["argument"]) == ("FORBIDDEN", "query")
        named = {"documentId": f"sha256:{digest_of_document(query)}"}
        headers = {"Authorization": f"Bearer {token}"}
        answer = await front.post("/graphql", json=named, headers=headers)
        assert answer.status_code == (200 if allowed else 404)


async def test_a_document_that_is_taken_back_runs_no_more(
    own: World, front: httpx.AsyncClient
) -> None:
    token = await token_of(front, (await issued(own, Role.VENDOR_PORTAL)).text)
    assert {answer.status_code for answer in await ask(front, token)} == {200}
    async with open_operator(own.house.security, "test") as session:
        number = await registry.vendor_id(session, "VENDALPHA")
        await registered.remove_document(session, number, digest_of_document(ASKED))
    assert {answer.status_code for answer in await ask(front, token)} == {403}


async def test_no_token_is_bound_to_a_document_that_is_not_the_vendors(
    own: World, front: httpx.AsyncClient
) -> None:
    """Another vendor's is none either."""
    other = "{ users { totalCount } }"
    async with open_operator(own.house.security, "test") as session:
        number = await registry.vendor_id(session, "VENDBETA")
        await registered.add_document(session, number, "of a page", other)
    key = await issued(own, Role.VENDOR_PORTAL)
    answer = await exchange(front, key.text, documents=[digest_of_document(other)])
    assert answer.status_code == 400
    told = answer.json()["errors"][0]["extensions"]
    assert (told["code"], told["argument"]) == ("BAD_USER_INPUT", "documents")


async def test_browsers_may_ask_for_pages_of_tokens(own: World, front: httpx.AsyncClient) -> None:
    token = await token_of(front, (await issued(own, Role.VENDOR_PORTAL)).text, origins=[PORTAL])
    for origin, allowed in ((PORTAL, PORTAL), ("https://evil.example", None)):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = await front.options("/graphql", headers=headers)
        assert answer.headers.get("access-control-allow-origin") == allowed
    for answer in await ask(front, token, origin=PORTAL):
        assert answer.headers["access-control-allow-origin"] == PORTAL


async def test_a_token_without_origins_has_its_vendors(
    own: World, front: httpx.AsyncClient
) -> None:
    token = await token_of(front, (await issued(own, Role.VENDOR_PORTAL)).text)
    assert {one.status_code for one in await ask(front, token, origin=PORTAL)} == {403}
    async with open_operator(own.house.security, "test") as session:
        number = await registry.vendor_id(session, "VENDALPHA")
        await registered.add_origin(session, number, PORTAL)
    assert {one.status_code for one in await ask(front, token, origin=PORTAL)} == {200}


async def test_a_token_ends(own: World, front: httpx.AsyncClient) -> None:
    key = await issued(own, Role.VENDOR_PORTAL)
    token = await token_of(front, key.text, seconds=7)  # enough for a busy machine
    assert all(answer.status_code == 200 for answer in await ask(front, token))
    await asyncio.sleep(7.1)
    assert all(answer.status_code == 401 for answer in await ask(front, token))


async def test_revoking_the_key_ends_its_tokens_at_once(
    own: World, front: httpx.AsyncClient
) -> None:
    key, other = await issued(own, Role.VENDOR_PORTAL), await issued(own, Role.VENDOR_PORTAL)
    token, kept = await token_of(front, key.text), await token_of(front, other.text)
    assert all(answer.status_code == 200 for answer in await ask(front, token))
    async with open_operator(own.house.security, "test") as session:
        await revoke(session, key.prefix)
    assert all(answer.status_code == 401 for answer in await ask(front, token))
    assert all(answer.status_code == 200 for answer in await ask(front, kept))


async def test_a_token_is_revoked_by_its_vendor_alone(own: World, front: httpx.AsyncClient) -> None:
    key, foreign = await issued(own, Role.VENDOR_PORTAL), SZSE.key.text
    token = await token_of(front, key.text)
    prefix = token.split("_")[1]

    async def end(text: str, named: str) -> int:
        headers = {"Authorization": f"Bearer {text}"}
        return (await front.delete(f"/embed/tokens/{named}", headers=headers)).status_code

    for text_ in (foreign, token):
        assert await end(text_, prefix) == 404
    assert await end(key.text, key.prefix) == 404
    assert await end(key.text, "aaaaaaaa") == 404
    assert all(answer.status_code == 200 for answer in await ask(front, token))
    assert await end(key.text, prefix) == 204
    assert all(answer.status_code == 401 for answer in await ask(front, token))


@pytest.mark.parametrize(
    ("wanted", "argument"),
    [
        ({"seconds": 0}, "seconds"),
        ({"seconds": 901}, "seconds"),
        ({"seconds": "300"}, "seconds"),
        ({"origins": ["*"]}, "origins"),
        ({"origins": ["https://a.example/path"]}, "origins"),
        ({"origins": ["http://a.example"]}, "origins"),
        ({"origins": [PORTAL] * 51}, "origins"),
        ({"documents": ["abc"]}, "documents"),
        ({"vendor": "VENDBETA"}, "vendor"),
    ],
)
async def test_bad_wishes_are_named(
    shared: World, shared_front: httpx.AsyncClient, wanted: dict[str, Any], argument: str
) -> None:
    answer = await exchange(shared_front, (await issued(shared, Role.VENDOR_PORTAL)).text, **wanted)
    assert answer.status_code == 400
    told = answer.json()["errors"][0]["extensions"]
    assert told["argument"] == argument
    assert told["accepted"]


@pytest.mark.parametrize("body", [b"3", b"[]", b"null", b"{", b"\xff", b"x" * 70_000])
async def test_bad_bodies_are_refused(
    shared: World, shared_front: httpx.AsyncClient, body: bytes
) -> None:
    key = (await issued(shared, Role.VENDOR_PORTAL)).text
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    answer = await shared_front.post("/embed/tokens", content=body, headers=headers)
    assert answer.status_code == (413 if len(body) > 65_536 else 400)


async def test_who_may_not_issue(own: World, front: httpx.AsyncClient) -> None:
    for key in (SZSE.key.text, ALPHA.key.text, (await issued(own)).text):
        assert (await exchange(front, key)).status_code == 404
    assert (await exchange(front, "gw_aaaaaaaa_" + "a" * 43)).status_code == 401


async def test_tokens_cost_their_tenant_as_operations_do(own: World) -> None:
    settings = own.house.settings.model_copy(
        update={"cost_limit": 350, "cost_bucket": 350, "cost_per_second": 1}
    )
    transport = httpx.ASGITransport(application(replace(own.house, settings=settings)))
    key = (await issued(own, Role.VENDOR_PORTAL)).text
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answers = [await exchange(client, key) for _ in range(12)]
        assert {one.status_code for one in answers} == {201, 429}
        assert int(answers[-1].headers["retry-after"]) > 0
        headers = {"Authorization": f"Bearer {key}"}
        same = await client.post("/graphql", json={"query": ASKED}, headers=headers)
        assert same.status_code == 429
        headers = {"Authorization": f"Bearer {BETA.key.text}"}
        other = await client.post("/graphql", json={"query": ASKED}, headers=headers)
        assert other.status_code == 200


async def test_tokens_are_audited_without_their_secret(
    own: World, front: httpx.AsyncClient
) -> None:
    key = await issued(own, Role.VENDOR_PORTAL)
    token = await token_of(front, key.text, origins=[PORTAL], seconds=60)
    kept = str(await own.contents())
    assert "embed.issue" in kept
    assert token not in kept
    assert token.split("_", 2)[2] not in kept


async def test_ended_tokens_are_cleared_away(own: World, front: httpx.AsyncClient) -> None:
    key = await issued(own, Role.VENDOR_PORTAL)
    old = (await token_of(front, key.text)).split("_")[1]
    await behind(
        own,
        "UPDATE api_keys SET expires_at = $1 WHERE prefix = $2",
        datetime.now(UTC) - timedelta(days=2),
        old,
    )
    await token_of(front, key.text)
    async with own.house.security.connect() as connection:
        left = (await connection.execute(text("SELECT prefix FROM api_keys"))).scalars().all()
    assert old not in left
    assert key.prefix in left


def test_hashes_are_of_the_text_as_it_is() -> None:
    assert re.fullmatch("[0-9a-f]{64}", digest_of_document("{ viewer { name } }"))
    assert digest_of_document("a") != digest_of_document("a ")
