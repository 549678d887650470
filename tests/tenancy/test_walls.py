"""The third wall: row-level security, looked at from plain connections of the service's role."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import sqlalchemy
from sqlalchemy import select
from worlds import (
    ALPHA,
    BETA,
    PRINCIPALS,
    SZSE,
    Principal,
    World,
)

from gateway.app.server import application
from gateway.app.tables import metadata
from gateway.db.base import SCOPED
from gateway.db.engine import SERVICE_ROLE, make_engine
from gateway.exports.requests import UserExport, run_export
from gateway.exports.stream import Form
from gateway.intake.run import Mode, import_users
from gateway.intake.sources import FileSource
from gateway.recording import Memory
from gateway.tenancy import sealed
from gateway.tenancy import session as sessions
from gateway.tenancy.operator import open_operator
from gateway.tenancy.scope import AXES, GivenScope, Scope, axes_of
from gateway.tenancy.session import open_session

WALLED = [table for table in metadata.sorted_tables if table.info.get(SCOPED)]
NAMES = [table.name for table in WALLED]
TABLES = pytest.mark.parametrize("table", WALLED, ids=NAMES)
TENANTS = pytest.mark.parametrize("who", PRINCIPALS, ids=[who.code for who in PRINCIPALS])
INSERTED = {"service_records", "service_record_versions", "monthly_deltas", "vendor_products"}
INSERTED |= {"rosters", "import_batches"}
CHANGED = {"service_records", "monthly_deltas", "rosters"}
SETTINGS = ("gateway.vendors", "gateway.products", "gateway.licensors", "gateway.holders")


@pytest.fixture
async def admin(market: World) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection: past every wall."""
    connection = await asyncpg.connect(market.admin)
    yield connection
    await connection.close()


async def ids(market: World, who: Principal) -> dict[str, list[int]]:
    scope = await market.scope(who)
    return {axis: scope.ids(axis) for axis in AXES}


def _texts(rows: list[Any]) -> list[str]:
    return sorted(str(dict(row)) for row in rows)


# What stands


def test_every_table_with_an_axis_is_walled() -> None:
    with_axis = {t.name for t in metadata.sorted_tables if any(axis in t.c for axis in AXES)}
    assert with_axis - set(NAMES) == {
        *("api_keys", "licensors", "vendor_origins", "trusted_documents", "reach_clock"),
    }
    assert {t.name for t in WALLED if axes_of(t) != [a for a in AXES if a in t.c]} == {
        *("products", "audit_events"),
    }


async def test_the_model_knows_every_table(admin: asyncpg.Connection) -> None:
    rows = await admin.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert {name for (name,) in rows} == set(metadata.tables) | {"alembic_version"}


@pytest.mark.parametrize(
    "name",
    [*NAMES, "api_keys", "reach_clock", "report_formats", "vendor_origins", "trusted_documents"],
)
async def test_row_level_security_is_on_and_forced(admin: asyncpg.Connection, name: str) -> None:
    row = await admin.fetchrow(
        "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = $1::text::regclass",
        name,
    )
    assert tuple(row) == (True, True)


@TABLES
async def test_the_service_has_one_policy_and_it_names_each_axis(
    admin: asyncpg.Connection, table: sqlalchemy.Table
) -> None:
    rows = await admin.fetch(
        "SELECT permissive, cmd, qual, with_check FROM pg_policies WHERE tablename = $1 "
        "AND roles && '{public,gateway_service}'",
        table.name,
    )
    (policy,) = rows
    assert (policy["permissive"], policy["cmd"]) == ("PERMISSIVE", "ALL")
    for axis, setting in zip(AXES, SETTINGS, strict=True):
        for condition in (policy["qual"], policy["with_check"]):
            assert (f"({axis} = ANY" in condition) == (axis in axes_of(table))
            assert (setting in condition) == (axis in axes_of(table))


async def test_the_role_is_nobody(admin: asyncpg.Connection) -> None:
    role = await admin.fetchrow("SELECT * FROM pg_roles WHERE rolname = 'gateway_service'")
    for power in ("super", "createrole", "createdb", "replication", "bypassrls"):
        assert role[f"rol{power}"] is False
    owned = await admin.fetch(
        "SELECT * FROM pg_shdepend WHERE deptype = 'o' AND refobjid = $1", role["oid"]
    )
    assert owned == []
    member_of = await admin.fetch("SELECT * FROM pg_auth_members WHERE member = $1", role["oid"])
    assert member_of == []


async def test_what_the_roles_may_do_with_tables(admin: asyncpg.Connection) -> None:
    rows = await admin.fetch(
        "SELECT grantee, table_name, privilege_type FROM information_schema.role_table_grants "
        "WHERE table_schema = 'public' AND grantee NOT IN ('gateway_owner', 'postgres')"
    )
    assert {row["grantee"] for row in rows} == {
        *("gateway_service", "gateway_operator", "gateway_security", "gateway_auditor"),
        *("gateway_finder", "gateway_scribe"),
    }
    may = {(role, what): set[str]() for role, *_, what in rows}
    for role, table, what in rows:
        may[role, what].add(table)
    open_tables = {"licensors", "exchanges", "exchange_pages", "interface_specs"}
    assert may["gateway_service", "SELECT"] == set(NAMES) | open_tables | {
        "rule_packs",
        "report_formats",
    }
    assert may["gateway_service", "INSERT"] == INSERTED
    assert may["gateway_service", "UPDATE"] == CHANGED
    assert may["gateway_service", "DELETE"] == CHANGED - {"rosters"}
    catalogue = {"products", "prices", "vendors", "licences"} | open_tables
    catalogue |= {"product_packs", "approvals", "finding_thresholds"}
    links = {"vendor_products", "product_interfaces", "rule_packs", "price_tiers", "report_formats"}
    assert may["gateway_operator", "SELECT"] == catalogue | links
    assert may["gateway_operator", "INSERT"] == catalogue | links
    changed = catalogue - {"exchange_pages"}
    assert may["gateway_operator", "UPDATE"] == changed
    removed = {"exchange_pages", "product_interfaces", "price_tiers"}
    assert may["gateway_operator", "DELETE"] == removed
    registered = {"vendor_origins", "trusted_documents", "api_keys"}
    credentials = registered | {"accounts"}
    named = {"licensors", "vendors", "products", "vendor_products", "reach_clock"}
    assert may["gateway_security", "SELECT"] == credentials | named
    assert may["gateway_security", "INSERT"] == credentials
    assert may["gateway_security", "UPDATE"] == credentials
    assert may["gateway_security", "DELETE"] == registered
    log = {"audit_events", "audit_checkpoints"}
    assert may["gateway_auditor", "SELECT"] == log | {"licensors", "vendors"}
    assert may["gateway_scribe", "SELECT"] == log | {"licensors", "vendors", "reach_clock"}
    assert may["gateway_scribe", "INSERT"] == log | {"reach_clock"}
    assert may["gateway_scribe", "UPDATE"] == {"reach_clock"}
    assert may["gateway_finder", "SELECT"] == {"service_records"}
    assert len(may) == 17


async def test_what_may_be_changed_belongs_to_one_duty(admin: asyncpg.Connection) -> None:
    """Catalogue, credentials and log: no table is written by two of the three."""
    rows = await admin.fetch(
        "SELECT table_name, array_agg(DISTINCT grantee::text) AS duties "
        "FROM information_schema.role_table_grants WHERE table_schema = 'public' "
        "AND grantee IN ('gateway_operator', 'gateway_security', 'gateway_auditor', "
        "'gateway_scribe') "
        "AND privilege_type <> 'SELECT' GROUP BY 1"
    )
    assert rows
    assert [row["table_name"] for row in rows if len(row["duties"]) != 1] == []
    members = await admin.fetch(
        "SELECT r.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member "
        "WHERE m.roleid IN ('gateway_operator'::regrole, 'gateway_security'::regrole, "
        "'gateway_auditor'::regrole, 'gateway_scribe'::regrole, 'gateway_finder'::regrole) "
        "AND r.rolname <> 'gateway_owner'"
    )
    assert members == []


@pytest.mark.parametrize(
    "act",
    [
        "SELECT * FROM api_keys",
        "SELECT digest FROM api_keys",
        "SELECT * FROM vendor_origins",
        "SELECT * FROM trusted_documents",
        "SELECT * FROM accounts",
        "UPDATE accounts SET attempts = 0",
        "INSERT INTO vendor_origins (vendor_id, origin) VALUES (1, 'https://x')",
        "INSERT INTO api_keys (prefix, digest, role, vendor_id) VALUES ('x', 'x', 'x', 1)",
        "INSERT INTO audit_events (holder, number, digest, occurred_at, vendor_id, actor, action, "
        "detail) VALUES (0, 1, '', now(), 0, 'x', 'x', '{}')",
        "INSERT INTO audit_checkpoints VALUES (0, 1, '', now(), 'x', '')",
        "DELETE FROM audit_checkpoints",
        "UPDATE audit_events SET actor = 'x'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "DELETE FROM service_record_versions",
        "UPDATE vendors SET name = 'x'",
        "UPDATE prices SET amount = 0",
        "UPDATE licences SET usage_modes = '{1,2,3}'",
        "DELETE FROM product_interfaces",
        "UPDATE interface_specs SET title = 'x'",
        "DELETE FROM exchange_pages",
        "UPDATE price_tiers SET amount = 0",
        "DELETE FROM approvals",
        "INSERT INTO rule_packs VALUES ('x', 1, '', '{}')",
        "UPDATE product_packs SET name = 'x'",
        "INSERT INTO vendors (vendor_id, code, name) VALUES (1, 'X', 'X')",
        "ALTER TABLE service_records DISABLE ROW LEVEL SECURITY",
        "DROP POLICY scope ON service_records",
        "CREATE TABLE mine (x int)",
        "SET ROLE gateway_operator",
        "SET ROLE gateway_security",
        "SET ROLE gateway_auditor",
        "SET ROLE gateway_scribe",
        "SET ROLE gateway_finder",
        "SET ROLE gateway_owner",
        "SET SESSION AUTHORIZATION postgres",
        "SELECT gateway_market()",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT * FROM pg_authid",
    ],
)
async def test_the_service_may_not(market: World, act: str) -> None:
    async with market.unchanged(), market.acting(ALPHA) as service:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(act)


REPORTED = ["service_records", "service_record_versions", "monthly_deltas", "rosters"]
CREDENTIALS = ["api_keys", "accounts", "vendor_origins", "trusted_documents"]
LOG = ["audit_events", "audit_checkpoints"]
BARRED = {
    "operator": [*REPORTED, "import_batches", *CREDENTIALS, *LOG],
    "security": [*REPORTED, "import_batches", "prices", "licences", *LOG],
    "auditor": [*REPORTED, "import_batches", "prices", "licences", "products", *CREDENTIALS],
}
BARRED_ACTS = {
    "operator": ["SELECT gateway_authenticate('x')", "SELECT gateway_sign_out('x')"],
    "security": [
        "UPDATE vendors SET name = 'x'",
        "INSERT INTO licensors (code, name) VALUES ('X', 'X')",
        "UPDATE reach_clock SET ticks = 0",
        "SELECT gateway_market()",
    ],
    "auditor": [
        "UPDATE audit_events SET actor = 'x'",
        "DELETE FROM audit_events",
        "INSERT INTO audit_events (holder, number, digest, occurred_at, vendor_id, actor, action, "
        "detail) VALUES (0, 1, '', now(), 0, 'x', 'x', '{}')",
        "UPDATE vendors SET name = 'x'",
        "SELECT gateway_market()",
    ],
}


@pytest.mark.parametrize(
    ("duty", "act"),
    [
        *((duty, f"SELECT * FROM {table}") for duty, tables in BARRED.items() for table in tables),
        *((duty, act) for duty, acts in BARRED_ACTS.items() for act in acts),
    ],
)
async def test_a_duty_may_not(market: World, duty: str, act: str) -> None:
    async with market.unchanged(), open_operator(getattr(market.house, duty), "test") as session:
        assert (await session.execute(sqlalchemy.text("SELECT code FROM vendors"))).all()
        with pytest.raises(sqlalchemy.exc.ProgrammingError, match="permission denied"):
            await session.execute(sqlalchemy.text(act))


async def test_statistics_of_columns_are_closed(market: World, admin: asyncpg.Connection) -> None:
    await admin.execute("ANALYZE service_records")
    for query in (
        "SELECT count(*) FROM pg_stats WHERE tablename = 'service_records'",
        "SELECT count(*) FROM pg_stats WHERE tablename LIKE 'ix\\_service\\_records\\_%'",
    ):
        assert await admin.fetchval(query) > 0
        async with market.acting(ALPHA) as service:
            assert await service.fetchval(query) == 0


async def test_a_temporary_table_can_not_stand_in_for_the_keys(market: World) -> None:
    """The functions that run as the operator must not look into the caller's temporary schema."""
    async with market.acting(None) as service:
        await service.execute(
            "CREATE TEMPORARY TABLE api_keys AS SELECT 'forged00' prefix, 'x'::bytea digest, "
            "1722222227 vendor_id, NULL::int licensor_id, 'VENDOR_OPERATOR' role, "
            "NULL::timestamptz expires_at, NULL::timestamptz revoked_at; "
            "GRANT SELECT ON api_keys TO PUBLIC"
        )
        assert await service.fetchval("SELECT gateway_authenticate('x')") is None


async def test_functions_are_for_their_callers_only(admin: asyncpg.Connection) -> None:
    rows = await admin.fetch(
        "SELECT p.proname, array_to_string(p.proacl, ' ') AS acl, p.prosecdef, "
        "r.rolname AS owner FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner "
        "WHERE p.pronamespace = 'public'::regnamespace"
    )
    assert {row["proname"] for row in rows} == {
        "gateway_authenticate",
        "gateway_reauthenticate",
        "gateway_market",
        "gateway_analyze",
        "gateway_find",
        "gateway_admits",
        "gateway_tick",
        "gateway_terms",
        "gateway_document",
        "gateway_knows_origin",
        "gateway_issue_embed",
        "gateway_revoke_embed",
        "gateway_append",
        "gateway_checkpoint",
        "gateway_attempt",
        "gateway_sign_in",
        "gateway_sign_out",
        "gateway_refuse",
    }
    for row in rows:
        assert not any(grant.startswith("=") for grant in row["acl"].split())  # = is PUBLIC
        owners = {
            **dict.fromkeys(("gateway_analyze", "gateway_refuse"), "gateway_owner"),
            **dict.fromkeys(
                ("gateway_append", "gateway_checkpoint", "gateway_tick"), "gateway_scribe"
            ),
            "gateway_market": "gateway_operator",
            "gateway_find": "gateway_finder",
        }
        assert row["owner"] == owners.get(row["proname"], "gateway_security")


# Reading


@TABLES
async def test_without_settings_there_are_no_rows(
    market: World, admin: asyncpg.Connection, table: sqlalchemy.Table
) -> None:
    rows = await admin.fetch(f"SELECT * FROM {table.name}")
    for axis in axes_of(table):
        assert len({row[axis] for row in rows}) >= 2
    async with market.acting(None) as service:
        assert await service.fetch(f"SELECT * FROM {table.name}") == []
        for setting in SETTINGS:
            await service.execute(f"SET LOCAL {setting} = ''")
        assert await service.fetch(f"SELECT * FROM {table.name}") == []
        for setting in SETTINGS:
            await service.execute(f"SET LOCAL {setting} = '{{}}'")
        assert await service.fetch(f"SELECT * FROM {table.name}") == []


@TENANTS
@TABLES
async def test_with_settings_there_are_the_scopes_rows_and_no_others(
    market: World, admin: asyncpg.Connection, table: sqlalchemy.Table, who: Principal
) -> None:
    own = await ids(market, who)
    rows = [
        row
        for row in await admin.fetch(f"SELECT * FROM {table.name}")
        if all(row[axis] in own[axis] for axis in axes_of(table))
    ]
    assert rows
    async with market.acting(who) as service:
        assert _texts(await service.fetch(f"SELECT * FROM {table.name}")) == _texts(rows)


@pytest.mark.parametrize("axis", AXES)
async def test_one_setting_alone_opens_no_rows_of_two_axes(market: World, axis: str) -> None:
    numbers = (await ids(market, ALPHA))[axis]
    setting = SETTINGS[AXES.index(axis)]
    async with market.acting(None) as service:
        await service.execute(f"SET LOCAL {setting} = '{{{','.join(map(str, numbers))}}}'")
        for table in WALLED:
            if axes_of(table) != [axis]:
                assert await service.fetch(f"SELECT * FROM {table.name}") == []


def _not_an_export(table: str) -> str:
    return "action NOT LIKE 'export.%'" if table == "audit_events" else "true"


async def test_an_exports_audit_line_tells_a_vendor_its_own_rows_only(own: World) -> None:
    """A licensor's export of all its vendors is logged for each of them."""

    async def sink(_: bytes) -> None:
        return

    await run_export(own.house.service, await own.scope(SZSE), UserExport(), Form(), sink)
    async with own.acting(ALPHA) as service:
        details = await service.fetch(
            "SELECT detail FROM audit_events WHERE action LIKE 'export.%'"
        )
        held = await service.fetchval(
            "SELECT count(*) FROM service_records JOIN products USING (product_id) "
            "JOIN licensors USING (licensor_id) WHERE code = 'SZSEINFO'"
        )
    assert details
    assert {json.loads(detail).get("rows", held) for (detail,) in details} == {held}


# Writing


def _confined(axis: str) -> Principal:
    """A principal that does not reach all there is on an axis."""
    return SZSE if axis == "licensor_id" else ALPHA


async def _foreign_row(
    market: World, admin: asyncpg.Connection, table: sqlalchemy.Table, axis: str
) -> str:
    """A row that is the principal's but for one axis, as JSON."""
    own = await ids(market, _confined(axis))
    rows = [
        json.loads(row) for (row,) in await admin.fetch(f"SELECT to_json(t) FROM {table.name} t")
    ]
    row = next(row for row in rows if all(row[a] in own[a] for a in axes_of(table)))
    row[axis] = next(r[axis] for r in rows if r[axis] not in own[axis])
    return json.dumps(row)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("name", sorted(INSERTED))
async def test_no_row_is_inserted_elsewhere(
    market: World, admin: asyncpg.Connection, name: str, axis: str
) -> None:
    table = metadata.tables[name]
    if axis not in table.c:
        whole = {"rosters", "import_batches"}
        assert axis == "holder" or (axis == "product_id") == (name in whole)
        return
    row = await _foreign_row(market, admin, table, axis)
    insert = f"INSERT INTO {name} SELECT * FROM json_populate_record(NULL::{name}, $1)"
    for conflict in ("", " ON CONFLICT DO NOTHING"):
        async with market.unchanged(), market.acting(_confined(axis)) as service:
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                await service.execute(insert + conflict, row)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("name", sorted(CHANGED))
async def test_no_row_is_moved_elsewhere(market: World, name: str, axis: str) -> None:
    if axis not in metadata.tables[name].c:
        assert axis == "holder" or (axis == "product_id") == (name == "rosters")
        return
    who = _confined(axis)
    own, beta = await ids(market, who), await ids(market, BETA)
    foreign = next(number for number in beta[axis] if number not in own[axis])
    async with market.unchanged(), market.acting(who) as service:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await service.execute(f"UPDATE {name} SET {axis} = {foreign}")


async def test_foreign_rows_are_not_there_to_be_changed(market: World) -> None:
    (beta,) = (await ids(market, BETA))["vendor_id"]
    async with market.unchanged(), market.acting(ALPHA) as service:
        for act in (
            f"UPDATE service_records SET user_name = 'x' WHERE vendor_id = {beta}",
            f"UPDATE monthly_deltas SET new = 0 WHERE vendor_id = {beta}",
            f"UPDATE rosters SET last_batch = 0 WHERE vendor_id = {beta}",
        ):
            assert await service.execute(act) == "UPDATE 0"
        for table in ("service_records", "monthly_deltas"):
            done = await service.execute(f"DELETE FROM {table} WHERE vendor_id = {beta}")
            assert done == "DELETE 0"
        locked = await service.fetch(
            f"SELECT * FROM service_records WHERE vendor_id = {beta} FOR UPDATE"
        )
        assert locked == []


async def test_an_import_needs_its_right(market: World, tmp_path: Path) -> None:
    """`import_users` takes any scope: that of a licensor's analyst must not do."""
    path = tmp_path / "users.txt"
    path.write_text("u||n||个人||全价用户||20240101||0||基本行情ZW||Web||a||b||c\n")
    scope = await market.scope(SZSE)
    async with market.unchanged():
        with pytest.raises(Exception, match="IMPORT"):
            await import_users(
                market.house.service,
                scope,
                "VENDDELTA",
                FileSource(path),
                Mode.DELTA,
                report=lambda _: None,
                dry_run=True,
            )


# Settings and the pool

_SETTINGS = sqlalchemy.text(
    "SELECT current_setting('gateway.vendors', true), current_setting('gateway.products', true), "
    "pg_backend_pid()"
)
_COUNT = sqlalchemy.text("SELECT count(*) FROM service_records")


@pytest.fixture
async def narrow(market: World) -> AsyncIterator[World]:
    """The market through a gateway of one connection."""
    address = market.house.addresses.service
    engine = make_engine(address, role=SERVICE_ROLE, pool_size=1)
    house = replace(market.house, service=engine)
    app = application(house)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield replace(market, house=house, app=app, client=client)
    await engine.dispose()


async def _is_clean(world: World) -> int:
    """Demand that the pooled connection has no settings and sees no rows; return its process."""
    async with world.house.service.connect() as connection:
        vendors, products, process = (await connection.execute(_SETTINGS)).one()
        assert not vendors
        assert not products
        assert (await connection.execute(_COUNT)).scalar_one() == 0
        return int(process)


class _StopError(Exception):
    pass


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("end", ["commit", "discard", "error", "cancel"])
async def test_settings_do_not_outlive_the_transaction(
    narrow: World, end: str, write: bool
) -> None:
    scope, before = await narrow.scope(ALPHA), await _is_clean(narrow)

    async def work() -> None:
        async with open_session(narrow.house.service, scope, write=write) as session:
            seen = await session.rows(select(_TABLE.c.vendor_id).where(scope.covers(_TABLE)))
            assert seen
            if end == "discard":
                session.discard()
            if end == "error":
                raise _StopError
            if end == "cancel":
                asyncio.current_task().cancel()  # type: ignore[union-attr]
                await asyncio.sleep(0)

    task = asyncio.create_task(work())
    await asyncio.wait([task])
    assert task.cancelled() == (end == "cancel")
    assert task.cancelled() or isinstance(task.exception(), _StopError) == (end == "error")
    assert await _is_clean(narrow) == before


_TABLE = metadata.tables["service_records"]


async def test_a_client_that_goes_away_takes_no_connection_with_it(
    narrow: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that leaves cancels its export, maybe while the export's session opens."""
    url, begun = await narrow.link(ALPHA), asyncio.Event()
    execute = asyncpg.Connection.execute

    async def slow(self: asyncpg.Connection, query: str, *rest: Any, **more: Any) -> str:
        if "gateway.vendors" in query:
            query += "; SELECT pg_sleep(20)"
            begun.set()
        return await execute(self, query, *rest, **more)

    async def receive() -> dict[str, Any]:
        await begun.wait()
        await asyncio.sleep(0.1)  # the statement is on its way
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        raise AssertionError

    narrow.house.service.pool._timeout = 2  # type: ignore[attr-defined]
    monkeypatch.setattr(asyncpg.Connection, "execute", slow)
    await narrow.app(narrow.get(url), receive, send)
    monkeypatch.undo()
    for _ in range(3):
        found = await narrow.answer(BETA, "{ users { totalCount } }")
        assert found == {"users": {"totalCount": 10}}
    await _is_clean(narrow)


async def test_concurrent_tenants_on_few_connections_get_their_own(market: World) -> None:
    query = "{ viewer { vendor licensor } users { totalCount nodes { id userName } } }"
    alone = {who: (await market.ask(who, query)).content for who in PRINCIPALS}
    turns = list(PRINCIPALS) * 10
    answers = await asyncio.gather(*(market.ask(who, query) for who in turns))
    for who, answer in zip(turns, answers, strict=True):
        assert answer.content == alone[who]


# The wall alone: the statements' own predicates left out, and the guard asleep

QUERIES = (
    "{ users(first: 100) { totalCount delimited nodes { id userId userName vendor { name } "
    "product { name } contact address phone otherServices { userName } "
    "history { userName } } } }",
    '{ users(first: 100, asOf: "2024-06-01T05:30:00Z") { totalCount nodes { userName } } }',
    '{ users(first: 100, filter: {countedIn: "2024-02"}) { totalCount nodes { userName } } }',
    '{ monthlyStats(from: "2024-01", to: "2024-06", first: 100) { totalCount delimited nodes { '
    "vendor { name } product { name } fullPriceCount trialCount newCount endedCount price fee "
    "users { totalCount nodes { userName } } } } }",
    '{ monthlyStats(from: "2024-01", to: "2024-06", first: 100) { totals(by: [VENDOR, PRODUCT]) { '
    "vendor { name } product { name } newCount fee } nodes { previousMonth { newCount { change } } "
    "users(movement: NEW) { totalCount nodes { userName } } } } }",
    "{ vendors { totalCount nodes { name } } products { totalCount nodes { name } } }",
)


@TENANTS
@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("way", ["executor", "compiled"])
async def test_row_level_security_alone_keeps_the_scope(
    market: World, monkeypatch: pytest.MonkeyPatch, who: Principal, query: str, way: str
) -> None:
    right = (await market.ask(who, query)).text
    assert any(word in right for word in who.own)
    for scope in (Scope, GivenScope):
        monkeypatch.setattr(scope, "covers", lambda *_: sqlalchemy.true())
    monkeypatch.setattr(Memory, "find", lambda *_: None)  # what was compiled before has its walls
    refused = await market.errors(who, query)
    assert {error["extensions"]["code"] for error in refused} == {"INTERNAL"}
    monkeypatch.setattr(sessions, "check", lambda *_: None)
    if way == "compiled":
        monkeypatch.setattr(sealed, "check", lambda *_: None)
    answer = await market.ask(who, query)
    assert answer.headers["gateway-execution"].startswith(way)
    assert answer.text == right


@TENANTS
async def test_row_level_security_alone_keeps_exports_in_scope(
    market: World, monkeypatch: pytest.MonkeyPatch, who: Principal
) -> None:
    url = await market.link(who)
    right = await market.file(url)
    assert any(word in right for word in who.own)
    monkeypatch.setattr(Scope, "covers", lambda *_: sqlalchemy.true())
    monkeypatch.setattr(sessions, "check", lambda *_: None)
    assert await market.file(url) == right


async def test_neither_wall_and_the_rows_are_there(
    market: World, admin: asyncpg.Connection
) -> None:
    """The negative control: what the walls hide exists."""
    shown = str(await admin.fetch("SELECT * FROM service_records"))
    assert all(f"{word}" in shown for word in ("alphaKQ", "alphaXJ", "betaZW", "gammaVY"))
