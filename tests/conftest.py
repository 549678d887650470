"""One embedded PostgreSQL per test process; one database, cloned from a template, per test."""

import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import asyncpg
import pytest

from gateway.app.house import House, open_house
from gateway.app.migrate import migrate
from gateway.config.settings import Settings
from gateway.db.embedded import OWNER, SERVICE, EmbeddedPostgres
from gateway.db.engine import Addresses

_numbers = itertools.count()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedPostgres]:
    place = Path(tempfile.mkdtemp(prefix="gateway-tests-"))
    place.chmod(0o755)
    with EmbeddedPostgres(place, durable=False) as running:
        anyio.run(
            migrate,
            Addresses(
                running.url(SERVICE),
                running.url(OWNER),
                running.url("postgres", "postgres"),
                running.directory,
            ),
        )
        yield running
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
async def database(server: EmbeddedPostgres) -> AsyncIterator[str]:
    """A fresh, migrated database's name."""
    name = f"test_{next(_numbers)}"
    maker = await asyncpg.connect(server.url("postgres", "postgres"))
    try:
        await maker.execute(f'CREATE DATABASE "{name}" TEMPLATE gateway OWNER {OWNER}')
        await maker.execute(f'GRANT TEMPORARY ON DATABASE "{name}" TO {SERVICE}')
        yield name
        await maker.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await maker.close()


@pytest.fixture
async def house(server: EmbeddedPostgres, database: str, tmp_path: Path) -> AsyncIterator[House]:
    """An open gateway on a fresh database."""
    config = Settings(
        database_url=server.url(SERVICE, database),
        migrate_url=server.url(OWNER, database),
        data_dir=tmp_path / "data",
        pool_size=4,
    )
    async with open_house(config) as opened:
        yield opened
