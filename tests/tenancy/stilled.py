"""A log that stands still, so that two worlds' logs can be compared byte by byte.

What is logged while a world is set up and lived in depends on when that was: each entry's instant
and how long its access took. Those are made the same, and the chains are linked and signed anew by
the gateway's own writer; all else of them stays as it was written.
"""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import asyncpg
import pytest
from worlds import FIRST, World

from gateway.audit.chain import text_of
from gateway.tenancy import appending
from gateway.tenancy.appending import Entry, append_alone

APART = timedelta(minutes=20)
"""Between two entries of a chain: some are at whole hours, as the imports were."""
SIGNED = FIRST + timedelta(days=2)


async def still(world: World) -> None:
    """End the log of a world, and give its entries instants of their own."""
    await world.house.accesses.close(5)
    async with _unlocked(world) as admin:
        rows = await admin.fetch(
            "SELECT holder, number, actor, action, detail FROM audit_events ORDER BY holder, number"
        )
        await admin.execute("DELETE FROM audit_events; DELETE FROM audit_checkpoints")
    entries = []
    for row in rows:
        detail = json.loads(row["detail"])
        if "micros" in detail:
            detail["micros"] = 1234
        at = FIRST + APART * row["number"]
        entries.append(Entry(row["holder"], text_of(at, row["actor"], row["action"], detail)))
    await _add(world, entries, SIGNED)


@asynccontextmanager
async def planted(world: World, entry: Entry) -> AsyncIterator[None]:
    """Have one more entry at the end of its chain, signed later than the others."""
    at = SIGNED + timedelta(days=1)
    await _add(world, [entry], at)
    try:
        yield
    finally:
        async with _unlocked(world) as admin:
            await admin.execute(
                "DELETE FROM audit_events e USING audit_checkpoints c WHERE signed_at = $1 "
                "AND (e.holder, e.number) = (c.holder, c.number)",
                at,
            )
            await admin.execute("DELETE FROM audit_checkpoints WHERE signed_at = $1", at)


async def _add(world: World, entries: Sequence[Entry], at: datetime) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(appending, "now", lambda: at)
        await append_alone(world.house.service, entries)


@asynccontextmanager
async def _unlocked(world: World) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's transaction that may take entries away."""
    tables = ("audit_events", "audit_checkpoints")
    admin = await asyncpg.connect(world.admin)
    try:
        async with admin.transaction():
            for table in tables:
                await admin.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
            yield admin
            for table in tables:
                await admin.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER append_only")
    finally:
        await admin.close()
