"""Opening a gateway on a fresh database, cloned from the template, for one test or one module."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from gateway.app.house import House, open_house
from gateway.config.settings import Settings
from gateway.db.embedded import OWNER, SERVICE, EmbeddedPostgres

_numbers = itertools.count()


@asynccontextmanager
async def fresh_database(server: EmbeddedPostgres) -> AsyncIterator[str]:
    """Make a migrated database, give its name, drop it."""
    name = f"test_{next(_numbers)}"
    maker = await asyncpg.connect(server.url("postgres", "postgres"))
    try:
        await maker.execute(f'CREATE DATABASE "{name}" TEMPLATE gateway OWNER {OWNER}')
        await maker.execute(f'GRANT TEMPORARY ON DATABASE "{name}" TO {SERVICE}')
        yield name
        await maker.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await maker.close()


@asynccontextmanager
async def opened(server: EmbeddedPostgres, name: str, place: Path) -> AsyncIterator[House]:
    """Open a gateway on a database by name."""
    config = Settings(
        database_url=server.url(SERVICE, name),
        migrate_url=server.url(OWNER, name),
        data_dir=place / "data",
        pool_size=4,
    )
    async with open_house(config) as house:
        yield house
