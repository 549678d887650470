"""What a killed server leaves: the next start clears away what is nobody's, and nothing else."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from gateway.db.embedded import EmbeddedPostgres
from gateway.errors import Unavailable

FILES = ("postmaster.pid", ".s.PGSQL.5432.lock")


@pytest.fixture(scope="module")
def stopped() -> Iterator[EmbeddedPostgres]:
    """A cluster whose server was stopped."""
    place = Path(tempfile.mkdtemp(prefix="gateway-tests-"))
    place.chmod(0o755)
    with EmbeddedPostgres(place, durable=False) as server:
        pass
    yield server
    shutil.rmtree(place, ignore_errors=True)


def leave(server: EmbeddedPostgres, name: str, text: str) -> Path:
    file = server.directory / "postgres" / name
    file.write_text(text)
    file.chmod(0o600)
    owner = file.parent.stat()
    os.chown(file, owner.st_uid, owner.st_gid)
    return file


@contextmanager
def sleeping(directory: Path) -> Iterator[int]:
    """Run a process of the server's own user that is no server."""
    owner = directory.stat().st_uid
    process = subprocess.Popen(["sleep", "60"], user=owner, cwd="/")
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


async def works(server: EmbeddedPostgres) -> None:
    with server:
        connection = await asyncpg.connect(server.url("postgres", "postgres"))
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
    assert not any((server.directory / "postgres" / name).exists() for name in FILES)


@pytest.mark.parametrize("text", ["", "\n", "\0" * 40, "no number\n"])
@pytest.mark.parametrize("name", FILES)
async def test_killed_before_its_number_was_written(
    stopped: EmbeddedPostgres, name: str, text: str
) -> None:
    leave(stopped, name, text)
    await works(stopped)


@pytest.mark.parametrize("name", FILES)
async def test_its_number_belongs_to_another_process(stopped: EmbeddedPostgres, name: str) -> None:
    cluster = stopped.directory / "postgres"
    with sleeping(cluster) as number:
        leave(stopped, name, f"{number}\n{cluster}\n1790000000\n5432\n{cluster}\n")
        await works(stopped)
        os.kill(number, 0)  # it was not stopped in the server's place


@pytest.mark.parametrize("name", FILES)
async def test_its_number_belongs_to_nobody(stopped: EmbeddedPostgres, name: str) -> None:
    cluster = stopped.directory / "postgres"
    with sleeping(cluster) as number:
        pass
    leave(stopped, name, f"{number}\n{cluster}\n1790000000\n5432\n{cluster}\n")
    await works(stopped)


async def test_what_somebody_holds_is_left_alone(stopped: EmbeddedPostgres) -> None:
    """Another container's server has a number that is nobody's, or another's, in this one."""
    users = (stopped.directory / "postgres.users").open("a")
    fcntl.flock(users, fcntl.LOCK_SH)
    file = leave(stopped, "postmaster.pid", "")
    try:
        with pytest.raises(Unavailable):
            stopped.start()
        assert file.exists()
    finally:
        users.close()
    await works(stopped)


async def test_a_running_server_keeps_its_files(stopped: EmbeddedPostgres) -> None:
    with stopped:
        before = [(stopped.directory / "postgres" / name).read_text() for name in FILES]
        connection = await asyncpg.connect(stopped.url("postgres", "postgres"))
        with EmbeddedPostgres(stopped.directory, durable=False):
            pass
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
        after = [(stopped.directory / "postgres" / name).read_text() for name in FILES]
    assert before == after


async def test_a_refusal_tells_what_the_server_said_this_time(stopped: EmbeddedPostgres) -> None:
    conf = stopped.directory / "postgres" / "postgresql.conf"
    kept = conf.read_text()
    conf.write_text(f"{kept}\nshared_buffers = 'plenty'\n")
    try:
        with pytest.raises(Exception, match='invalid value for parameter "shared_buffers"') as told:
            stopped.start()
    finally:
        conf.write_text(kept)
    assert "database system is shut down" not in str(told.value)
    await works(stopped)
