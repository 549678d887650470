"""Merging: what is kept as history, how records are numbered, what is written down of an import."""

import asyncio
import hashlib
import json
import random
from collections.abc import AsyncIterator, Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from market import ENHANCED, PRODUCTS, found, load, operator
from naive.counting import Service
from naive.strategies import random_roster
from sqlalchemy import select

from gateway.app.house import House
from gateway.config.clock import today
from gateway.db.embedded import EmbeddedPostgres
from gateway.intake.merge import Change
from gateway.intake.run import Mode, Outcome
from gateway.records.keyset import Page
from gateway.records.users import Fields, UserList, page
from gateway.regulation.codes import FeeCategory, ServiceStatus, UsageMode, UserType
from gateway.regulation.layouts import DOWNLOAD, SZSE_2010
from gateway.statistics.upkeep import recount
from gateway.tenancy.session import open_session

HEADER = "||".join(DOWNLOAD.headings)


def line(
    user: str,
    end: str = "0",
    *,
    name: str = "甲",
    category: str = "全价用户",
    start: str = "20250101",
    product: str = ENHANCED,
    mode: str = "Web",
) -> str:
    return f"{user}||{name}||个人||{category}||{start}||{end}||{product}||{mode}||深圳||0||110"


def lines_of(roster: list[Service]) -> list[str]:
    return [record.line() for record in roster]


def roster(seed: int, users: int = 20) -> list[Service]:
    return random_roster(random.Random(seed), today(), PRODUCTS, users)


@pytest.fixture
async def admin(server: EmbeddedPostgres, database: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection: past every wall."""
    connection = await asyncpg.connect(server.url("postgres", database))
    yield connection
    await connection.close()


async def contents(admin: asyncpg.Connection, *without: str) -> dict[str, list[str]]:
    """All rows of all tables, as text; not the signatures of the log's lines."""
    tables = await admin.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    found_rows = {}
    for (table,) in tables:
        if table not in {*without, "audit_checkpoints"}:
            rows = await admin.fetch(f'SELECT t::text FROM "{table}" t ORDER BY 1')
            found_rows[table] = [text for (text,) in rows]
    return found_rows


async def current(admin: asyncpg.Connection, vendor: str = "A") -> dict[str, asyncpg.Record]:
    """A vendor's records by user ID."""
    rows = await admin.fetch(
        "SELECT r.* FROM service_records r JOIN vendors USING (vendor_id) WHERE code = $1", vendor
    )
    return {row["user_id"]: row for row in rows}


async def versions(admin: asyncpg.Connection) -> list[asyncpg.Record]:
    return await admin.fetch("SELECT * FROM service_record_versions ORDER BY closed_by, user_id")


async def instant(admin: asyncpg.Connection, batch: int) -> Any:
    return await admin.fetchval("SELECT recorded_at FROM import_batches WHERE batch_no = $1", batch)


async def wrong_deltas(house: House, vendor: str) -> int:
    scope = (await operator(house)).narrow(vendors=[vendor])
    async with open_session(house.service, scope) as session:
        return await recount(session)


# History and numbers


async def test_history_keeps_what_changed_and_what_was_superseded(
    house: House, admin: asyncpg.Connection, tmp_path: Path
) -> None:
    await found(house, "A")
    await load(house, "A", [line("same"), line("changed"), line("gone")], tmp_path)
    before = await current(admin)
    outcome = await load(
        house, "A", [line("new"), line("changed", "20250630", name="乙"), line("same")], tmp_path
    )
    assert outcome.change == Change(added=1, changed=1, superseded=1, unchanged=1)

    first, second = await instant(admin, 1), await instant(admin, 2)
    assert first < second
    history = await versions(admin)
    assert [row["user_id"] for row in history] == ["changed", "gone"]
    for row in history:
        closed = dict(row)
        assert closed.pop("closed_by") == 2
        assert closed == dict(before[row["user_id"]])
        assert row["batch_no"] == 1

    after = await current(admin)
    assert set(after) == {"same", "changed", "new"}
    assert after["same"] == before["same"]
    differences = dict(set(after["changed"].items()) - set(before["changed"].items()))
    assert differences == {
        "user_name": "乙",
        "end_date": date(2025, 6, 30),
        "batch_no": 2,
    }
    assert after["new"]["batch_no"] == 2


async def test_a_record_is_stored_as_the_file_says(
    house: House, admin: asyncpg.Connection, tmp_path: Path
) -> None:
    await found(house, "A")
    await load(house, "A", [line("u1", "20250630", category="试用用户", mode="终端")], tmp_path)
    record = dict((await current(admin))["u1"])
    for name in ("vendor_id", "product_id"):
        del record[name]
    assert record == {
        "record_id": 1,
        "batch_no": 1,
        "user_id": "u1",
        "user_name": "甲",
        "user_type": UserType.INDIVIDUAL,
        "fee_category": FeeCategory.TRIAL,
        "start_date": date(2025, 1, 1),
        "end_date": date(2025, 6, 30),
        "usage_mode": UsageMode.TERMINAL,
        "address": "深圳",
        "contact": None,
        "phone": "110",
        "service_status": None,
    }


@pytest.mark.parametrize("mode", Mode)
async def test_a_record_keeps_its_number_through_changes(
    house: House, admin: asyncpg.Connection, tmp_path: Path, mode: Mode
) -> None:
    await found(house, "A")
    await load(house, "A", [line("u1"), line("u2"), line("u3")], tmp_path)
    number = (await current(admin))["u2"]["record_id"]
    for end in ("20250630", "20250731", "0", "20250630"):
        await load(house, "A", [line("u0"), line("u2", end), line("u4")], tmp_path, mode)
    assert (await current(admin))["u2"]["record_id"] == number
    history = [row for row in await versions(admin) if row["user_id"] == "u2"]
    assert {row["record_id"] for row in history} == {number}
    assert [(row["batch_no"], row["closed_by"]) for row in history] == [
        (1, 2),
        (2, 3),
        (3, 4),
        (4, 5),
    ]


async def test_a_record_that_comes_back_has_its_number_again(
    house: House, admin: asyncpg.Connection, tmp_path: Path
) -> None:
    await found(house, "A")
    await load(house, "A", [line("u1"), line("u2"), line("u4")], tmp_path)
    await load(house, "A", [line("u1")], tmp_path)
    outcome = await load(
        house, "A", [line("u0"), line("u1"), line("u2", "20250630"), line("u3")], tmp_path
    )
    assert outcome.change == Change(added=3, changed=0, superseded=0, unchanged=1)
    records = await current(admin)
    assert {user: records[user]["record_id"] for user in ("u1", "u2")} == {"u1": 1, "u2": 2}
    assert len({row["record_id"] for row in records.values()} | {3}) == 5
    await load(house, "A", [line("u1")], tmp_path, Mode.DELTA)
    assert [
        (row["user_id"], row["batch_no"], row["closed_by"]) for row in await versions(admin)
    ] == [
        ("u2", 1, 2),
        ("u4", 1, 2),
    ]
    assert await wrong_deltas(house, "A") == 0


async def test_a_number_is_never_used_for_another(
    house: House, admin: asyncpg.Connection, tmp_path: Path
) -> None:
    await found(house, "A")
    await load(house, "A", [line("u1"), line("u2")], tmp_path)
    await load(house, "A", [line("u1")], tmp_path)
    await load(house, "A", [line("u1"), line("u3")], tmp_path)
    records = await current(admin)
    assert {user: row["record_id"] for user, row in records.items()} == {"u1": 1, "u3": 3}


async def test_every_vendor_counts_from_one(
    house: House, admin: asyncpg.Connection, tmp_path: Path
) -> None:
    await found(house, "A", "B", "C")
    await load(house, "A", [line(f"a{i}") for i in range(5)], tmp_path)
    await load(house, "B", [line(f"b{i}") for i in range(3)], tmp_path)
    await load(house, "A", [line("a9")], tmp_path, Mode.DELTA)
    await load(house, "C", [line("c")], tmp_path)
    rows = await admin.fetch(
        "SELECT code, array_agg(record_id ORDER BY record_id) AS records,"
        " array_agg(DISTINCT batch_no) AS batches"
        " FROM service_records JOIN vendors USING (vendor_id) GROUP BY code ORDER BY code"
    )
    assert [tuple(row) for row in rows] == [
        ("A", [1, 2, 3, 4, 5, 6], [1, 2]),
        ("B", [1, 2, 3], [1]),
        ("C", [1], [1]),
    ]


async def test_a_vendors_import_leaves_the_others_alone(
    house: House, admin: asyncpg.Connection, tmp_path: Path
) -> None:
    await found(house, "A", "B")
    await load(house, "A", lines_of(roster(1)), tmp_path)
    before = await current(admin, "A")
    await load(house, "B", lines_of(roster(2)), tmp_path)
    await load(house, "B", lines_of(roster(3)), tmp_path)
    assert await current(admin, "A") == before
    assert await wrong_deltas(house, "A") == 0


# Dry runs, and files that say the same


@pytest.mark.parametrize("mode", Mode)
async def test_a_dry_run_changes_nothing_and_counts_as_the_real_one(
    house: House, admin: asyncpg.Connection, tmp_path: Path, mode: Mode
) -> None:
    await found(house, "A")
    old, new = roster(1), roster(2)
    later = {record.key(): record for record in (*new, *old[::2])}
    for lines in (lines_of(old), lines_of(list(later.values()))):
        before = await contents(admin)
        logged = before.pop("audit_events")
        tried = await load(house, "A", lines, tmp_path, mode, dry_run=True)
        after = await contents(admin)
        new_lines = set(after.pop("audit_events")).difference(logged)
        assert len(new_lines) == 2  # the vendor's and the licensor's
        assert all(",import.users.dry_run," in line for line in new_lines)
        assert after == before
        done = await load(house, "A", lines, tmp_path, mode)
        assert not done.change.nothing
        assert tried == Outcome(done.lines, done.change, batch=None, dry_run=True)


def file(lines: list[str], end: str = "\n", encoding: str = "utf-8") -> bytes:
    return "".join(f"{one}{end}" for one in lines).encode(encoding)


def mixed(lines: list[str]) -> list[str]:
    return random.Random(5).sample(lines, len(lines))


def spaced(lines: list[str]) -> list[str]:
    return [one.replace("||", "  || ") for one in lines]


def open_ends(lines: list[str], text: str) -> list[str]:
    rows = [one.split("||") for one in lines]
    return ["||".join([*row[:5], text if row[5] == "0" else row[5], *row[6:]]) for row in rows]


FORMS: dict[str, Callable[[list[str]], bytes]] = {
    "other order": lambda lines: file(mixed(lines)),
    "GB18030": lambda lines: file(lines, encoding="gb18030"),
    "byte-order mark": lambda lines: file(lines, encoding="utf-8-sig"),
    "CRLF": lambda lines: file(lines, "\r\n"),
    "header": lambda lines: file([HEADER, *lines]),
    "spaces": lambda lines: file(spaced(lines)),
    "00000000": lambda lines: file(open_ends(lines, "00000000")),
    "99991231": lambda lines: file(open_ends(lines, "99991231")),
    "all at once": lambda lines: file(spaced([HEADER, *mixed(lines)]), "\r\n", "gb18030"),
}


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("form", FORMS)
async def test_the_same_roster_in_another_form_changes_nothing(
    house: House, admin: asyncpg.Connection, tmp_path: Path, mode: Mode, form: str
) -> None:
    await found(house, "A")
    lines = [line("u0"), *lines_of(roster(4))]
    await load(house, "A", lines, tmp_path)
    before = await contents(admin, "audit_events")
    again = await load(house, "A", FORMS[form](lines), tmp_path, mode)
    assert again == Outcome(
        len(lines), Change(0, 0, 0, unchanged=len(lines)), batch=None, dry_run=False
    )
    assert await contents(admin, "audit_events") == before


# The status


async def statuses(house: House) -> dict[str, ServiceStatus]:
    """The statuses that are shown, stored or derived, by user ID."""
    scope = await operator(house)
    fields = Fields(frozenset({"user_id", "service_status"}))
    listed = page(UserList(scope, today()), fields, Page(), total=False)
    async with open_session(house.service, scope) as session:
        rows = (await session.scalar(select(listed)))["rows"]
    return {row["user_id"]: ServiceStatus(row["service_status"]) for row in rows}


def day(days: int) -> str:
    return f"{today() + timedelta(days=days):%Y%m%d}"


async def test_twelve_columns_store_the_status(
    house: House, admin: asyncpg.Connection, tmp_path: Path
) -> None:
    await found(house, "A")
    lines = [
        f"{line('open')}||正常使用",
        f"{line('ended', '20250630')}||服务到期",
        f"{line('not yet marked', '20250630')}||正常使用",
        f"{line('left', '20250630')}||用户注销",
        f"{line('leaving', day(30))}||用户注销",
    ]
    await load(house, "A", lines, tmp_path)
    reported = {
        "open": ServiceStatus.ACTIVE,
        "ended": ServiceStatus.EXPIRED,
        "not yet marked": ServiceStatus.ACTIVE,
        "left": ServiceStatus.CANCELLED,
        "leaving": ServiceStatus.CANCELLED,
    }
    stored = {user: row["service_status"] for user, row in (await current(admin)).items()}
    assert stored == reported == await statuses(house)


async def test_eleven_columns_leave_the_status_to_the_dates(
    house: House, admin: asyncpg.Connection, tmp_path: Path
) -> None:
    await found(house, "A")
    lines = [line("open"), line("past", day(-1)), line("last day", day(0)), line("later", day(1))]
    await load(house, "A", lines, tmp_path)
    assert {row["service_status"] for row in (await current(admin)).values()} == {None}
    assert await statuses(house) == {
        "open": ServiceStatus.ACTIVE,
        "past": ServiceStatus.EXPIRED,
        "last day": ServiceStatus.ACTIVE,
        "later": ServiceStatus.ACTIVE,
    }


# Provenance


@pytest.mark.parametrize(("mode", "encoding"), [(Mode.SNAPSHOT, "gb18030"), (Mode.DELTA, "utf-8")])
async def test_a_batch_and_the_log_say_where_records_came_from(
    house: House, admin: asyncpg.Connection, tmp_path: Path, mode: Mode, encoding: str
) -> None:
    await found(house, "A")
    await load(house, "A", [line("u1"), line("u2"), line("u3")], tmp_path)
    data = file([HEADER, line("u0"), line("u1", "20250630"), line("u2")], "\r\n", encoding)
    await load(house, "A", data, tmp_path, mode)
    superseded = 1 if mode is Mode.SNAPSHOT else 0
    counts = {"lines": 3, "added": 1, "changed": 1, "superseded": superseded}

    batch = dict(await admin.fetchrow("SELECT * FROM import_batches WHERE batch_no = 2"))
    del batch["vendor_id"], batch["recorded_at"]
    assert batch == {
        "batch_no": 2,
        "licensor_id": 1,
        "number": 2,
        "actor": "test",
        "source": "A.txt",
        "sha256": hashlib.sha256(data).digest(),
        "encoding": encoding,
        "format_digest": SZSE_2010.digest,
        "mode": mode.value,
        "unchanged": 1,
        **counts,
    }
    events = await admin.fetch(
        "SELECT actor, code, detail FROM audit_events JOIN vendors USING (vendor_id)"
        " WHERE action = 'import.users' ORDER BY occurred_at"
    )
    assert [(row["actor"], row["code"]) for row in events] == [("test", "A")] * 2
    assert json.loads(events[1]["detail"]) == {
        "source": "A.txt",
        "sha256": hashlib.sha256(data).hexdigest(),
        "mode": mode.value,
        "format": "szse-2010@1",
        "batch": 2,
        **counts,
    }


async def test_an_import_without_a_change_is_logged_and_is_no_batch(
    house: House, admin: asyncpg.Connection, tmp_path: Path
) -> None:
    await found(house, "A")
    for _ in range(2):
        await load(house, "A", [line("u1")], tmp_path)
    assert await admin.fetchval("SELECT count(*) FROM import_batches") == 1
    batches = await admin.fetch(
        "SELECT (detail ->> 'batch')::int FROM audit_events JOIN vendors USING (vendor_id)"
        " WHERE action = 'import.users'"
        " ORDER BY occurred_at"
    )
    assert [batch for (batch,) in batches] == [1, None]


# At the same time


def places(tmp_path: Path, number: int) -> list[Path]:
    """Folders of their own for files that are imported at the same time."""
    found_places = [tmp_path / str(i) for i in range(number)]
    for place in found_places:
        place.mkdir()
    return found_places


async def holes(admin: asyncpg.Connection) -> int:
    """How many versions' batches are unknown, or out of order."""
    return await admin.fetchval(
        "SELECT count(*) FROM service_record_versions v"
        " LEFT JOIN import_batches o ON (o.vendor_id, o.batch_no) = (v.vendor_id, v.batch_no)"
        " LEFT JOIN import_batches c ON (c.vendor_id, c.batch_no) = (v.vendor_id, v.closed_by)"
        " WHERE (o.recorded_at < c.recorded_at AND v.batch_no < v.closed_by) IS NOT TRUE"
    )


async def test_two_vendors_import_at_the_same_time(
    house: House, admin: asyncpg.Connection, tmp_path: Path
) -> None:
    rosters = {"A": roster(1, 300), "B": roster(2, 300)}
    await found(house, *rosters)
    outcomes = await asyncio.gather(
        *(load(house, vendor, lines_of(records), tmp_path) for vendor, records in rosters.items())
    )
    for outcome, (vendor, records) in zip(outcomes, rosters.items(), strict=True):
        assert outcome == Outcome(len(records), Change(len(records), 0, 0, 0), 1, dry_run=False)
        assert await wrong_deltas(house, vendor) == 0
        numbers = await admin.fetch(
            "SELECT record_id FROM service_records JOIN vendors USING (vendor_id)"
            " WHERE code = $1 ORDER BY 1",
            vendor,
        )
        assert [number for (number,) in numbers] == list(range(1, len(records) + 1))


async def test_snapshots_of_one_vendor_at_the_same_time_follow_one_another(
    house: House, admin: asyncpg.Connection, tmp_path: Path
) -> None:
    await found(house, "A")
    rosters = [roster(seed, 200) for seed in range(3)]
    outcomes = await asyncio.gather(
        *(
            load(house, "A", lines_of(records), place)
            for records, place in zip(rosters, places(tmp_path, 3), strict=True)
        )
    )
    batches = [outcome.batch for outcome in outcomes]
    assert sorted(batches) == [1, 2, 3]
    last = rosters[batches.index(3)]
    kept = await admin.fetch("SELECT user_id, start_date, end_date FROM service_records")
    assert sorted(map(tuple, kept)) == sorted(
        (record.user_id, record.start, record.end or date.max) for record in last
    )
    assert await wrong_deltas(house, "A") == 0
    assert await holes(admin) == 0


async def test_deltas_of_one_vendor_at_the_same_time_all_come_in(
    house: House, admin: asyncpg.Connection, tmp_path: Path
) -> None:
    """The same users in each, so that each one's figures hang on the others' records."""
    await found(house, "A")
    records = roster(1, 300)
    shares = [records[i::4] for i in range(4)]
    outcomes = await asyncio.gather(
        *(
            load(house, "A", lines_of(share), place, Mode.DELTA)
            for share, place in zip(shares, places(tmp_path, 4), strict=True)
        )
    )
    assert sorted(outcome.batch or 0 for outcome in outcomes) == [1, 2, 3, 4]
    numbers = await admin.fetch("SELECT record_id FROM service_records ORDER BY 1")
    assert [number for (number,) in numbers] == list(range(1, len(records) + 1))
    assert await wrong_deltas(house, "A") == 0
