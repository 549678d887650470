"""`/exports/{token}` over a real socket: bytes, trailers, and what happens when it breaks."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import asyncpg
import httpx
import pytest
from graphing import Caller, calling, reported, small_roster, with_status
from market import ENHANCED, found, load
from serving import Answer, Program, Wire, serving

from gateway.app.house import House, link_secret
from gateway.app.server import application
from gateway.db.embedded import EmbeddedPostgres
from gateway.exports.links import Links
from gateway.http.metrics import REGISTRY
from gateway.tenancy.issue import revoke
from gateway.tenancy.operator import open_operator

Connection = asyncpg.Connection
ROSTER = reported(small_roster())
MANY = 12_000
SMALL_BUFFER = 4096


async def link(caller: Caller, root: str = "users", form: str = "") -> str:
    """Return the path of a download link."""
    (connection,) = (await caller.ask(f"{{ {root} {{ download{form} {{ url }} }} }}")).values()
    return httpx.URL(connection["download"]["url"]).raw_path.decode()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    started = Program(tmp_path_factory.mktemp("program"))
    yield started
    started.close()


@asynccontextmanager
async def offered(
    house: House, place: Path, lines: list[str]
) -> AsyncIterator[tuple[tuple[str, int], Caller]]:
    """Serve a house whose vendor A has the lines."""
    await found(house, "A")
    await load(house, "A", lines, place)
    async with serving(house) as address, calling(house, vendor="A") as caller:
        yield address, caller


def long_lines() -> list[str]:
    """Some 11 MB: more than the buffers between a server and a client that does not read."""
    rest = (
        f"{'名' * 60}||个人||全价用户||20260101||0||{ENHANCED}||Web||{'址' * 127}||{'人' * 63}||0"
    )
    return [f"u{number:06d}||{rest}" for number in range(MANY)]


def assert_receipt(answer: Answer) -> None:
    assert answer.whole
    assert answer.trailers == {
        "export-rows": str(answer.body.count(b"\n")),
        "export-sha256": hashlib.sha256(answer.body).hexdigest(),
        "export-complete": "true",
    }


async def test_bytes_headers_and_trailers(house: House, tmp_path: Path) -> None:
    async with offered(house, tmp_path, with_status(ROSTER)) as (address, caller):
        path = await link(caller)
        async with await Wire.open(address) as wire:
            answer = await wire.get(path)
    assert answer.status == 200
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.headers["content-type"] == "text/plain; charset=UTF-8"
    assert answer.headers["cache-control"] == "no-store"
    assert unquote(answer.headers["content-disposition"]).endswith("用户详细信息下载.txt")
    named = {name.strip().lower() for name in answer.headers["trailer"].split(",")}
    assert named == set(answer.trailers)
    assert answer.body.count(b"\n") == len(ROSTER)
    assert_receipt(answer)


@pytest.mark.parametrize(
    ("form", "encoding", "options"),
    [
        ("", "UTF-8", ()),
        ("(encoding: null, header: null, lineEnd: null)", "UTF-8", ()),
        ("(encoding: UTF_8, header: true, lineEnd: LF)", "UTF-8", ("--header",)),
        (
            "(encoding: GB18030, header: true, lineEnd: CRLF)",
            "GB18030",
            ("--encoding", "gb18030", "--header", "--crlf"),
        ),
    ],
)
async def test_the_same_bytes_as_the_program_exports(
    house: House,
    program: Program,
    tmp_path: Path,
    form: str,
    encoding: str,
    options: tuple[str, ...],
) -> None:
    async with offered(house, tmp_path, with_status(ROSTER)) as (address, caller):
        async with await Wire.open(address) as wire:
            answer = await wire.get(await link(caller, form=form))
        ran = await program.run(house, "export", "users", "--vendor", "A", *options)
    assert ran.code == 0, ran.err
    assert answer.body == ran.out
    assert answer.trailers["export-rows"] == str(len(ROSTER))
    assert answer.trailers["export-sha256"] == hashlib.sha256(ran.out).hexdigest()
    assert answer.headers["content-type"] == f"text/plain; charset={encoding}"
    lines = answer.body.decode(encoding).split("\r\n" if "--crlf" in options else "\n")
    assert lines.pop() == ""
    assert len(lines) == len(ROSTER) + ("--header" in options)
    assert lines[0].startswith("用户ID||用户名称||") is ("--header" in options)


async def test_monthly_figures_are_the_programs_too(
    house: House, program: Program, tmp_path: Path
) -> None:
    async with offered(house, tmp_path, with_status(ROSTER)) as (address, caller):
        root = f'monthlyStats(products: ["{ENHANCED}"], orderBy: {{field: MONTH}})'
        path = await link(caller, root)
        async with await Wire.open(address) as wire:
            answer = await wire.get(path)
        command = ("export", "monthly", "--vendor", "A", "--product", ENHANCED)
        ran = await program.run(house, *command)
    assert ran.code == 0, ran.err
    assert answer.body == ran.out
    assert_receipt(answer)


async def test_a_file_without_lines_is_complete_too(house: House, tmp_path: Path) -> None:
    async with offered(house, tmp_path, with_status(ROSTER)) as (address, caller):
        path = await link(caller, 'users(filter: {search: "nobody"})')
        async with await Wire.open(address) as wire:
            answer = await wire.get(path)
    assert (answer.status, answer.body) == (200, b"")
    assert_receipt(answer)


async def test_one_connection_serves_export_after_export(house: House, tmp_path: Path) -> None:
    async with offered(house, tmp_path, with_status(ROSTER)) as (address, caller):
        path = await link(caller)
        async with await Wire.open(address) as wire:
            first = await wire.get(path)
            assert (await wire.get("/healthz")).body == b'{"status":"ok"}'
            second, third = await wire.get(path), await wire.get(path)
            head = await wire.get(path, "HEAD")
            assert (await wire.get("/exports/x")).status == 404
            wire.send(path)
            wire.send(path)
            pipelined = [await wire.answer(), await wire.answer()]
    for answer in (first, second, third, *pipelined):
        assert_receipt(answer)
        assert answer.body == first.body
    assert head.status == 200
    for name in ("content-type", "content-disposition", "cache-control"):
        assert head.headers[name] == first.headers[name]


async def test_an_old_client_gets_the_whole_file(house: House, tmp_path: Path) -> None:
    async with offered(house, tmp_path, with_status(ROSTER)) as (address, caller):
        path = await link(caller)
        async with await Wire.open(address) as wire:
            answer = await wire.get(path, version="1.0")
            assert answer.body.count(b"\n") == len(ROSTER)
            assert await wire.reader.read() == b""


async def test_a_download_does_not_change_while_imports_do(house: House, tmp_path: Path) -> None:
    """One snapshot serves a file, however slowly it is read."""
    async with (
        offered(house, tmp_path, long_lines()) as (address, caller),
        await Wire.open(address, buffer=SMALL_BUFFER) as wire,
    ):
        wire.send(await link(caller))
        answer = await wire.head()
        await load(house, "A", long_lines()[: MANY // 2], tmp_path)
        await wire.rest(answer)
    assert_receipt(answer)
    assert answer.trailers["export-rows"] == str(MANY)


BUSY = """SELECT pid, query FROM pg_stat_activity WHERE datname = current_database()
    AND pid <> pg_backend_pid() AND state <> 'idle' AND usename = 'gateway_service'"""


async def busy(owner: Connection, number: int) -> list[asyncpg.Record]:
    """Wait until so many of the service's connections work."""
    async with asyncio.timeout(30):
        while len(rows := await owner.fetch(BUSY)) != number:
            await asyncio.sleep(0.02)
    return rows


@pytest.fixture
async def owner(server: EmbeddedPostgres, database: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(server.url("postgres", database))
    yield connection
    await connection.close()


async def test_a_client_that_leaves_ends_the_databases_work(
    house: House, owner: Connection, tmp_path: Path
) -> None:
    async with offered(house, tmp_path, long_lines()) as (address, caller):
        path = await link(caller)
        for _ in range(house.settings.pool_size + 1):
            async with await Wire.open(address, buffer=SMALL_BUFFER) as wire:
                wire.send(path)
                assert (await wire.head()).status == 200
                (work,) = await busy(owner, 1)
                assert "COPY" in work["query"].upper()
            await busy(owner, 0)
        async with await Wire.open(address) as wire:
            assert_receipt(await wire.get(path))


async def test_slow_readers_hold_up_downloads_of_their_own_tenant_alone(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.http.exports._TURN_SECONDS", 1)
    await found(house, "A", "B")
    await load(house, "A", long_lines(), tmp_path)
    await load(house, "B", long_lines()[:1], tmp_path)
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(serving(house))
        paths = [
            await link(await stack.enter_async_context(calling(house, vendor=vendor)))
            for vendor in ("A", "B")
        ]
        wires = [
            await stack.enter_async_context(await Wire.open(address, buffer=SMALL_BUFFER))
            for _ in range(house.settings.pool_size + 1)
        ]
        before = refused_downloads()
        for wire in wires:
            wire.send(paths[0])
        heads = await asyncio.gather(*(wire.head() for wire in wires))
        assert refused_downloads() - before == len(wires) - house.settings.pool_size // 2
        statuses = [head.status for head in heads]
        assert set(statuses) == {200, 429}
        assert statuses.count(200) == house.settings.pool_size // 2
        assert heads[statuses.index(429)].headers["retry-after"] == "1"
        async with await Wire.open(address) as wire:
            assert_receipt(await wire.get(paths[1]))
        monkeypatch.setattr("gateway.http.exports._TURN_SECONDS", 60)
        wires[statuses.index(200)].writer.close()
        async with await Wire.open(address) as wire:
            assert_receipt(await wire.get(paths[0]))


def refused_downloads() -> float:
    asked = "gateway_limits_exceeded_total", {"limit": "downloads"}
    return REGISTRY.get_sample_value(*asked) or 0.0


async def broken_off(address: tuple[str, int], path: str, owner: Connection) -> Answer:
    """Follow a link whose statement is ended in the middle; return what came."""
    async with await Wire.open(address, buffer=SMALL_BUFFER) as wire:
        wire.send(path)
        answer = await wire.head()
        (work,) = await busy(owner, 1)
        await owner.execute("SELECT pg_terminate_backend($1)", work["pid"])
        await wire.rest(answer)
    return answer


async def test_a_failure_in_the_middle_leaves_the_body_without_its_end(
    house: House, owner: Connection, tmp_path: Path
) -> None:
    async with offered(house, tmp_path, long_lines()) as (address, caller):
        path = await link(caller)
        answer = await broken_off(address, path, owner)
        assert answer.body
        assert not answer.whole
        assert answer.trailers == {}
        async with await Wire.open(address) as wire:
            assert_receipt(await wire.get(path))


async def test_a_failure_before_the_first_byte_is_a_status(
    house: House, owner: Connection, tmp_path: Path
) -> None:
    async with offered(house, tmp_path, with_status(ROSTER)) as (address, caller):
        path = await link(caller)
        async with await Wire.open(address) as wire, owner.transaction():
            await owner.execute("LOCK TABLE service_records IN ACCESS EXCLUSIVE MODE")
            wire.send(path)
            async with asyncio.timeout(30):
                while True:
                    await owner.execute("SELECT pg_stat_clear_snapshot()")
                    pids = await owner.fetch(f"{BUSY} AND wait_event_type = 'Lock'")
                    if pids:
                        break
                    await asyncio.sleep(0.02)
            await owner.execute("SELECT pg_terminate_backend($1)", pids[0]["pid"])
            answer = await wire.answer()
        assert answer.status == 503
        assert b"UNAVAILABLE" in answer.body
        assert b"asyncpg" not in answer.body


async def test_a_complete_export_is_logged_and_a_broken_one_as_such(
    house: House, owner: Connection, tmp_path: Path
) -> None:
    logged = """SELECT detail->>'sha256' FROM audit_events
        WHERE action LIKE 'export.users%' AND detail->>'sha256' IS NOT NULL"""
    cut = """SELECT detail->>'outcome' AS outcome, (detail->>'size')::int AS size
        FROM audit_events WHERE action = 'export.users.cut' ORDER BY number"""
    async with offered(house, tmp_path, long_lines()) as (address, caller):
        path = await link(caller)
        async with await Wire.open(address, buffer=SMALL_BUFFER) as wire:
            wire.send(path)
            await wire.head()
            await busy(owner, 1)
        await busy(owner, 0)
        answer = await broken_off(address, path, owner)
        assert await owner.fetch(logged) == []
        async with asyncio.timeout(10):
            while len(entries := await owner.fetch(cut)) < 2:
                await asyncio.sleep(0.05)
        assert [one["outcome"] for one in entries] == ["GONE", "UNAVAILABLE"]
        async with await Wire.open(address) as wire:
            answer = await wire.get(path)
        (row,) = await owner.fetch(logged)
        assert row[0] == answer.trailers["export-sha256"]
        assert len(await owner.fetch(cut)) == 2
        link_too = "SELECT count(*) FROM audit_events WHERE action = 'export.link'"
        assert await owner.fetchval(link_too) == 0  # that is for those that were not followed
        assert all(0 < one["size"] < len(answer.body) for one in entries)


async def test_a_reader_who_stands_still_is_left_and_logged_once(
    house: House, owner: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.http.exports._STALLED_SECONDS", 0.5)
    logged = """SELECT action, detail->>'outcome' AS outcome FROM audit_events
        WHERE action LIKE 'export%' ORDER BY number"""
    async with offered(house, tmp_path, long_lines()) as (address, caller):
        path = await link(caller)
        async with await Wire.open(address, buffer=SMALL_BUFFER) as wire:
            wire.send(path)
            await wire.head()
            async with asyncio.timeout(30):
                while len(entries := await owner.fetch(logged)) < 2:
                    await asyncio.sleep(0.05)
    told = [("export.users.start", None), ("export.users.cut", "TIMEOUT")]
    assert [tuple(one) for one in entries] == told


async def test_a_download_ends_when_its_key_is_revoked(
    house: House, owner: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.http.exports._AGAIN_SECONDS", 0)
    logged = "SELECT detail->>'outcome' FROM audit_events WHERE action = 'export.users.cut'"
    async with offered(house, tmp_path, long_lines()) as (address, caller):
        path = await link(caller)
        async with await Wire.open(address, buffer=SMALL_BUFFER) as wire:
            wire.send(path)
            answer = await wire.head()
            assert answer.status == 200
            async with open_operator(house.security, "test") as session:
                await revoke(session, caller.key.split("_")[1])
            await wire.rest(answer)
        assert (answer.whole, answer.trailers) == (False, {})
        async with asyncio.timeout(10):
            while not (entries := await owner.fetch(logged)):
                await asyncio.sleep(0.05)
    assert [tuple(one) for one in entries] == [("UNAUTHENTICATED",)]


async def test_a_link_that_is_not_valid_is_not_found(house: House, tmp_path: Path) -> None:
    await found(house, "A")
    await load(house, "A", with_status(ROSTER), tmp_path)
    async with calling(house, vendor="A") as caller:
        path = await link(caller)
        token = path.removeprefix("/exports/")
        for wrong in ("x", token[:-1], token[:-2] + "AA", token[::-1], "%00", "é", "a" * 5000):
            for method in ("GET", "HEAD"):
                answer = await caller.client.request(method, f"/exports/{wrong}")
                assert answer.status_code == 404, wrong
        answer = await caller.client.get("/exports/x", headers={"Accept-Language": "zh"})
        (error,) = answer.json()["errors"]
        assert error == {
            "message": "下载链接无效或已过期",
            "extensions": {"code": "NOT_FOUND"},
        }
        assert (await caller.client.post(path)).status_code == 405
    secret = link_secret(house.settings)
    for links in (Links(secret, -1), Links(secret[::-1], 600)):
        assert (await get(replace(house, links=links), path)).status_code == 404


async def test_a_revoked_keys_links_are_closed(house: House, tmp_path: Path) -> None:
    await found(house, "A")
    await load(house, "A", with_status(ROSTER), tmp_path)
    async with calling(house, vendor="A") as caller:
        path = await link(caller)
        assert (await get(house, path)).status_code == 200
        async with open_operator(house.security, "test") as session:
            await revoke(session, caller.key.split("_")[1])
        answer = await get(house, path)
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def get(house: House, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=application(house))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        return await client.get(path)
