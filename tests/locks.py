"""Statements that wait for a lock: what is asked while they do, and whether they are ended."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from gateway.app.house import House
from gateway.db.embedded import EmbeddedPostgres


@asynccontextmanager
async def locked(server: EmbeddedPostgres, house: House) -> AsyncIterator[asyncpg.Connection]:
    """Hold up every statement on service records."""
    name = str(house.settings.database_url).partition("?")[0].rpartition("/")[2]
    other = await asyncpg.connect(server.url("postgres", name))
    try:
        async with other.transaction():
            await other.execute("LOCK TABLE service_records IN ACCESS EXCLUSIVE MODE")
            yield other
    finally:
        await other.close()


async def waiting(other: asyncpg.Connection) -> int:
    """How many statements of the gateway wait for the lock."""
    await other.execute("SELECT pg_stat_clear_snapshot()")
    return int(
        await other.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'compliance-gateway' AND wait_event_type = 'Lock'"
        )
    )


async def until(count: Callable[[], Any], wanted: int) -> None:
    async with asyncio.timeout(10):
        while await count() != wanted:
            await asyncio.sleep(0.02)
