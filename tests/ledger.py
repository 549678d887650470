"""Audit chains for tests: some entries of two tenants, and a superuser past every wall."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from gateway.app.house import House, audit_keys
from gateway.audit.chain import text_of
from gateway.audit.keys import trusted_keys
from gateway.audit.verify import Verified, Wanted, verify
from gateway.catalogue import registry
from gateway.config.clock import now
from gateway.db.embedded import EmbeddedPostgres
from gateway.tenancy.appending import Entry, append_alone
from gateway.tenancy.operator import open_operator


async def filled(house: House, entries: int = 6) -> dict[str, int]:
    """Add two vendors, and as many entries to the first one's chain; return their numbers."""
    async with open_operator(house.operator, "test") as session:
        for code in ("LEDGER1", "LEDGER2"):
            await registry.add_vendor(session, code, f"{code} 有限公司")
        numbers = {code: await registry.vendor_id(session, code) for code in ("LEDGER1", "LEDGER2")}
    await write(house, numbers["LEDGER1"], entries - 1)
    return numbers


async def write(house: House, holder: int, entries: int) -> None:
    """Write entries one by one, each with its checkpoint."""
    for number in range(entries):
        detail = {"rows": number, "outcome": "OK", "personal": ["phone"], "目的": "检查"}
        entry = Entry(holder, text_of(now(), "key:aaaaaaaa", f"query{number}", detail))
        await append_alone(house.service, [entry])


async def verified(house: House, **wanted: Any) -> list[Verified]:
    """Verify as the auditor does."""
    trusted = trusted_keys(audit_keys(house.settings))
    async with open_operator(house.auditor, "test") as session:
        return [one async for one in verify(session, trusted, Wanted(**wanted))]


async def damages(house: House, **wanted: Any) -> list[tuple[str, str, int]]:
    """Return what is wrong: kind, chain and number of the first entry of each chain."""
    found = [one.damage for one in await verified(house, **wanted)]
    return [(one.kind, one.chain, one.number) for one in found if one is not None]


@asynccontextmanager
async def superuser(server: EmbeddedPostgres, database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that may do anything, with the triggers out of its way."""
    connection = await asyncpg.connect(server.url("postgres", database))
    try:
        for table in ("audit_events", "audit_checkpoints"):
            await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def undone(
    connection: asyncpg.Connection, *statements: str, arguments: Sequence[Any] = ()
) -> AsyncIterator[None]:
    """Do damage that others see, and repair it afterwards."""
    kept = {
        table: await connection.fetch(f"SELECT * FROM {table}")
        for table in ("audit_events", "audit_checkpoints")
    }
    for statement in statements:
        await connection.execute(statement, *arguments)
    try:
        yield
    finally:
        for table, rows in kept.items():
            await connection.execute(f"DELETE FROM {table}")
            await connection.copy_records_to_table(table, records=rows)
