"""What strangers send: media types, bodies, origins, forged requests; and what every answer has."""

import asyncio
import gc
import hashlib
import random
import socket
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from graphing import Caller, calling
from market import ENHANCED, found, load
from serving import Wire, serving

from gateway.app.house import House
from gateway.app.server import application
from gateway.catalogue import registry
from gateway.config.settings import Settings
from gateway.http.media import Form, accepted, is_json
from gateway.tenancy import registered
from gateway.tenancy.operator import open_operator
from gateway.tenancy.principal import Role

RESPONSE = "application/graphql-response+json"
LINE = f"u1||甲||个人||试用用户||20260101||0||{ENHANCED}||Web||0||0||0"
NAME = {"query": "{ viewer { vendor } }"}
PORTAL, OTHER = "https://portal.example", "https://other.example"


@pytest.fixture
async def alpha(house: House, tmp_path: Path) -> AsyncIterator[Caller]:
    await found(house, "ALPHA", "BETA")
    await load(house, "ALPHA", [LINE], tmp_path)
    async with open_operator(house.security, "test") as session:
        for vendor, origin in (("ALPHA", PORTAL), ("BETA", OTHER)):
            number = await registry.vendor_id(session, vendor)
            assert await registered.add_origin(session, number, origin)
    async with calling(house, vendor="ALPHA") as caller:
        yield caller


def bearer(caller: Caller, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {caller.key}", **more}


@pytest.mark.parametrize(
    ("header", "form"),
    [
        (None, Form.JSON),
        (b"*/*", Form.JSON),
        (b"application/*", Form.JSON),
        (b"application/json; charset=utf-8", Form.JSON),
        (RESPONSE.encode(), Form.RESPONSE),
        (b"application/graphql-response+json, application/json;q=0.9", Form.RESPONSE),
        (b"application/json;q=0.9,application/graphql-response+json", Form.RESPONSE),
        (b"application/graphql-response+json;q=0.1, application/json", Form.JSON),
        (b"text/event-stream", Form.EVENTS),
        (b"text/html,application/xhtml+xml,*/*;q=0.8", Form.JSON),
        (b"text/html", None),
        (b"application/json;q=0", None),
        (b"application/json;q=x", None),
        (b"application/json;charset=utf-16", None),
        (b"text/html," * 100 + b"application/json", Form.JSON),
    ],
)
def test_the_form_that_accept_likes_best(header: bytes | None, form: Form | None) -> None:
    assert accepted(header) is form


def test_json_in_utf_8_only() -> None:
    for good in (b"application/json", b'Application/JSON; charset="UTF-8"'):
        assert is_json(good)
    for bad in (None, b"", b"text/plain", b"application/json; charset=gbk", b"application/jsonp"):
        assert not is_json(bad)


async def test_both_media_types_are_compiled_and_status_follows_the_type(alpha: Caller) -> None:
    for accept, status in (("application/json", 200), (RESPONSE, 400)):
        headers = bearer(alpha, Accept=accept)
        answer = await alpha.client.post("/graphql", json=NAME, headers=headers)
        assert answer.headers["gateway-execution"] == "compiled"
        assert answer.headers["content-type"].startswith(accept)
        assert (answer.status_code, answer.json()["data"]) == (200, {"viewer": {"vendor": "ALPHA"}})
        wrong = await alpha.client.post("/graphql", json={"query": "{ x }"}, headers=headers)
        assert (wrong.status_code, "data" in wrong.json()) == (status, False)
        assert wrong.headers["content-type"].startswith(accept)
        partial = {"query": '{ viewer { vendor } node(id: "x") { id } }'}
        answer = await alpha.client.post("/graphql", json=partial, headers=headers)
        assert answer.status_code == 200


async def test_an_answer_as_events(alpha: Caller) -> None:
    headers = bearer(alpha, Accept="text/event-stream")
    answer = await alpha.client.post("/graphql", json=NAME, headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    first, second, rest = answer.text.split("\n\n")
    assert first.startswith("event: next\ndata: {")
    assert orjson.loads(first.partition("data: ")[2])["data"] == {"viewer": {"vendor": "ALPHA"}}
    assert (second, rest) == ("event: complete\ndata:", "")


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {"Content-Type": "text/plain"}, 415),
        ("POST", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ("POST", {"Content-Type": "multipart/form-data; boundary=x"}, 415),
        ("POST", {"Content-Type": "application/json; charset=gbk"}, 415),
        ("POST", {}, 415),
        ("POST", {"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
        ("POST", {"Content-Type": "application/json", "Accept": "text/html"}, 406),
        ("PUT", {"Content-Type": "application/json"}, 405),
    ],
)
async def test_what_is_no_request_for_an_operation(
    alpha: Caller, method: str, headers: dict[str, str], status: int
) -> None:
    body = orjson.dumps(NAME)
    answer = await alpha.client.request(
        method, "/graphql", content=body, headers=bearer(alpha, **headers)
    )
    assert answer.status_code == status
    (error,) = answer.json()["errors"]
    assert error["extensions"]["accepted"]
    assert ("allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    "headers",
    [
        {"Cookie": "session=x", "Content-Type": "text/plain"},
        {"Origin": PORTAL, "Content-Type": "text/plain"},
        {"Sec-Fetch-Site": "cross-site", "Content-Type": "application/x-www-form-urlencoded"},
    ],
)
async def test_what_a_browser_sends_without_asking_is_refused(
    alpha: Caller, headers: dict[str, str]
) -> None:
    for method in ("GET", "POST"):
        answer = await alpha.client.request(
            method, "/graphql?query={viewer{vendor}}", content=b"x", headers=headers
        )
        assert answer.status_code == 403
        assert answer.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_a_page_asks_from_its_vendors_origins_only(alpha: Caller) -> None:
    for origin, known in ((PORTAL, True), (OTHER, True), ("https://evil.example", False)):
        asking = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = await alpha.client.options("/graphql", headers=asking)
        assert answer.status_code == 204
        allowed = answer.headers.get("access-control-allow-origin")
        assert allowed == (origin if known else None)
        assert "access-control-allow-credentials" not in answer.headers
    for origin, status in ((PORTAL, 200), ("http://gateway", 200), (OTHER, 403), ("null", 403)):
        answer = await alpha.client.post(
            "/graphql", json=NAME, headers=bearer(alpha, Origin=origin)
        )
        assert answer.status_code == status, origin
        assert answer.headers["vary"] == "origin"
        if status == 200:
            assert answer.headers["access-control-allow-origin"] == origin
        else:
            assert "ALPHA" not in answer.text


async def test_an_origin_that_is_taken_back_is_refused_at_once(house: House, alpha: Caller) -> None:
    headers = bearer(alpha, Origin=PORTAL)
    assert (await alpha.client.post("/graphql", json=NAME, headers=headers)).status_code == 200
    async with open_operator(house.security, "test") as session:
        number = await registry.vendor_id(session, "ALPHA")
        await registered.remove_origin(session, number, PORTAL)
    assert (await alpha.client.post("/graphql", json=NAME, headers=headers)).status_code == 403


async def test_every_answer_has_the_security_headers(house: House, alpha: Caller) -> None:
    answers = [
        await alpha.post("{ viewer { vendor } }"),
        await alpha.post("{ x }"),
        await alpha.client.post("/graphql", json=NAME),
        await alpha.client.get("/healthz"),
        await alpha.client.get("/metrics"),
        await alpha.client.get("/nothing"),
        await alpha.client.get("/exports/x"),
    ]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in answer.headers
    public = house.settings.model_copy(update={"public_url": "https://gateway.example"})
    transport = httpx.ASGITransport(app=application(replace(house, settings=public)))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        for path in ("/graphql", "/healthz"):
            assert "strict-transport-security" in (await client.get(path)).headers


def flood(address: tuple[str, int], key: str, length: str) -> tuple[int, bytes]:
    """Send a gigabyte as far as the server takes it; return how much that was, and its answer."""
    with socket.create_connection(address, timeout=5) as plain:
        head = (
            "POST /graphql HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {key}\r\n{length}\r\n\r\n"
        )
        plain.sendall(head.encode())
        sent = 0
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        with suppress(OSError):
            while length.startswith("Transfer") and sent < 2**30:
                plain.sendall(chunk)
                sent += len(chunk)
        answer = b""
        with suppress(OSError):
            while part := plain.recv(65536):
                answer += part
    return sent, answer


@pytest.mark.parametrize("endless", [b"GET /graphql?query=", b"GET /graphql HTTP/1.1\r\nX: "])
async def test_a_head_without_an_end_is_refused(house: House, endless: bytes) -> None:
    sent = 0
    async with serving(house) as address, await Wire.open(address) as wire:
        wire.writer.write(endless)
        with suppress(ConnectionError):
            while sent < 2**24 and not wire.reader._buffer:  # type: ignore[attr-defined]
                wire.writer.write(b"x" * 65_536)
                await wire.writer.drain()
                sent += 65_536
                await asyncio.sleep(0)
        answer = await wire.answer()
    assert sent < 2**24
    assert answer.status == 431
    assert orjson.loads(answer.body)["errors"][0]["extensions"]["argument"] == "headers"


@pytest.mark.parametrize("begun", [b"", b"GET /heal", b"GET /healthz HTTP/1.1\r\nX: 1\r\n"])
async def test_who_says_nothing_is_not_waited_for(
    house: House, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    async with serving(house) as address:
        async with await Wire.open(address) as wire:  # whose second head comes in two pieces
            monkeypatch.setattr("gateway.http.heads.HEAD_SECONDS", 1)
            async with await Wire.open(address) as silent, asyncio.timeout(20):
                silent.writer.write(begun)
                assert await silent.reader.read() == b""
            assert (await wire.get("/healthz")).status == 200
            monkeypatch.setattr("gateway.http.heads.HEAD_SECONDS", 60)
            wire.writer.write(b"GET /healthz HT")
            await asyncio.sleep(0.05)
            wire.writer.write(b"TP/1.1\r\nHost: gateway\r\n\r\n")
            assert (await wire.answer()).status == 200


REFUSED_UNREAD = b"POST /graphql HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
UNREAD = {
    "a body": (b"Content-Length: 1000000000\r\n\r\n", b"x"),
    "trailers": (b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n"),
    "empty lines": (b"Content-Length: 0\r\n\r\n", b"\r\n"),
    "a chunk's mark": (b"Transfer-Encoding: chunked\r\n\r\n1;", b"x=y;"),
}


@pytest.mark.parametrize(("begun", "more"), UNREAD.values(), ids=UNREAD)
async def test_what_comes_after_a_refusal_is_neither_kept_nor_waited_for(
    house: House, monkeypatch: pytest.MonkeyPatch, begun: bytes, more: bytes
) -> None:
    """Nobody with a credential: 401, and the connection ends though something always comes."""
    monkeypatch.setattr("gateway.http.heads.HEAD_SECONDS", 1)
    async with serving(house) as address, await Wire.open(address) as wire, asyncio.timeout(30):
        wire.writer.write(REFUSED_UNREAD + begun)
        assert (await wire.answer()).status == 401
        with suppress(ConnectionError):
            while not wire.reader.at_eof():
                wire.writer.write(more)
                await wire.writer.drain()
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("place", [b"", b"0\r\n"], ids=["marks", "trailers"])
async def test_a_chunked_body_without_an_end_is_bounded(
    house: House, monkeypatch: pytest.MonkeyPatch, place: bytes
) -> None:
    """What is no body does not count as one, whatever the answer waits for."""
    monkeypatch.setattr("gateway.http.asked.BODY_SECONDS", 6)
    await found(house, "ALPHA")
    sent = 0
    async with (
        calling(house, vendor="ALPHA") as caller,
        serving(house) as address,
        await Wire.open(address) as wire,
        asyncio.timeout(30),
    ):
        head = REFUSED_UNREAD + b"Transfer-Encoding: chunked\r\n"
        head += f"Authorization: Bearer {caller.key}\r\n\r\n".encode()
        wire.writer.write(head + place)
        endless = b"a: b\r\n" * 10_000 if place else b"1;" + b"x" * 60_000
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(5):
                while sent < 2**24:
                    wire.writer.write(endless)
                    await wire.writer.drain()
                    sent += len(endless)
        answer = await wire.answer()
    # what the system's buffers hold, and no more, while the answer waits for the body's end
    assert sent < 2**24
    assert answer.status == 408


@pytest.mark.parametrize("path", ["/graphql", "/session", "/session/issuers"])
@pytest.mark.parametrize("begun", [b"", b'{"query": "{ view'])
async def test_a_body_that_does_not_arrive_is_not_waited_for(
    house: House, monkeypatch: pytest.MonkeyPatch, path: str, begun: bytes
) -> None:
    monkeypatch.setattr("gateway.http.asked.BODY_SECONDS", 0.2)
    await found(house, "ALPHA")
    async with calling(house, vendor="ALPHA") as caller, serving(house) as address:
        async with await Wire.open(address) as wire:
            wire.writer.write(
                f"POST {path} HTTP/1.1\r\nHost: gateway\r\nContent-Length: 100\r\n"
                f"Content-Type: application/json\r\nAuthorization: Bearer {caller.key}\r\n\r\n"
                "".encode()
                + begun
            )
            async with asyncio.timeout(10):
                answer = await wire.answer()
    assert answer.status == 408
    assert orjson.loads(answer.body)["errors"][0]["extensions"]["argument"] == "body"


@pytest.mark.parametrize(("levels", "status"), [(31, 200), (32, 400), (100, 400)])
async def test_variables_are_nested_no_deeper_than_is_said(
    alpha: Caller, levels: int, status: int
) -> None:
    """The variables themselves are the first of 32 levels."""
    value: Any = 1
    for number in range(levels):
        value = [value] if number % 2 else {"a": value}
    variables, headers = {"f": value}, bearer(alpha)
    parameters = {**NAME, "variables": orjson.dumps(variables).decode()}
    for answer in (
        await alpha.client.post("/graphql", json={**NAME, "variables": variables}, headers=headers),
        await alpha.client.get("/graphql", params=parameters, headers=headers),
    ):
        assert answer.status_code == status
        if status == 400:
            assert answer.json()["errors"][0]["extensions"]["argument"] == "variables"


async def test_a_body_of_a_gigabyte_is_refused_before_it_is_sent(house: House) -> None:
    await found(house, "A")
    async with calling(house, vendor="A") as caller, serving(house) as address:
        length = "Content-Length: 1073741824"
        _, answer = await asyncio.to_thread(flood, address, caller.key, length)
        assert answer.startswith(b"HTTP/1.1 413")
        assert b"connection: close" in answer
        # a client that goes on sending may see its connection reset before it reads the answer
        length = "Transfer-Encoding: chunked"
        sent, answer = await asyncio.to_thread(flood, address, caller.key, length)
        assert sent < 2**26
        assert answer.startswith(b"HTTP/1.1 413") or not answer
        assert (await caller.post("{ viewer { vendor } }")).status_code == 200


def attacks(rng: random.Random) -> bytes:
    """A body that may be anything: broken, deep, of wrong types, or a query that is too large."""
    deep = rng.randrange(1, 100_000)
    query = rng.choice(
        (
            "{ viewer { vendor } }",
            f"{{ users(first: {rng.randrange(-(2**40), 2**40)}) {{ nodes {{ userId }} }} }}",
            "query ($f: UserFilter) { users(filter: $f) { totalCount } }",
            "{ users " * rng.randrange(1, 2000),
            "{ ...A } fragment A on Query { ...A }",
            "{ " + " ".join(f"a{i}: __typename" for i in range(rng.randrange(200))) + " }",
            "{ viewer { " + "name " * rng.randrange(5000) + " } }",
            "{ users(filter: " + "{userId: " * rng.randrange(300) + " }",
            '{ node(id: "' + "x" * rng.randrange(60_000) + '") { id } }',
            "".join(chr(rng.randrange(1, 0xD7FF)) for _ in range(rng.randrange(200))),
        )
    )
    value: object = rng.choice((None, 3, "x", [], [[]], {"userId": {"contains": "\0"}}, True))
    for _ in range(rng.randrange(60)):
        value = rng.choice(([value], {"f": value}))
    good = {"query": query, "variables": {"f": value}}
    return rng.choice(
        (
            lambda: b"[" * deep,
            lambda: b'{"query":' * deep,
            lambda: rng.randbytes(rng.randrange(2000)),
            lambda: orjson.dumps(value),
            lambda: orjson.dumps(good),
            lambda: orjson.dumps(good)[: rng.randrange(200)],
            lambda: orjson.dumps(good).replace(b"u", b"\xff", 1),
            lambda: orjson.dumps({"query": query, "variables": value}),
            lambda: orjson.dumps({"query": value, "variables": {}}),
            lambda: orjson.dumps({"query": query, "extensions": value}),
            lambda: orjson.dumps({"documentId": rng.choice((value, "sha256:" + "0" * 64))}),
            lambda: orjson.dumps([good] * 50),
        )
    )()


async def test_events_are_refused_as_any_other_answer_is(alpha: Caller) -> None:
    headers = {"Authorization": f"Bearer gw_{'z' * 8}_{'z' * 43}", "Accept": "text/event-stream"}
    answer = await alpha.client.post("/graphql", json={"query": "{ a }"}, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_fault_of_an_endpoint_is_told_masked(
    alpha: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ValueError("somebody's name")

    url = (await alpha.ask("{ users { download { url } } }"))["users"]["download"]["url"]
    monkeypatch.setattr("gateway.http.session.read_model", fail)
    monkeypatch.setattr("gateway.http.exports.admitted", fail)
    for answer in (await alpha.client.post("/session", json={}), await alpha.client.get(url)):
        assert answer.status_code == 500
        (error,) = answer.json()["errors"]
        assert (error["message"], error["extensions"]["code"]) == ("Internal error.", "INTERNAL")
        assert len(error["extensions"]["incident"]) == 16
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("proxies", "told", "known"),
    [
        (None, "203.0.113.9", "127.0.0.1"),
        ("192.0.2.0/24", "203.0.113.9", "127.0.0.1"),
        ("192.0.2.1, 127.0.0.0/8", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),  # the first could be made up
    ],
)
async def test_a_callers_address_is_what_a_known_proxy_says(
    house: House, tmp_path: Path, proxies: str | None, told: str, known: str
) -> None:
    await found(house, "ALPHA")
    settings = house.settings.model_copy(update={"proxies": proxies})
    other = replace(house, settings=settings)
    query = "{ auditEvents { nodes { address document } } }"
    document = hashlib.sha256(NAME["query"].encode()).hexdigest()
    async with (
        calling(house, vendor="ALPHA", role=Role.VENDOR_AUDITOR) as caller,
        serving(other) as (host, port),
        httpx.AsyncClient(base_url=f"http://{host}:{port}") as client,
    ):
        headers = bearer(caller, **{"X-Forwarded-For": told})
        assert (await client.post("/graphql", json=NAME, headers=headers)).status_code == 200
        async with asyncio.timeout(10):
            while True:
                nodes = (await caller.ask(query))["auditEvents"]["nodes"]
                if found_now := [one for one in nodes if one["document"] == document]:
                    break
                await asyncio.sleep(0.05)
    assert [one["address"] for one in found_now] == [known]


@pytest.mark.parametrize("wrong", ["*", "proxy.example", "127.0.0.1/8", "", "127.0.0.1,"])
def test_proxies_are_addresses(wrong: str) -> None:
    with pytest.raises(ValueError, match="proxies"):
        Settings(proxies=wrong)


SMALL = {
    "resolvers.query._MOST_DOCUMENTS": 10,
    "compiled.operations.MOST_DOCUMENTS": 20,
    "compiled.operations.MOST_CHARACTERS": 20_000,
}
"""Caches of documents."""


async def test_a_thousand_attacks_neither_crash_nor_leak(
    alpha: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No status above 499, whole answers, and no memory kept but what caches may hold."""
    sizes: list[int] = []

    async def attack(seed: int) -> None:
        body = attacks(random.Random(seed))
        kind = bearer(alpha, **{"Content-Type": "application/json"})
        answer = await alpha.client.post("/graphql", content=body, headers=kind)
        assert answer.status_code < 500, (seed, body[:200], answer.text)
        told = answer.json()
        assert "data" in told or all(one["extensions"]["code"] for one in told["errors"])
        assert b'"INTERNAL"' not in answer.content, (seed, body[:200])

    # small enough to be full by then; they are bounded by the same code
    for name, value in SMALL.items():
        monkeypatch.setattr(f"gateway.{name}", value)
    tracemalloc.start()
    try:
        for seed in range(1500):
            await attack(seed)
            if seed in {999, 1499}:
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert sizes[1] - sizes[0] < 1_000_000
    assert (await alpha.ask("{ viewer { vendor } }")) == {"viewer": {"vendor": "ALPHA"}}
