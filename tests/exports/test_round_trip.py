"""What was imported comes out again, byte for byte, in every form, and from one snapshot."""

import asyncio
import hashlib
import itertools
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from market import BASIC, ENHANCED, PRODUCTS, found, load, operator
from naive.counting import Service
from naive.strategies import MODES, random_roster, rosters

from gateway.app.house import House
from gateway.config.clock import today
from gateway.db.embedded import EmbeddedPostgres
from gateway.delimited.encoding import TextEncoding
from gateway.delimited.writer import LineEnd
from gateway.exports.files import to_file
from gateway.exports.requests import UserExport, run_export
from gateway.exports.stream import Form, Receipt
from gateway.intake.run import Mode
from gateway.regulation.layouts import DOWNLOAD

TODAY = today()
HEADER = "||".join(DOWNLOAD.headings)
FORMS = [
    Form(encoding, header, end)
    for encoding, header, end in itertools.product(TextEncoding, (False, True), LineEnd)
]
_numbers = itertools.count()


def place(one: Service) -> tuple[object, ...]:
    """Where a record stands in the user list, when its file was imported at once."""
    return (one.user_id, PRODUCTS.index(one.product), MODES.index(one.mode), one.start)


def file(lines: Sequence[str], form: Form) -> bytes:
    """The lines as a file of the form, written another way than the gateway's."""
    lines = [HEADER, *lines] if form.header else lines
    end = form.line_end.value.encode()
    return b"".join(line.encode(form.encoding.value) + end for line in lines)


def statutory(roster: Sequence[Service], form: Form) -> bytes:
    return file([record.line() for record in sorted(roster, key=place)], form)


class Collected:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.data = bytearray()

    async def __call__(self, data: bytes) -> None:
        self.data += data


async def exported(
    house: House, vendor: str, form: Form, wanted: UserExport | None = None
) -> tuple[bytes, Receipt]:
    sink = Collected()
    export = wanted or UserExport(vendors=(vendor,))
    receipt = await run_export(house.service, await operator(house), export, form, sink)
    return bytes(sink.data), receipt


def receipt_of(data: bytes, rows: int) -> Receipt:
    return Receipt(rows, len(data), hashlib.sha256(data).hexdigest())


def large(seed: int) -> list[Service]:
    return random_roster(random.Random(seed), TODAY, PRODUCTS, 7000)[:20_000]


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    roster=rosters(TODAY, PRODUCTS).filter(bool),
    given_in=st.sampled_from(FORMS),
    wanted_in=st.sampled_from(FORMS),
)
async def test_any_roster_comes_out_as_it_went_in(
    house: House, tmp_path: Path, roster: list[Service], given_in: Form, wanted_in: Form
) -> None:
    vendor = f"V{next(_numbers)}"
    await found(house, vendor)
    lines = [record.line() for record in roster]
    await load(house, vendor, file(lines, given_in), tmp_path)
    data, receipt = await exported(house, vendor, wanted_in)
    assert data == statutory(roster, wanted_in)
    assert receipt == receipt_of(data, len(roster))


async def test_twenty_thousand_lines_in_every_form(house: House, tmp_path: Path) -> None:
    """Many pieces of a file, characters of one to four bytes on both sides of their ends."""
    roster = large(1)
    await found(house, "A")
    await load(house, "A", statutory(roster, Form()), tmp_path)
    for form in FORMS:
        data, receipt = await exported(house, "A", form)
        assert data == statutory(roster, form)
        assert receipt == receipt_of(data, 20_000)


async def test_the_ends_of_the_calendar(house: House, tmp_path: Path) -> None:
    lines = [
        f"{user}||甲||个人||全价用户||{start}||{end}||{ENHANCED}||Web||0||0||0"
        for user, start, end in (
            ("a", "00010101", "0"),
            ("b", "00010101", "00010102"),
            ("c", "09991231", "10000101"),
            ("d", "20240229", "99991230"),
            ("e", "99991231", "0"),
        )
    ]
    await found(house, "A")
    await load(house, "A", lines, tmp_path)
    data, _ = await exported(house, "A", Form())
    assert data == file(lines, Form())


async def test_a_mended_roster_comes_out_as_mended(house: House, tmp_path: Path) -> None:
    """Changes keep a line's place, whichever import brought it."""
    await found(house, "A")
    old = [f"u{i}||甲||个人||全价用户||20250101||0||{BASIC}||终端||0||0||0" for i in range(10)]
    new = [line.replace("||0||", "||20250630||", 1) for line in old[::3]]
    await load(house, "A", old, tmp_path)
    await load(house, "A", new, tmp_path, Mode.DELTA)
    data, _ = await exported(house, "A", Form())
    assert data == file(sorted([*new, *set(old).difference(old[::3])]), Form())


async def test_a_vendor_without_users_gets_an_empty_file(house: House) -> None:
    await found(house, "A")
    assert await exported(house, "A", Form()) == (b"", receipt_of(b"", 0))
    data, receipt = await exported(house, "A", Form(header=True, line_end=LineEnd.CRLF))
    assert data == f"{HEADER}\r\n".encode()
    assert receipt == receipt_of(data, 0)


async def test_an_export_holds_only_what_was_asked_for(house: House, tmp_path: Path) -> None:
    rosters_of = {"A": large(1)[:500], "B": large(2)[:500]}
    await found(house, *rosters_of)
    for vendor, roster in rosters_of.items():
        await load(house, vendor, statutory(roster, Form()), tmp_path)
    wanted = UserExport(vendors=("B",), products=(BASIC,))
    data, _ = await exported(house, "B", Form(), wanted)
    assert data == statutory([one for one in rosters_of["B"] if one.product == BASIC], Form())


@pytest.mark.parametrize("vendors", [("A",), ("A", "B")])
async def test_the_log_has_the_receipt(
    house: House, server: EmbeddedPostgres, database: str, tmp_path: Path, vendors: tuple[str, ...]
) -> None:
    """The size of a file over several vendors is told to none of them."""
    await found(house, "A", "B", "C")
    await load(house, "A", statutory(large(1)[:100], Form()), tmp_path)
    _, receipt = await exported(house, "A", Form(header=True), UserExport(vendors=vendors))
    connection = await asyncpg.connect(server.url("postgres", database))
    events = await connection.fetch(
        "SELECT action, code, actor, detail FROM audit_events JOIN vendors USING (vendor_id)"
        " WHERE action LIKE 'export%' ORDER BY action DESC, code"
    )
    await connection.close()
    logged = [(row["action"], row["code"], row["actor"]) for row in events]
    assert logged == [
        (action, code, "test")
        for action in ("export.users.start", "export.users.complete")
        for code in vendors
    ]
    asked = {"conditions": [], "personal": ["address", "contact", "phone", "userName"]}
    told: dict[str, Any] = {"sha256": receipt.sha256, **asked}
    if len(vendors) == 1:
        told |= {"rows": receipt.rows, "size": receipt.size}
    details = [json.loads(row["detail"]) for row in events]
    lasted = [one.pop("micros", 0) > 0 for one in details]
    assert lasted == [False] * len(vendors) + [len(vendors) == 1] * len(vendors)
    assert details == [asked] * len(vendors) + [told] * len(vendors)


async def test_an_export_shows_one_snapshot_while_an_import_commits(
    house: House, tmp_path: Path
) -> None:
    old, new = large(1), large(2)
    await found(house, "A")
    await load(house, "A", statutory(old, Form()), tmp_path)
    begun, go_on = asyncio.Event(), asyncio.Event()
    sink = Collected()

    async def slow_sink(data: bytes) -> None:
        await sink(data)
        begun.set()
        await go_on.wait()

    scope = await operator(house)
    exporting = asyncio.create_task(
        run_export(house.service, scope, UserExport(vendors=("A",)), Form(), slow_sink)
    )
    await begun.wait()
    replaced = await load(house, "A", statutory(new, Form()), tmp_path)
    assert replaced.batch == 2
    assert len(sink.data) < len(statutory(old, Form()))
    go_on.set()
    receipt = await exporting
    assert bytes(sink.data) == statutory(old, Form())
    assert receipt == receipt_of(bytes(sink.data), len(old))

    now, _ = await exported(house, "A", Form())
    assert sorted(now.splitlines()) == sorted(statutory(new, Form()).splitlines())


async def test_a_file_has_its_name_only_when_it_is_complete(house: House, tmp_path: Path) -> None:
    roster = large(1)
    await found(house, "A")
    await load(house, "A", statutory(roster, Form()), tmp_path)
    scope, folder = await operator(house), tmp_path / "out"
    folder.mkdir()
    path = folder / "users.txt"

    async def write(sink: object) -> Receipt:
        return await run_export(house.service, scope, UserExport(), Form(), sink)

    async def write_half(sink: object) -> Receipt:
        async def breaking(data: bytes) -> None:
            await sink(data)
            raise OSError(28, "No space left on device")

        return await write(breaking)

    with pytest.raises(OSError, match="No space left"):
        await to_file(path, write_half)
    assert list(folder.iterdir()) == []
    receipt = await to_file(path, write)
    assert receipt == receipt_of(path.read_bytes(), len(roster))
    with pytest.raises(OSError, match="No space left"):
        await to_file(path, write_half)
    assert list(folder.iterdir()) == [path]
    assert path.read_bytes() == statutory(roster, Form())
