"""Attacks by hand: one tenant's ids, cursors, names, terms and links in another's requests."""

import base64
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from worlds import (
    ALPHA,
    BASIC,
    BETA,
    BETWEEN,
    ENHANCED,
    FUTURES,
    HKEX,
    PRINCIPALS,
    STOCKS,
    SZSE,
    USERS,
    Principal,
    World,
    revealed,
    sealed,
    sign,
    unsealed,
)

from gateway.app.server import routes
from gateway.catalogue import registry
from gateway.errors import Refused
from gateway.exports.links import Links
from gateway.exports.requests import UserExport
from gateway.exports.stream import Form
from gateway.intake.problems import BadLine
from gateway.intake.run import Mode, import_users
from gateway.intake.sources import FileSource
from gateway.resolvers.query import build_schema
from gateway.tenancy.issue import Holder, issue, revoke
from gateway.tenancy.operator import open_operator
from gateway.tenancy.principal import Role

NODE = "query($id: ID!) { node(id: $id) { id ... on User { userName history { userName } } } }"
TENANTS = pytest.mark.parametrize("who", PRINCIPALS, ids=[who.code for who in PRINCIPALS])
ABSENT = "NOSUCHNAME"
RANDOM = settings(
    deadline=None,
    max_examples=35,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def silent(who: Principal, text: str) -> bool:
    """Whether a text tells nothing that is foreign to a principal."""
    shown = revealed(text)
    return not [word for word in who.canaries if word in shown]


# Ids


async def ids_of(market: World, who: Principal) -> set[str]:
    data = await market.answer(
        who,
        "{ users(first: 100) { nodes { id } } vendors { nodes { id } } products { nodes { id } } }",
    )
    return {node["id"] for part in data.values() for node in part["nodes"]}


@TENANTS
async def test_a_foreign_id_is_like_one_that_never_was(market: World, who: Principal) -> None:
    absent = await market.ask(who, NODE, id=sealed(["User", who.pairs[0][0], 10**9]))
    assert absent.json()["data"] == {"node": None}
    own = await ids_of(market, who)
    every = set().union(*[await ids_of(market, other) for other in PRINCIPALS])
    assert len(every - own) > 5
    for node in own:
        assert (await market.answer(who, NODE, id=node))["node"]["id"] == node
    async with market.unchanged():
        for node in every - own:
            answer = await market.ask(who, NODE, id=node)
            assert (answer.content, answer.headers) == (absent.content, absent.headers)


_BYTES = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 255)), min_size=1, max_size=3)


@RANDOM
@given(which=st.integers(0, 100), changes=_BYTES)
async def test_a_tampered_id_tells_nothing(
    market: World, which: int, changes: list[tuple[int, int]]
) -> None:
    foreign = sorted(await ids_of(market, BETA))
    raw = bytearray(base64.urlsafe_b64decode(foreign[which % len(foreign)] + "=="))
    for place, value in changes:
        raw[place % len(raw)] = value
    answer = await market.ask(ALPHA, NODE, id=base64.urlsafe_b64encode(bytes(raw)).decode())
    node = answer.json()["data"]["node"]
    assert node is None or node["id"] in await ids_of(market, ALPHA)
    assert silent(ALPHA, answer.text)


# Cursors

LISTS = {
    "users": "query($c: String) { users(first: 3, after: $c) "
    "{ pageInfo { endCursor } nodes { id userName } totalCount } }",
    "users before": "query($c: String) { users(last: 3, before: $c) "
    "{ pageInfo { endCursor } nodes { id userName } totalCount } }",
    "monthlyStats": 'query($c: String) { monthlyStats(from: "2024-01", to: "2024-06", first: 3, '
    "after: $c) { pageInfo { endCursor } nodes { vendor { name } fullPriceCount } totalCount } }",
}


@pytest.mark.parametrize("query", LISTS.values(), ids=LISTS)
async def test_a_foreign_cursor_is_like_a_broken_one(market: World, query: str) -> None:
    given_to_beta = (await market.answer(BETA, query)).popitem()[1]["pageInfo"]["endCursor"]
    assert "errors" not in (await market.ask(BETA, query, c=given_to_beta)).json()
    order, place = unsealed(given_to_beta)
    absent = [ABSENT if value == "VENDBETA" else value for value in place]
    async with market.unchanged():
        told = [
            await market.ask(ALPHA, query, c=c) for c in (given_to_beta, sealed([order, absent]))
        ]
    assert told[0].json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert told[0].content == told[1].content
    broken = await market.errors(ALPHA, query, c="x" + given_to_beta)
    assert broken == told[0].json()["errors"]


@pytest.mark.parametrize("kind", ["vendors", "products"])
async def test_a_foreign_name_in_a_cursor_is_a_mere_place(market: World, kind: str) -> None:
    query = f"query($c: String) {{ {kind}(after: $c) {{ nodes {{ name }} totalCount }} }}"
    name = "VENDBETA" if kind == "vendors" else FUTURES
    order = [f"{'CODE' if kind == 'vendors' else 'NAME'} ASC"]
    foreign = await market.ask(ALPHA, query, c=sealed([order, [name]]))
    beside = await market.ask(ALPHA, query, c=sealed([order, [f"{name}\u0001"]]))
    assert foreign.content == beside.content
    assert silent(ALPHA, foreign.text)


_VALUE = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
_VALUE |= st.sampled_from(["VENDALPHA", "VENDBETA", "szse.betaKQ.001", "2024-01-01", "infinity"])
_VALUE |= st.sampled_from(["1e999999999", 2**31, 2**63, -(2**31) - 1]) | st.just([]) | st.just({})


@RANDOM
@given(
    query=st.sampled_from(sorted(LISTS.values())),
    changes=st.dictionaries(st.integers(0, 9), _VALUE, min_size=1, max_size=3),
)
async def test_a_tampered_cursor_tells_nothing(
    market: World, query: str, changes: dict[int, Any]
) -> None:
    (page,) = (await market.answer(ALPHA, query)).values()
    order, place = unsealed(page["pageInfo"]["endCursor"])
    for at, value in changes.items():
        place[at % len(place)] = value
    text = base64.urlsafe_b64encode(json.dumps([order, place]).encode()).decode()
    answer = await market.ask(ALPHA, query, c=text)
    assert silent(ALPHA, answer.text)
    if answer.json()["data"] is not None:
        (found,) = answer.json()["data"].values()
        assert found["totalCount"] == page["totalCount"]


@pytest.mark.parametrize("number", [-(2**31) - 1, -1, 0, 2**31, 2**62])
async def test_any_number_in_a_cursor_is_a_mere_place(market: World, number: int) -> None:
    cursor = sealed([["USER_ID ASC", "VENDOR ASC", "ID ASC"], ["zzz", "VENDALPHA", number]])
    data = await market.answer(ALPHA, LISTS["users"], c=cursor)
    assert data["users"]["nodes"] == []
    assert data["users"]["totalCount"] == 6


# Names

NAMED = {
    "users": 'users(vendors: ["{vendor}"]) { totalCount }',
    "users, with an own one": 'users(vendors: ["VENDALPHA", "{vendor}"]) { totalCount }',
    "filter": 'users(filter: {products: ["{product}"]}) { totalCount }',
    "monthlyStats": 'monthlyStats(vendors: ["{vendor}"]) { totalCount }',
    "totals": 'monthlyStats(vendors: ["{vendor}"]) { totals(by: [VENDOR]) { newCount } }',
    "totals, product": 'monthlyStats(products: ["{product}"]) { totals(by: []) { newCount } }',
    "monthlyStats, product": 'monthlyStats(products: ["{product}"]) { totalCount }',
    "drill-down": 'monthlyStats { nodes { users(filter: {products: ["{product}"]}) '
    "{ totalCount } } }",
    "vendor": 'vendor(code: "{vendor}") { name }',
    "search of vendors": 'vendors(search: "{vendor}") { totalCount nodes { name } }',
    "search of products": 'products(search: "{product}") { totalCount nodes { name } }',
    "search of users": 'users(filter: {search: "{vendor}"}) { totalCount }',
}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("query", NAMED.values(), ids=NAMED)
async def test_a_foreign_name_is_like_one_that_never_was(
    market: World, query: str, language: str
) -> None:
    async def told(vendor: str, product: str) -> str:
        text = "{ " + query.replace("{vendor}", vendor).replace("{product}", product) + " }"
        response = await market.client.post(
            "/graphql",
            json={"query": text},
            headers={"Authorization": f"Bearer {ALPHA.key.text}", "Accept-Language": language},
        )
        assert response.status_code == 200
        return response.text.replace(vendor, "…").replace(product, "…")

    async with market.unchanged():
        assert await told("VENDBETA", FUTURES) == await told("VENDXXXX", "港股期货XX")
        assert await told("VENDGAMMA", BASIC) == await told("VENDXXXXX", "基本行情XX")


@pytest.mark.parametrize("who", [SZSE, HKEX], ids=["SZSEINFO", "HKEX"])
async def test_a_licensor_can_not_name_what_is_not_its_own(market: World, who: Principal) -> None:
    vendor, product = ("VENDGAMMA", STOCKS) if who is SZSE else ("VENDDELTA", ENHANCED)
    for asked in ("users", "monthlyStats"):
        query = f"query($v: [String!]) {{ {asked}(vendors: $v) {{ totalCount }} }}"
        (error,) = await market.errors(who, query, v=[vendor])
        assert error["extensions"] == {"code": "NOT_FOUND", "argument": "vendors"}
        assert error["message"] == f"vendor '{vendor}' not found"
    query = "query($p: [String!]) { users(filter: {products: $p}) { totalCount } }"
    (error,) = await market.errors(who, query, p=[product])
    assert error["extensions"]["code"] == "NOT_FOUND"


# Terms


def conditions(term: str) -> list[dict[str, Any]]:
    """Filters by a term."""
    return [
        {"search": term},
        *(
            {name: {how: term}}
            for name in ("userId", "userName")
            for how in ("startsWith", "contains")
        ),
    ]


@pytest.mark.parametrize(
    "term",
    [
        *("%", "_", "\\", "'", '"', "''", "\\'", "$1", ":x", "{}", "a%", "szse_alphaKQ", "szse%"),
        *(".*", "[s]", "' OR '1'='1", "') OR true --", "x" * 100_000, "\u202e", "\x01", "😀"),
    ],
    ids=lambda term: ascii(term)[:20],
)
async def test_a_term_is_taken_literally(market: World, term: str) -> None:
    for condition in (
        {"search": term},
        {"userId": {"startsWith": term}},
        {"userName": {"contains": term}},
    ):
        query = "query($f: UserFilter) { users(filter: $f) { totalCount nodes { userId } } }"
        data = await market.answer(ALPHA, query, f=condition)
        assert data == {"users": {"totalCount": 0, "nodes": []}}


async def test_the_empty_term_opens_no_more_than_the_scope(market: World) -> None:
    query = "query($f: UserFilter) { users(filter: $f) { totalCount } }"
    every = await market.answer(ALPHA, query)
    assert every["users"]["totalCount"] > 0
    for condition in (
        {"search": ""},
        {"userId": {"contains": ""}},
        {"userName": {"startsWith": ""}},
    ):
        assert await market.answer(ALPHA, query, f=condition) == every


@pytest.mark.parametrize("term", ["\0", "a\0b", "\ud800"], ids=ascii)
async def test_a_term_that_is_no_text_is_refused_or_matches_nothing(
    market: World, term: str
) -> None:
    for condition in conditions(term):
        query = "query($f: UserFilter) { users(filter: $f) { totalCount } }"
        response = await market.client.post(
            "/graphql",
            content=json.dumps({"query": query, "variables": {"f": condition}}),
            headers={
                "Authorization": f"Bearer {ALPHA.key.text}",
                "Gateway-Purpose": "test",
                "Content-Type": "application/json",
            },
        )
        codes = [error["extensions"]["code"] for error in response.json().get("errors", [])]
        assert codes == ["BAD_USER_INPUT"] or response.json()["data"]["users"]["totalCount"] == 0


# Time


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        ("1990-01-01T00:00:00Z", 0),
        ("2024-05-31T23:59:59.999999Z", 0),
        ("2024-06-01T00:00:00Z", 5),
        ("2024-06-01T00:01:00Z", 8),
        ("2024-06-01T03:00:00Z", 8),
        ("2024-06-01T04:00:00Z", 7),
        ("2024-06-01T04:01:00Z", 6),
        (BETWEEN, 6),
    ],
)
async def test_at_any_instant_there_are_own_rows_only(
    market: World, instant: str, expected: int
) -> None:
    query = (
        "query($at: DateTime) { users(asOf: $at, first: 100) "
        "{ totalCount nodes { userName vendor { code } history { userName } } } }"
    )
    answer = await market.ask(ALPHA, query, at=instant)
    assert answer.json()["data"]["users"]["totalCount"] == expected
    assert silent(ALPHA, answer.text)


@pytest.mark.parametrize("instant", ["2999-01-01T00:00:00Z", "2024-06-01T00:00:00"])
async def test_an_instant_that_is_none_is_refused(market: World, instant: str) -> None:
    (error,) = await market.errors(
        ALPHA, "query($at: DateTime) { users(asOf: $at) { totalCount } }", at=instant
    )
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


# Download links


async def followed(world: World, url: str) -> httpx.Response:
    return await world.client.get(url)


async def test_a_link_gives_the_askers_rows_only(market: World) -> None:
    told = await market.file(await market.link(ALPHA))
    for pair in USERS:
        assert (sign(*pair) in told) == (pair in ALPHA.pairs)
    assert silent(ALPHA, told)


async def test_a_link_closes_with_its_key(own: World) -> None:
    url, kept = await own.link(ALPHA), await own.link(BETA)
    assert (await followed(own, url)).status_code == 200
    async with open_operator(own.house.security, "test") as session:
        await revoke(session, ALPHA.key.prefix)
    async with own.unchanged():
        refused = await followed(own, url)
        assert (refused.status_code, silent(BETA, refused.text)) == (401, True)
        assert refused.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert (await followed(own, kept)).status_code == 200


async def test_a_link_shrinks_and_grows_with_its_keys_scope(own: World, tmp_path: Path) -> None:
    """The key's present scope applies, not that of the moment at which the link was made."""
    url = await own.link(SZSE)
    assert "gammaZW" not in (await followed(own, url)).text
    async with open_operator(own.house.operator, "test") as session:
        scope = await session.scope()
    path = tmp_path / "gamma.txt"
    path.write_text(f"u||gammaZW||个人||全价用户||20240101||0||{BASIC}||Web||a||b||c\n")
    await import_users(
        own.house.service, scope, "VENDGAMMA", FileSource(path), Mode.DELTA, report=print
    )
    told = (await followed(own, url)).text
    assert "gammaZW" in told
    assert "gammaVY" not in told


async def test_an_altered_link_is_none(market: World) -> None:
    url = await market.link(ALPHA)
    head, _, token = url.rpartition("/")
    raw = base64.urlsafe_b64decode(token)
    absent = await followed(market, f"{head}/x")
    assert absent.status_code == 404
    async with market.unchanged():
        for place in range(len(raw)):
            altered = bytes([*raw[:place], raw[place] ^ 1, *raw[place + 1 :]])
            answer = await followed(market, f"{head}/{base64.urlsafe_b64encode(altered).decode()}")
            assert (answer.status_code, answer.content) == (404, absent.content)
        for cut in (token[:-1], token[4:], token[:40], token + "AAAA", token.swapcase()):
            assert (await followed(market, f"{head}/{cut}")).status_code == 404


async def test_an_expired_link_is_none(market: World, monkeypatch: pytest.MonkeyPatch) -> None:
    import time  # noqa: PLC0415 (what the seal's clock is)

    url = await market.link(ALPHA)
    assert (await followed(market, url)).status_code == 200
    late = time.time() + market.house.settings.link_seconds + 1
    monkeypatch.setattr("cryptography.fernet.time", SimpleNamespace(time=lambda: late))
    async with market.unchanged():
        refused = await followed(market, url)
        assert refused.status_code == 404
        assert silent(ALPHA, refused.text)


async def test_a_link_of_another_gateway_is_none(market: World) -> None:
    forged, _ = Links("x" * 32, 600).seal(BETA.key.prefix, UserExport(), Form())
    async with market.unchanged():
        assert (await followed(market, f"http://test/exports/{forged}")).status_code == 404


@pytest.mark.parametrize("export", [UserExport(("VENDBETA",)), UserExport(None, (FUTURES,))])
async def test_even_a_sealed_link_does_not_leave_the_keys_scope(
    market: World, export: UserExport
) -> None:
    token, _ = market.house.links.seal(ALPHA.key.prefix, export, Form())
    async with market.unchanged():
        refused = await followed(market, f"http://test/exports/{token}")
        assert refused.status_code == 404
        assert refused.json()["errors"][0]["extensions"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_a_link_is_read_only(market: World, method: str) -> None:
    url = await market.link(ALPHA)
    async with market.unchanged():
        assert (await market.client.request(method, url)).status_code == 405


async def test_without_the_right_there_is_no_link(own: World) -> None:
    async with open_operator(own.house.security, "test") as session:
        holder = Holder(vendor_id=await registry.vendor_id(session, "VENDALPHA"))
        portal, _ = await issue(session, holder, Role.VENDOR_PORTAL, days=None)
    token, _ = own.house.links.seal(portal.prefix, UserExport(), Form())
    async with own.unchanged("audit_events"):
        for part in ("users", "monthlyStats"):
            answer = await own.ask(portal.text, f"{{ {part} {{ download {{ url }} totalCount }} }}")
            (error,) = answer.json()["errors"]
            assert error["message"] == "right 'EXPORT' not found"
            assert answer.json()["data"] is None
        assert (await followed(own, f"http://test/exports/{token}")).status_code == 404


# Imports


async def _refused(world: World, who: Principal, product: str, place: Path) -> list[BadLine]:
    path = place / "users.txt"
    path.write_text(f"u||n||个人||全价用户||20240101||0||{product}||Web||a||b||c\n")
    bad: list[BadLine] = []
    async with world.unchanged("audit_events"):
        with pytest.raises(Refused):
            await import_users(
                world.house.service,
                await world.scope(who),
                who.code,
                FileSource(path),
                Mode.DELTA,
                report=bad.append,
            )
    return bad


async def test_an_imports_problems_name_own_products_only(market: World, tmp_path: Path) -> None:
    foreign, absent = [
        str(await _refused(market, ALPHA, product, tmp_path)).replace(product, "…")
        for product in (BASIC, "基本行情XX")
    ]
    assert foreign == absent
    assert ENHANCED in foreign
    assert silent(ALPHA, foreign)


# The application's edges


async def test_every_route_but_health_and_metrics_needs_a_key(market: World) -> None:
    wired = routes(market.house, build_schema()).routes
    paths = {route.path for route in wired}  # type: ignore[attr-defined]
    keyed = {"/graphql", "/exports/{token}", "/embed/tokens", "/embed/tokens/{prefix}", "/session"}
    # where people sign in is told to who has not yet done so
    assert paths == keyed | {"/session/issuers", "/healthz", "/readyz", "/metrics"}
    for method, path in (
        ("POST", "/embed/tokens"),
        ("DELETE", "/embed/tokens/aaaaaaaa"),
        ("DELETE", "/session"),
    ):
        assert (await market.client.request(method, path)).status_code == 401
    for method, body in (("GET", None), ("POST", {"query": "{ __typename }"})):
        answer = await market.client.request(method, "/graphql?query={__typename}", json=body)
        assert answer.status_code == 401
    for method, path, status in (
        ("GET", "/embed/tokens", 405),
        ("PUT", "/session", 405),
        ("POST", "/exports/x", 405),
        ("GET", "/embed/other", 404),
        ("GET", "/", 404),
        ("GET", "/graphql/", 404),
    ):
        answer = await market.client.request(method, path)
        assert answer.status_code == status
        (error,) = answer.json()["errors"]
        assert error["extensions"]["code"] == {404: "NOT_FOUND", 405: "BAD_USER_INPUT"}[status]
        assert (status == 405) == ("allow" in answer.headers)
    for path in ("/healthz", "/readyz"):
        assert (await market.client.get(path)).json() == {"status": "ok"}


async def test_metrics_tell_of_no_tenant(market: World) -> None:
    for who in PRINCIPALS:
        await market.ask(who, "{ viewer { name } users { nodes { userName } } }")
    told = (await market.client.get("/metrics")).text
    assert "gateway_operations_total" in told
    assert not any(word in told for who in PRINCIPALS for word in (who.code, *who.own))


async def test_introspection_tells_of_no_tenant(market: World) -> None:
    query = "{ __schema { types { name description fields { name description } } } }"
    told = [(await market.ask(who, query)).content for who in PRINCIPALS]
    assert len(set(told)) == 1
    assert all(silent(who, told[0].decode()) for who in PRINCIPALS)


async def test_one_cached_document_serves_each_tenant_its_own(market: World) -> None:
    query = "query($s: String) { users(filter: {search: $s}) { nodes { userName } } }"
    for _ in range(2):
        for who in PRINCIPALS:
            answer = await market.ask(who, query, s="szse")
            assert any(word in answer.text for word in who.own)
            assert silent(who, answer.text)
