"""A log that was altered in any place is found, and the entry named."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace

import asyncpg
import pytest
from ledger import damages, filled, superuser, undone, verified, write

from gateway.app.house import House, audit_keys
from gateway.app.tables import metadata
from gateway.audit.chain import digest_of, text_of
from gateway.audit.keys import rotate
from gateway.audit.verify import Checkpoint
from gateway.config.clock import now
from gateway.db.embedded import EmbeddedPostgres
from gateway.db.engine import make_engine

CHAIN = "vendor LEDGER1"
LAST = 6
COLUMNS = sorted(column.name for column in metadata.tables["audit_events"].c)


@pytest.fixture
async def admin(
    server: EmbeddedPostgres, database: str, house: House
) -> AsyncIterator[asyncpg.Connection]:
    async with superuser(server, database) as connection:
        yield connection


async def test_a_log_that_was_left_alone_is_whole(house: House) -> None:
    await filled(house)
    found = {one.chain: one for one in await verified(house)}
    assert {chain: one.damage for chain, one in found.items()} == dict.fromkeys(
        (CHAIN, "vendor LEDGER2")
    )
    assert (found[CHAIN].entries, found[CHAIN].number) == (LAST, LAST)
    assert found[CHAIN].checkpoint is not None
    assert found[CHAIN].checkpoint.number == LAST


OTHER: dict[str, str] = {
    "holder": "holder + 1",
    "number": "number + 100",
    "digest": "sha256(digest)",
    "occurred_at": "occurred_at + interval '1 microsecond'",
    "vendor_id": "vendor_id + 1",
    "actor": "actor || 'x'",
    "action": "upper(action)",
    "detail": """jsonb_set(detail, '{rows}', '7')""",
}
KINDS = {"holder": "missing", "number": "missing"}


def test_every_column_is_altered() -> None:
    assert sorted(OTHER) == COLUMNS


@pytest.mark.parametrize("column", COLUMNS)
async def test_an_altered_column_is_found(
    house: House, admin: asyncpg.Connection, column: str
) -> None:
    numbers = await filled(house)
    for number in (1, 3, LAST):
        statement = (
            f"UPDATE audit_events SET {column} = {OTHER[column]} "
            f"WHERE holder = {numbers['LEDGER1']} AND number = {number}"
        )
        async with undone(admin, statement):
            expected = (KINDS.get(column, "altered"), CHAIN, number)
            assert expected in await damages(house)
    assert await damages(house) == []


def _altered(data: bytes) -> Iterator[tuple[int, str]]:
    """Yield a text with each of its bytes altered, where that is a text at all."""
    for place, byte in enumerate(data):
        for other in (byte ^ 1, byte ^ 2, byte ^ 4):
            with suppress(UnicodeDecodeError):
                yield place, (data[:place] + bytes([other]) + data[place + 1 :]).decode()


async def test_every_byte_of_a_stored_entry_is_looked_at(
    house: House, admin: asyncpg.Connection
) -> None:
    """One byte after the other, in every column, as far as its type takes the result at all."""
    numbers = await filled(house)
    where = f"WHERE holder = {numbers['LEDGER1']} AND number = 3"
    row = await admin.fetchrow(f"SELECT {', '.join(f'{c}::text AS {c}' for c in COLUMNS)} "
                               f"FROM audit_events {where}")  # fmt: skip
    altered = set[tuple[str, int]]()
    for column in COLUMNS:
        kind = await admin.fetchval(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute "
            "WHERE attrelid = 'audit_events'::regclass AND attname = $1", column
        )  # fmt: skip
        for place, text in _altered(row[column].encode()):
            if (column, place) in altered:
                continue
            change = f"UPDATE audit_events SET {column} = $1::text::{kind} {where}"
            transaction = admin.transaction()
            await transaction.start()
            try:
                await admin.execute(change, text)
                same = await admin.fetchval(
                    f"SELECT {column}::text FROM audit_events WHERE number = 3 AND holder = $1",
                    numbers["LEDGER1"],
                )
            except (asyncpg.DataError, asyncpg.PostgresError):
                await transaction.rollback()
                continue
            await transaction.rollback()
            if same == row[column]:
                continue  # another spelling of the same value
            async with undone(admin, change, arguments=[text]):
                found = await damages(house)
            assert any(one[1:] == (CHAIN, 3) for one in found), (column, place, text, found)
            altered.add((column, place))
    # left are marks of JSON, of instants and of hexadecimal: another byte there is no value at all
    for column in COLUMNS:
        for place, byte in enumerate(row[column].encode()):
            mark = byte < 128 and not chr(byte).isalnum()
            assert mark or (column, place) in altered or (column, place) == ("digest", 1)


@pytest.mark.parametrize("number", [1, 3, 5])
async def test_a_removed_entry_is_named(
    house: House, admin: asyncpg.Connection, number: int
) -> None:
    numbers = await filled(house)
    await admin.execute(
        "DELETE FROM audit_events WHERE holder = $1 AND number = $2", numbers["LEDGER1"], number
    )
    await admin.execute(
        "DELETE FROM audit_checkpoints WHERE holder = $1 AND number = $2",
        *(numbers["LEDGER1"], number),
    )
    assert await damages(house) == [("missing", CHAIN, number)]


@pytest.mark.parametrize(("one", "other"), [(2, 3), (1, 6), (3, 5)])
async def test_reordered_entries_are_named(
    house: House, admin: asyncpg.Connection, one: int, other: int
) -> None:
    holder = (await filled(house))["LEDGER1"]
    swap = [
        f"UPDATE audit_events SET number = -{one} WHERE holder = {holder} AND number = {one}",
        f"UPDATE audit_events SET number = {one} WHERE holder = {holder} AND number = {other}",
        f"UPDATE audit_events SET number = {other} WHERE holder = {holder} AND number = -{one}",
    ]
    async with undone(admin, *swap):
        assert await damages(house) == [("reordered", CHAIN, one)]
    columns = ("occurred_at", "actor", "action", "detail")
    contents = (
        f"UPDATE audit_events e SET {', '.join(f'{c} = o.{c}' for c in columns)} "
        f"FROM audit_events o WHERE e.holder = {holder} AND o.holder = {holder} "
        f"AND (e.number, o.number) IN (({one}, {other}), ({other}, {one}))"
    )
    async with undone(admin, contents):
        assert await damages(house) == [("reordered", CHAIN, one)]
    assert await damages(house) == []


async def test_a_cut_end_is_found_by_what_was_signed(
    house: House, admin: asyncpg.Connection
) -> None:
    holder = (await filled(house))["LEDGER1"]
    cut = f"DELETE FROM audit_events WHERE holder = {holder} AND number > 4"
    async with undone(admin, cut):
        assert await damages(house) == [("missing", CHAIN, 5)]
    whole = f"DELETE FROM audit_events WHERE holder = {holder}"
    async with undone(admin, whole):
        assert await damages(house) == [("missing", CHAIN, 1)]


async def test_a_cut_end_whose_signatures_went_too_is_found_by_those_kept_elsewhere(
    house: House, admin: asyncpg.Connection
) -> None:
    holder = (await filled(house))["LEDGER1"]
    kept = [one.checkpoint for one in await verified(house) if one.checkpoint is not None]
    tables = ("audit_events", "audit_checkpoints")
    for condition, number in (("AND number > 4", 5), ("", 1)):
        cut = [f"DELETE FROM {table} WHERE holder = {holder} {condition}" for table in tables]
        async with undone(admin, *cut):
            assert await damages(house) == []  # nothing in the database tells it
            assert await damages(house, kept=kept) == [("missing", CHAIN, number)]
    assert await damages(house, kept=kept) == []


async def test_entries_without_signatures_are_told(house: House, admin: asyncpg.Connection) -> None:
    holder = (await filled(house))["LEDGER1"]
    await admin.execute("DELETE FROM audit_checkpoints WHERE holder = $1 AND number > 4", holder)
    assert await damages(house) == [("unsigned", CHAIN, 5)]


async def _relink(admin: asyncpg.Connection, holder: int, since: int) -> None:
    """Compute all digests anew, as an attacker would who knows the format."""
    rows = await admin.fetch("SELECT * FROM audit_events WHERE holder = $1 ORDER BY number", holder)
    before = bytes(32) if since == 1 else rows[since - 2]["digest"]
    for row in rows[since - 1 :]:
        text = text_of(row["occurred_at"], row["actor"], row["action"], json.loads(row["detail"]))
        before = digest_of(before, CHAIN, row["number"], text)
        await admin.execute(
            "UPDATE audit_events SET digest = $3 WHERE holder = $1 AND number = $2",
            *(holder, row["number"], before),
        )


async def test_a_rewritten_chain_is_not_what_was_signed(
    house: House, admin: asyncpg.Connection
) -> None:
    holder = (await filled(house))["LEDGER1"]
    await admin.execute(
        "UPDATE audit_events SET actor = 'nobody' WHERE holder = $1 AND number = 3", holder
    )
    await _relink(admin, holder, 3)
    assert await damages(house) == [("rewritten", CHAIN, 3)]


@pytest.mark.parametrize(
    "change",
    [
        "digest = sha256(digest)",
        "signed_at = signed_at + interval '1 second'",
        "key_id = 'ffffffffffffffff'",
        "signature = set_byte(signature, 5, (get_byte(signature, 5) + 1) % 256)",
        "number = 77",
        "holder = holder + 1",
    ],
)
async def test_an_altered_checkpoint_is_found(
    house: House, admin: asyncpg.Connection, change: str
) -> None:
    holder = (await filled(house))["LEDGER1"]
    statement = f"UPDATE audit_checkpoints SET {change} WHERE holder = {holder} AND number = {LAST}"
    async with undone(admin, statement):
        found = await damages(house)
        assert found
        assert {kind for kind, _, _ in found} <= {"forged checkpoint", "unsigned"}
    assert await damages(house) == []


async def test_from_an_instant_on(house: House, admin: asyncpg.Connection) -> None:
    holder = (await filled(house))["LEDGER1"]
    between = now()
    await write(house, holder, 3)
    (later,) = [one for one in await verified(house, since=between) if one.chain == CHAIN]
    assert (later.damage, later.entries, later.number) == (None, 3, LAST + 3)
    await admin.execute(
        "UPDATE audit_events SET actor = 'x' WHERE holder = $1 AND number IN (2, 8)", holder
    )
    assert await damages(house, since=between) == [("altered", CHAIN, 8)]
    assert await damages(house, holder=holder) == [("altered", CHAIN, 2)]


async def test_keys_of_before_are_trusted_and_foreign_ones_are_not(
    house: House, admin: asyncpg.Connection
) -> None:
    holder = (await filled(house))["LEDGER1"]
    rotate(audit_keys(house.settings))
    assert await damages(house) == []
    (signed,) = [one.checkpoint for one in await verified(house) if one.chain == CHAIN]
    assert isinstance(signed, Checkpoint)
    for path in audit_keys(house.settings).glob(f"{signed.key}.pub"):
        path.unlink()
    assert ("forged checkpoint", CHAIN, 1) in await damages(house)
    assert holder


@pytest.mark.parametrize("table", ["audit_events", "audit_checkpoints"])
@pytest.mark.parametrize("who", ["gateway_owner", "postgres"])
async def test_nobody_changes_what_was_logged(
    server: EmbeddedPostgres, database: str, house: House, who: str, table: str
) -> None:
    """The owner and a superuser are stopped too, unless they first take the trigger away."""
    await filled(house)
    address = server.url("postgres" if who == "postgres" else who, database)
    connection = await asyncpg.connect(address)
    try:
        before = await connection.fetch(f"SELECT * FROM {table}")
        for act in (
            f"UPDATE {table} SET number = number",
            f"DELETE FROM {table}",
            f"TRUNCATE {table}",
            f"SET session_replication_role = replica; DELETE FROM {table}",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(act)
        assert await connection.fetch(f"SELECT * FROM {table}") == before
    finally:
        await connection.close()


async def test_an_engine_without_a_key_leaves_entries_unsigned(house: House) -> None:
    holder = (await filled(house))["LEDGER1"]
    bare = make_engine(house.addresses.service, role="gateway_service")
    try:
        await write(replace(house, service=bare), holder, 1)
    finally:
        await bare.dispose()
    assert await damages(house) == [("unsigned", CHAIN, LAST + 1)]
