"""Errors as callers see them: code, argument, what is accepted, and nothing internal."""

import asyncio
import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from graphing import Caller, calling
from market import BASIC, ENHANCED, FOREIGN, found, load

from gateway.app.house import House, open_house
from gateway.app.server import application
from gateway.catalogue import registry
from gateway.compiled import users as compiled_users
from gateway.db.embedded import EmbeddedPostgres
from gateway.resolvers import users as users_module
from gateway.tenancy.issue import Holder, issue, revoke
from gateway.tenancy.operator import open_operator
from gateway.tenancy.principal import Role

LINE = f"u1||甲||个人||试用用户||20260101||0||{ENHANCED}||Web||0||0||0"
NAMES = "{ users { nodes { userName } } }"


async def refused_keys(house: House) -> dict[str, str | None]:
    """Credentials that are none, by what is wrong with them."""
    async with open_operator(house.security, "test") as session:
        holder = Holder(vendor_id=await registry.vendor_id(session, "A"))
        good, _ = await issue(session, holder, Role.VENDOR_OPERATOR, days=None)
        revoked, _ = await issue(session, holder, Role.VENDOR_OPERATOR, days=None)
        await revoke(session, revoked.prefix)
        expired, _ = await issue(session, holder, Role.VENDOR_OPERATOR, days=-1)
    return {
        "none": None,
        "empty": "",
        "no credential": "Bearer",
        "another scheme": f"Basic {good.text}",
        "no key at all": "Bearer x",
        "unknown": f"Bearer gw_{'a' * 8}_{'b' * 43}",
        "cut": f"Bearer {good.text[:-1]}",
        "of another secret": f"Bearer {good.text[:-1]}{'A' if good.text[-1] != 'A' else 'B'}",
        "revoked": f"Bearer {revoked.text}",
        "expired": f"Bearer {expired.text}",
        "not ASCII": f"Bearer {good.text[:-1]}é",
        "NUL": f"Bearer {good.text}\0",
    }


async def test_all_bad_credentials_get_one_answer(house: House) -> None:
    await found(house, "A")
    answers = {}
    async with calling(house, vendor="A") as caller:
        assert (await caller.post(NAMES)).status_code == 200
        for name, credential in (await refused_keys(house)).items():
            for language in ("en", "zh-CN"):
                headers = {"Accept-Language": language}
                if credential is not None:
                    headers["Authorization"] = credential
                encoded = {key: value.encode("latin-1") for key, value in headers.items()}
                answer = await caller.client.post(
                    "/graphql", json={"query": NAMES}, headers=encoded
                )
                assert answer.status_code == 401, name
                assert answer.headers["WWW-Authenticate"] == "Bearer"
                answers.setdefault(language, set()).add(answer.text)
    assert {language: len(texts) for language, texts in answers.items()} == {"en": 1, "zh-CN": 1}
    (error,) = json.loads(*answers["en"])["errors"]
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    assert "凭证" in str(answers["zh-CN"])


async def test_absent_and_foreign_are_the_same_not_found(house: House, tmp_path: Path) -> None:
    await found(house, "A", "B")
    await load(house, "A", [LINE], tmp_path)
    await load(house, "B", [LINE.replace(ENHANCED, BASIC)], tmp_path)
    cases = {
        'users(vendors: ["%s"]) { totalCount }': ("B", "nobody", "vendors"),
        'users(filter: {products: ["%s"]}) { totalCount }': (BASIC, "nothing", "filter.products"),
        'monthlyStats(vendors: ["A", "%s"]) { totalCount }': ("B", "nobody", "vendors"),
        'monthlyStats(products: ["%s"]) { totalCount }': (FOREIGN, "nothing", "products"),
    }
    async with calling(house, vendor="A") as caller:
        for query, (foreign, absent, argument) in cases.items():
            errors = [await caller.refused(f"{{ {query % name} }}") for name in (foreign, absent)]
            texts = {
                json.dumps(error, ensure_ascii=False).replace(name, "?")
                for error, name in zip(errors, (foreign, absent), strict=True)
            }
            assert len(texts) == 1
            assert errors[0]["extensions"] == {"code": "NOT_FOUND", "argument": argument}
        error = await caller.refused('{ users(vendors: ["B"]) { totalCount } }', "zh")
        assert error["message"] == "找不到信息商“B”"
        for absent_one in ('vendor(code: "B") { id }', 'vendor(code: "nobody") { id }'):
            assert await caller.ask(f"{{ {absent_one} }}") == {"vendor": None}


async def test_a_portal_may_read_but_not_export(house: House, tmp_path: Path) -> None:
    await found(house, "A")
    await load(house, "A", [LINE], tmp_path)
    async with calling(house, vendor="A", role=Role.VENDOR_PORTAL) as caller:
        assert (await caller.ask("{ users { totalCount } }"))["users"]["totalCount"] == 1
        for root in ("users", "monthlyStats"):
            error = await caller.refused(f"{{ {root} {{ download {{ url }} }} }}")
            assert error["extensions"]["code"] == "NOT_FOUND"


FUTURE = "9999-01-01T00:00:00Z"
BAD_INPUT: dict[str, str] = {
    "users(filter: {countedAs: TRIAL}) { totalCount }": "filter.countedAs",
    f'users(asOf: "{FUTURE}") {{ totalCount }}': "asOf",
    'users(asOf: "2026-01-01T00:00:00") { totalCount }': "asOf",
    f'monthlyStats(asOf: "{FUTURE}") {{ totalCount }}': "asOf",
    'monthlyStats(year: 2026, from: "2026-01") { totalCount }': "year",
    "monthlyStats { nodes { users(first: -1) { totalCount } } }": "users.first",
    "monthlyStats { nodes { users(first: 2000) { totalCount } } }": "users.first",
    'monthlyStats { nodes { users(after: "x") { totalCount } } }': "users.after",
    "monthlyStats { nodes { users(filter: {countedAs: TRIAL}) { totalCount } } }": (
        "users.filter.countedAs"
    ),
}  # fmt: skip
BAD_SCALARS: dict[str, str] = {
    'users(asOf: "yesterday") { totalCount }': "asOf",
    'users(filter: {countedIn: "2026-13"}) { totalCount }': "countedIn",
    "users(filter: {countedIn: 202601}) { totalCount }": "countedIn",
    'users(filter: {startBefore: "2026-02-30"}) { totalCount }': "startBefore",
    'users(filter: {endTo: "20260101x"}) { totalCount }': "endTo",
    'monthlyStats(from: "2026-1") { totalCount }': "from",
    'monthlyStats(to: "January") { totalCount }': "to",
}


@pytest.mark.parametrize("query", BAD_INPUT)
async def test_bad_input_names_the_argument_and_what_is_accepted(house: House, query: str) -> None:
    await found(house, "A")
    async with open_operator(house.operator, "test") as session:
        await registry.add_licence(session, "A", ENHANCED, datetime.now(UTC).date(), None)
    async with calling(house, vendor="A") as caller:
        error = await caller.refused(f"{{ {query} }}")
        chinese = await caller.refused(f"{{ {query} }}", "zh-CN,zh;q=0.9,en;q=0.8")
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["argument"] == BAD_INPUT[query]
    assert error["extensions"]["accepted"]
    assert chinese["extensions"] == error["extensions"]
    assert has_chinese(chinese["message"])
    assert not has_chinese(error["message"])


@pytest.mark.parametrize("query", BAD_SCALARS)
async def test_a_bad_date_or_month_is_bad_input(house: House, query: str) -> None:
    await found(house, "A")
    async with calling(house, vendor="A") as caller:
        error = await caller.refused(f"{{ {query} }}")
    assert error["extensions"]["code"] == "BAD_USER_INPUT", error
    told = json.dumps(error)
    # graphql-core gives no place for a scalar of Strawberry's own: then the value itself is told
    value = query.split('"')[1] if '"' in query else BAD_SCALARS[query]
    assert BAD_SCALARS[query] in told or value in error["message"], error
    assert error["extensions"].get("accepted"), error


@pytest.mark.parametrize(
    ("kind", "value", "use"),
    [
        ("Date", "2026-02-30", "users(filter: {startBefore: $v}) { totalCount }"),
        ("Date", 20260101, "users(filter: {startBefore: $v}) { totalCount }"),
        ("Month", "2026-13", "users(filter: {countedIn: $v}) { totalCount }"),
        ("Month", 202601, "monthlyStats(from: $v) { totalCount }"),
        ("DateTime", "soon", "users(asOf: $v) { totalCount }"),
        ("Int", "1", "users(first: $v) { totalCount }"),
        ("Int", 2**31, "users(first: $v) { totalCount }"),
        ("Int", 1.5, "users(first: $v) { totalCount }"),
        ("UserFilter", {"searchh": "x"}, "users(filter: $v) { totalCount }"),
        ("UserFilter", "x", "users(filter: $v) { totalCount }"),
        ("[UserOrder!]", {"field": "X"}, "users(orderBy: $v) { totalCount }"),
        ("[String!]", [None], "users(vendors: $v) { totalCount }"),
    ],
)
async def test_a_bad_variable_is_bad_input(house: House, kind: str, value: Any, use: str) -> None:
    await found(house, "A")
    async with calling(house, vendor="A") as caller:
        error = await caller.refused(f"query ($v: {kind}) {{ {use} }}", v=value)
    assert error["extensions"]["code"] == "BAD_USER_INPUT", error
    assert "$v" in error["message"] or error["extensions"].get("argument"), error


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "x\udfff"], ids=ascii)
async def test_text_that_no_database_holds_is_found_nowhere(
    house: House, tmp_path: Path, text: str
) -> None:
    await found(house, "A")
    await load(house, "A", [LINE], tmp_path)
    wrong = {}
    async with calling(house, vendor="A") as caller:
        for use in (
            "users(filter: {search: %s}) { nodes { id } }",
            "users(filter: {userId: {equals: %s}}) { nodes { id } }",
            "users(filter: {userName: {contains: %s}}) { nodes { id } }",
            "users(vendors: [%s]) { nodes { id } }",
            "users(after: %s) { nodes { id } }",
            "vendors(search: %s) { nodes { id } }",
            "products(search: %s) { nodes { id } }",
            "vendor(code: %s) { id }",
            "node(id: %s) { id }",
        ):
            body = json.dumps({"query": f"{{ {use % json.dumps(text)} }}"})
            answer = await caller.client.post(
                "/graphql",
                content=body,
                headers={
                    **caller.headers,
                    "Content-Type": "application/json",
                },
            )
            code = [error["extensions"]["code"] for error in answer.json().get("errors", [])]
            if answer.status_code >= 500 or code not in (
                [], ["BAD_USER_INPUT"], ["NOT_FOUND"], ["GRAPHQL_PARSE_FAILED"]
            ):  # fmt: skip
                wrong[use] = (answer.status_code, answer.text)
    assert wrong == {}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (" ", "GRAPHQL_PARSE_FAILED"),
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("users", "GRAPHQL_PARSE_FAILED"),
        ("{ users { nodes { id } }", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ users }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ users { nodes { password } } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ users(limit: 1) { totalCount } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ users(filter: {a: 1}) { totalCount } }", "GRAPHQL_VALIDATION_FAILED"),
        ('{ users(first: "1") { totalCount } }', "GRAPHQL_VALIDATION_FAILED"),
        ("{ vendor { id } }", "GRAPHQL_VALIDATION_FAILED"),
        ("query ($v: Int!) { users(first: $v) { totalCount } }", "BAD_USER_INPUT"),
        ("mutation { x }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ ...A } fragment A on Query { ...A }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "{" + " ".join(f"a{i}: viewer {{ name }}" for i in range(51)) + "}",
            "COST_LIMIT",
        ),
        ("{" + "viewer { name } " * 2000 + "}", "COST_LIMIT"),
    ],
)  # fmt: skip
async def test_documents_that_are_no_query_of_this_graph(
    house: House, query: str, code: str
) -> None:
    async with calling(house) as caller:
        answer = await caller.post(query)
    assert answer.status_code < 500
    assert {error["extensions"]["code"] for error in answer.json()["errors"]} == {code}


@pytest.mark.parametrize("depth", [20, 400])
async def test_a_deep_query_is_answered_or_refused(
    house: House, tmp_path: Path, depth: int
) -> None:
    await found(house, "A")
    await load(house, "A", [LINE, LINE.replace("20260101", "20260201")], tmp_path)
    nested = "otherServices { " * depth + "startDate" + " }" * depth
    async with calling(house, vendor="A") as caller:
        answer = await caller.post(f"{{ users {{ nodes {{ {nested} }} }} }}")
    codes = {error["extensions"]["code"] for error in answer.json().get("errors", [])}
    assert answer.status_code < 500
    assert "INTERNAL" not in codes
    assert "UNAVAILABLE" not in codes


@pytest.mark.parametrize(
    ("header", "chinese"),
    [
        ("zh", True),
        ("zh-CN,zh;q=0.9,en;q=0.8", True),
        ("zh-Hant-TW", True),
        ("ZH-cn", True),
        ("fr, zh;q=0.5", True),
        ("en;q=0.3, zh;q=0.9", True),
        ("zh;q=0, en", False),
        ("en-US,en;q=0.9,zh;q=0.8", False),
        ("en", False),
        ("fr", False),
        ("*", False),
        (";;;,,,", False),
        ("", False),
    ],
)
async def test_the_callers_language(house: House, header: str, chinese: bool) -> None:
    async with calling(house) as caller:
        error = await caller.refused('{ users(vendors: ["x"]) { totalCount } }', header)
    assert has_chinese(error["message"]) is chinese


SECRET = "password=hunter2 at /srv/gateway/db.py"


async def test_the_unforeseen_is_masked_and_logged_under_its_incident(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(users_module, "page", broken)
    monkeypatch.setattr(compiled_users, "rows_of", broken)
    async with calling(house) as caller:
        with caplog.at_level(logging.ERROR, "gateway"):
            answer = await caller.post("{ users { totalCount } viewer { role } }")
            assert answer.headers["gateway-execution"] == "executor; reason=fault"
            chinese = await caller.refused("{ users { totalCount } }", "zh")
    assert_masked(answer)
    (error,) = answer.json()["errors"]
    assert error["extensions"]["incident"] in caplog.text
    assert chinese["message"] == "内部错误。"


async def test_an_error_of_the_database_is_masked(
    house: House, server: EmbeddedPostgres, database: str
) -> None:
    owner = await asyncpg.connect(server.url("postgres", database))
    await owner.execute("ALTER TABLE service_records RENAME TO elsewhere")
    await owner.close()
    async with calling(house) as caller:
        assert_masked(await caller.post(NAMES))


async def test_an_error_before_the_graph_is_masked(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> Any:
        raise RuntimeError(SECRET)

    monkeypatch.setattr("gateway.tenancy.admission.ask_for_scope", broken)
    transport = httpx.ASGITransport(app=application(house), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        answer = await client.post(
            "/graphql",
            json={"query": NAMES},
            headers={"Authorization": f"Bearer gw_{'a' * 8}_{'b' * 43}"},
        )
    assert answer.status_code == 500
    assert_masked(answer)


def assert_masked(answer: httpx.Response) -> None:
    (error,) = answer.json()["errors"]
    assert error["message"] == "Internal error."
    assert set(error["extensions"]) == {"code", "incident"}
    assert error["extensions"]["code"] == "INTERNAL"
    for internal in (
        "hunter2",
        "Traceback",
        "Error:",
        "SELECT",
        "service_records",
        ".py",
        "asyncpg",
    ):
        assert internal not in answer.text


async def asking_behind_a_lock(
    caller: Caller, owner: asyncpg.Connection
) -> tuple[asyncio.Task[httpx.Response], int]:
    """Ask for users while their table is locked; return the request and its server process."""
    asking = asyncio.create_task(caller.post(NAMES))
    while not asking.done():
        await owner.execute("SELECT pg_stat_clear_snapshot()")
        pid = await owner.fetchval(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        if pid is not None:
            return asking, pid
        await asyncio.sleep(0.01)
    raise AssertionError((await asking).text)


async def test_a_connection_that_breaks_in_the_middle_is_unavailable(
    house: House, server: EmbeddedPostgres, database: str, tmp_path: Path
) -> None:
    await found(house, "A")
    await load(house, "A", [LINE], tmp_path)
    owner = await asyncpg.connect(server.url("postgres", database))
    async with calling(house, vendor="A") as caller:
        async with owner.transaction():
            await owner.execute("LOCK TABLE service_records IN ACCESS EXCLUSIVE MODE")
            asking, pid = await asking_behind_a_lock(caller, owner)
            await owner.execute("SELECT pg_terminate_backend($1)", pid)
            answer = await asking
        (error,) = answer.json()["errors"]
        assert error["extensions"]["code"] == "UNAVAILABLE"
        assert await caller.ask(NAMES) == {"users": {"nodes": [{"userName": "甲"}]}}
    await owner.close()


async def test_broken_idle_connections_are_replaced(
    house: House, server: EmbeddedPostgres, database: str, tmp_path: Path
) -> None:
    """As after a restart of the database: nobody is told of it, at most once that it's away."""
    await found(house, "A")
    await load(house, "A", [LINE], tmp_path)
    owner = await asyncpg.connect(server.url("postgres", database))
    async with calling(house, vendor="A") as caller:
        await asyncio.gather(*(caller.ask(NAMES) for _ in range(4)))
        await owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        first = await caller.post(NAMES)
        assert first.status_code in (200, 503)
        assert "INTERNAL" not in first.text
        for _ in range(4):
            assert await caller.ask(NAMES) == {"users": {"nodes": [{"userName": "甲"}]}}
    await owner.close()


@pytest.mark.parametrize("way", ["compiled", "executor"])
async def test_a_query_ends_after_the_time_that_is_set(
    house: House,
    server: EmbeddedPostgres,
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    if way == "executor":
        monkeypatch.setattr("gateway.compiled.operations.ROOTS", {})
    await found(house, "A")
    await load(house, "A", [LINE], tmp_path)
    owner = await asyncpg.connect(server.url("postgres", database))
    hasty = house.settings.model_copy(update={"statement_seconds": 1})
    async with open_house(hasty) as opened, calling(opened, vendor="A") as caller:
        async with owner.transaction():
            await owner.execute("LOCK TABLE service_records IN ACCESS EXCLUSIVE MODE")
            asking, pid = await asking_behind_a_lock(caller, owner)
            _, late = await asyncio.wait({asking}, timeout=8)
            if late:
                await owner.execute("SELECT pg_terminate_backend($1)", pid)
                await asyncio.wait({asking})
        assert not late, "the query went on"
        (error,) = (await asking).json()["errors"]
        assert error["extensions"]["code"] == "TIMEOUT"
    await owner.close()


def has_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)
