"""Compiled operations as callers meet them: admission, shapes, what goes to the executor, bounds."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import orjson
import pytest
from graphing import Caller, calling
from market import BASIC, ENHANCED, found, load

from gateway.app.house import House
from gateway.app.server import application
from gateway.catalogue import registry
from gateway.catalogue.formats import Formats
from gateway.compiled import operations
from gateway.compiled.operations import Document, Operations, Prepared, Wanted
from gateway.config import clock
from gateway.db.embedded import EmbeddedPostgres
from gateway.errors import CostLimit
from gateway.resolvers.query import build_schema
from gateway.schema.documents import MAX_CHARACTERS
from gateway.tenancy.admission import Admission, Admissions
from gateway.tenancy.issue import revoke
from gateway.tenancy.operator import open_operator

NONE = Formats.of((), {})
USERS = "query ($f: UserFilter) { users(filter: $f) { totalCount nodes { userId userName } } }"
LINE = "{}||{}||个人||全价用户||20240101||0||{}||Web||0||0||0"


@pytest.fixture
async def market(house: House, tmp_path: Path) -> House:
    await found(house, "ALPHA", "BETA")
    await load(house, "ALPHA", [LINE.format("a1", "甲", ENHANCED)], tmp_path)
    await load(house, "BETA", [LINE.format("b1", "乙", ENHANCED)], tmp_path)
    return house


@pytest.fixture
async def alpha(market: House) -> AsyncIterator[Caller]:
    async with calling(market, vendor="ALPHA") as caller:
        yield caller


def way(answer: httpx.Response) -> str:
    return answer.headers["gateway-execution"]


async def names(caller: Caller) -> list[str]:
    answer = await caller.post("{ users { nodes { userName } } }")
    assert way(answer) == "compiled", answer.text
    return [node["userName"] for node in answer.json()["data"]["users"]["nodes"]]


async def test_one_plan_serves_two_vendors_and_gives_each_its_own(market: House) -> None:
    async with calling(market, vendor="ALPHA") as one, calling(market, vendor="BETA") as other:
        other.client = one.client  # one server, one memory of plans
        assert await names(one) == ["甲"]
        assert await names(other) == ["乙"]
        assert await names(one) == ["甲"]


async def test_a_revoked_key_is_refused_at_once(market: House, alpha: Caller) -> None:
    assert await names(alpha) == ["甲"]
    async with open_operator(market.security, "test") as session:
        assert await revoke(session, alpha.key.split("_")[1])
    answer = await alpha.post("{ users { nodes { userName } } }")
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_an_expired_key_is_refused_at_once(market: House, alpha: Caller) -> None:
    assert await names(alpha) == ["甲"]
    async with open_operator(market.security, "test") as session:
        await session._connection.exec_driver_sql("UPDATE api_keys SET expires_at = now()")
    assert (await alpha.post("{ users { nodes { userName } } }")).status_code == 401


async def test_a_key_whose_role_changes_has_the_new_rights_at_once(
    market: House, alpha: Caller
) -> None:
    link = "{ users { download { expiresAt } } }"
    assert "data" in (await alpha.post(link)).json()
    async with open_operator(market.security, "test") as session:
        await session._connection.exec_driver_sql("UPDATE api_keys SET role = 'VENDOR_PORTAL'")
    answer = (await alpha.post(link)).json()
    assert [one["extensions"]["code"] for one in answer["errors"]] == ["NOT_FOUND"]
    viewer = (await alpha.post("{ viewer { role } }")).json()
    assert viewer["data"]["viewer"]["role"] == "VENDOR_PORTAL"


async def test_a_new_product_is_seen_at_once(market: House, alpha: Caller, tmp_path: Path) -> None:
    products = "{ products { nodes { name } } users { nodes { product { name } } } }"
    before = await alpha.post(products)
    assert way(before) == "compiled"
    assert [one["name"] for one in before.json()["data"]["products"]["nodes"]] == [ENHANCED]
    lines = [LINE.format("a1", "甲", ENHANCED), LINE.format("a2", "丙", BASIC)]
    await load(market, "ALPHA", lines, tmp_path)
    after = await alpha.post(products)
    assert way(after) == "compiled"
    data = after.json()["data"]
    assert {one["name"] for one in data["products"]["nodes"]} == {ENHANCED, BASIC}
    assert {one["product"]["name"] for one in data["users"]["nodes"]} == {ENHANCED, BASIC}


async def test_a_licensor_sees_a_new_vendor_at_once(market: House, tmp_path: Path) -> None:
    async with calling(market) as company:
        vendors = "{ viewer { vendors { code } } users { totalCount } }"
        assert (await company.post(vendors)).json()["data"]["users"]["totalCount"] == 2
        async with open_operator(market.operator, "test") as session:
            await registry.add_vendor(session, "GAMMA", "丙公司")
        await load(market, "GAMMA", [LINE.format("c1", "丁", ENHANCED)], tmp_path)
        answer = await company.post(vendors)
        assert way(answer) == "compiled"
        assert answer.json()["data"] == {
            "viewer": {"vendors": [{"code": "ALPHA"}, {"code": "BETA"}, {"code": "GAMMA"}]},
            "users": {"totalCount": 3},
        }


async def test_a_renamed_product_has_its_new_name_at_once(market: House, alpha: Caller) -> None:
    named = "{ users(orderBy: {field: PRODUCT}) { nodes { product { name } } } }"
    assert ENHANCED in (await alpha.post(named)).text
    async with open_operator(market.operator, "test") as session:
        await session._connection.exec_driver_sql(
            "UPDATE products SET name = '新名字' WHERE name = '增强行情'"
        )
    answer = await alpha.post(named)
    assert way(answer) == "compiled"
    assert "新名字" in answer.text


async def test_the_day_turns_between_two_requests(
    alpha: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever depends on today is asked anew: the plan has no date in it."""
    asked = "{ monthlyStats { nodes { month provisional } } users { nodes { serviceStatus } } }"
    for day in (date(2026, 11, 30), date(2026, 12, 1)):
        for module in ("gateway.http.answering", "gateway.resolvers.users"):
            monkeypatch.setattr(f"{module}.today", lambda day=day: day)
        answer = await alpha.post(asked)
        assert way(answer) == "compiled"
        newest = answer.json()["data"]["monthlyStats"]["nodes"][0]
        assert newest == {"month": f"{day:%Y-%m}", "provisional": True}


@pytest.mark.parametrize(
    ("query", "variables", "reason"),
    [
        ("{ __schema { types { name } } }", {}, "introspection"),
        ('{ __type(name: "User") { name } }', {}, "introspection"),
        ("{ licences { totalCount } }", {}, "field"),
        ("{ exchanges { totalCount } users { totalCount } }", {}, "field"),
        ("{ ...F } fragment F on Query { interfaceSpecs { totalCount } }", {}, "field"),
        ("{ users { nodes { vendor { ... { licences { validTo } } } } } }", {}, "field"),
        ("{ vendors { edges { node { l: licences { validTo } } } } }", {}, "field"),
        ("{ products { nodes { interfaceSpecs { key } } } }", {}, "field"),
        ("{ monthlyStats { nodes { product { exchange { code } } } } }", {}, "field"),
        ("query ($i: ID!) { node(id: $i) { id } }", {"i": "WyJFeGNoYW5nZSIsIlNTRSJd"}, "field"),
        ("{ nothing }", {}, "invalid"),
        ("{ users", {}, "invalid"),
        ("query A { __typename } query B { __typename }", {}, "operation"),
        ("{ users(first: -1) { totalCount } }", {}, "input"),
        ("query ($n: Int) { users(first: $n) { totalCount } }", {"n": "x"}, "input"),
        ('{ users(vendors: ["BETA"]) { totalCount } }', {}, "input"),
    ],
)
async def test_what_the_executor_answers_says_why(
    alpha: Caller, query: str, variables: dict[str, Any], reason: str
) -> None:
    answer = await alpha.post(query, **variables)
    assert way(answer) == f"executor; reason={reason}"


async def test_get_is_compiled_too(alpha: Caller) -> None:
    got = await alpha.client.get(
        "/graphql",
        params={"query": "{ viewer { vendor } }"},
        headers={"Authorization": f"Bearer {alpha.key}"},
    )
    assert (way(got), got.json()["data"]) == ("compiled", {"viewer": {"vendor": "ALPHA"}})


async def test_a_body_in_pieces_is_one_body(alpha: Caller) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for byte in orjson.dumps({"query": "{ viewer { vendor } }"}):
            yield bytes([byte])

    answer = await alpha.client.post(
        "/graphql",
        content=pieces(),
        headers={
            "Authorization": f"Bearer {alpha.key}",
            "Content-Type": "application/json",
        },
    )
    assert way(answer) == "compiled"
    assert answer.json()["data"] == {"viewer": {"vendor": "ALPHA"}}


async def test_metrics_count_both_ways(alpha: Caller) -> None:
    def counted(text: str) -> dict[str, float]:
        lines = [line for line in text.splitlines() if line.startswith("gateway_operations_total")]
        return {name: float(value) for name, _, value in (one.rpartition(" ") for one in lines)}

    before = counted((await alpha.client.get("/metrics")).text)
    await alpha.post("{ viewer { vendor } }")
    await alpha.post("{ nothing }")
    after = counted((await alpha.client.get("/metrics")).text)
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert {name: more for name, more in grown.items() if more} == {
        'gateway_operations_total{path="compiled",reason=""}': 1,
        'gateway_operations_total{path="executor",reason="invalid"}': 1,
    }


async def test_lost_connections_are_made_anew(
    server: EmbeddedPostgres, database: str, alpha: Caller
) -> None:
    assert await names(alpha) == ["甲"]
    superuser = await asyncpg.connect(server.url("postgres", "postgres"))
    await superuser.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", database
    )
    await superuser.close()
    assert await names(alpha) == ["甲"]


async def test_a_request_that_is_cut_leaves_its_place_to_others(
    market: House, alpha: Caller
) -> None:
    assert await names(alpha) == ["甲"]
    connections = market.answers.by_shape
    for _ in range(3 * connections.size):
        cut = asyncio.ensure_future(connections.fetch_value("SELECT pg_sleep(60)", ()))
        await asyncio.sleep(0.01)
        cut.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cut
    assert await names(alpha) == ["甲"]


async def test_texts_come_out_as_they_went_in(market: House, alpha: Caller, tmp_path: Path) -> None:
    name = '"\'\\ \\" %s :x $1 {} | é 😀 ' + "\\u0002"
    await load(market, "ALPHA", [LINE.format("a'\"\\1", name, ENHANCED)], tmp_path)
    answer = await alpha.post(USERS, f={"userName": {"contains": name}})
    assert way(answer) == "compiled"
    assert answer.json()["data"]["users"] == {
        "totalCount": 1,
        "nodes": [{"userId": "a'\"\\1", "userName": name}],
    }


async def caller_of(house: House, vendor: str) -> tuple[Admission, Caller]:
    async with calling(house, vendor=vendor) as caller:
        return await Admissions(house.service).admit(f"Bearer {caller.key}"), caller


def prepared(
    kept: Operations, document: Document, values: dict[str, Any], admission: Admission
) -> Prepared:
    """Return the plan for values: one that there is, or a new one."""
    wanted = Wanted(document, admission.stated, values, clock.today(), lambda *_: ("", None), NONE)
    return kept.planned(wanted) or kept.compiled(wanted)


async def test_plans_and_documents_are_kept_within_bounds(
    market: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "MOST_DOCUMENTS", 5)
    monkeypatch.setattr(operations, "MOST_PLANS", 8)
    admission, _ = await caller_of(market, "ALPHA")
    kept = Operations(build_schema())

    def prepare(query: str, **variables: Any) -> None:
        document = kept.document(query, None)
        values = document.coerced(variables)
        prepared(kept, document, values, admission)

    for i in range(20):
        prepare(f"{{ a{i}: viewer {{ name }} }}")
    assert (len(kept._known), kept.plans) == (5, 5)
    for size in range(1, 40):
        prepare("query ($n: Int) { users(first: $n) { totalCount nodes { userId } } }", n=size)
    assert kept.plans <= 8
    assert kept.plans == sum(one.plans.plans for one in kept._known.values())


async def test_a_plan_of_a_document_that_was_forgotten_meanwhile_is_not_kept(
    market: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "MOST_DOCUMENTS", 1)
    admission, _ = await caller_of(market, "ALPHA")
    kept = Operations(build_schema())
    document = kept.document("{ viewer { name } }", None)
    wanted = Wanted(document, admission.stated, {}, clock.today(), lambda *_: ("", None), NONE)
    compiled = kept.compile(wanted)
    other = kept.document("{ viewer { role } }", None)
    assert kept.keep(wanted, compiled).plan is compiled.plan
    assert (kept.plans, document.plans.plans) == (0, 0)
    assert kept.remember("{ viewer { role } }", None, document) is other


@pytest.mark.parametrize("step", ["read", "compile"])
async def test_a_new_document_holds_up_no_other(
    market: House, alpha: Caller, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """However long it takes to read or to compile it."""
    assert await names(alpha) == ["甲"]
    begun, others_are_answered = threading.Event(), threading.Event()
    plainly = getattr(Operations, step)

    def slowly(*given: Any) -> Any:
        begun.set()
        assert others_are_answered.wait(10)
        return plainly(*given)

    monkeypatch.setattr(Operations, step, slowly)
    new = asyncio.create_task(alpha.post("{ users { nodes { userId phone } } }"))
    assert await asyncio.to_thread(begun.wait, 10)
    assert await names(alpha) == ["甲"]
    assert not new.done()
    others_are_answered.set()
    assert way(await new) == "compiled"


async def test_what_many_ask_for_at_once_is_read_and_compiled_once(
    market: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one turn, so that they come one after another."""
    times: Counter[str] = Counter()
    for step in ("read", "compile"):

        def counting(
            *given: Any, step: str = step, plainly: Any = getattr(Operations, step)
        ) -> Any:
            times[step] += 1
            return plainly(*given)

        monkeypatch.setattr(Operations, step, counting)
    settings = market.settings.model_copy(update={"pool_size": 2})
    async with calling(replace(market, settings=settings), vendor="ALPHA") as alpha:
        query = "{ users { nodes { userId address } } }"
        answers = await asyncio.gather(*(alpha.post(query) for _ in range(8)))
    assert {way(one) for one in answers} == {"compiled"}
    assert times == {"read": 1, "compile": 1}


async def test_long_documents_and_statements_take_no_more_memory_than_many_short_ones(
    market: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    admission, _ = await caller_of(market, "ALPHA")
    kept = Operations(build_schema())

    def prepare(query: str) -> None:
        document = kept.document(query, None)
        prepared(kept, document, {}, admission)

    long = "x" * (MAX_CHARACTERS - 100)
    for i in range(60):
        prepare(f"{{ __typename }} # {i} {long}")
    assert sum(len(query) for query, _ in kept._known) <= operations.MOST_CHARACTERS
    with pytest.raises(CostLimit, match="characters"):
        prepare(f"{{ __typename }} # {long} {long}")
    monkeypatch.setattr(operations, "MOST_PLANS", 8)
    fields = " ".join(f"a{i}: otherServices {{ id product {{ name }} }}" for i in range(20))
    for i in range(12):
        prepare(f"query Q{i} {{ users {{ nodes {{ {fields} }} }} }}")
    assert len(kept._known) < 8
    assert len(kept._known) < kept.plans <= 8


async def test_a_plan_holds_no_value_of_the_request_that_it_was_made_for(market: House) -> None:
    admission, _ = await caller_of(market, "ALPHA")
    kept = Operations(build_schema())
    document = kept.document(USERS, None)
    made = prepared(kept, document, document.coerced({"f": {"search": "secret"}}), admission)
    sealed = made.plan.sealed
    assert "secret" not in sealed.text
    assert [value for slot, value in sealed.parameters if slot is not None and value] == []


async def test_of_strangers_no_body_is_read(market: House) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body was read")

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", b"Bearer gw_x"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/graphql", "headers": headers}
    await application(market)(scope | {"query_string": b"", "server": ("g", 80)}, receive, send)
    assert sent[0]["status"] == 401


async def test_two_content_types_are_refused(alpha: Caller) -> None:
    headers = [
        ("Authorization", f"Bearer {alpha.key}"),
        ("Content-Type", "text/plain"),
        ("Content-Type", "application/json"),
    ]
    answer = await alpha.client.post("/graphql", content=b"{}", headers=headers)
    assert answer.status_code == 400
    assert "gateway-execution" not in answer.headers
    assert answer.json()["errors"][0]["extensions"]["argument"] == "Content-Type"


@pytest.mark.parametrize("style", ["German", "SQL, DMY"])
async def test_dates_are_those_of_iso_whatever_the_databases_style(
    server: EmbeddedPostgres, database: str, market: House, style: str
) -> None:
    superuser = await asyncpg.connect(server.url("postgres", "postgres"))
    await superuser.execute(f"ALTER DATABASE \"{database}\" SET datestyle = '{style}'")
    await superuser.close()
    async with calling(market, vendor="ALPHA") as caller:
        answer = await caller.post("{ users { nodes { startDate } } }")
    assert way(answer) == "compiled"
    assert answer.json()["data"]["users"]["nodes"] == [{"startDate": "2024-01-01"}]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE vendor_products SET vendor_id = (SELECT vendor_id FROM vendors WHERE code = 'BETA')"
        " WHERE product_id = (SELECT product_id FROM products WHERE name = '基本行情')",
        "TRUNCATE vendor_products",
    ],
)
async def test_a_product_that_an_owner_takes_away_is_gone_at_once(
    server: EmbeddedPostgres, database: str, market: House, tmp_path: Path, change: str
) -> None:
    lines = [LINE.format("a1", "甲", ENHANCED), LINE.format("a2", "丙", BASIC)]
    await load(market, "ALPHA", lines, tmp_path)
    async with calling(market, vendor="ALPHA") as caller:
        reached = "{ products { nodes { name } } }"
        assert BASIC in (await caller.post(reached)).text
        owner = await asyncpg.connect(server.url("postgres", database))
        await owner.execute(change)
        await owner.close()
        answer = await caller.post(reached)
    assert way(answer) == "compiled"
    assert BASIC not in answer.text


@pytest.mark.parametrize("arguments", ["first: 1", 'first: 1, asOf: "2026-11-01T00:00:00Z"'])
async def test_one_statement_may_hold_figures_and_their_sums_twice(
    alpha: Caller, arguments: str
) -> None:
    asked = f"monthlyStats({arguments}) {{ nodes {{ fee }} totals {{ fee }} }}"
    answer = await alpha.post(f"{{ one: {asked} other: {asked} }}")
    assert way(answer) == "compiled"
    data = answer.json()["data"]
    assert data["one"] == data["other"]
