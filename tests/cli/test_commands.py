"""The program `gateway` as a script sees it: output, files, exit codes."""

import asyncio
import hashlib
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from graphing import (
    TODAY,
    calling,
    category_of,
    reported,
    small_roster,
    sort,
    status_of,
    with_status,
)
from locks import locked
from market import BASIC, ENHANCED, FOREIGN, found, key, load
from naive.counting import count, counting_record, monthly_line
from naive.strategies import eventful_months, months
from serving import GATEWAY, Program, Ran, environment

from gateway.app.house import House
from gateway.db.embedded import EmbeddedPostgres
from gateway.errors import NotFound
from gateway.exports.requests import MonthlyExport, UserExport, run_export
from gateway.exports.stream import Form
from gateway.tenancy.authenticate import authenticate
from gateway.tenancy.principal import Role

ONCE = "(holder >= 0 OR NOT detail ? 'vendor')"
"""Of acts that stand in a licensor's chain too: only the vendor's entries."""
ROSTER = reported(small_roster())
GOOD = f"u1||甲||个人||全价用户||20260101||0||{ENHANCED}||Web||0||0||0"
Run = Callable[..., Awaitable[Ran]]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    started = Program(tmp_path_factory.mktemp("program"))
    yield started
    started.close()


@pytest.fixture
def run(program: Program, house: House) -> Run:
    """Run the program on the test's database."""

    async def ran(*arguments: str | Path, **more: str) -> Ran:
        return await program.run(house, *map(str, arguments), **more)

    return ran


async def done(run: Run, *arguments: str | Path) -> Any:
    """Run a command that has to succeed, with `--json`; return what it printed."""
    ran = await run(*arguments, "--json")
    assert ran.code == 0, ran.err[-300:]
    return json.loads(ran.out)


def write(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
    return path


# check

BAD_LINES: dict[str, tuple[str, list[tuple[int, str]]]] = {
    "too few fields": ("u2||甲||个人", [(0, "FIELD_COUNT")]),
    "empty ID": (GOOD.replace("u1", ""), [(1, "EMPTY")]),
    "long ID": (GOOD.replace("u1", "i" * 32), [(1, "TOO_LONG")]),
    "bad type": (GOOD.replace("个人", "个体"), [(3, "UNKNOWN_CODE")]),
    "bad date": (GOOD.replace("20260101", "20260230"), [(5, "BAD_DATE")]),
    "end first": (GOOD.replace("||0||增强", "||20251231||增强"), [(6, "END_BEFORE_START")]),
    "two faults": (
        GOOD.replace("全价用户", "免费").replace("Web", "web"),
        [(4, "UNKNOWN_CODE"), (8, "UNKNOWN_CODE")],
    ),
    "control": (GOOD.replace("甲", "甲\t"), [(2, "CONTROL_CHARACTER")]),
    "twice": (GOOD, [(1, "DUPLICATE_KEY")]),
}


async def test_check_names_line_column_and_rule(run: Run, tmp_path: Path) -> None:
    lines = [GOOD, *(line for line, _ in BAD_LINES.values())]
    path = write(tmp_path / "bad.txt", *lines)
    ran = await run("check", path, "--json")
    assert ran.code == 1
    *problems, summary = map(json.loads, ran.out.decode().splitlines())
    assert summary == {"lines": len(lines), "bad": len(BAD_LINES)}
    expected = [
        (number, column, rule)
        for number, (_, faults) in enumerate(BAD_LINES.values(), 2)
        for column, rule in faults
    ]
    assert [(one["line"], one["column"], one["rule"]) for one in problems] == expected
    assert all(one["reason"] and one["reasonZh"] and one["accepted"] for one in problems)

    plain = await run("check", path)
    assert plain.code == 1
    told = plain.out.decode().splitlines()
    for (number, column, rule), text in zip(expected, told, strict=True):
        assert text.startswith(f"line {number}"), text
        assert rule in text
        assert not column or f"column {column}" in text
    assert f"{len(lines)} lines, {len(BAD_LINES)} bad" in plain.err


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
async def test_check_passes_a_good_file_without_a_database(
    run: Run, tmp_path: Path, encoding: str
) -> None:
    path = write(tmp_path / "good.txt", *with_status(ROSTER), encoding=encoding)
    ran = await run("check", path, GATEWAY_DATABASE_URL="postgresql://x@127.0.0.1:1/x")
    assert (ran.code, ran.out) == (0, b"")
    assert f"{len(ROSTER)} lines, 0 bad" in ran.err


NAMES = ("a file.txt", "用户 明细.txt", "[red]x.txt", "it's.txt", "-x.txt", "a[/b].txt", "100%.txt")


@pytest.mark.parametrize("name", NAMES)
async def test_any_path_will_do(run: Run, house: House, tmp_path: Path, name: str) -> None:
    await found(house, "A")
    bad = write(tmp_path / "目 录" / name, GOOD, GOOD)
    ran = await run("check", bad)
    assert ran.code == 1, ran.err
    assert str(bad) in ran.err
    ran = await run("import", "users", bad, "--vendor", "A")
    assert ran.code == 1, ran.err
    assert f"{bad}.rejected" in ran.err
    assert bad.with_name(f"{bad.name}.rejected").exists()
    write(bad, GOOD)
    assert (await done(run, "import", "users", bad, "--vendor", "A"))["added"] == 1
    out = bad.with_name(f"out {bad.name}")
    told = await done(run, "export", "users", "--vendor", "A", "-o", out)
    assert told["file"] == str(out)
    assert out.read_text() == f"{GOOD}\n"


# import


async def test_import_snapshot_delta_and_dry_run(run: Run, house: House, tmp_path: Path) -> None:
    await found(house, "A")
    first, second = GOOD, GOOD.replace("u1", "u2")
    changed = GOOD.replace("||0||增强", "||20261231||增强")
    path = tmp_path / "u.txt"

    async def imported(*lines: str, options: tuple[str, ...] = ()) -> dict[str, Any]:
        write(path, *lines)
        told: dict[str, Any] = await done(run, "import", "users", path, "--vendor", "A", *options)
        return told

    def counts(lines: int, added: int, changed: int, superseded: int) -> dict[str, int]:
        return {
            "lines": lines,
            "added": added,
            "changed": changed,
            "superseded": superseded,
            "unchanged": lines - added - changed,
        }

    dry = await imported(first, second, options=("--dry-run",))
    assert dry == {"batch": None, "dryRun": True, **counts(2, 2, 0, 0)}
    assert await exported(run) == []
    real = await imported(first, second)
    assert real == {"batch": 1, "dryRun": False, **counts(2, 2, 0, 0)}
    again = await imported(first, second)
    assert again == {"batch": None, "dryRun": False, **counts(2, 0, 0, 0)}
    assert "nothing to change" in (await run("import", "users", path, "--vendor", "A")).out.decode()
    delta = await imported(changed, options=("--mode", "delta"))
    assert delta == {"batch": 2, "dryRun": False, **counts(1, 0, 1, 0)}
    assert await exported(run) == [changed, second]
    snapshot = await imported(second)
    assert snapshot == {"batch": 3, "dryRun": False, **counts(1, 0, 0, 1)}
    assert await exported(run) == [second]


async def exported(run: Run) -> list[str]:
    ran = await run("export", "users", "--vendor", "A")
    assert ran.code == 0, ran.err[-300:]
    return ran.out.decode().splitlines()


async def test_import_in_a_named_encoding(run: Run, house: House, tmp_path: Path) -> None:
    await found(house, "A")
    path = write(tmp_path / "u.txt", *with_status(ROSTER), encoding="gb18030")
    wrong = await run("import", "users", path, "--vendor", "A", "--encoding", "utf-8")
    assert wrong.code == 1
    assert "ENCODING" in wrong.err
    for name in ("gb18030", "GBK", "auto"):
        dry = ("import", "users", path, "--vendor", "A", "--dry-run", "--encoding", name)
        assert (await done(run, *dry))["added"] == len(ROSTER)


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
async def test_mending_the_rejected_lines_makes_the_import_pass(
    run: Run, house: House, tmp_path: Path, encoding: str
) -> None:
    await found(house, "A")
    mended = {
        line: GOOD.replace("u1", f"m{number}")
        for number, (line, _) in enumerate(BAD_LINES.values())
    }
    lines = [BAD_LINES["too few fields"][0], GOOD, *(line for line, _ in BAD_LINES.values())]
    lines.append(GOOD.replace(ENHANCED, "没有的产品"))
    mended[lines[-1]] = GOOD.replace("u1", "m99")
    lines[0] = "ascii||only"
    mended[lines[0]] = GOOD.replace("u1", "m98")
    path = write(tmp_path / "u.txt", *lines, encoding=encoding)
    ran = await run("import", "users", path, "--vendor", "A")
    assert ran.code == 1
    assert f"{len(lines) - 1} of {len(lines)} lines refused" in ran.err
    assert await exported(run) == []

    rejected = path.with_name("u.txt.rejected").read_bytes().decode(encoding).split("\n")
    assert rejected.pop() == ""
    wrong = [line for line in rejected if not line.startswith("# ")]
    assert wrong == [lines[0], *lines[2:]]
    reasons = [line for line in rejected if line.startswith("# ")]
    assert len(reasons) == 2 + sum(len(faults) for _, faults in BAD_LINES.values())
    assert rejected[0].startswith("# line 1: FIELD_COUNT")
    assert "UNKNOWN_PRODUCT" in reasons[-1]
    assert ENHANCED in reasons[-1]

    again = [mended[line] if i != 1 else line for i, line in enumerate(lines)]
    write(path, *again, encoding=encoding)
    assert (await done(run, "import", "users", path, "--vendor", "A"))["added"] == len(lines)
    assert await exported(run) == sorted(again)


async def test_an_error_file_of_ones_own_choice(run: Run, house: House, tmp_path: Path) -> None:
    await found(house, "A")
    path, errors = write(tmp_path / "u.txt", *[GOOD] * 100), tmp_path / "other errors.txt"
    ran = await run("import", "users", path, "--vendor", "A", "--errors", errors)
    assert ran.code == 1
    assert "79 more" in ran.err
    assert errors.read_text().count("DUPLICATE_KEY") == 99
    assert sorted(one.name for one in tmp_path.iterdir() if one.is_file()) == [
        "other errors.txt",
        "u.txt",
    ]


async def test_an_error_file_that_can_not_be_written(
    run: Run, house: House, tmp_path: Path
) -> None:
    await found(house, "A")
    path = write(tmp_path / "u.txt", GOOD, GOOD)
    ran = await run(
        "import", "users", path, "--vendor", "A", "--errors", tmp_path / "no" / "where.txt"
    )
    assert ran.code == 2, ran.err[-300:]
    assert "Traceback" not in ran.err
    assert await exported(run) == []


# export

A_MONTH = eventful_months(ROSTER, TODAY)[0]
USER_EXPORTS: dict[str, tuple[tuple[str, ...], Callable[[Any], bool]]] = {
    "all": ((), lambda _: True),
    "product": (("--product", BASIC), lambda one: one.product == BASIC),
    "products": (("--product", BASIC, "--product", ENHANCED), lambda _: True),
    "search": (
        ("--search", "SzSe"),
        lambda one: one.user_id.lower().startswith("szse") or "szse" in one.user_name.lower(),
    ),
    "category": (
        ("--category", "TRIAL", "--category", "监管用户"),
        lambda one: category_of(one).name in ("TRIAL", "REGULATORY"),
    ),
    "status": (("--status", "EXPIRED"), lambda one: status_of(one).name == "EXPIRED"),
    "dates, either": (
        ("--start-before", "202401", "--end-after", "2026-06-30"),
        lambda one: one.start.year < 2024 or ends_after(one, "20260630"),
    ),
    "dates, both": (
        ("--start-before", "20260101", "--end-after", "20260630", "--both"),
        lambda one: one.start.year < 2026 and ends_after(one, "20260630"),
    ),
    "counted": (
        ("--counted-in", f"{A_MONTH[0]}{A_MONTH[1]:02d}", "--product", BASIC),
        lambda one: one in counting_record(ROSTER, BASIC, *A_MONTH).values(),
    ),
}


def ends_after(one: Any, day: str) -> bool:
    return one.end is None or f"{one.end:%Y%m%d}" > day


async def test_export_users_to_a_file_and_to_standard_output(
    run: Run, house: House, tmp_path: Path
) -> None:
    await found(house, "A")
    await load(house, "A", with_status(ROSTER), tmp_path)
    path, wrong = tmp_path / "out.txt", {}
    for name, (options, predicate) in USER_EXPORTS.items():
        expected = "".join(f"{one.line()}\n" for one in sort(filter(predicate, ROSTER), []))
        assert expected, name
        command = ("export", "users", "--vendor", "A", *options)
        ran, to_file = await run(*command), await run(*command, "-o", path, "--json")
        if (ran.code, to_file.code) != (0, 0):
            wrong[name] = ran.err[-300:]
            continue
        if ran.out.decode() != expected or path.read_bytes() != ran.out:
            wrong[name] = "other lines"
        assert json.loads(to_file.out) == {
            "file": str(path),
            "rows": expected.count("\n"),
            "bytes": len(ran.out),
            "sha256": hashlib.sha256(ran.out).hexdigest(),
        }
        assert hashlib.sha256(ran.out).hexdigest() in ran.err
    assert wrong == {}
    assert {one.name for one in tmp_path.iterdir() if one.is_file()} == {"A.txt", "out.txt"}


async def test_export_monthly(run: Run, house: House, tmp_path: Path) -> None:
    await found(house, "A")
    await load(house, "A", with_status(ROSTER), tmp_path)
    window = months(TODAY, 6)[1:][::-1]
    first, last = (f"{year}{month:02d}" for year, month in (window[0], window[-1]))
    path = tmp_path / "monthly.txt"
    options = ("--from", first, "--to", last, "-o", path, "--encoding", "gb18030", "--header")
    told = await done(run, "export", "monthly", "--vendor", "A", "--product", BASIC, *options)
    header, *lines = path.read_text(encoding="gb18030").splitlines()
    assert header.split("||")[:2] == ["公司名字", "报告期"]
    assert lines == [
        monthly_line("A信息有限公司", *month, count(ROSTER, BASIC, *month), None)
        for month in window
    ]
    assert told["rows"] == len(window)
    default = await run("export", "monthly", "--vendor", "A", "--product", ENHANCED)
    assert default.out.count(b"\n") == 37


async def test_an_export_that_can_not_be_written(run: Run, house: House, tmp_path: Path) -> None:
    await found(house, "A")
    await load(house, "A", [GOOD], tmp_path)
    for target in (tmp_path / "no" / "where.txt", tmp_path):
        ran = await run("export", "users", "--vendor", "A", "-o", target)
        assert ran.code == 2, ran.err[-300:]
        assert "Traceback" not in ran.err
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["A.txt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
async def test_a_full_disk_is_a_failure_of_the_system(house: House, tmp_path: Path) -> None:
    await found(house, "A")
    await load(house, "A", with_status(ROSTER), tmp_path)
    with Path("/dev/full").open("wb") as full:
        process = await asyncio.create_subprocess_exec(
            GATEWAY, "export", "users", "--vendor", "A",
            stdout=full, stderr=asyncio.subprocess.PIPE, env=environment(house),
        )  # fmt: skip
        _, err = await process.communicate()
    assert process.returncode == 3, err.decode()


async def test_a_reader_that_leaves_is_no_crash(house: House, tmp_path: Path) -> None:
    """`gateway export … | head`."""
    await found(house, "A")
    many = [GOOD.replace("u1", f"u{number}") for number in range(20_000)]
    await load(house, "A", many, tmp_path)
    reading, writing = os.pipe()
    process = await asyncio.create_subprocess_exec(
        GATEWAY, "export", "users", "--vendor", "A",
        stdout=writing, stderr=asyncio.subprocess.PIPE, env=environment(house),
    )  # fmt: skip
    os.close(writing)
    await asyncio.to_thread(os.read, reading, 10)
    os.close(reading)
    _, err = await process.communicate()
    assert process.returncode != 0
    assert "Traceback" not in err.decode()


# exit codes

USAGE: tuple[tuple[str, ...], ...] = (
    ("nothing",),
    ("--nothing",),
    ("import", "users"),
    ("import", "users", "FILE"),
    ("import", "users", "missing.txt", "--vendor", "A"),
    ("import", "users", "FILE", "--vendor", "A", "--mode", "both"),
    ("import", "users", "FILE", "--vendor", "A", "--encoding", "latin-1"),
    ("import", "users", ".", "--vendor", "A"),
    ("check",),
    ("check", "missing.txt"),
    ("check", "."),
    ("check", "FILE", "--encoding", "x"),
    ("export", "users"),
    ("export", "users", "--vendor", "A", "--category", "FREE"),
    ("export", "users", "--vendor", "A", "--status", "x"),
    ("export", "users", "--vendor", "A", "--start-before", "20260230"),
    ("export", "users", "--vendor", "A", "--end-after", "tomorrow"),
    ("export", "users", "--vendor", "A", "--counted-in", "202613"),
    ("export", "users", "--vendor", "A", "--encoding", "x"),
    ("export", "monthly", "--vendor", "A"),
    ("export", "monthly", "--vendor", "A", "--product", ENHANCED, "--from", "2026"),
    ("export", "monthly", "--vendor", "A", "--product", ENHANCED, "--from", "000101"),
    ("vendor", "add", "A"),
    ("vendor", "add", "a code", "名"),
    ("vendor", "add", "B", "甲||乙"),
    ("vendor", "add", "B", ""),
    ("vendor", "add", "B", " x "),
    ("product", "add", "名" * 32),
    ("price", "set", ENHANCED, "12.345", "--from", "202601"),
    ("price", "set", ENHANCED, "-1", "--from", "202601"),
    ("price", "set", ENHANCED, "NaN", "--from", "202601"),
    ("price", "set", ENHANCED, "1e99", "--from", "202601"),
    ("price", "set", ENHANCED, "x", "--from", "202601"),
    ("price", "set", ENHANCED, "1"),
    ("price", "set", ENHANCED, "1", "--from", "202601", "--to", "202512"),
    ("licence", "add", "A", ENHANCED, "--from", "x"),
    ("key", "issue", "--role", "analyst"),
    ("key", "issue", "--role", "analyst", "--vendor", "A"),
    ("key", "issue", "--role", "operator", "--vendor", "A", "--licensor", "SZSEINFO"),
    ("key", "issue", "--role", "operator", "--vendor", "A", "--days", "0"),
    ("query", "missing.graphql", "--key", "gw_x"),
    ("query", "FILE"),
    ("demo", "--scale", "0"),
)
REFUSED: tuple[tuple[str, ...], ...] = (
    ("import", "users", "FILE", "--vendor", "nobody"),
    ("export", "users", "--vendor", "nobody"),
    ("export", "users", "--vendor", "A", "--product", "nothing"),
    ("export", "monthly", "--vendor", "A", "--product", "nothing"),
    ("product", "add", "x", "--licensor", "nobody"),
    ("licence", "add", "nobody", ENHANCED, "--from", "202601"),
    ("licence", "add", "A", "nothing", "--from", "202601"),
    ("price", "set", "nothing", "1", "--from", "202601"),
    ("key", "issue", "--role", "operator", "--vendor", "nobody"),
    ("key", "issue", "--role", "analyst", "--licensor", "nobody"),
    ("key", "revoke", "nothing"),
    ("query", "QUERY", "--key", "gw_x"),
)


async def outcomes(
    run: Run, place: Path, commands: tuple[tuple[str, ...], ...]
) -> dict[tuple[str, ...], Ran]:
    files = {
        "FILE": str(write(place / "file.txt", GOOD)),
        "QUERY": str(write(place / "query.graphql", "{ viewer { role } }")),
    }
    return {
        command: await run(*(files.get(part, part) for part in command)) for command in commands
    }


NEEDS_DATABASE: tuple[tuple[str, ...], ...] = (
    ("migrate",),
    ("doctor",),
    ("doctor", "--json"),
    ("serve",),
    ("vendor", "add", "A", "甲"),
    ("key", "issue", "--role", "operator", "--vendor", "A"),
    ("import", "users", "FILE", "--vendor", "A"),
    ("export", "users", "--vendor", "A"),
    ("query", "QUERY", "--key", f"gw_{'a' * 8}_{'b' * 43}"),
)


@pytest.mark.parametrize("wrong", ["down", "password", "name", "not migrated"])
async def test_a_database_that_can_not_be_used_is_3(
    run: Run, server: EmbeddedPostgres, house: House, tmp_path: Path, wrong: str
) -> None:
    address = str(house.settings.migrate_url)
    name = address.partition("?")[0].rpartition("/")[2]
    password = address.split(":")[2].partition("@")[0]
    broken = {
        "down": "postgresql://x:y@127.0.0.1:1/x",
        "password": address.replace(password, "wrong"),
        "name": address.replace(f"/{name}?", "/no_such_database?"),
        "not migrated": server.url("postgres", "postgres"),
    }[wrong]
    commands = NEEDS_DATABASE[1:] if wrong == "not migrated" else NEEDS_DATABASE

    async def ran(*arguments: str) -> Ran:
        return await run(*arguments, GATEWAY_DATABASE_URL=broken, GATEWAY_MIGRATE_URL=broken)

    bad = {
        " ".join(command): (one.code, one.err[-300:])
        for command, one in (await outcomes(ran, tmp_path, commands)).items()
        if one.code != 3 or "Traceback" in one.err or not (one.err or one.out)
    }
    assert bad == {}


async def test_settings_that_are_none(run: Run) -> None:
    for setting, value in (
        ("GATEWAY_PORT", "x"),
        ("GATEWAY_PORT", "65536"),
        ("GATEWAY_DATABASE_URL", "mysql://x/y"),
        ("GATEWAY_DATABASE_URL", "nonsense"),
        ("GATEWAY_LINK_SECONDS", "0"),
        ("GATEWAY_SECRET", "short"),
    ):
        ran = await run("doctor", **{setting: value})
        assert ran.code == 2, (setting, value, ran.err)
        assert setting in ran.err
        assert "Traceback" not in ran.err


# the catalogue, keys, query, doctor


async def test_setting_up_twice_changes_nothing(run: Run) -> None:
    commands = (
        ("licensor", "add", "HKEX", "香港交易所"),
        ("vendor", "add", "A", "甲 公司"),
        ("product", "add", ENHANCED),
        ("product", "add", "Level 2", "--licensor", "HKEX"),
        ("licence", "add", "A", ENHANCED, "--from", "202601"),
        ("licence", "add", "A", ENHANCED, "--from", "2026-01-01", "--to", "20261231"),
        ("price", "set", ENHANCED, "12.30", "--from", "202601"),
        ("price", "set", ENHANCED, "12.40", "--from", "20260101"),
        ("vendor", "add", "A", "乙公司"),
    )
    for command in commands:
        assert (await done(run, *command))["changed"] is True, command
        assert (await done(run, *command))["changed"] is False, command
    plain = await run("vendor", "add", "A", "乙公司")
    assert plain.out.decode() == "vendor A: as it was\n"
    taken = await run("product", "add", ENHANCED, "--licensor", "HKEX")
    assert taken.code == 2


async def test_a_file_is_of_one_licensors_products(run: Run, house: House, tmp_path: Path) -> None:
    await found(house, "A")
    foreign = GOOD.replace(ENHANCED, FOREIGN)
    both = write(tmp_path / "both.txt", GOOD, foreign)
    ran = await run("import", "users", both, "--vendor", "A")
    assert ran.code == 1
    assert "line 2, column 7 信息产品: OTHER_LICENSOR" in ran.err
    path = write(tmp_path / "hk.txt", foreign)
    ran = await run("import", "users", path, "--vendor", "A", "--licensor", "SZSEINFO")
    assert ran.code == 1
    assert "UNKNOWN_PRODUCT" in ran.err
    ran = await run("import", "users", path, "--vendor", "A", "--licensor", "NOBODY")
    assert (ran.code, "licensor 'NOBODY' not found" in ran.err) == (1, True)
    for licensor, file in (("HKEX", path), ("SZSEINFO", write(tmp_path / "sz.txt", GOOD))):
        told = await done(run, "import", "users", file, "--vendor", "A", "--licensor", licensor)
        assert (told["batch"], told["added"], told["superseded"]) == (1, 1, 0)


async def test_licences_name_their_usage_modes(run: Run) -> None:
    for command in (("vendor", "add", "A", "甲"), ("product", "add", ENHANCED)):
        await done(run, *command)
    licence = ("licence", "add", "A", ENHANCED, "--from", "202601")
    for modes in (("Web", "终端"), ("DATAFEED",), ()):
        given = [part for mode in modes for part in ("--mode", mode)]
        assert (await done(run, *licence, *given))["changed"] is True
        assert (await done(run, *licence, *given))["changed"] is False
    refused = await run(*licence, "--mode", "web")
    assert refused.code == 2
    assert "--mode" in refused.err
    assert "Web, 终端, datafeed" in refused.err


SPEC = """[[interface_specs]]
key = "SSE-IS101-CV1.62"
exchange = "SSE"
title = "IS101"
purpose = "TRADING"
address = "https://example.com/"
supersedes = "SSE-IS101-CV1.61"
"""
NO_DATABASE = {"GATEWAY_DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}


async def test_catalogue_load_twice_and_a_new_edition(run: Run, tmp_path: Path) -> None:
    new = tmp_path / "新 版.toml"
    new.write_text(SPEC, encoding="utf-8")
    early = await run("catalogue", "load", new)
    assert early.code == 1  # there is no such exchange and no such edition yet
    assert "interface_specs SSE-IS101-CV1.62: supersedes" in early.out.decode()
    assert "nothing was changed" in early.err
    first = await done(run, "catalogue", "load")
    assert "spec SSE-IS101-CV1.61" in first["added"]
    again = await done(run, "catalogue", "load")
    assert (again["added"], again["changed"], again["unchanged"]) == ([], {}, 29)
    assert (await done(run, "catalogue", "load", new))["added"] == ["spec SSE-IS101-CV1.62"]
    plain = await run("catalogue", "load", new)
    assert plain.out.decode() == "0 added, 0 changed, 1 as before\n"


async def test_catalogue_check_needs_no_database(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "new.toml"
    path.write_text(SPEC, encoding="utf-8")
    ran = await run("catalogue", "check", path, "--json", **NO_DATABASE)
    assert ran.code == 0, ran.err
    assert json.loads(ran.out) == {
        "exchanges": 0,
        "interface_specs": 1,
        "products": 0,
        "outside": ["SSE", "SSE-IS101-CV1.61"],
    }
    path.write_text(SPEC.replace("TRADING", "TRADE").replace("https", "gopher"), encoding="utf-8")
    plain = await run("catalogue", "check", path, **NO_DATABASE)
    assert plain.code == 1
    address, purpose = sorted(plain.out.decode().splitlines())
    assert address.startswith("interface_specs SSE-IS101-CV1.62: address: ")
    assert "accepted: one of TRADING, MARKET_DATA" in purpose
    told = await run("catalogue", "check", path, "--json", **NO_DATABASE)
    assert told.code == 1
    problems = [json.loads(line) for line in told.out.decode().splitlines()]
    assert {one["field"] for one in problems} == {"address", "purpose"}
    assert all(one["reason"] and one["reasonZh"] and one["accepted"] for one in problems)


async def test_a_catalogue_file_that_is_none(run: Run, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.toml"):
        for command in ("check", "load"):
            ran = await run("catalogue", command, path)
            assert ran.code == 2, (path, ran.err)
            assert "Traceback" not in ran.err
    empty = tmp_path / "empty.toml"
    empty.write_bytes(b"")
    ran = await run("catalogue", "load", empty)
    assert ran.code == 1
    assert "file: says nothing" in ran.out.decode()


async def test_migrate_brings_the_catalogue_once(run: Run, tmp_path: Path) -> None:
    await done(run, "migrate")
    assert (await done(run, "catalogue", "load"))["added"] == []
    path = tmp_path / "mine.toml"
    path.write_text(SPEC.replace("CV1.62", "CV1.61").rpartition("supersedes")[0], encoding="utf-8")
    changed = (await done(run, "catalogue", "load", path))["changed"]
    assert "title" in changed["spec SSE-IS101-CV1.61"]
    await done(run, "migrate")
    assert (await done(run, "catalogue", "load", path))["unchanged"] == 1


async def test_a_key_from_its_issue_to_its_end(run: Run, house: House, tmp_path: Path) -> None:
    await found(house, "A", "B")
    for code in "AB":
        await load(house, code, [GOOD], tmp_path)
    told = await done(run, "key", "issue", "--vendor", "A", "--role", "operator", "--days", "3")
    assert told["role"] == "VENDOR_OPERATOR"
    assert told["expiresAt"] > "2026"
    plain = await run("key", "issue", "--licensor", "SZSEINFO", "--role", "analyst")
    (analyst,) = plain.out.decode().split()
    query = write(
        tmp_path / "查 询.graphql",
        "query ($n: Int) { viewer { vendor } users(first: $n) { totalCount } }",
    )
    for text, vendor, number in ((told["key"], "A", 1), (analyst, None, 2)):
        ran = await run("query", query, "--key", text, "--variables", '{"n": 1}')
        assert ran.code == 0, ran.err[-300:]
        assert json.loads(ran.out) == {
            "data": {"viewer": {"vendor": vendor}, "users": {"totalCount": number}}
        }
    ran = await run("query", query, GATEWAY_KEY=analyst)
    assert ran.code == 0, ran.err[-300:]
    prefix = told["key"].split("_")[1]
    for _ in range(2):
        assert (await run("key", "revoke", prefix, "--json")).code == 0
    ran = await run("query", query, "--key", told["key"])
    assert ran.code == 1
    trusted = ("--vendor", "A", "--role", "portal", "--trusted-only")
    bound = await done(run, "key", "issue", *trusted)
    ran = await run("query", query, "--key", bound["key"])
    assert (ran.code, "registered documents only" in ran.err) == (1, True)
    await done(run, "document", "add", query, "--vendor", "A")
    assert (await run("query", query, "--key", bound["key"])).code == 0
    assert told["key"].split("_", 2)[2] not in ran.err


async def test_query_tells_errors_and_exits_with_1_or_2(
    run: Run, house: House, tmp_path: Path
) -> None:
    await found(house, "A")
    text = await key(house, vendor="A", role=Role.VENDOR_OPERATOR)
    good = write(tmp_path / "good.graphql", "{ viewer { role } }")
    for document, code in (
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ('{ users(vendors: ["x"]) { totalCount } }', "NOT_FOUND"),
        ("{ users(first: -1) { totalCount } }", "BAD_USER_INPUT"),
    ):
        ran = await run("query", write(tmp_path / "bad.graphql", document), "--key", text)
        assert ran.code == 1
        (error,) = json.loads(ran.out)["errors"]
        assert error["extensions"]["code"] == code
    for variables in ("[", "[1]", "3", "null x"):
        ran = await run("query", good, "--key", text, "--variables", variables)
        assert ran.code == 2, (variables, ran.err)
        assert "Traceback" not in ran.err
    for path in (tmp_path, tmp_path / "none.graphql", binary(tmp_path)):
        ran = await run("query", path, "--key", text)
        assert ran.code == 2, (path, ran.err)
        assert "Traceback" not in ran.err


async def test_a_query_that_takes_too_long_is_3(
    run: Run, server: EmbeddedPostgres, house: House, tmp_path: Path
) -> None:
    await found(house, "A")
    async with calling(house, vendor="A") as caller, locked(server, house):
        document = write(tmp_path / "q.graphql", "{ users { totalCount } }")
        asked = ("query", document, "--key", caller.key)
        ran = await run(*asked, GATEWAY_STATEMENT_SECONDS="1")
    (error,) = json.loads(ran.out)["errors"]
    assert (ran.code, error["extensions"]["code"]) == (3, "TIMEOUT")


def binary(place: Path) -> Path:
    path = place / "binary.graphql"
    path.write_bytes(b"{ viewer { role } } # \xff")
    return path


async def test_query_answers_as_the_server_does(run: Run, house: House, tmp_path: Path) -> None:
    await found(house, "A")
    await load(house, "A", with_status(ROSTER), tmp_path)
    document = """{ users { totalCount delimited nodes { startDate endDate } }
        monthlyStats { nodes { fee } } }"""
    async with calling(house, vendor="A") as caller:
        answer = await caller.ask(document)
        asked = ("query", write(tmp_path / "q.graphql", document), "--key", caller.key)
        ran = await run(*asked, "--purpose", "test")
        masked = await run(*asked)
    assert json.loads(ran.out)["data"] == answer
    assert json.loads(masked.out)["data"] != answer


async def test_doctor_finds_what_is_wrong(
    run: Run, server: EmbeddedPostgres, database: str
) -> None:
    ran = await run("doctor", "--json")
    found_right = [json.loads(line) for line in ran.out.splitlines()]
    assert (ran.code, {one["right"] for one in found_right}) == (0, {True})
    assert "disk" in {one["name"] for one in found_right}
    owner = await asyncpg.connect(server.url("postgres", database))
    await owner.execute("ALTER TABLE service_records NO FORCE ROW LEVEL SECURITY")
    await owner.close()
    ran = await run("doctor")
    assert ran.code == 3
    assert "service_records" in ran.out.decode()
    assert (await run("serve")).code == 3


async def test_every_act_is_logged(
    run: Run, house: House, server: EmbeddedPostgres, database: str, tmp_path: Path
) -> None:
    await done(run, "vendor", "add", "A", "甲")
    await done(run, "product", "add", ENHANCED)
    await done(run, "price", "set", ENHANCED, "1", "--from", "202601")
    told = await done(run, "key", "issue", "--vendor", "A", "--role", "portal")
    await done(run, "key", "revoke", told["key"].split("_")[1])
    path = write(tmp_path / "u.txt", GOOD)
    await done(run, "import", "users", path, "--vendor", "A")
    await done(run, "export", "users", "--vendor", "A", "-o", tmp_path / "o.txt")
    owner = await asyncpg.connect(server.url("postgres", database))
    rows = await owner.fetch(
        f"SELECT action, actor FROM audit_events WHERE {ONCE} ORDER BY occurred_at, number"
    )
    await owner.close()
    acts = ["vendor.add", "product.add", "price.set", "key.issue", "key.revoke", "import.users"]
    *actions, export = [row["action"] for row in rows if not row["action"].endswith(".start")]
    assert actions == acts
    assert export.startswith("export.users")
    for row in rows:
        duty = "security" if row["action"].startswith("key.") else "operator"
        assert row["actor"].partition(":")[0] == duty


async def audit(server: EmbeddedPostgres, database: str) -> list[tuple[str, Any, Any]]:
    """Return all lines of the log: action, vendor's code, detail without how long it took."""
    owner = await asyncpg.connect(server.url("postgres", database))
    rows = await owner.fetch(
        "SELECT action, code, detail FROM audit_events LEFT JOIN vendors USING (vendor_id)"
        f" WHERE {ONCE} ORDER BY occurred_at, code"
    )
    await owner.close()
    details = [json.loads(row["detail"]) for row in rows]
    for row, one in zip(rows, details, strict=True):
        lasting = row["action"].endswith(".complete") and "size" in one
        assert (one.pop("micros", 0) > 0) == lasting, row["action"]
    return [(row["action"], row["code"], one) for row, one in zip(rows, details, strict=True)]


def of_file(path: Path, mode: str = "snapshot", **more: Any) -> dict[str, Any]:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    named = {"source": path.name, "sha256": digest, "mode": mode, "format": "szse-2010@1"}
    return named | more


async def test_refused_imports_and_dry_runs_are_logged_too(
    run: Run, house: House, server: EmbeddedPostgres, database: str, tmp_path: Path
) -> None:
    await found(house, "A", "B")
    before = await audit(server, database)
    good = write(tmp_path / "good.txt", GOOD)
    bad = write(tmp_path / "bad.txt", GOOD, GOOD, "secret||line")
    empty = write(tmp_path / "empty.txt")
    command = ("import", "users", bad, "--vendor", "A")
    assert (await run(*command)).code == 1
    assert (await run(*command, "--dry-run", "--mode", "delta")).code == 1
    ran = await run("import", "users", empty, "--vendor", "A")
    assert (ran.code, ran.err.splitlines()[-1]) == (
        1,
        "error: the file has no lines; nothing was changed",
    )
    await done(run, "import", "users", good, "--vendor", "A", "--dry-run")
    assert (await run("import", "users", good, "--vendor", "nobody")).code == 1
    assert (await run("import", "users", tmp_path / "none.txt", "--vendor", "A")).code == 2
    refused = "import.users.refused"
    counts = {"lines": 1, "added": 1, "changed": 0, "superseded": 0}
    assert (await audit(server, database))[len(before) :] == [
        (refused, "A", of_file(bad, lines=3, bad=2, dry_run=False)),
        (refused, "A", of_file(bad, "delta", lines=3, bad=2, dry_run=True)),
        (refused, "A", of_file(empty, lines=0, bad=1, dry_run=False)),
        ("import.users.dry_run", "A", of_file(good, **counts)),
    ]
    assert await exported(run) == []


async def test_exports_are_logged_with_their_digest_and_also_where_the_right_is_missing(
    run: Run, house: House, server: EmbeddedPostgres, database: str, tmp_path: Path
) -> None:
    await found(house, "A", "B")
    await load(house, "A", [GOOD], tmp_path)
    before = await audit(server, database)
    users = await done(run, "export", "users", "--vendor", "A", "-o", tmp_path / "u.txt")
    both = ("--vendor", "A", "--vendor", "B", "-o", tmp_path / "b.txt")
    stated = ("--purpose", "spot check", "--search", "甲", "--start-before", "20270101")
    two = await done(run, "export", "users", *both, *stated)
    assert (await run("export", "users", *both, "--purpose", " ")).code == 2
    portal = await key(house, vendor="A", role=Role.VENDOR_PORTAL)
    scope = await authenticate(house.service, f"Bearer {portal}")

    async def nowhere(_: bytes) -> None:
        raise AssertionError

    for wanted in (UserExport(("A",)), UserExport(("B",)), MonthlyExport((), ("A",))):
        with pytest.raises(NotFound, match="right"):
            await run_export(house.service, scope, wanted, Form(), nowhere)
    shown = {"personal": ["address", "contact", "phone", "userName"], "from": "command line"}
    asked = {**shown, "conditions": [], "purpose": "command line"}
    part = {**shown, "conditions": ["search", "startBefore"], "purpose": "spot check"}
    whole = {"rows": 1, "size": users["bytes"], "sha256": users["sha256"], **asked}
    logged = (await audit(server, database))[len(before) :]
    assert logged == [
        ("export.users.start", "A", asked),
        ("export.users.complete", "A", whole),
        *[("export.users.start", code, part) for code in "AB"],
        *[("export.users.complete", code, {"sha256": two["sha256"], **part}) for code in "AB"],
        ("export.users.refused", "A", {}),
        ("export.users.refused", "A", {}),
        ("export.monthly.refused", "A", {}),
    ]


async def test_setting_up_is_logged_line_by_line(
    run: Run, server: EmbeddedPostgres, database: str
) -> None:
    for _ in range(2):
        await done(run, "licensor", "add", "HKEX", "香港交易所")
        await done(run, "vendor", "add", "A", "甲")
        await done(run, "product", "add", ENHANCED)
        await done(run, "licence", "add", "A", ENHANCED, "--from", "202601", "--to", "202612")
        await done(run, "price", "set", ENHANCED, "1", "--from", "202601")
    told = await done(run, "key", "issue", "--vendor", "A", "--role", "portal")
    prefix = told["key"].split("_")[1]
    await done(run, "key", "revoke", prefix)
    for refused in (("vendor", "add", "a b", "x"), ("key", "revoke", "nothing")):
        assert (await run(*refused)).code != 0
    span = {"start": "2026-01-01", "end": "2026-12-31"}
    modes = ["WEB", "TERMINAL", "DATAFEED"]
    assert await audit(server, database) == [
        ("licensor.add", None, {"code": "HKEX", "name": "香港交易所"}),
        ("vendor.add", "A", {"code": "A", "name": "甲"}),
        ("product.add", None, {"name": ENHANCED, "licensor": "SZSEINFO"}),
        ("licence.add", "A", {"product": ENHANCED, **span, "modes": modes}),
        ("price.set", None, {"product": ENHANCED, "amount": "1", **span, "end": "None"}),
        ("key.issue", "A", {"key": prefix, "role": "VENDOR_PORTAL"}),
        ("key.revoke", "A", {"key": prefix}),
    ]


# odd inputs

ONE_PRODUCT = ("--vendor", "A", "--product", ENHANCED)
ODD: tuple[tuple[tuple[str, ...], int, str], ...] = (
    (("export", "users", "--vendor", "A", "--search", "\udcff"), 2, "can't be stored"),
    (("export", "users", "--vendor", "A", "--search", "a\0"), 2, "can't be stored"),
    (("export", "users", "--vendor", "\udcff"), 1, "not found"),
    (("export", "users", "--vendor", "A", "-o", "a\0b"), 2, "--output"),
    (("import", "users", "a\0b", "--vendor", "A"), 2, "null"),
    (("check", "a\0b"), 2, "null"),
    (("vendor", "add", "B", "a\0b"), 2, "is not a name"),
    (("vendor", "add", "B", "\udcff"), 2, "can't be stored"),
    (("key", "revoke", "\0"), 2, "can't be stored"),
    (("price", "set", ENHANCED, "1_0", "--from", "202601"), 2, "AMOUNT"),
    (("price", "set", ENHANCED, "１２", "--from", "202601"), 2, "AMOUNT"),
    (("price", "set", ENHANCED, "1e1", "--from", "202601"), 2, "AMOUNT"),
    (
        ("export", "monthly", *ONE_PRODUCT, "--from", "202602", "--to", "202601"),
        2,
        "2026-02 or later",
    ),
)


async def test_odd_arguments_are_named(run: Run, house: House) -> None:
    await found(house, "A")
    wrong = {}
    for command, code, told in ODD:
        ran = await run(*command)
        if (ran.code, ran.out) != (code, b"") or told not in ran.err or "Traceback" in ran.err:
            wrong[command] = (ran.code, ran.err[-300:])
    assert wrong == {}


async def test_a_name_that_is_no_text(run: Run, house: House, tmp_path: Path) -> None:
    await found(house, "A")
    path = tmp_path / "\udcff.txt"
    write(path, GOOD)
    assert (await done(run, "import", "users", path, "--vendor", "A"))["added"] == 1
    told = await done(run, "export", "users", "--vendor", "A", "-o", tmp_path / "\udcff.out")
    assert told["file"] == str(tmp_path / "\udcff.out")
    assert (tmp_path / "\udcff.out").read_text() == f"{GOOD}\n"


async def test_devices_pipes_and_links_are_written_through(
    run: Run, house: House, tmp_path: Path
) -> None:
    """They are never replaced and never removed."""
    await found(house, "A")
    good, bad = write(tmp_path / "good.txt", GOOD), write(tmp_path / "bad.txt", GOOD, GOOD)
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "target")
    reading = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    refused = await run("import", "users", bad, "--vendor", "A", "--errors", pipe)
    assert refused.code == 1, refused.err
    assert b"DUPLICATE_KEY" in os.read(reading, 1 << 16)
    await done(run, "import", "users", good, "--vendor", "A", "--errors", pipe)
    await done(run, "export", "users", "--vendor", "A", "-o", pipe)
    assert os.read(reading, 1 << 16).decode() == f"{GOOD}\n"
    os.close(reading)
    assert pipe.is_fifo()
    await done(run, "export", "users", "--vendor", "A", "-o", link)
    assert link.is_symlink()
    assert (tmp_path / "target").read_text() == f"{GOOD}\n"
    for standard in ("-", "/dev/stdout"):
        ran = await run("export", "users", "--vendor", "A", "-o", standard)
        assert (ran.code, ran.out.decode()) == (0, f"{GOOD}\n")
    assert sorted(one.name for one in tmp_path.iterdir() if not one.is_dir()) == [
        "bad.txt",
        "good.txt",
        "link",
        "pipe",
        "target",
    ]


async def test_an_error_file_may_not_be_the_file_itself_or_a_folder(
    run: Run, house: House, tmp_path: Path
) -> None:
    await found(house, "A")
    path = write(tmp_path / "u.txt", GOOD)
    for errors in (path, tmp_path):
        ran = await run("import", "users", path, "--vendor", "A", "--errors", errors)
        assert ran.code == 2
        assert "--errors" in ran.err
    assert path.read_text() == f"{GOOD}\n"
    assert await exported(run) == []


@pytest.mark.parametrize("buffered", [True, False])
async def test_results_that_do_not_get_there(
    house: House, tmp_path: Path, *, buffered: bool
) -> None:
    """A full disk and a reader that has gone: 3, whatever the interpreter buffers."""
    await found(house, "A")
    bad = write(tmp_path / "bad.txt", *[GOOD] * 3)
    text = await key(house, vendor="A", role=Role.VENDOR_OPERATOR)
    query = write(tmp_path / "q.graphql", "{ viewer { role } }")
    kept = environment(house) | ({} if buffered else {"PYTHONUNBUFFERED": "1"})
    if buffered:
        kept.pop("PYTHONUNBUFFERED", None)
    commands = [
        ("vendor", "add", "B", "乙"),
        ("check", str(bad)),
        ("query", str(query), "--key", text),
    ]
    for command in commands if buffered else commands[:1]:
        with Path("/dev/full").open("wb") as full:
            ran = await with_output(full, kept, command)
        assert (ran.code, ran.err.splitlines()[-1]) == (3, "error: No space left on device"), ran
        assert "Traceback" not in ran.err
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "wb") as gone:
            ran = await with_output(gone, kept, command)
        assert ran.code == 3, ran
        assert "Traceback" not in ran.err
        assert "Exception ignored" not in ran.err


async def with_output(out: Any, env: dict[str, str], command: tuple[str, ...]) -> Ran:
    process = await asyncio.create_subprocess_exec(
        GATEWAY, *command, stdout=out, stderr=asyncio.subprocess.PIPE, env=env
    )
    _, err = await process.communicate()
    assert process.returncode is not None
    return Ran(process.returncode, b"", err.decode())


async def test_a_query_without_a_document_or_a_key(run: Run, house: House, tmp_path: Path) -> None:
    await found(house, "A")
    text = await key(house, vendor="A", role=Role.VENDOR_OPERATOR)
    for name, content in (("empty", b""), ("blank", b"\xef\xbb\xbf \n"), ("bytes", b"\xff")):
        path = tmp_path / f"{name}.graphql"
        path.write_bytes(content)
        ran = await run("query", path, "--key", text)
        assert (ran.code, ran.out) == (2, b"")
        assert f"error: {path} can't be read" in ran.err
    good = write(tmp_path / "good.graphql", "{ viewer { role } }")
    assert (await run("query", good, GATEWAY_KEY="")).code == 2
    assert "GATEWAY_KEY" in (await run("query", good)).err
    assert (await run("query", "-", "--key", text)).code == 2
    assert json.loads((await run("migrate", "--json")).out) == {"migrated": True}


async def test_help_and_version(run: Run) -> None:
    for command in ((), ("import",), ("export", "users"), ("demo",), ("key", "issue")):
        ran = await run(*command, "--help")
        assert ran.code == 0
        assert "Usage" in ran.out.decode()
    assert (await run("--version")).out.strip()
