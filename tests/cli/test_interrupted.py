"""A command that fails or is stopped: its error and nothing else, its exit code, nothing changed."""

import asyncio
import fcntl
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest
from market import ENHANCED, found, load, operator
from processes import Place, Process, ended, until

from gateway.db.embedded import EmbeddedPostgres
from gateway.exports.requests import UserExport, run_export
from gateway.exports.stream import Form

REST = f"||个人||全价用户||20250101||0||{ENHANCED}||Web||0||0||0"
BEFORE = ["u1||甲" + REST]
AFTER = "".join(f"v{number:06d}||乙{REST}\n" for number in range(400_000)).encode()


@pytest.fixture(scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    made = Place()
    with EmbeddedPostgres(made.data):
        async with made.house() as house:
            await found(house, "A")
            await load(house, "A", BEFORE, tmp_path_factory.mktemp("before"))
        yield made
    made.remove()


@pytest.fixture
async def look(place: Place) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(EmbeddedPostgres(place.data).url("postgres"))
    yield connection
    connection.terminate()


async def lines(place: Place) -> list[str]:
    file = bytearray()

    async def keep(data: bytes) -> None:
        file.extend(data)

    async with place.house() as house:
        await run_export(house.service, await operator(house), UserExport(("A",)), Form(), keep)
    return file.decode().splitlines()


async def copying(look: asyncpg.Connection, process: Process) -> int:
    """Wait until a command's lines flow into the database; return the backend."""
    query = "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'COPY%'"
    while (pid := await look.fetchval(query)) is None:
        assert process.returncode is None, await ended(process)
        await asyncio.sleep(0.01)
    return int(pid)


async def waiting(look: asyncpg.Connection, process: Process) -> None:
    """Wait until a command's work waits for a lock."""
    while not await look.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
        assert process.returncode is None, await ended(process)
        await asyncio.sleep(0.01)


class Feeder:
    """Feeds a named pipe as fast as its reader reads."""

    def __init__(self, pipe: Path, data: bytes) -> None:
        os.mkfifo(pipe)
        self._pipe = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
        fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, 1 << 20)
        self._left = memoryview(data)
        self._task = asyncio.create_task(self._feed())

    async def _feed(self) -> None:
        while self._left:
            with suppress(BlockingIOError):
                self._left = self._left[os.write(self._pipe, self._left) :]
            await asyncio.sleep(0.01)

    async def stalled(self) -> None:
        """Wait until the reader reads no more."""
        left = -1
        while left != len(self._left):
            left = len(self._left)
            await asyncio.sleep(0.5)

    async def close(self) -> None:
        """Leave: what the reader has got is the whole file."""
        self._task.cancel()
        await asyncio.wait({self._task})
        os.close(self._pipe)


STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.mark.parametrize("stop", STOPS)
async def test_an_import_stopped_while_it_reads(
    place: Place, look: asyncpg.Connection, tmp_path: Path, stop: signal.Signals
) -> None:
    feeder = Feeder(tmp_path / "pipe", AFTER)
    process = await place.start("import", "users", tmp_path / "pipe", "--vendor", "A")
    await copying(look, process)
    process.send_signal(stop)
    await feeder.close()
    ran = await ended(process)
    assert (ran.code, ran.out, ran.err) == (128 + stop, b"", "")
    assert await lines(place) == BEFORE
    assert [one.name for one in tmp_path.iterdir()] == ["pipe"]


@pytest.mark.parametrize("stop", STOPS)
async def test_an_import_stopped_while_it_merges(
    place: Place, look: asyncpg.Connection, tmp_path: Path, stop: signal.Signals
) -> None:
    path = tmp_path / "after.txt"
    path.write_bytes(AFTER[: AFTER.index(b"\n") + 1])
    async with look.transaction():
        await look.execute("LOCK TABLE service_records IN SHARE MODE")
        process = await place.start("import", "users", path, "--vendor", "A")
        await waiting(look, process)
        process.send_signal(stop)
        ran = await ended(process)
    assert (ran.code, ran.out, ran.err) == (128 + stop, b"", "")
    assert await lines(place) == BEFORE


@pytest.mark.parametrize("stop", STOPS)
async def test_a_command_stopped_before_it_has_begun(place: Place, stop: signal.Signals) -> None:
    """Reading its own code takes a good part of a second."""
    process = await place.start("doctor")
    await until(lambda: hears(process.pid, signal.SIGHUP), process)
    process.send_signal(stop)
    ran = await ended(process)
    assert (ran.code, ran.out, ran.err) == (128 + stop, b"", "")


def hears(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (number - 1) & 1)


DOES_NOT_ANSWER = "error: the database does not answer\n"


async def test_an_import_whose_connection_is_ended(
    place: Place, look: asyncpg.Connection, tmp_path: Path
) -> None:
    feeder = Feeder(tmp_path / "pipe", AFTER)
    process = await place.start("import", "users", tmp_path / "pipe", "--vendor", "A")
    await look.execute("SELECT pg_terminate_backend($1)", await copying(look, process))
    ran = await ended(process)
    await feeder.close()
    assert (ran.code, ran.out, ran.err) == (3, b"", DOES_NOT_ANSWER)
    assert await lines(place) == BEFORE


async def test_an_import_whose_database_dies_while_it_holds_back(
    place: Place, look: asyncpg.Connection, tmp_path: Path
) -> None:
    """The backend takes nothing more, so that the import waits; then all of the server is gone."""
    feeder = Feeder(tmp_path / "pipe", AFTER)
    process = await place.start("import", "users", tmp_path / "pipe", "--vendor", "A")
    os.kill(await copying(look, process), signal.SIGSTOP)
    await feeder.stalled()
    place.kill_postgres()
    ran = await ended(process)
    await feeder.close()
    assert (ran.code, ran.out, ran.err) == (3, b"", DOES_NOT_ANSWER)
    assert await lines(place) == BEFORE


async def test_a_file_that_can_not_be_read(place: Place, tmp_path: Path) -> None:
    readable = ("  where: FILE", "  accepted: a file that can be read")
    for path, reason in (
        (tmp_path / "none.txt", "No such file or directory"),
        (tmp_path / "none" / "none.txt", "No such file or directory"),
        (tmp_path, "Is a directory"),
        (tmp_path / ("long" * 70), "File name too long"),
        (Path("/proc/self/mem"), "Input/output error"),
    ):
        imported = ("import", "users", path, "--vendor", "A")
        for command in (imported, ("check", path)) if path == tmp_path else (("check", path),):
            ran = await place.run(*command)
            said = "\n".join((f"error: {path}: {reason}", *readable, ""))
            assert (ran.code, ran.out, ran.err) == (2, b"", said)
    assert await lines(place) == BEFORE
    assert list(tmp_path.iterdir()) == []
