"""Values that a format can't hold: refused before the first byte, and never written."""

import itertools
from importlib.resources import files
from pathlib import Path

import asyncpg
import pytest
from graphing import Caller
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from market import FOREIGN
from shapes import HKEX, HKEX_TEXT, PIPE, PIPE_TEXT
from test_report_formats import HEADER, bring, calls, file, hkex, operator, written

from gateway.app.house import House
from gateway.catalogue import registry
from gateway.catalogue.formats import add_format
from gateway.db.embedded import EmbeddedPostgres
from gateway.errors import BadInput, Refused
from gateway.exports.requests import UserExport, run_export
from gateway.exports.stream import Form
from gateway.intake.check import check
from gateway.intake.problems import BadLine
from gateway.intake.sources import FileSource
from gateway.intake.validate import Validator
from gateway.regulation.fields import Field
from gateway.regulation.formats.format import ReportFormat
from gateway.regulation.formats.obstacles import holds, obstacles
from gateway.regulation.formats.reading import read_format
from gateway.regulation.layouts import SZSE_2010
from gateway.tenancy.operator import open_operator
from gateway.tenancy.principal import Role

SZSE_TEXT = (
    files("gateway.regulation.formats").joinpath("szse-2010.toml").read_text(encoding="utf-8")
)
NARROW_TEXT = PIPE_TEXT.replace('separator = "|"', 'separator = "|"\nspaces = true').replace(
    '{ field = "service_status", heading = "状态" },',
    '{ field = "address", heading = "地址", below = 9 },\n'
    '{ field = "phone", heading = "电话", required = true },',
)
NARROW = read_format(NARROW_TEXT, "narrow.toml")
HELD = f"{FOREIGN},u1,Chan,2026-01-01,,Non-professional,Browser,Chargeable,123,Road"
MET = [
    ("Chan", "Ch|an", "名称 has the separator in it"),
    ("Chan", " Chan", "名称 begins with a space"),
    ("Chan", "Chan ", "名称 ends with a space"),
    ("Chan", "-", "名称 is what stands for a missing one"),
    ("123", "", "电话 is missing"),
    ("Road", "Road Nine", "地址 is too long (9 characters or more)"),
]
"""Of a value that both formats hold, another that one of them does not, and what is said of it."""
NEAR = [
    ("Chan", "Ch an"),
    ("Chan", "--"),
    ("Chan", "0"),
    ("123", "123 "),
    ("Road", "Road 999"),
    ("Road", ""),
]
"""Values that come near, and are held."""
_numbers = itertools.count()


async def narrow(house: House) -> None:
    """Give HKEX's products the narrow format, after their records came in another."""
    async with open_operator(house.operator, "test") as session:
        await add_format(session, NARROW_TEXT, "narrow.toml")
        await registry.add_licensor(session, "HKEX", "香港交易所", "pipe")


@pytest.mark.parametrize(("value", "other", "said"), MET)
async def test_what_is_met_is_named_before_the_first_byte(
    house: House, tmp_path: Path, value: str, other: str, said: str
) -> None:
    await hkex(house, "A")
    bad = HELD.replace("u1", "u2").replace(value, other, 1)
    await bring(house, "A", file(HELD, bad, bad.replace("u2", "u3")), tmp_path)
    taken: list[bytes] = []

    async def sink(chunk: bytes) -> None:
        taken.append(chunk)

    wanted, form = UserExport(("A",)), Form.of(NARROW)
    with pytest.raises(Refused) as refused:
        await run_export(house.service, await operator(house), wanted, form, sink, NARROW)
    assert said in refused.value.en
    assert refused.value.en.endswith("(lines: 2, as that of u2)")
    assert refused.value.zh.endswith("：2行，如u2")
    assert taken == []
    assert await written(house, wanted)


@pytest.mark.parametrize(("value", "other", "said"), MET)
async def test_a_page_with_it_is_refused_on_both_ways(
    house: House, tmp_path: Path, value: str, other: str, said: str
) -> None:
    await hkex(house, "A")
    await bring(house, "A", file(HELD.replace(value, other, 1)), tmp_path)
    await narrow(house)
    async with calls(house, licensor="HKEX", role=Role.LICENSOR_ANALYST) as callers:
        for caller in callers:
            assert said in (await refusal(caller, "{ users { delimited } }"))
            told = await caller.ask("{ users { download { url } } }")
            answer = await callers[0].client.get(told["users"]["download"]["url"])
            assert answer.status_code == 400
            assert said in answer.text


async def refusal(caller: Caller, text: str) -> str:
    error = await caller.refused(text)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["argument"] == "format"
    return str(error["message"])


@pytest.mark.parametrize(("value", "other"), NEAR)
async def test_what_comes_near_is_written_and_read_again(
    house: House, tmp_path: Path, value: str, other: str
) -> None:
    await hkex(house, "A", "B")
    await bring(house, "A", file(HELD.replace(value, other, 1)), tmp_path)
    data = await written(house, UserExport(("A",)), NARROW)
    await bring(house, "B", data, tmp_path, NARROW)
    assert await written(house, UserExport(("B",))) == file(HELD.replace(value, other, 1))


TEXTS = st.text(st.sampled_from(" a0-|,\"'"), max_size=9).filter(
    lambda text: "||" not in text and text[:1] != "|" and text[-1:] != "|"
)
SHAPES = (SZSE_2010, HKEX, PIPE, NARROW)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    lines=st.lists(
        st.tuples(TEXTS.filter(bool), TEXTS.filter(bool), TEXTS, TEXTS), min_size=1, max_size=4
    ),
    shape=st.sampled_from(SHAPES),
)
async def test_a_file_is_refused_or_reads_as_what_it_was_made_of(
    house: House, tmp_path: Path, lines: list[tuple[str, str, str, str]], shape: ReportFormat
) -> None:
    first, second = f"F{next(_numbers)}", f"S{next(_numbers)}"
    await hkex(house, first, second)
    rows = [
        f"{FOREIGN},{quoted(f'{number}{user}')},{quoted(name)},2026-01-01,,NP,Browser,Trial,"
        f"{quoted(phone)},{quoted(address)}"
        for number, (user, name, phone, address) in enumerate(lines)
    ]
    data = "".join(f"{row}\r\n" for row in (HEADER, *rows)).encode()
    await bring(house, first, data, tmp_path)
    try:
        found = await written(house, UserExport((first,)), shape)
    except Refused:
        assert any(
            one.meets(value or None)
            for one in obstacles(shape, shape.users)
            for number, line in enumerate(lines)
            for name, value in zip(
                ("user_id", "user_name", "phone", "address"),
                (f"{number}{line[0]}", *line[1:]),
                strict=True,
            )
            if one.field.name == name
        )
        return
    bad: list[BadLine] = []
    path = tmp_path / "out"
    path.write_bytes(found)
    assert check(FileSource(path), bad.append, shape).lines == len(lines)
    assert bad == []
    await bring(house, second, found, tmp_path, shape)
    fields = {one.name for one in shape.users.fields}
    if {"phone", "address"} <= fields:
        want = await written(house, UserExport((first,)))
        assert await written(house, UserExport((second,))) == want


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"') else text


TIGHT = read_format(
    SZSE_TEXT.replace('"用户名称", below = 64', '"用户名称", below = 64, required = true'), "t.toml"
)
CALLED = HKEX_TEXT.replace('"Telephone", below = 32', '"Telephone", below = 32, required = true')
MAYBE_CALLED = read_format(
    HKEX_TEXT.replace('    { field = "phone", heading = "Telephone", below = 32 },\n', "").replace(
        "optional = true },\n]",
        "optional = true },\n"
        '    { field = "phone", heading = "T", below = 32, optional = true, required = true },\n]',
    ),
    "maybe.toml",
)
ALL = (*SHAPES, TIGHT, read_format(CALLED, "called.toml"), MAYBE_CALLED)


@settings(max_examples=300, deadline=None)
@given(
    one=st.sampled_from(ALL),
    other=st.sampled_from(ALL),
    value=st.one_of(TEXTS, st.text(st.sampled_from("a "), min_size=8, max_size=300)),
    mark=st.booleans(),
)
def test_what_a_format_holds_meets_no_obstacle(
    one: ReportFormat, other: ReportFormat, value: str, mark: bool
) -> None:
    """Whatever a file of the other format may say, if all of it is held."""
    if not holds(one, other):
        return
    for number in range(len(other.users.fields), len(other.imports[-1].fields) + 1):
        read = {place.name: place for place in other.imports[-1].fields[:number]}
        for obstacle in obstacles(one, one.users):
            field = read.get(obstacle.field.name)
            if field is None:
                assert not obstacle.meets(None)
                continue
            text = other.missing if mark else value
            if not other.quotes and other.separator in text:
                continue
            if other.spaces:  # the reader has taken them away when it looks for faults
                text = _trim(text, field, other)
            if Validator(report_format=other)._fault(field, text) is not None:
                continue
            nameless = field.name == "user_name"
            stored = text if nameless or text != field.missing else None
            if field.name in {"user_id", "product", "user_name"} and not text:
                continue
            assert not obstacle.meets(stored), (field.name, obstacle.hindrance, stored)


def _trim(text: str, field: Field, other: ReportFormat) -> str:
    """What is left of a value in a file in which spaces round separators do not count."""
    fields = other.users.names
    if field.name not in fields:
        return text.strip(" ")
    place = fields.index(field.name)
    text = text.lstrip(" ") if place else text
    return text if place == len(fields) - 1 else text.rstrip(" ")


def test_formats_that_seem_to_hold_what_they_do_not() -> None:
    called = read_format(CALLED, "called.toml")
    assert not holds(TIGHT, SZSE_2010)
    assert holds(SZSE_2010, TIGHT)
    assert not holds(called, MAYBE_CALLED)
    assert holds(HKEX, called)


async def test_the_last_of_all_days_is_an_open_end_in_every_format(
    house: House, tmp_path: Path
) -> None:
    await hkex(house, "A")
    shape = read_format(HKEX_TEXT.replace('["", "9999-12-31"]', '"open"'), "x.toml")
    line = HELD.replace("2026-01-01,,", "2026-01-01,9999-12-31,")
    await bring(house, "A", file(line), tmp_path, shape)
    assert await written(house, UserExport(("A",)), shape) == file(
        line.replace("9999-12-31", "open")
    )
    assert await written(house, UserExport(("A",))) == file(HELD)


def test_a_stored_format_is_read_though_a_rule_is_newer() -> None:
    text = HKEX_TEXT.replace('"9999-12-31"]', '"2099-12-31"]')
    with pytest.raises(BadInput):
        read_format(text, "x.toml")
    stored = read_format(text, "hkex-csv@1", stored=True)
    assert stored.users.fields[0].opens == ("", "2099-12-31", "9999-12-31")


def test_what_holds_what() -> None:
    """A format that holds another's values is not looked at line by line."""
    assert [[holds(one, other) for other in SHAPES] for one in SHAPES] == [
        [True, False, False, False],
        [True, True, False, False],
        [False, False, True, True],
        [False, False, False, True],
    ]


async def test_values_of_a_format_that_is_not_known_are_looked_at(
    house: House, server: EmbeddedPostgres, database: str, tmp_path: Path
) -> None:
    """What batches before 0014 were read by is not known, nor what a file of an operator's says."""
    await hkex(house, "A", "B")
    wide = read_format(HKEX_TEXT.replace("below = 129", "below = 999"), "wide.toml")
    await bring(house, "A", file(HELD.replace("Chan", "c" * 129)), tmp_path, wide)
    await bring(house, "B", file(HELD), tmp_path)
    for _ in range(2):
        with pytest.raises(Refused, match="full name is too long"):
            await written(house, UserExport(("A",)))
        assert await written(house, UserExport(("B",))) == file(HELD)
        owner = await asyncpg.connect(server.url("postgres", database))
        await owner.execute("UPDATE import_batches SET format_digest = NULL")
        await owner.close()
