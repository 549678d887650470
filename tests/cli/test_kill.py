"""`kill -9` at any moment: the next command works, and an import is there whole or not at all."""

import asyncio
import fcntl
import os
import random
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest
from market import ENHANCED, found, load, operator
from processes import Place, Process, descendants, ended, kill, kill_tree, until

from gateway.app.house import House
from gateway.db.embedded import EmbeddedPostgres
from gateway.exports.requests import UserExport, run_export
from gateway.exports.stream import Form
from gateway.statistics.upkeep import recount
from gateway.tenancy.session import open_session

LINES = 20_000
REST = f"||个人||全价用户||20250101||0||{ENHANCED}||Web||0||0||0"
BEFORE = [f"u{number:06d}||甲{REST}" for number in range(LINES)]
AFTER = [
    line.replace("全价用户||20250101||0", "试用用户||20250101||20250630") if i % 3 else line
    for i, line in enumerate(BEFORE)
    if i % 7
] + [f"v{number:06d}||乙{REST}" for number in range(2000)]


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    """An empty data directory."""
    made = Place()
    yield made
    made.remove()


@pytest.fixture(scope="module")
async def template(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """A data directory whose vendor A has the lines BEFORE, to be copied."""
    made = Place()
    async with made.house() as house:
        await found(house, "A")
        await load(house, "A", BEFORE, tmp_path_factory.mktemp("before"))
    yield made
    made.remove()


@pytest.fixture
async def filled(place: Place, template: Place) -> Place:
    """A copy of the template."""
    copying = ["cp", "-a", str(template.data), str(place.data)]
    await asyncio.to_thread(subprocess.run, copying, check=True)
    return place


def after_file(place: Path) -> Path:
    path = place / "after.txt"
    path.write_text("".join(f"{line}\n" for line in AFTER))
    return path


async def state(place: Place) -> list[str]:
    """Return the lines that are there, having seen that the figures are theirs."""
    async with place.house() as house:
        scope = (await operator(house)).narrow(vendors=["A"])
        async with open_session(house.service, scope) as session:
            assert await recount(session) == 0
        return await lines_of(house)


async def lines_of(house: House) -> list[str]:
    file = bytearray()

    async def keep(data: bytes) -> None:
        file.extend(data)

    await run_export(house.service, await operator(house), UserExport(("A",)), Form(), keep)
    return file.decode().splitlines()


KNOWN_STEPS = (
    ("service_records", "and the database"),
    ("monthly_deltas", "import alone"),
    ("import_batches", "import alone"),
    ("import_batches", "and the database"),
)


@pytest.mark.parametrize(("table", "killed"), KNOWN_STEPS)
async def test_an_import_killed_at_a_known_step(
    filled: Place, tmp_path: Path, table: str, killed: str
) -> None:
    """Held up at its first write to a table, then killed there: nothing of it stays."""
    path = after_file(tmp_path)
    with EmbeddedPostgres(filled.data) as server:
        owner = await asyncpg.connect(server.url("postgres"))
        look = await asyncpg.connect(server.url("postgres"))
        await owner.execute(f"BEGIN; LOCK TABLE {table} IN SHARE MODE")
        process = await filled.start("import", "users", path, "--vendor", "A")
        await blocked(look, process)
        await kill(process)
        if killed == "and the database":
            filled.kill_postgres()
            owner.terminate()
            look.terminate()
        else:
            await owner.close()
            await nobody_else(look)
            await look.close()
        assert await state(filled) == BEFORE
        async with filled.house() as house:
            await load(house, "A", AFTER, tmp_path)
        assert await state(filled) == sorted(AFTER)
    assert filled.postmaster is None


async def blocked(look: asyncpg.Connection, process: Process) -> None:
    """Wait until a process's work waits for a lock."""
    waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
    while not await look.fetchval(waits):
        assert process.returncode is None, await ended(process)
        await asyncio.sleep(0.01)


async def nobody_else(look: asyncpg.Connection) -> None:
    others = """SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()"""
    while await look.fetchval(others):
        await asyncio.sleep(0.01)


async def test_imports_killed_at_random_moments(filled: Place, tmp_path: Path) -> None:
    path = after_file(tmp_path)
    loop, chance = asyncio.get_running_loop(), random.Random(20100301)
    began = loop.time()
    dry = await filled.run("import", "users", path, "--vendor", "A", "--dry-run")
    took = loop.time() - began
    assert dry.code == 0, dry.err
    for turn in range(3):
        process = await filled.start("import", "users", path, "--vendor", "A")
        await asyncio.sleep(took * chance.uniform(0.3, 1))
        await kill(process)
        if turn % 2:
            filled.kill_postgres()
        now = await state(filled)
        assert now in (BEFORE, sorted(AFTER))
        if now != BEFORE:
            async with filled.house() as house:
                await load(house, "A", BEFORE, tmp_path)
    ran = await filled.run("import", "users", path, "--vendor", "A")
    assert ran.code == 0, ran.err
    assert await state(filled) == sorted(AFTER)
    assert filled.postmaster is None


@pytest.mark.parametrize("whole", [False, True], ids=["export alone", "and the database"])
async def test_an_export_killed_in_the_middle(filled: Place, tmp_path: Path, whole: bool) -> None:
    """Under its name stands the old file or the whole new one, never a part."""
    target = tmp_path / "out.txt"
    target.write_text("the old file\n")
    process = await filled.start("export", "users", "--vendor", "A", "-o", target)
    await until(lambda: list(tmp_path.glob("out.txt.*.part")), process)
    await kill(process)
    if whole:
        filled.kill_postgres()
    new = "".join(f"{line}\n" for line in BEFORE)
    assert target.read_text() in ("the old file\n", new)
    ran = await filled.run("export", "users", "--vendor", "A", "-o", target)
    assert ran.code == 0, ran.err
    assert target.read_text() == new


MOMENTS: dict[str, Callable[[Path], bool]] = {
    "in initdb": lambda data: (data / "postgres.making" / "PG_VERSION").exists(),
    "made": lambda data: (data / "postgres" / "PG_VERSION").exists(),
    "server starting": lambda data: (data / "postgres" / "postmaster.pid").exists(),
    "server running": lambda data: "ready" in read(data / "postgres" / "postmaster.pid"),
}


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


FIRST_STARTS = (
    ("in initdb", "command alone"),
    ("in initdb", "and its children"),
    ("made", "and its children"),
    ("server starting", "command alone"),
    ("server starting", "and its children"),
    ("server running", "command alone"),
)


@pytest.mark.parametrize(("moment", "killed"), FIRST_STARTS)
async def test_the_first_start_killed(place: Place, moment: str, killed: str) -> None:
    process = await place.start("vendor", "add", "A", "甲公司")
    await until(lambda: MOMENTS[moment](place.data), process)
    assert process.returncode is None, await ended(process)
    if killed == "and its children":
        kill_tree(process.pid)
        place.kill_postgres()
    await kill(process)
    ran = await place.run("vendor", "add", "A", "甲公司", "--json")
    assert ran.code == 0, ran.err
    assert place.postmaster is None
    async with place.house() as house:
        assert set((await operator(house)).vendors.values()) == {"A"}


async def test_an_initdb_that_outlives_its_command_is_waited_for(place: Place) -> None:
    """Else it would go on writing where the next command makes its cluster."""
    process = await place.start("vendor", "add", "A", "甲公司")
    await until(lambda: MOMENTS["in initdb"](place.data), process)
    left = descendants(process.pid)
    await kill(process)
    # only now: when the leader of stopped processes ends, the system wakes them with SIGHUP
    _signal(left, signal.SIGSTOP)
    try:
        with (place.data / "postgres.lock").open("a") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        following = await place.start("vendor", "add", "A", "甲公司")
    finally:
        _signal(left, signal.SIGCONT)
    ran = await ended(following)
    assert ran.code == 0, ran.err
    assert place.postmaster is None


def _signal(processes: list[int], number: signal.Signals) -> None:
    for one in processes:
        with suppress(ProcessLookupError):
            os.kill(one, number)


async def test_the_first_start_killed_between_two_roles(place: Place) -> None:
    """What a kill leaves right after the operator's role was made."""
    with EmbeddedPostgres(place.data) as server:
        maker = await asyncpg.connect(server.url("postgres", "postgres"))
        password = server.url("gateway_owner").split(":")[2].partition("@")[0]
        await maker.execute(f"CREATE ROLE gateway_owner LOGIN PASSWORD '{password}'")
        await maker.execute("CREATE ROLE gateway_operator NOLOGIN")
        await maker.close()
    ran = await place.run("vendor", "add", "A", "甲公司", "--json")
    assert ran.code == 0, ran.err


async def test_several_first_starts_at_once(place: Place) -> None:
    started = [await place.start("vendor", "add", code, "公司") for code in ("A", "B", "C")]
    for ran in await asyncio.gather(*map(ended, started)):
        assert ran.code == 0, ran.err
    async with place.house() as house:
        assert set((await operator(house)).vendors.values()) == {"A", "B", "C"}
    assert place.postmaster is None
