"""What was logged before there were chains is put into them, and can be signed."""

import asyncpg
from ledger import damages, verified
from market import found

from alembic import command
from gateway.app.house import House
from gateway.app.migrate import configuration
from gateway.db.embedded import EmbeddedPostgres
from gateway.db.engine import make_engine
from gateway.tenancy.appending import signer_of
from gateway.tenancy.operator import open_operator


async def _move(house: House, to: str, *, up: bool) -> None:
    engine = make_engine(house.addresses.owner, role=None)
    try:
        async with engine.begin() as connection:
            act = command.upgrade if up else command.downgrade
            await connection.run_sync(lambda sync: act(configuration(sync), to))
    finally:
        await engine.dispose()


async def test_old_entries_are_linked_in_their_order(
    house: House, server: EmbeddedPostgres, database: str
) -> None:
    await found(house, "A", "B")
    await _move(house, "0010", up=False)
    admin = await asyncpg.connect(server.url("postgres", database))
    try:
        await admin.execute(
            "INSERT INTO audit_events (vendor_id, occurred_at, actor, action, detail) "
            "SELECT vendor_id, '2026-01-01 00:00:00.1+00'::timestamptz, 'operator:x', 'import.users', "
            """'{"source": "名单.txt", "lines": 3, "dry_run": false, "end": null}'::jsonb FROM vendors """
            "UNION ALL SELECT 0, '2026-01-01', 'operator', 'price.set', '{}'"
        )
        number = await admin.fetchval("SELECT count(*) FROM audit_events")
    finally:
        await admin.close()
    await _move(house, "head", up=True)
    looked_at = await verified(house)
    assert sum(one.entries for one in looked_at) == number
    assert {one.damage.kind for one in looked_at if one.damage} == {"unsigned"}
    signer = signer_of(house.auditor)
    assert signer is not None
    async with open_operator(house.auditor, "test") as session:
        await session.sign([one.head for one in looked_at], signer)
    assert await damages(house) == []
