"""A second and a third data company with layouts of their own: files and rows only, no code."""

import csv
import hashlib
import io
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from graphing import Caller
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from market import ENHANCED, FOREIGN, found, key, load, operator
from naive.counting import Service
from naive.strategies import rosters
from serving import Program
from shapes import HKEX, HKEX_TEXT, PIPE, PIPE_TEXT

from gateway.app.house import House
from gateway.app.server import application, routes
from gateway.catalogue import registry
from gateway.catalogue.formats import add_format
from gateway.config.clock import today
from gateway.db.embedded import EmbeddedPostgres
from gateway.delimited.reader import Block
from gateway.errors import Refused
from gateway.exports.requests import UserExport, run_export
from gateway.exports.stream import Form
from gateway.intake.check import check
from gateway.intake.problems import BadLine, Rule
from gateway.intake.run import Mode, Outcome, import_users
from gateway.intake.sources import FileSource
from gateway.intake.validate import Validator
from gateway.regulation.formats.format import ReportFormat
from gateway.regulation.formats.reading import read_format
from gateway.resolvers.query import build_schema
from gateway.tenancy.operator import open_operator
from gateway.tenancy.principal import Role

TODAY = today()
NP, WEB = "Non-professional", "Browser"
HEADER = HKEX.header_line(HKEX.users)
GOOD = f'{FOREIGN},u1,"Chan, ""Tai"" Man",2026-01-01,,{NP},{WEB},Chargeable,,'
SZSE_LINE = f"u1||甲||个人||全价用户||20260101||0||{ENHANCED}||Web||0||0||0"
_numbers = itertools.count()


async def hkex(house: House, *vendors: str) -> None:
    """Give HKEX its format."""
    await found(house, *vendors)
    async with open_operator(house.operator, "test") as session:
        await add_format(session, HKEX_TEXT, "hkex-csv.toml")
        await registry.add_licensor(session, "HKEX", "香港交易所", "hkex-csv")


async def bring(
    house: House,
    vendor: str,
    data: bytes,
    place: Path,
    report_format: ReportFormat = HKEX,
    bad: list[BadLine] | None = None,
) -> Outcome:
    path = place / f"{vendor}.csv"
    path.write_bytes(data)
    report = [].append if bad is None else bad.append
    source, scope = FileSource(path, report_format.encoding(None)), await operator(house)
    return await import_users(
        house.service, scope, vendor, source, Mode.SNAPSHOT,
        report=report, report_format=report_format,
    )  # fmt: skip


async def written(
    house: House, wanted: UserExport, report_format: ReportFormat = HKEX, form: Form | None = None
) -> bytes:
    data = bytearray()

    async def sink(chunk: bytes) -> None:
        data.extend(chunk)

    form = form or Form.of(report_format)
    await run_export(house.service, await operator(house), wanted, form, sink, report_format)
    return bytes(data)


def file(*lines: str, header: bool = True) -> bytes:
    return "".join(f"{one}\r\n" for one in ([HEADER] if header else []) + list(lines)).encode()


# Live by files and rows only


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    started = Program(tmp_path_factory.mktemp("program"))
    yield started
    started.close()


async def test_a_data_company_goes_live_by_files_and_rows(
    program: Program, server: EmbeddedPostgres, database: str, house: House, tmp_path: Path
) -> None:
    async def done(*arguments: str | Path) -> bytes:
        ran = await program.run(house, *map(str, arguments))
        assert ran.code == 0, ran.err
        return ran.out

    shape, users = tmp_path / "pipe.toml", tmp_path / "users.txt"
    shape.write_text(PIPE_TEXT, encoding="utf-8")
    lines = [
        'W|永久|31/12/2025|Depth|A|1|王"五|u1|在',
        "F|28/02/2026|01/01/2026|Depth|D|2|李|u2|期",
    ]
    users.write_bytes("".join(f"{one}\n" for one in lines).encode("gb18030"))
    assert b"pipe@1: good" in await done("format", "check", shape)
    await done("check", users, "--format", shape)
    await done("format", "add", shape)
    assert b"as it was" in await done("format", "add", shape)
    await done("licensor", "add", "JPX", "日本取引所", "--format", "pipe")
    await done("product", "add", "Depth", "--licensor", "JPX")
    await done("product", "add", ENHANCED)
    await done("vendor", "add", "A", "甲公司")
    await done("licence", "add", "A", "Depth", "--from", "20250101")
    await done("price", "set", "Depth", "12.34", "--from", "20250101")
    await done("check", users, "--format", "pipe@1")
    assert b"2 added" in await done("import", "users", users, "--vendor", "A")
    assert b"nothing to change" in await done("import", "users", users, "--vendor", "A")
    assert await done("export", "users", "--vendor", "A", "--licensor", "JPX") == users.read_bytes()
    monthly = ("export", "monthly", "--vendor", "A", "--product", "Depth")
    told = await done(*monthly, "--from", "202602", "--to", "202602")
    assert told == "12,340|2026年02月|1\n".encode("gb18030")
    statutory = await done(*monthly, "--from", "202602", "--to", "202602", "--format", "szse-2010")
    assert statutory.decode() == "甲公司||202602||1||0||0||1||0||1||12.34\n"
    await _by_its_own_rules(house, done, monthly, tmp_path)
    assert "方式" in (await done("format", "show", "pipe")).decode()
    shown = [json.loads(one) for one in (await done("format", "list", "--json")).splitlines()]
    assert [one["code"] for one in shown] == ["pipe", "szse-2010"]
    owner = await asyncpg.connect(server.url("postgres", database))
    rows = await owner.fetch("SELECT detail FROM audit_events WHERE action = 'format.add'")
    await owner.close()
    digest = hashlib.sha256(PIPE_TEXT.encode()).hexdigest()
    assert [json.loads(one["detail"]) for one in rows] == [
        {"code": "pipe", "version": 1, "sha256": digest}
    ]


RULES = """
name = "jpx-written"
version = 1
[options]
unapproved = "full-price"
tiers = "graduated"
"""
FIGURES = """{ monthlyStats(from: "2026-01", to: "2026-02", orderBy: [{field: MONTH}]) { nodes {
    rulePack fullPriceCount trialCount fee feeLines { kind quantity unitPrice amount } } } }"""


async def _by_its_own_rules(
    house: House,
    done: Callable[..., Awaitable[bytes]],
    monthly: tuple[str, ...],
    place: Path,
) -> None:
    """From February on a trial without approval pays, by tiers, and the month has a minimum."""
    (place / "rules.toml").write_text(RULES)
    await done("pack", "add", place / "rules.toml")
    await done("pack", "use", "jpx-written", "--from", "202602", "--licensor", "JPX")
    price = ("price", "set", "Depth", "12.34", "--from", "20250101")
    await done(*price, "--tier", "2=10.00", "--minimum", "25.00")
    issued = await done("key", "issue", "--licensor", "JPX", "--role", "analyst", "--json")
    transport = httpx.ASGITransport(app=application(house))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        shown = await Caller(client, json.loads(issued)["key"]).ask(FIGURES)
    before, after = shown["monthlyStats"]["nodes"]
    assert (before["rulePack"], after["rulePack"]) == ("szse-2010@1", "jpx-written@1")
    assert [before[name] for name in ("fullPriceCount", "trialCount", "fee")] == [1, 1, "25.00"]
    assert [after[name] for name in ("fullPriceCount", "trialCount", "fee")] == [2, 0, "25.00"]
    amounts = [(one["kind"], one["amount"]) for one in after["feeLines"]]
    assert amounts == [("USERS", "12.34"), ("USERS", "10.00"), ("MINIMUM", "2.66")]
    told = await done(*monthly, "--from", "202602", "--to", "202602")
    assert told == "25,000|2026年02月|1\n".encode("gb18030")


async def test_wrong_usage_is_told(program: Program, house: House, tmp_path: Path) -> None:
    await hkex(house, "A")
    shape, users = tmp_path / "next.toml", tmp_path / "users.csv"
    users.write_bytes(file(GOOD))

    async def refused(*arguments: str | Path) -> str:
        ran = await program.run(house, *map(str, arguments))
        assert ran.code == 2, ran.err
        return ran.err

    shape.write_text(HKEX_TEXT.replace("Chargeable", "Paid"), encoding="utf-8")
    assert "2 or more" in await refused("format", "add", shape)
    shape.write_text(HKEX_TEXT.replace('"hkex-csv"', '"szse-2010"'), encoding="utf-8")
    assert "another code" in await refused("format", "add", shape)
    shape.write_bytes(b"\xff")
    assert "TOML in UTF-8" in await refused("format", "check", shape)
    assert "can be read" in await refused("format", "show", tmp_path / "absent.toml")
    assert "hkex-csv, hkex-csv@1" in await refused("check", users, "--format", "absent")
    assert "hkex-csv" in await refused("licensor", "add", "X", "某公司", "--format", "absent")
    # A holds nothing yet, and the two data companies' formats differ
    assert "HKEX or SZSEINFO" in await refused("import", "users", users, "--vendor", "A")
    named = ("--licensor", "HKEX", "--encoding", "gb18030")
    assert "utf-8" in await refused("import", "users", users, "--vendor", "A", *named)
    ran = await program.run(house, "import", "users", str(users), "--vendor", "A", *named[:2])
    assert ran.code == 0, ran.err
    assert (await program.run(house, "check", str(users))).code == 1


# Check, import, export


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    roster=rosters(TODAY, (FOREIGN,)).filter(bool),
    quoting=st.sampled_from(("minimal", "all")),
    separator=st.sampled_from((",", ";", "\\t", "||")),
    dates=st.sampled_from(("yyyy-mm-dd", "dd/mm/yyyy", "yyyymmdd")),
)
async def test_export_check_import_is_identity(
    house: House, tmp_path: Path, roster: list[Service], quoting: str, separator: str, dates: str
) -> None:
    text = HKEX_TEXT.replace('"minimal"', f'"{quoting}"').replace('","', f'"{separator}"')
    shape = read_format(text.replace('"yyyy-mm-dd"', f'"{dates}"'), "x.toml")
    first, second = f"F{next(_numbers)}", f"S{next(_numbers)}"
    await found(house, first, second)
    roster = [replace(one, contact="0") for one in roster]  # the format has no such column
    await load(house, first, [one.line() for one in roster], tmp_path)
    data = await written(house, UserExport((first,)), shape)
    bad: list[BadLine] = []
    path = tmp_path / "out.csv"
    path.write_bytes(data)
    assert check(FileSource(path), bad.append, shape).lines == len(roster)
    assert bad == []
    outcome = await bring(house, second, data, tmp_path, shape)
    assert outcome.change.added == len(roster)
    assert await written(house, UserExport((second,)), shape) == data
    szse = [await written(house, UserExport((one,)), form=Form()) for one in (first, second)]
    assert szse[0] == szse[1]
    assert (await bring(house, first, data, tmp_path, shape)).change.nothing
    if len(separator) == 1:
        told = list(csv.reader(io.StringIO(data.decode()), delimiter=separator, strict=True))
        assert len(told) == len(roster) + 1


async def test_each_rule_of_a_format_is_told_with_its_own_limits(
    house: House, tmp_path: Path
) -> None:
    await hkex(house, "A")
    lines = [
        GOOD,
        GOOD.replace("u1", "u" * 65),
        GOOD.replace("Chargeable", "全价用户"),
        GOOD.replace("2026-01-01", "20260101"),
        GOOD.replace("2026-01-01,", "2026-01-01,2025-12-31"),
        GOOD.replace('"Tai"', "Tai"),
        GOOD.replace(NP, ""),
        GOOD.replace(",u1,", ",,"),
        GOOD.replace("Tai", "Ta||i"),
        GOOD.replace(NP, "NP").replace("2026-01-01,,", "2026-01-01,9999-12-31,"),
        GOOD + ",Active",
        f"{ENHANCED}{GOOD[len(FOREIGN) :]}",
        GOOD.replace('"Chan, ""Tai"" Man"', "a\tb"),
    ]
    bad: list[BadLine] = []
    with pytest.raises(Refused):
        await bring(house, "A", file(*lines), tmp_path, bad=bad)
    assert [(one.number, one.problems[0].rule, one.problems[0].column) for one in bad] == [
        (3, Rule.TOO_LONG, 2),
        (4, Rule.UNKNOWN_CODE, 8),
        (5, Rule.BAD_DATE, 4),
        (6, Rule.END_BEFORE_START, 5),
        (7, Rule.QUOTING, 0),
        (8, Rule.MISSING, 6),
        (9, Rule.MISSING, 2),
        (10, Rule.SEPARATOR_INSIDE, 3),
        (11, Rule.DUPLICATE_KEY, 2),
        (12, Rule.FIELD_COUNT, 0),
        (13, Rule.OTHER_LICENSOR, 1),
        (14, Rule.CONTROL_CHARACTER, 3),
    ]
    said = [one.problems[0].accepted for one in bad]
    assert said[:4] == [
        "1 to 64 characters",
        "Chargeable / Regulator / Internal / Trial",
        "a calendar date yyyy-mm-dd",
        "2026-01-01 or later, or empty",
    ]


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_the_fast_path_and_the_slow_path_agree(size: int) -> None:
    lines = [HEADER]
    for number in range(40):
        line = GOOD.replace("u1", f"u{number}")
        match number % 9:
            case 3:
                line = line.replace("Man", 'M"')
            case 5:
                line = line.replace("Tai", "|")
            case 7:
                line = line.replace("Chan", "Ch||an")
            case 8:
                line = line.replace('"Chan, ""Tai"" Man"', "陈")
        lines.append(line)

    def judged(per_block: int, spoil: list[str]) -> tuple[list[str], list[str]]:
        validator, good, bad = Validator(None, report_format=HKEX), list[str](), list[str]()
        for at in range(0, len(lines), per_block):
            checked = validator.check(Block(at + 1, [*lines[at : at + per_block], *spoil]))
            good += checked.good
            bad += [one.text for one in checked.bad if one.text not in spoil]
        return good, bad

    good, bad = judged(size, [])
    assert (good, bad) == judged(size, ["\x00"]) == judged(1, [])
    assert len(good) + len(bad) == 40
    assert {one.split("\x01")[1] for one in good} >= {"u0", "u8"}


async def test_a_snapshot_does_not_end_another_data_companys_records(
    house: House, tmp_path: Path
) -> None:
    await hkex(house, "A")
    await load(house, "A", [SZSE_LINE], tmp_path)
    outcome = await bring(house, "A", file(GOOD), tmp_path)
    assert (outcome.change.added, outcome.change.superseded) == (1, 0)
    outcome = await bring(house, "A", file(GOOD.replace("u1", "u2")), tmp_path)
    assert (outcome.change.added, outcome.change.superseded) == (1, 1)
    outcome = await load(house, "A", [SZSE_LINE.replace("u1", "u3")], tmp_path)
    assert (outcome.change.added, outcome.change.superseded) == (1, 1)
    assert b"u2" in await written(house, UserExport(("A",), (FOREIGN,)))


async def test_a_value_that_can_not_be_written_refuses_the_export(
    house: House, tmp_path: Path
) -> None:
    await hkex(house, "A")
    await bring(house, "A", file(GOOD.replace("Tai", "a|b")), tmp_path)
    with pytest.raises(Refused):
        await written(house, UserExport(("A",)), PIPE)
    await bring(house, "A", file(GOOD), tmp_path)
    line = f'W|永久|01/01/2026|{FOREIGN}|A|1|Chan, "Tai" Man|u1|在\n'
    assert await written(house, UserExport(("A",)), PIPE) == line.encode("gb18030")


# The graph

ASK = """
query ($format: String) {
  users { delimited(format: $format) download(format: $format) { url } }
}
"""
MONTHLY = """
{ monthlyStats(from: "2026-01", to: "2026-01") {
    delimited nodes { users { delimited nodes { userId } download { url } } } } }
"""


@asynccontextmanager
async def calls(house: House, **whose: Any) -> AsyncIterator[tuple[Caller, Caller]]:
    """Call the server, and the executor alone, by one key."""
    made = await key(house, **whose)
    clients = [
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway")
        for app in (application(house), routes(house, build_schema()))
    ]
    async with clients[0], clients[1]:
        yield Caller(clients[0], made), Caller(clients[1], made)


def without_links(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_links(one) for name, one in value.items() if name != "url"}
    return [without_links(one) for one in value] if isinstance(value, list) else value


async def both(fast: Caller, slow: Caller, text: str, way: str = "compiled", **given: Any) -> Any:
    """Return the data that both paths answer, links aside."""
    answer = await fast.post(text, **given)
    assert answer.headers["gateway-execution"] == way, answer.text
    assert without_links(answer.json()) == without_links((await slow.post(text, **given)).json())
    return answer.json()["data"]


async def test_the_graph_writes_a_data_companys_own_format(house: House, tmp_path: Path) -> None:
    await hkex(house, "A")
    await load(house, "A", [SZSE_LINE], tmp_path)
    await bring(house, "A", file(GOOD), tmp_path)
    async with calls(house, licensor="HKEX", role=Role.LICENSOR_ANALYST) as (fast, slow):
        users = (await both(fast, slow, ASK))["users"]
        assert users["delimited"] == f"{GOOD}\n"
        answer = await fast.client.get(users["download"]["url"])
        assert answer.content == file(GOOD)
        assert answer.headers["content-type"] == "text/csv; charset=UTF-8"
        assert answer.headers["content-disposition"].endswith("Subscriber%20report.csv")
        statutory = (await both(fast, slow, ASK, format="szse-2010"))["users"]["delimited"]
        assert statutory == (
            f'u1||Chan, "Tai" Man||个人||全价用户||20260101||0||{FOREIGN}||Web||0||0||0\n'
        )
        stats = (await both(fast, slow, MONTHLY))["monthlyStats"]
        assert stats["delimited"] == f"2026-01,A,{FOREIGN},1,0,0,0,1,0,0,,\n"
        (node,) = stats["nodes"]
        assert node["users"]["delimited"] == f"{GOOD}\n"
        answer = await fast.client.get(node["users"]["download"]["url"])
        assert answer.content == file(GOOD)


async def test_a_vendors_lists_over_two_formats(house: House, tmp_path: Path) -> None:
    await hkex(house, "A")
    await load(house, "A", [SZSE_LINE], tmp_path)
    await bring(house, "A", file(GOOD), tmp_path)
    async with calls(house, vendor="A", role=Role.VENDOR_OPERATOR) as (fast, slow):
        assert (await both(fast, slow, ASK))["users"]["delimited"].startswith("u1||")
        one = f'{{ users(filter: {{products: ["{FOREIGN}"]}}) {{ delimited }} }}'
        assert (await both(fast, slow, one))["users"]["delimited"] == f"{GOOD}\n"
        # each figure's list is in its own product's format: the executor's matter
        way = "executor; reason=formats"
        nodes = (await both(fast, slow, MONTHLY, way))["monthlyStats"]["nodes"]
        told = sorted(node["users"]["delimited"] for node in nodes)
        assert told == sorted([f"{GOOD}\n", f"{SZSE_LINE}\n"])


async def test_a_format_that_can_not_hold_a_value(house: House, tmp_path: Path) -> None:
    await found(house, "A")
    async with open_operator(house.operator, "test") as session:
        await add_format(session, PIPE_TEXT, "pipe.toml")
        await registry.add_licensor(session, "HKEX", "香港交易所", "pipe")
    line = SZSE_LINE.replace("甲", "甲|乙").replace(ENHANCED, FOREIGN)
    await load(house, "A", [line], tmp_path)
    async with calls(house, licensor="HKEX", role=Role.LICENSOR_ANALYST) as (fast, _):
        error = await fast.refused("{ users { delimited } }")
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert error["extensions"]["argument"] == "format"
        ended = (await fast.ask("{ users { download { url } } }"))["users"]["download"]["url"]
        answer = await fast.client.get(ended)
        assert answer.status_code == 400
        assert "separator" in answer.text


async def test_a_callers_formats_are_those_of_its_own_products(
    house: House, tmp_path: Path
) -> None:
    """A foreign format is told in the same words as one that does not exist."""
    await hkex(house, "A")
    await load(house, "A", [SZSE_LINE], tmp_path)
    async with calls(house, vendor="A", role=Role.VENDOR_OPERATOR) as callers:
        for caller, name in itertools.product(callers, ("hkex-csv", "nowhere")):
            answer = (await caller.post(ASK, format=name)).json()
            assert answer["errors"]
            for error in answer["errors"]:
                assert error["message"] == f"{name!r} is not a report format"
                assert error["extensions"]["accepted"] == "szse-2010, szse-2010@1"
        await bring(house, "A", file(GOOD), tmp_path)
        for caller in callers:
            told = (await caller.ask(ASK, format="hkex-csv"))["users"]["delimited"]
            assert GOOD in told


async def test_a_new_version_is_in_force_at_once(house: House, tmp_path: Path) -> None:
    await hkex(house, "A")
    await bring(house, "A", file(GOOD), tmp_path)
    async with calls(house, licensor="HKEX", role=Role.LICENSOR_ANALYST) as (fast, slow):
        old = (await both(fast, slow, ASK))["users"]
        async with open_operator(house.operator, "test") as session:
            newer = HKEX_TEXT.replace("version = 1", "version = 2")
            await add_format(session, newer.replace("Chargeable", "Paid"), "next.toml")
        assert "Paid" in (await both(fast, slow, ASK))["users"]["delimited"]
        again = (await both(fast, slow, ASK, format="hkex-csv@1"))["users"]
        assert again["delimited"] == old["delimited"]
        # the link that was sealed before keeps its version
        assert (await fast.client.get(old["download"]["url"])).content == file(GOOD)
