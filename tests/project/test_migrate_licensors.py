"""Migration 0010: batches of several licensors' products are divided, records numbered for each."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from market import ENHANCED, FOREIGN, found, load
from sqlalchemy import Connection

from alembic import command
from gateway.app.house import House
from gateway.app.migrate import configuration
from gateway.db.embedded import EmbeddedPostgres
from gateway.db.engine import make_engine
from gateway.intake.run import Mode

AT = datetime(2024, 6, 1, tzinfo=UTC)
RECORD = (
    "INSERT INTO {} (vendor_id, record_id, product_id, batch_no{}, start_date, end_date, user_type, "
    "fee_category, usage_mode, user_id, user_name) SELECT $1, $2, product_id, $4{}, $5, 'infinity', "
    "1, 1, 1, $6, 'n' FROM products WHERE name = $3"
)
# vendor: its records as they were: number, product, batch, and the batch that closed it
OLD = {
    "A": [
        *((1, ENHANCED, 1, 2), (2, FOREIGN, 1, 3), (3, ENHANCED, 1, 3)),
        *((1, ENHANCED, 2, None), (2, FOREIGN, 3, None), (4, FOREIGN, 3, None)),
    ],
    "B": [(1, FOREIGN, 1, None), (2, FOREIGN, 2, None)],
    "C": [(1, ENHANCED, 1, 2), (6, ENHANCED, 2, None)],
}


@pytest.fixture
async def admin(server: EmbeddedPostgres, database: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection: past every wall."""
    connection = await asyncpg.connect(server.url("postgres", database))
    yield connection
    await connection.close()


async def step(house: House, *, up: bool) -> None:
    """Go to the newest version, or to the one before this migration."""

    def walk(connection: Connection) -> None:
        config: Config = configuration(connection)
        before = ScriptDirectory.from_config(config).get_revision("0010").down_revision
        command.upgrade(config, "head") if up else command.downgrade(config, str(before))

    engine = make_engine(house.addresses.owner, role=None)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(walk)
    finally:
        await engine.dispose()


async def write_old(admin: asyncpg.Connection) -> None:
    """Write what an earlier version had in its tables."""
    for vendor, records in OLD.items():
        number = await admin.fetchval("SELECT vendor_id FROM vendors WHERE code = $1", vendor)
        last = max(batch for *_, batch, _ in records)
        await admin.execute(
            "INSERT INTO rosters (vendor_id, last_batch, last_record, recorded_at) "
            "VALUES ($1, $2, 7, $3)",
            *(number, last, AT + timedelta(hours=last)),
        )
        for batch in range(1, last + 1):
            await admin.execute(
                "INSERT INTO import_batches VALUES "
                "($1, $2, $3, 'me', 'f', 'x', 'utf-8', 'delta', 9, 8, 7, 6, 5)",
                *(number, batch, AT + timedelta(hours=batch)),
            )
            await admin.execute(
                "INSERT INTO audit_events (vendor_id, actor, action, detail) "
                "VALUES ($1, 'me', 'import.users', jsonb_build_object('batch', $2::int))",
                *(number, batch),
            )
        for record, product, batch, closed in records:
            table = "service_records" if closed is None else "service_record_versions"
            more = ("", "") if closed is None else (", closed_by", f", {closed}")
            await admin.execute(
                RECORD.format(table, *more),
                *(number, record, product, batch, date(2024, 1, record), f"u{record}"),
            )


BATCHES = """
    SELECT v.code AS vendor, b.batch_no, l.code AS licensor, number, b.recorded_at, lines, added,
        changed, superseded, unchanged
    FROM import_batches b JOIN vendors v USING (vendor_id) JOIN licensors l USING (licensor_id)
    ORDER BY 1, 2"""
ROWS = """
    SELECT v.code, r.record_id - CASE WHEN record_id > 1 << 30 THEN record_base ELSE 0 END, p.name,
        batch_no, closed_by, user_id
    FROM (SELECT vendor_id, record_id, product_id, batch_no, NULL::int AS closed_by, user_id
            FROM service_records
        UNION ALL SELECT vendor_id, record_id, product_id, batch_no, closed_by, user_id
            FROM service_record_versions) r
    JOIN vendors v USING (vendor_id) JOIN products p USING (product_id)
    JOIN licensors l USING (licensor_id) ORDER BY 1, user_id, batch_no"""
ROSTERS = """
    SELECT v.code, coalesce(l.code, ''), last_batch, last_record - coalesce(record_base, 0)
    FROM rosters r JOIN vendors v USING (vendor_id) LEFT JOIN licensors l USING (licensor_id)
    ORDER BY 1, 2"""
LOGGED = """
    SELECT coalesce(v.code, detail ->> 'vendor'), detail ->> 'batch', coalesce(l.code, '')
    FROM audit_events e LEFT JOIN vendors v USING (vendor_id)
    LEFT JOIN licensors l ON l.licensor_id = -e.holder
    WHERE action = 'import.users' ORDER BY 1, 2, 3"""


async def test_what_several_licensors_shared_is_divided(
    house: House, tmp_path: Path, admin: asyncpg.Connection
) -> None:
    await found(house, *OLD)
    await step(house, up=False)
    await write_old(admin)
    await step(house, up=True)
    hour, more = timedelta(hours=1), timedelta(microseconds=1)
    undivided = (9, 8, 7, 6, 5)
    assert [tuple(row) for row in await admin.fetch(BATCHES)] == [
        ("A", 1, "SZSEINFO", 1, AT + hour, 2, 2, 0, 0, 0),
        ("A", 2, "HKEX", 1, AT + hour + more, 1, 1, 0, 0, 0),
        ("A", 3, "SZSEINFO", 2, AT + 2 * hour, *undivided),
        ("A", 4, "SZSEINFO", 3, AT + 3 * hour, 0, 0, 0, 1, 0),
        ("A", 5, "HKEX", 2, AT + 3 * hour + more, 2, 1, 1, 0, 0),
        ("B", 1, "HKEX", 1, AT + hour, *undivided),
        ("B", 2, "HKEX", 2, AT + 2 * hour, *undivided),
        ("C", 1, "SZSEINFO", 1, AT + hour, *undivided),
        ("C", 2, "SZSEINFO", 2, AT + 2 * hour, *undivided),
    ]
    assert [tuple(row) for row in await admin.fetch(ROWS)] == [
        ("A", 1, ENHANCED, 1, 3, "u1"),
        ("A", 1, ENHANCED, 3, None, "u1"),
        ("A", 1, FOREIGN, 2, 5, "u2"),
        ("A", 1, FOREIGN, 5, None, "u2"),
        ("A", 2, ENHANCED, 1, 4, "u3"),
        ("A", 2, FOREIGN, 5, None, "u4"),
        ("B", 1, FOREIGN, 1, None, "u1"),
        ("B", 2, FOREIGN, 2, None, "u2"),
        ("C", 1, ENHANCED, 1, 2, "u1"),
        ("C", 6, ENHANCED, 2, None, "u6"),
    ]
    assert [tuple(row) for row in await admin.fetch(ROSTERS)] == [
        *(("A", "", 5, 0), ("A", "HKEX", 2, 2), ("A", "SZSEINFO", 3, 2)),
        *(("B", "", 2, 0), ("B", "HKEX", 2, 2)),
        *(("C", "", 2, 0), ("C", "SZSEINFO", 2, 7)),
    ]
    assert [tuple(row) for row in await admin.fetch(LOGGED)] == [
        *(("A", "1", ""), ("A", "2", ""), ("A", "2", "SZSEINFO"), ("A", "3", "")),
        *(("B", "1", ""), ("B", "1", "HKEX"), ("B", "2", ""), ("B", "2", "HKEX")),
        *(("C", "1", ""), ("C", "1", "SZSEINFO"), ("C", "2", ""), ("C", "2", "SZSEINFO")),
    ]
    # and it goes on from there
    for product, number, records in ((FOREIGN, 3, 3), (ENHANCED, 4, 3)):
        line = f"new||n||个人||全价用户||20240101||0||{product}||Web||a||b||c"
        assert (await load(house, "A", [line], tmp_path, Mode.DELTA)).batch == number
        assert await admin.fetchval(
            "SELECT max(record_id - record_base) FROM service_records "
            "JOIN products p USING (product_id) JOIN licensors USING (licensor_id) "
            "WHERE p.name = $1 AND user_id = 'new'",
            product,
        ) == records  # fmt: skip


async def test_back_and_forth_leaves_what_was_imported(
    house: House, tmp_path: Path, admin: asyncpg.Connection
) -> None:
    await found(house, "A")
    for product in (ENHANCED, FOREIGN, ENHANCED):
        line = f"{product}||n||个人||全价用户||20240101||0||{product}||Web||a||b||{len(product)}"
        await load(house, "A", [line], tmp_path, Mode.DELTA)
    before = [await admin.fetch(asked) for asked in (BATCHES, ROWS, ROSTERS)]
    await step(house, up=False)
    counters = await admin.fetchrow("SELECT last_batch, last_record FROM rosters")
    highest = await admin.fetchrow(
        "SELECT (SELECT max(batch_no) FROM import_batches), max(record_id) FROM service_records"
    )
    assert tuple(counters) == tuple(highest)
    await step(house, up=True)
    after = [await admin.fetch(asked) for asked in (BATCHES, ROWS, ROSTERS)]
    assert [list(map(tuple, rows)) for rows in after] == [list(map(tuple, rows)) for rows in before]
