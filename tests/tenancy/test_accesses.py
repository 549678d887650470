"""Accesses: what is logged of a request, and what becomes of it when things go wrong."""

import asyncio
import hashlib
import json
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger import damages, filled
from locks import locked, waiting
from locks import until as until_there
from processes import Place, ended, kill, until
from test_embed_tokens import token_of
from test_keys import issued
from worlds import ALPHA, SZSE, Principal, World, settled

from gateway.app.house import House
from gateway.app.server import application, routes
from gateway.audit.access import Access, Entries, rows_of
from gateway.audit.chain import text_of
from gateway.audit.writer import AccessLog
from gateway.catalogue import registry
from gateway.config.clock import now
from gateway.db.embedded import EmbeddedPostgres
from gateway.db.engine import make_engine
from gateway.errors import Unavailable
from gateway.http.audited import Audited
from gateway.http.metrics import REFUSED
from gateway.resolvers.query import build_schema
from gateway.schema.asked import asked_of
from gateway.tenancy.admission import Admissions
from gateway.tenancy.appending import Entry, append_alone
from gateway.tenancy.operator import open_operator
from gateway.tenancy.principal import Role
from gateway.tenancy.registered import add_document, digest_of_document

QUERY = """
query Of($vendors: [String!]) {
  users(vendors: $vendors, first: 3) { nodes { userName phone otherServices { userId } } }
}
"""
SECRET = "a secret of thirty-two characters"


@pytest.fixture
async def world(server: EmbeddedPostgres, tmp_path: Path) -> AsyncIterator[World]:
    async with settled(server, tmp_path, audit_seconds=0) as made:
        yield made


async def logged(world: World, *actions: str) -> list[dict[str, Any]]:
    """Return the entries of some actions, with their details spread out, in order."""
    admin = await asyncpg.connect(world.admin)
    try:
        rows = await admin.fetch(
            "SELECT * FROM audit_events WHERE action = ANY ($1) ORDER BY occurred_at, number",
            list(actions),
        )
    finally:
        await admin.close()
    return [{**dict(row), **json.loads(row["detail"])} for row in rows]


async def test_an_access_says_who_asked_for_what(world: World) -> None:
    variables = {"vendors": ["VENDALPHA"]}
    response = await world.client.post(
        "/graphql",
        json={"query": QUERY, "variables": variables},
        headers={
            "Authorization": f"Bearer {ALPHA.key.text}",
            "Gateway-Purpose": "季度检查".encode(),
        },
    )
    assert response.headers["gateway-execution"] == "compiled"
    nodes = response.json()["data"]["users"]["nodes"]
    (entry,) = await logged(world, "query")
    assert entry["actor"] == f"key:{ALPHA.key.prefix}"
    assert entry["holder"] == entry["vendor_id"] == (await world.scope(ALPHA)).principal.holder
    assert entry["operation"] == "Of"
    assert entry["document"] == hashlib.sha256(QUERY.encode()).hexdigest()
    assert entry["rows"] == 3 + sum(len(node["otherServices"]) for node in nodes)
    assert entry["personal"] == ["phone", "userName"]
    assert entry["purpose"] == "季度检查"
    assert entry["from"] == "127.0.0.1"
    assert (entry["outcome"], entry["role"]) == ("OK", "VENDOR_OPERATOR")
    assert 0 < entry["micros"] < 60_000_000
    assert abs((now() - entry["occurred_at"]).total_seconds()) < 60
    (scope,) = await logged(world, "scope")
    assert scope["scope"] == entry["scope"]
    assert (scope["vendors"], scope["products"]) == (["VENDALPHA"], ["增强行情KQ", "港股二级XJ"])
    digests = set[str]()
    for other in (variables, {"vendors": None}, {"vendors": ["VENDALPHA"]}):
        await world.ask(ALPHA, QUERY, **other)
    for one in await logged(world, "query"):
        digests.add(one["variables"])
        assert len(one["variables"]) == 64
    assert len(digests) == 2
    assert await damages(world.house) == []


REQUESTS: dict[str, tuple[dict[str, Any], str, int]] = {
    "compiled": ({"query": "{ users { nodes { contact } } }"}, "OK", 0),
    "executor": ({"query": "{ auditEvents { nodes { action } } }"}, "NOT_FOUND", 0),
    "introspection": ({"query": "{ __schema { queryType { name } } }"}, "OK", 0),
    "invalid": ({"query": "{ nothing }"}, "GRAPHQL_VALIDATION_FAILED", 0),
    "unreadable": ({"query": "{"}, "GRAPHQL_PARSE_FAILED", 0),
    "values": ({"query": "{ users(first: -1) { totalCount } }"}, "BAD_USER_INPUT", 0),
    "foreign": ({"query": '{ users(vendors: ["VENDBETA"]) { totalCount } }'}, "NOT_FOUND", 0),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_every_outcome_is_logged(world: World, name: str) -> None:
    body, outcome, _ = REQUESTS[name]
    await world.client.post(
        "/graphql", json=body, headers={"Authorization": f"Bearer {ALPHA.key.text}"}
    )
    (entry,) = await logged(world, "query")
    assert (entry["outcome"], entry["actor"]) == (outcome, f"key:{ALPHA.key.prefix}")
    assert entry["document"] == hashlib.sha256(body["query"].encode()).hexdigest()


async def test_who_has_no_key_is_logged_in_the_house(world: World) -> None:
    headers = {"Authorization": f"Bearer gw_{'z' * 8}_{'z' * 43}"}
    assert (
        await world.client.post("/graphql", json={"query": "{ a }"}, headers=headers)
    ).status_code == 401
    assert (await world.client.get("/exports/forged")).status_code == 404
    assert (await world.client.post("/embed/tokens", headers=headers)).status_code == 401
    entries = await these(world, 3, "query", "export.link", "embed")
    assert [(e["holder"], e["actor"], e["action"], e["outcome"]) for e in entries] == [
        (0, "anonymous", "query", "UNAUTHENTICATED"),
        (0, "anonymous", "export.link", "NOT_FOUND"),
        (0, "anonymous", "embed", "UNAUTHENTICATED"),
    ]


async def these(world: World, number: int, *actions: str) -> list[dict[str, Any]]:
    """Wait for so many entries: a refusal is written after it is told."""
    async with asyncio.timeout(10):
        while len(entries := await logged(world, *actions)) < number:
            await asyncio.sleep(0.05)
    return entries


async def test_a_key_that_may_issue_no_tokens_is_logged_with_its_holder(world: World) -> None:
    headers = {"Authorization": f"Bearer {ALPHA.key.text}"}
    before = REFUSED.labels("NOT_FOUND")._value.get()
    answer = await world.client.post("/embed/tokens", json={}, headers=headers)
    assert answer.status_code == 404
    assert REFUSED.labels("NOT_FOUND")._value.get() == before + 1
    (entry,) = await these(world, 1, "embed")
    assert (entry["actor"], entry["outcome"]) == (f"key:{ALPHA.key.prefix}", "NOT_FOUND")
    assert entry["holder"] > 0


async def spoken(
    world: World,
    key: str,
    *operations: Any,
    origin: bytes | None = None,
    purpose: str | None = None,
    leave: Callable[[], Any] | None = None,
    heard: Callable[[], Any] | None = None,
) -> list[Any]:
    """What a client hears that begins, asks all of that, and leaves when each is done, or then.

    What it is told after the beginning waits until it is `heard`.
    """
    begin = {"Authorization": f"Bearer {key}", "Gateway-Purpose": purpose}
    said: list[Any] = [{"type": "connection_init", "payload": begin}]
    said += [
        {"type": "subscribe", "id": str(number), "payload": payload}
        for number, payload in enumerate(operations)
    ]
    waiting: list[Any] = [{"type": "websocket.connect"}]
    waiting += [{"type": "websocket.receive", "text": json.dumps(one)} for one in said]
    sent: list[Any] = []

    async def receive() -> Any:
        if waiting:
            return waiting.pop(0)
        if leave is not None:
            await leave()
        else:
            done = ('"type":"complete"', '"type":"error"')
            while sum(any(end in one.get("text", "") for end in done) for one in sent) < len(
                operations
            ):
                await asyncio.sleep(0.01)
        return {"type": "websocket.disconnect", "code": 1000}

    async def send(message: Any) -> None:
        if heard is not None and len(sent) > 1:
            await heard()
        sent.append(message)

    headers = [(b"host", b"test"), *([(b"origin", origin)] if origin else [])]
    scope = {
        "type": "websocket",
        "path": "/graphql",
        "headers": headers,
        "subprotocols": ["graphql-transport-ws"],
        "client": ("192.0.2.7", 1),
        "scheme": "ws",
        "query_string": b"",
        "server": ("test", 80),
        "root_path": "",
    }
    async with asyncio.timeout(30):
        await world.app(scope, receive, send)
    return sent


async def test_each_operation_of_a_websocket_is_logged(world: World) -> None:
    named = {"query": "{ users(first: 1) { nodes { userName } } }"}
    asked: list[Any] = [named, {"query": "{ nothing }"}, {"query": 3}]
    sent = await spoken(world, ALPHA.key.text, *asked, purpose="spot check")
    (told,) = [one["text"] for one in sent if '"type":"next"' in one.get("text", "")]
    mine = await world.answer(ALPHA, named["query"])
    assert json.loads(told)["payload"]["data"] == mine
    entries = await these(world, 4, "query")
    outcomes = {one["outcome"]: one for one in entries if one["from"] == "192.0.2.7"}
    assert set(outcomes) == {"OK", "GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"}
    for one in outcomes.values():
        assert (one["actor"], one["purpose"]) == (f"key:{ALPHA.key.prefix}", "spot check")
        assert one["holder"] > 0
    good = outcomes["OK"]
    assert (good["rows"], good["personal"]) == (1, ["userName"])
    assert good["document"] == hashlib.sha256(named["query"].encode()).hexdigest()


async def test_over_a_websocket_names_are_masked_without_a_purpose(world: World) -> None:
    people = {"query": "{ users(filter: {userTypes: [INDIVIDUAL]}, first: 1) { nodes { phone } } }"}
    for purpose, masked in ((None, True), ("spot check", False)):
        sent = await spoken(world, ALPHA.key.text, people, purpose=purpose)
        (told,) = [one["text"] for one in sent if '"type":"next"' in one.get("text", "")]
        (node,) = json.loads(told)["payload"]["data"]["users"]["nodes"]
        assert ("*" in node["phone"]) == masked


@pytest.mark.parametrize("path", ["/graphql", "/session", "/session/issuers", "/nothing"])
async def test_nothing_is_answered_at_an_address_that_is_not_logged(
    world: World, path: str
) -> None:
    """A pattern's end matches before a line feed too: routers and the log have to agree."""
    headers = {"Authorization": f"Bearer {ALPHA.key.text}"}
    for end in ("%0A", "%0D", "%00", "/", "%E2%80%A8"):
        for method in ("GET", "POST", "DELETE"):
            address = f"{path}{end}?query={{__typename}}"
            body = {"query": "{ users { nodes { userId } } }"}
            answer = await world.client.request(method, address, headers=headers, json=body)
            assert (answer.status_code, "data" in answer.json()) == (404, False), address
    assert await logged(world, "query", "session", "embed", "export.link") == []


async def test_refusals_that_are_alike_fill_no_disk(house: House) -> None:
    log = AccessLog(house.service, SECRET, seconds=60)
    for number in range(3000):
        client = (f"192.0.2.{number % 2}", number)
        refused = Access({"headers": (), "client": client}, "query")
        refused.outcome = "UNAUTHENTICATED" if number % 3 else "BAD_USER_INPUT"
        refused.end(401)
        log.offer_refusal(refused)
    assert log.waiting == 16 + 2 * 2
    await log.close(5)
    connection = await asyncpg.connect(house.addresses.owner.replace("+asyncpg", ""))
    found = await connection.fetch(
        "SELECT coalesce((detail->>'times')::int, 1) FROM audit_events WHERE action = 'query'"
    )
    await connection.close()
    times = [one[0] for one in found]
    assert (len(times), sum(times), log.dropped) == (20, 3000, 0)


async def test_what_can_not_be_logged_is_not_answered(house: House) -> None:
    log = AccessLog(house.service, SECRET, seconds=0.05)
    unspeakable = access(house)
    unspeakable.outcome = "\ud800"
    with pytest.raises(Unavailable, match="can't be logged"):
        await log.put(unspeakable)
    log.offer_refusal(unspeakable)
    assert (log.waiting, log.dropped) == (0, 2)


async def test_what_passes_by_is_no_verdict_of_a_credential(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise unreachable

    unreachable = Unavailable("the database does not answer", "数据库没有应答")
    monkeypatch.setattr(Admissions, "admit", away)
    assert (await spoken(world, ALPHA.key.text))[-1]["code"] == 1013
    (entry,) = await these(world, 1, "query")
    assert entry["outcome"] == "UNAVAILABLE"


async def test_an_embed_token_is_bound_over_a_websocket_too(world: World) -> None:
    """To its origins, its vendor's registered documents, and its own purpose."""
    page, document = "https://portal.example", "{ users(first: 1) { nodes { phone } } }"
    async with open_operator(world.house.security, "test") as session:
        number = await registry.vendor_id(session, ALPHA.code)
        await add_document(session, number, "page", document)
    portal = await issued(world, Role.VENDOR_PORTAL)
    token = await token_of(world.client, portal.text, origins=[page])
    assert (await spoken(world, token))[-1]["code"] == 4403
    asked = [{"query": document}, {"documentId": f"sha256:{digest_of_document(document)}"}]
    other = {"query": "{ users(first: 1) { nodes { userId } } }"}
    sent = await spoken(world, token, *asked, other, origin=page.encode(), purpose="of no use")
    told = [json.loads(one["text"]) for one in sent if "text" in one]
    answers = [one["payload"]["data"] for one in told if one["type"] == "next"]
    assert answers == [answers[0]] * 2
    assert answers[0]["users"]["nodes"][0]["phone"].startswith("****")
    (refused,) = [one for one in told if one["type"] == "error"]
    assert refused["id"] == "2"
    assert refused["payload"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_answers_that_nobody_reads_are_no_more_than_may_run(
    server: EmbeddedPostgres, tmp_path: Path
) -> None:
    """Each waits to be sent, whole, and no limit counts it any more."""
    told, most, reading = 0, 0, asyncio.Event()

    async def heard() -> None:
        nonlocal told, most
        told += 1
        most = max(most, told)
        await reading.wait()
        told -= 1

    async def read() -> None:
        while told < 4:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        reading.set()

    query = {"query": "{ users { nodes { userId } } }"}
    async with settled(server, tmp_path, operations_at_once=3) as world:
        reader = asyncio.create_task(asyncio.wait_for(read(), 30))
        sent = await spoken(world, ALPHA.key.text, *[query] * 9, heard=heard)
        await reader
    assert most == 4  # three answers and the refusal of a fourth, after which nothing is taken
    errors = [one["text"] for one in sent if '"type":"error"' in one.get("text", "")]
    assert errors
    assert all('"code":"RATE_LIMITED"' in one for one in errors)


def following(url: str) -> dict[str, Any]:
    """The ASGI scope of a request for a download."""
    path = httpx.URL(url).raw_path
    found = {"type": "http", "method": "GET", "path": path.decode(), "raw_path": path}
    more = {"query_string": b"", "root_path": "", "scheme": "http", "server": ("test", 80)}
    return {**found, **more, "headers": [(b"host", b"test")], "http_version": "1.1"}


async def test_who_leaves_without_an_answer_is_logged(
    server: EmbeddedPostgres, world: World
) -> None:
    query = {"query": "{ users { nodes { userId } } }"}
    url = await world.link(ALPHA)
    async with locked(server, world.house) as other:

        async def leave() -> Any:
            await until_there(lambda: waiting(other), 1)
            return {"type": "http.disconnect"}

        await spoken(world, ALPHA.key.text, query, leave=leave)
        await until_there(lambda: waiting(other), 0)
        body = [{"type": "http.request", "body": json.dumps(query).encode()}]

        async def receive() -> Any:
            return body.pop() if body else await leave()

        async def send(_: Any) -> None:
            pytest.fail("nobody is there")

        headers = [(b"host", b"test"), (b"content-type", b"application/json")]
        headers.append((b"authorization", f"Bearer {ALPHA.key.text}".encode()))
        scope = {"type": "http", "method": "POST", "path": "/graphql", "query_string": b""}
        await world.app({**scope, "headers": headers}, receive, send)
        await until_there(lambda: waiting(other), 0)
        await world.app(following(url), leave, send)
    entries = await these(world, 2, "query")
    (cut,) = await these(world, 1, "export.users.cut")
    assert (cut["outcome"], cut["size"]) == ("GONE", 0)
    assert await logged(world, "export.link") == []  # its start and its end say it already
    entries = [one for one in entries if one["outcome"] != "OK"]
    assert len(entries) == 2
    for one in entries:
        assert (one["actor"], one["outcome"]) == (f"key:{ALPHA.key.prefix}", "GONE")
        assert one["micros"] > 0


@pytest.mark.parametrize(
    ("key", "origin", "actor", "outcome"),
    [
        (f"gw_{'z' * 8}_{'z' * 43}", None, "anonymous", "UNAUTHENTICATED"),
        (ALPHA.key.text, b"https://evil.example", f"key:{ALPHA.key.prefix}", "FORBIDDEN"),
    ],
)
async def test_a_websocket_that_may_not_begin_is_logged(
    world: World, key: str, origin: bytes | None, actor: str, outcome: str
) -> None:
    sent = await spoken(world, key, origin=origin)
    assert sent[-1]["code"] == 4403
    (entry,) = await these(world, 1, "query")
    assert (entry["actor"], entry["outcome"]) == (actor, outcome)


async def test_a_download_says_from_where_and_what_for(world: World) -> None:
    url = await replace(world, purpose="spot check").link(SZSE)
    response = await world.client.get(url, headers={"Gateway-Purpose": "another"})
    entries = await logged(world, "export.users.complete")
    # of one that is cut, what it has told is known all the same
    personal = ["address", "contact", "phone", "userName"]
    for entry in (*entries, *await logged(world, "export.users.start")):
        assert entry["personal"] == personal
    holders = {entry["holder"] for entry in entries}
    own = (await world.scope(SZSE)).principal.holder
    assert own < 0
    assert holders == {own, *(await world.scope(SZSE)).vendors}
    digest = hashlib.sha256(response.content).hexdigest()
    for entry in entries:
        assert (entry["from"], entry["purpose"]) == ("127.0.0.1", "spot check")
        assert entry["sha256"] == digest
        # how large it is, tells of others: it is for the one who has it alone
        of_it = (response.content.count(b"\n"), len(response.content), True)
        known = (entry.get("rows"), entry.get("size"), entry.get("micros", 0) > 0)
        assert known == (of_it if entry["holder"] == own else (None, None, False))
    assert await damages(world.house) == []


async def test_both_ways_count_the_same_rows_and_fields(world: World) -> None:
    documents = [
        "{ users { nodes { userId history { userName } } edges { node { address } } } }",
        '{ vendor(code: "VENDALPHA") { name } vendors { nodes { name } } }',
        '{ a: vendor(code: "NOBODY") { name } viewer { rights vendors { code } } }',
        '{ monthlyStats(from: "2024-01", to: "2024-06") { delimited totals { year } '
        "nodes { users(first: 2) { nodes { userName } download { url } } } } }",
        "{ users { totalCount lines: delimited } }",
        "query Q { ...F } fragment F on Query { users(first: 1) { ...G } } "
        "fragment G on UserConnection { nodes { product { name } contact } }",
        '{ users(filter: {search: "nobody at all"}) { nodes { userName } } }',
    ]  # fmt: skip
    for document in documents:
        for app in (application(world.house), Bare(world.house)):
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                answer = await client.post(
                    "/graphql",
                    json={"query": document},
                    headers={"Authorization": f"Bearer {ALPHA.key.text}", "Gateway-Purpose": "x"},
                )
                assert "errors" not in answer.json(), answer.text
        one, other = (await logged(world, "query"))[-2:]
        for field in ("rows", "personal", "document", "operation", "scope"):
            assert one.get(field) == other.get(field), (document, field)
        data = answer.json()["data"]
        found = rows_of(data, asked_of(build_schema()._schema, document, None))
        assert one["rows"] == found, document
    empty = {one["document"] for one in await logged(world, "query") if one.get("rows") == 0}
    assert empty == {hashlib.sha256(documents[-1].encode()).hexdigest()}


def Bare(house: House) -> Any:
    """The log in front of the executor alone."""

    return Audited(house.accesses, routes(house, build_schema()))


@settings(max_examples=40, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1)
        | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), inner, max_size=3),
        max_leaves=8,
    )
)  # fmt: skip
def test_what_is_stored_reads_as_it_was_hashed(value: Any) -> None:
    detail = {"x": value}
    text = text_of(now(), "a", "b", detail)
    assert orjson.loads(text)["detail"] == detail
    assert text_of(now(), "a", "b", orjson.loads(text)["detail"])[:20] == text[:20]


async def test_any_detail_verifies_after_its_way_through_the_database(house: House) -> None:
    holder = (await filled(house, 1))["LEDGER1"]
    odd: list[Any] = [
        {"z": 1, "aa": [True, None, {"b": "é", "a": "\u2028"}], "": "", "名": "龘", "A": -(2**63)},
        {"long": "x" * 100_000, "quote": '"\\/\b\f\n\r\t', "emoji": "🀄", "int": 2**63 - 1},
        {}, {"a": {}}, {"a": []}, {"key\\": {'"': "\x7f\x01"}},
    ]  # fmt: skip
    await append_alone(
        house.service, [Entry(holder, text_of(now(), "a\"'\\", "b", one)) for one in odd]
    )
    assert await damages(house) == []


def test_personal_data_are_told_by_name() -> None:
    schema = build_schema()._schema
    told = {
        "{ users { nodes { userId userType } } }": (),
        "{ users { nodes { userName } edges { node { phone } } } }": ("phone", "userName"),
        "{ users(orderBy: {field: USER_NAME}) { pageInfo { endCursor } } }": ("userName",),
        "{ users(orderBy: {field: USER_NAME}) { nodes { userId } } }": (),
        "{ users(orderBy: {field: USER_ID}) { edges { cursor } } }": (),
        '{ findings(from: "2024-01") { edges { cursor } } }': (
            *("address", "contact", "phone", "userName"),
        ),
        '{ findings(from: "2024-01") { pageInfo { hasNextPage } } }': (),
        "{ licences { pageInfo { endCursor } } users(orderBy: {field: USER_NAME}) { totalCount } }": (),
        "query($o: [UserOrder!] = [{field: USER_NAME}]) "
        "{ users(orderBy: $o) { edges { cursor } } }": ("userName",),
        "{ users { delimited } }": ("address", "contact", "phone", "userName"),
        '{ node(id: "x") { ... on User { address } } }': ("address",),
        '{ changes(vendor: "V", from: "2024-01-01T00:00:00Z") { nodes { fields { after } } } }': (
            *("address", "contact", "phone", "userName"),
        ),
        '{ changes(vendor: "V", from: "2024-01-01T00:00:00Z") { nodes { before { contact } } } }': (
            "contact",
        ),
        "{ users { nodes { ...A } } } fragment A on User { history { ...B } } "
        "fragment B on UserVersion { phone }": ("phone",),
    }
    for document, fields in told.items():
        assert asked_of(schema, document, None).personal == fields, document


async def test_a_cursor_of_a_list_by_name_is_personal(world: World) -> None:
    edges = "query($o: [UserOrder!]) { users(orderBy: $o) { edges { cursor } } }"
    ends = """query($f: UserOrderField = USER_ID) {
        users(first: 1, orderBy: {field: $f}) { pageInfo { ...P } } }
        fragment P on PageInfo { endCursor }"""
    findings = '{ findings(first: 1, from: "2024-01", to: "2024-06") { pageInfo { endCursor } } }'
    everything = ["address", "contact", "phone", "userName"]
    by_name = [{"field": "START_DATE"}, {"field": "USER_NAME"}]
    cases: list[tuple[Principal, str, dict[str, Any], list[str] | None]] = [
        (ALPHA, edges, {}, None),
        (ALPHA, edges, {"o": [{"field": "USER_ID"}]}, None),
        (ALPHA, edges, {"o": by_name}, ["userName"]),
        (ALPHA, ends, {}, None),
        (ALPHA, ends, {"f": "USER_NAME"}, ["userName"]),
        (SZSE, findings, {}, everything),
    ]
    for app in (world.app, Bare(world.house)):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            asking = replace(world, client=client)
            for who, document, variables, noted in cases:
                await asking.answer(who, document, **variables)
                entry = (await logged(world, "query"))[-1]
                assert entry.get("personal") == noted, (document, variables)


# The queue


class Gate:
    """A database that can be taken away, in the place of an engine's address."""

    def __init__(self, house: House) -> None:
        self.there = house.service
        self.gone = make_engine("postgresql://nobody:x@127.0.0.1:1/none", role=None)


def access(house: House) -> Access:
    found = Access({"headers": (), "client": ("10.0.0.1", 1)}, "query")
    found.end(200)
    return found


async def count(house: House) -> int:
    connection = await asyncpg.connect(house.addresses.owner.replace("+asyncpg", ""))
    try:
        await connection.execute("SET ROLE gateway_auditor")
        return int(
            await connection.fetchval("SELECT count(*) FROM audit_events WHERE action = 'query'")
        )
    finally:
        await connection.close()


async def test_many_accesses_are_written_in_few_batches(house: House) -> None:
    log = AccessLog(house.service, SECRET, seconds=0.2)
    for _ in range(2500):
        await log.put(access(house))
    assert log.waiting == 2500
    await log.close(5)
    assert (await count(house), log.waiting, log.dropped) == (2500, 0, 0)
    assert await damages(house) == []


async def test_what_waits_is_written_in_time_without_being_told(house: House) -> None:
    log = AccessLog(house.service, SECRET, seconds=0.1)
    await log.put(access(house))
    assert await count(house) == 0
    await asyncio.sleep(1)
    assert await count(house) == 1
    await log.close(5)


async def test_a_full_queue_makes_answers_wait_and_then_refuses_them(house: House) -> None:
    gate = Gate(house)
    log = AccessLog(gate.gone, SECRET, seconds=0.05, most=3, patience=0.3)
    for _ in range(3):
        await log.put(access(house))
    with pytest.raises(Unavailable, match="audit log"):
        await log.put(access(house))
    log.offer_refusal(access(house))
    assert (log.waiting, log.dropped) == (3, 1)
    waiting = asyncio.create_task(log.put(access(house)))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    log._engine = gate.there
    log._patience = 10
    late = asyncio.create_task(log.put(access(house)))
    await late
    with pytest.raises(Unavailable):
        await waiting
    await log.close(5)
    assert await count(house) == 4
    assert await damages(house) == []
    await gate.gone.dispose()


async def test_a_database_that_stays_away_costs_what_is_left_at_the_end(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate(house)
    log = AccessLog(gate.gone, SECRET, seconds=0.05)
    await log.put(access(house))
    await log.close(0.1)
    assert (log.dropped, await count(house)) == (1, 0)
    assert "loses 1 entries" in caplog.text
    await gate.gone.dispose()


async def test_synchronous_answers_are_committed_or_refused(house: House) -> None:
    gate = Gate(house)
    log = AccessLog(house.service, SECRET, seconds=0)
    await asyncio.gather(*(log.put(access(house)) for _ in range(50)))
    assert await count(house) == 50
    log._engine = gate.gone
    with pytest.raises(Unavailable):
        await log.put(access(house))
    log._engine = gate.there
    await log.put(access(house))
    assert await count(house) == 51
    await log.close(5)
    await gate.gone.dispose()


async def test_an_entry_that_can_not_be_stored_does_not_stop_the_others(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    log = AccessLog(house.service, SECRET, seconds=0.05)
    bad = access(house)
    bad.outcome = "a NUL: \0"
    for one in (access(house), bad, access(house)):
        await log.put(one)
    await log.close(5)
    assert (await count(house), log.dropped) == (2, 1)
    assert "a NUL" not in caplog.text
    assert await damages(house) == []


async def test_an_answer_that_can_not_be_logged_is_not_given(world: World) -> None:
    gate = Gate(world.house)
    log = AccessLog(gate.gone, SECRET, seconds=0)
    app = application(replace(world.house, accesses=log))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for accept, told in (("en", "audit log"), ("zh", "数据库没有应答")):
            answer = await client.post(
                "/graphql",
                json={"query": "{ users { nodes { userName } } }"},
                headers={"Authorization": f"Bearer {ALPHA.key.text}", "Accept-Language": accept},
            )
            assert answer.status_code == 503
            assert answer.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
            assert "nodes" not in answer.text
            assert told in answer.text or "database" in answer.text
    await log.close(1)
    await gate.gone.dispose()


async def test_several_writers_share_chains(house: House) -> None:
    numbers = await filled(house, 1)
    entries = [
        Entry(number, text_of(now(), "key:x", "query", {"n": i}))
        for i in range(20)
        for number in numbers.values()
    ]
    await asyncio.gather(*(append_alone(house.service, entries) for _ in range(4)))
    assert await damages(house) == []
    connection = await asyncpg.connect(house.addresses.owner.replace("+asyncpg", ""))
    try:
        await connection.execute("SET ROLE gateway_auditor")
        rows = await connection.fetch(
            "SELECT holder, count(*), max(number) FROM audit_events GROUP BY 1"
        )
    finally:
        await connection.close()
    assert {row[0]: (row[1], row[2]) for row in rows} == dict.fromkeys(numbers.values(), (81, 81))


# What is in no log


async def test_no_log_holds_personal_data(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Searches, answers, faults and refusals: neither the table nor the server's log shows any."""
    caplog.set_level(logging.DEBUG)
    personal = ["名alphaKQ甲", "址alphaKQ路", "联alphaKQ", "alphaKQ-0", "秘密的名字"]
    documents = [
        '{ users(filter: {userName: {equals: "名alphaKQ甲"}}) { nodes { userName contact } } }',
        '{ users(filter: {search: "秘密的名字"}) { nodes { phone } } }',
        '{ users(filter: {userName: {equals: "秘密的名字"}}, first: -1) { nodes { phone } } }',
        '{ users(vendors: ["秘密的名字"]) { delimited } }',
        '{ node(id: "秘密的名字") { id } broken: nothing(a: "秘密的名字") }',
        "{ users { delimited nodes { history { address } } } }",
    ]
    for document in documents:
        await world.ask(ALPHA, document)
        await world.ask(
            ALPHA,
            "query($n: String) { users(filter: {search: $n}) { totalCount } }",
            n="秘密的名字",
        )
    await world.file(
        await world.link(ALPHA, '{ users(filter: {search: "名alpha"}) { download { url } } }')
    )
    stored = json.dumps(
        [str(row) for row in (await world.contents())["audit_events"]], ensure_ascii=False
    )
    assert "export.users.complete" in stored
    said = caplog.text
    for word in personal:
        assert word not in stored
        assert word not in said


# Killed and stopped


async def _entries(place: Place) -> int:
    async with place.house() as house:
        assert await damages(house) == []
        return await count(house)


async def _ask(port_line: str, key: str, times: int) -> None:
    address = port_line.split("serving on ")[1].strip()
    async with httpx.AsyncClient() as client:
        for _ in range(times):
            answer = await client.post(
                address,
                json={"query": "{ viewer { name } }"},
                headers={"Authorization": f"Bearer {key}"},
            )
            assert answer.status_code == 200


async def _served(place: Place, end: int, **more: str) -> int:
    """Serve, ask three times, end the server by a signal at once, and count what is logged."""
    made = await place.run("key", "issue", "--licensor", "SZSEINFO", "--role", "analyst")
    process = await place.start("serve", **more)
    assert process.stderr is not None
    line = ""
    while "serving on" not in line:
        line = (await process.stderr.readline()).decode()
        assert line
    await _ask(line, made.out.decode().strip(), 3)
    os.kill(process.pid, end)
    if end == signal.SIGKILL:
        await until(lambda: process.returncode is not None, process)
        await kill(process)
        place.kill_postgres()
    else:
        assert (await ended(process)).code == 0
    return await _entries(place)


async def test_a_server_that_is_stopped_writes_what_waits() -> None:
    place = Place()
    try:
        assert await _served(place, signal.SIGTERM, GATEWAY_AUDIT_SECONDS="60") == 3
    finally:
        place.remove()


async def test_a_server_that_is_killed_loses_what_waits_and_nothing_else() -> None:
    place = Place()
    try:
        assert await _served(place, signal.SIGKILL, GATEWAY_AUDIT_SECONDS="60") == 0
        assert await _served(place, signal.SIGKILL, GATEWAY_AUDIT_SECONDS="0") == 3
    finally:
        place.remove()


def test_entries_are_keyed_by_the_secret() -> None:
    one = Access({"headers": ()}, "query")
    one.variables = {"search": "甲"}
    one.end(200)
    texts = {Entries(secret).of(one)[0].text for secret in (SECRET, SECRET[::-1])}
    assert len(texts) == 2
