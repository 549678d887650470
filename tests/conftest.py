"""One embedded PostgreSQL per test process; one database, cloned from a template, per test."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest
from houses import fresh_database, opened

from gateway.app.house import House
from gateway.app.migrate import migrate
from gateway.db.embedded import OWNER, SERVICE, EmbeddedPostgres
from gateway.db.engine import Addresses


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
    async with fresh_database(server) as name:
        yield name


@pytest.fixture
async def house(server: EmbeddedPostgres, database: str, tmp_path: Path) -> AsyncIterator[House]:
    """An open gateway on a fresh database."""
    async with opened(server, database, tmp_path) as one:
        yield one
