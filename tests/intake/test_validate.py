"""Validation of lines: each rule with its near miss, and the fast path against the slow one."""

import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from naive.counting import Service
from naive.strategies import LIMITS, rosters

from gateway.delimited.encoding import TextEncoding
from gateway.delimited.reader import MAX_LINE, Block, Reader
from gateway.errors import BadInput
from gateway.intake.check import check
from gateway.intake.problems import BadLine, Problem, Rule
from gateway.intake.sources import FileSource
from gateway.intake.validate import Validator
from gateway.regulation.codes import FeeCategory, ServiceStatus, UsageMode, UserType
from gateway.regulation.layouts import DOWNLOAD, DOWNLOAD_WITH_STATUS

P, Q = "增强行情", "基本行情"
PRODUCTS = frozenset({P, Q})
NAMES, HEADINGS = DOWNLOAD_WITH_STATUS.names, DOWNLOAD_WITH_STATUS.headings
VALUES = dict(
    zip(
        NAMES,
        ("u1", "甲", "个人", "全价用户", "20260101", "0", P, "Web", "0", "0", "0", "正常使用"),
        strict=True,
    )
)
CODES = {
    "user_type": UserType,
    "fee_category": FeeCategory,
    "usage_mode": UsageMode,
    "service_status": ServiceStatus,
}
FIRST = "u0||甲||个人||全价用户||20260101||0||增强行情||Web||0||0||0"


def line(width: int = 11, **changed: str) -> str:
    return "||".join(list((VALUES | changed).values())[:width])


def refused(data: bytes, products: frozenset[str] | None = PRODUCTS) -> list[Problem]:
    """Read and validate a whole file; return the problems in order."""
    reader, validator = Reader(TextEncoding.UTF_8), Validator(products)
    found = [
        problem
        for block in (*reader.decode(data), *reader.flush())
        for bad in validator.check(block).bad
        for problem in bad.problems
    ]
    if (whole := validator.finish()) is not None:
        found += whole.problems
    return found


def where(problems: Iterable[Problem]) -> list[tuple[int, int, str, Rule]]:
    return [(found.line, found.column, found.heading, found.rule) for found in problems]


# Each rule, with an example that breaks it and a near miss that does not: both as line 2.

WHOLE_LINE: list[tuple[Rule, bytes, bytes]] = [
    (Rule.ENCODING, line(user_name="甲").encode()[:-40] + b"\xff\n", line().encode() + b"\n"),
    (Rule.ENCODING, line(user_name="甲").encode("gb18030") + b"\n", line().encode() + b"\r\n"),
    (Rule.UNTERMINATED_LINE, line().encode(), line().encode() + b"\n"),
    (
        Rule.LINE_TOO_LONG,
        line(address="x" * MAX_LINE).encode() + b"\n",
        line(address="x" * 127).encode() + b"\n",
    ),
    *(
        (Rule.FIELD_COUNT, f"{bad}\n".encode(), line().encode() + b"\n")
        for bad in (
            *(line(10), line(12), f"{line()}||", f"||{line()}"),
            *("", "u1", line(user_id="a||b")),
        )
    ),
]


@pytest.mark.parametrize(
    ("rule", "bad", "near"), WHOLE_LINE, ids=[rule.name for rule, *_ in WHOLE_LINE]
)
def test_a_rule_of_the_whole_line(rule: Rule, bad: bytes, near: bytes) -> None:
    first = f"{FIRST}\n".encode()
    assert where(refused(first + bad)) == [(2, 0, "", rule)]
    assert refused(first + near) == []


def _too_long() -> list[tuple[Rule, str, str, str]]:
    return [
        (Rule.TOO_LONG, name, character * limit, character * (limit - 1))
        for name, limit in LIMITS.items()
        if name != "product"
        for character in ("中", "𠮷", "a")
    ]


ONE_FIELD: list[tuple[Rule, str, str, str]] = [
    *((Rule.EMPTY, name, "", VALUES[name]) for name in NAMES[:11]),
    *((Rule.EMPTY, name, "  ", VALUES[name]) for name in NAMES[1:10]),
    *((Rule.MISSING, name, "0", VALUES[name]) for name in ("user_type", "fee_category")),
    *((Rule.MISSING, name, "0", VALUES[name]) for name in ("start_date", "product", "usage_mode")),
    (Rule.MISSING, "user_id", "0", "00"),
    *_too_long(),
    (Rule.TOO_LONG, "product", "中" * 32, P),
    *((Rule.CONTROL_CHARACTER, name, "a\tb", VALUES[name]) for name in NAMES[:11]),
    *(
        (Rule.CONTROL_CHARACTER, "contact", f"a{character}b", f"a{near}b")
        for character, near in (
            *(("\x00", " "), ("\r", " "), ("\x1f", " "), ("\x7f", "~"), ("\x80", "\xa0")),
            *(("\x85", "\u3000"), ("\x9f", "\xa0"), ("\u2028", "\u2027"), ("\u2029", "\u202a")),
        )
    ),
    (Rule.BAR_AT_EDGE, "user_id", "|u1", "u|1"),
    (Rule.BAR_AT_EDGE, "phone", "1|", "1|2"),
    (Rule.BAR_AT_EDGE, "contact", "|a", "｜a"),
    (Rule.UNKNOWN_CODE, "user_type", "个体", "机构"),
    (Rule.UNKNOWN_CODE, "fee_category", "免费用户", "内部免费用户"),
    (Rule.UNKNOWN_CODE, "usage_mode", "web", "Web"),
    (Rule.UNKNOWN_CODE, "usage_mode", "Datafeed", "datafeed"),
    (Rule.UNKNOWN_CODE, "usage_mode", "Ｗｅｂ", "终端"),
    (Rule.BAD_DATE, "start_date", "20230229", "20240229"),
    (Rule.BAD_DATE, "start_date", "21000229", "20000229"),
    *(
        (Rule.BAD_DATE, name, bad, "20260228")
        for name in ("start_date", "end_date")
        for bad in (
            *("20260230", "20261301", "20260001", "20260100", "2023", "2026010", "202601010"),
            *("2026-1-1", "2026/1/1", "+2026011", "2026 1 1", "²0260101", "today"),
            *("２０２６０１０１", "٢٠٢٦٠١٠١", "00000101"),
        )
    ),
    (Rule.BAD_DATE, "start_date", "00000000", "00010101"),
    (Rule.BAD_DATE, "end_date", "000000000", "00000000"),
    (Rule.BAD_DATE, "end_date", "99991232", "99991231"),
    (Rule.BAD_DATE, "end_date", "00", "0"),
    (Rule.END_BEFORE_START, "end_date", "20251231", "20260101"),
    (Rule.END_BEFORE_START, "end_date", "00010101", "00000000"),
    (Rule.UNKNOWN_PRODUCT, "product", "增强", Q),
    (Rule.DUPLICATE_KEY, "user_id", "u0", "U0"),
]


@pytest.mark.parametrize(("rule", "name", "bad", "near"), ONE_FIELD)
def test_a_rule_of_one_field(rule: Rule, name: str, bad: str, near: str) -> None:
    def file(value: str) -> bytes:
        return f"{FIRST}\n{line(**{name: value})}\n{line(user_id='u9')}\n".encode()

    column = NAMES.index(name)
    assert where(refused(file(bad))) == [(2, column + 1, HEADINGS[column], rule)]
    assert refused(file(near)) == []


@pytest.mark.parametrize(
    ("rule", "bad", "near"),
    [
        (Rule.UNKNOWN_CODE, "停用", "服务到期"),
        (Rule.MISSING, "0", "用户注销"),
        (Rule.EMPTY, "", "正常使用"),
    ],
)
def test_a_rule_of_the_twelfth_field(rule: Rule, bad: str, near: str) -> None:
    first = line(12, user_id="u0")
    file = "{}\n{}\n"
    found = refused(file.format(first, line(12, service_status=bad)).encode())
    assert where(found) == [(2, 12, "服务状态", rule)]
    assert refused(file.format(first, line(12, service_status=near)).encode()) == []


@pytest.mark.parametrize("data", ["", "\ufeff", "||".join(DOWNLOAD.headings) + "\n"])
def test_a_file_without_lines(data: str) -> None:
    assert where(refused(data.encode())) == [(1, 0, "", Rule.EMPTY_FILE)]
    assert refused(f"{data}{line()}\n".encode()) == []


def test_every_rule_has_an_example() -> None:
    """A line is divided at each ||, so that one inside a value is a wrong count; nothing quotes."""
    shown = {rule for rule, *_ in WHOLE_LINE} | {rule for rule, *_ in ONE_FIELD}
    assert set(Rule) - shown == {
        Rule.EMPTY_FILE,
        Rule.SEPARATOR_INSIDE,
        Rule.QUOTING,
        Rule.OTHER_LICENSOR,
    }


@pytest.mark.parametrize("spaced", [False, True])
def test_the_first_known_product_says_whose_file_it_is(spaced: bool) -> None:
    products = ["unheard of", Q, P, Q]
    lines = [line(user_id=f"u{i}", product=one) for i, one in enumerate(products)]
    lines = [one.replace("||", " || ") if spaced else one for one in lines]
    for size in (1, len(lines)):
        validator = Validator(frozenset({P, Q}), {P: "ONE", Q: "OTHER"})
        found = [
            problem
            for block in blocks_of(lines, size)
            for bad in validator.check(block).bad
            for problem in bad.problems
        ]
        assert validator.licensor == "OTHER"
        assert [(one.line, one.rule) for one in found] == [
            (1, Rule.UNKNOWN_PRODUCT),
            (3, Rule.OTHER_LICENSOR),
        ]
        assert found[1].accepted.startswith(f"{Q}, as before in this file")


# Several problems, duplicates, layouts


def test_a_line_names_all_its_bad_fields_in_order() -> None:
    bad = line(user_type="x", start_date="20260230", phone="1" * 15, end_date="20250101")
    assert where(refused(f"{FIRST}\n{bad}\n".encode())) == [
        (2, 3, "用户类型", Rule.UNKNOWN_CODE),
        (2, 5, "服务起始日", Rule.BAD_DATE),
        (2, 11, "联系电话", Rule.TOO_LONG),
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [("user_name", "甲| "), ("user_name", " |甲"), ("user_name", " | "), ("address", "a| ")],
)
def test_a_bar_beside_a_spaced_separator_is_found_in_its_own_column(name: str, value: str) -> None:
    data = f"{FIRST}\n{line(**{name: value})}\n".encode()
    column = NAMES.index(name)
    assert where(refused(data)) == [(2, column + 1, HEADINGS[column], Rule.BAR_AT_EDGE)]


def test_bars_beside_a_spaced_separator_do_not_change_the_count() -> None:
    assert where(refused(f"{FIRST}\n{line(user_id='u1| ', user_name=' |甲')}\n".encode())) == [
        (2, 1, "用户ID", Rule.BAR_AT_EDGE),
        (2, 2, "用户名称", Rule.BAR_AT_EDGE),
    ]


@pytest.mark.parametrize(
    "other",
    [{"user_id": "u2"}, {"start_date": "20260102"}, {"product": Q}, {"usage_mode": "终端"}],
)
def test_a_duplicate_repeats_the_whole_key(other: dict[str, str]) -> None:
    same = {"user_name": "乙", "fee_category": "试用用户", "end_date": "20270101", "phone": "1"}
    lines = [line(), line(**other), line(**same), line(**other, **same)]
    found = refused("".join(f"{one}\n" for one in lines).encode())
    assert where(found) == [
        (3, 1, "用户ID", Rule.DUPLICATE_KEY),
        (4, 1, "用户ID", Rule.DUPLICATE_KEY),
    ]
    assert [re.search(r"see line (\d+)", problem.accepted)[1] for problem in found] == ["1", "2"]


def test_a_refused_line_is_no_earlier_line() -> None:
    lines = [line(), line(user_id="u2", phone=""), line(user_id="u2")]
    found = refused("".join(f"{one}\n" for one in lines).encode())
    assert where(found) == [(2, 11, "联系电话", Rule.EMPTY)]


@pytest.mark.parametrize(("width", "other"), [(11, 12), (12, 11)])
@pytest.mark.parametrize("header", [True, False])
def test_the_first_line_settles_the_layout(width: int, other: int, header: bool) -> None:
    heading = ["||".join(HEADINGS[:width])] * header
    lines = [*heading, line(width), line(other, user_id="u2"), line(width, user_id="u3")]
    (found,) = refused("".join(f"{one}\n" for one in lines).encode())
    assert where([found]) == [(2 + header, 0, "", Rule.FIELD_COUNT)]
    assert found.accepted == f"{width} fields, as in the first line"


def test_a_first_line_that_fits_no_layout_says_what_would() -> None:
    (found,) = refused(f"{line(10)}\n{line()}\n".encode())
    assert where([found]) == [(1, 0, "", Rule.FIELD_COUNT)]
    assert found.accepted == "11 or 12 fields divided by ||"


def test_a_header_elsewhere_is_no_header() -> None:
    header = "||".join(DOWNLOAD.headings)
    assert {problem.line for problem in refused(f"{header}\n{header}\n".encode())} == {2}
    assert {problem.line for problem in refused(f"{line()}\n{header}\n".encode())} == {2}


def test_products_are_those_that_are_known_and_all_without_a_catalogue() -> None:
    data = f"{line(product='增强')}\n".encode()
    (found,) = refused(data)
    assert found.accepted == f"{Q} / {P}"
    assert refused(data, None) == []


# The fast path against the slow one


BAD = "\x00"
Result = tuple[list[str], list[BadLine]]


def validate(blocks: Iterable[Block]) -> Result:
    """Return the good lines and the bad ones, without those that are only there to be bad."""
    validator = Validator(PRODUCTS)
    good: list[str] = []
    bad: list[BadLine] = []
    for block in blocks:
        checked = validator.check(block)
        good += checked.good
        bad += [found for found in checked.bad if found.text != BAD]
    return good, bad


def blocks_of(lines: list[str], size: int, *more: str) -> list[Block]:
    """Cut lines into blocks, each followed by more lines (whose numbers are then used twice)."""
    return [Block(at + 1, [*lines[at : at + size], *more]) for at in range(0, len(lines), size)]


POOLS = {
    "user_id": ("u1", "u2", "U1", "用户|1", "a b", "i" * 31, "𠮷" * 31),
    "user_name": ("甲", "0", "名" * 63),
    "start_date": ("20260101", "20260102", "20240229"),
    "end_date": ("0", "00000000", "99991231", "20260101", "20260102", "20300101"),
    "product": (P, Q),
    "address": ("0", "址" * 127, "Level 8 | IFC"),
    "contact": ("0", "人" * 63),
    "phone": ("0", "13800138000", "1" * 14),
    **{name: tuple(codes.texts()) for name, codes in CODES.items()},
}
NASTY = (
    *("", " ", "0", "00", "|", "a|", "|a", "a||b", "|||", "a\tb", "a\r", "\x00", "a\x7fb", "\x85"),
    *("a\u2028b", "\u3000", "#", "用户ID", "20230229", "20240229", "２０２６０１０１", "20251231"),
    *("99991231", "00000000", "个体", "web", "Web", "终端", "增强", "u1"),
)
HEADERS = tuple("||".join(HEADINGS[:width]) for width in (11, 12))
USUALLY_NONE = st.sampled_from((0,) * 12 + (1, 1, 2))


@st.composite
def good_values(draw: st.DrawFn, width: int) -> list[str]:
    values = {name: draw(st.sampled_from(POOLS[name])) for name in NAMES[:width]}
    if values["end_date"] < values["start_date"]:
        values["end_date"] = "0"
    return list(values.values())


def spoil(draw: st.DrawFn, values: list[str]) -> None:
    at = draw(st.integers(0, len(values) - 1))
    dates = NAMES.index("start_date"), NAMES.index("end_date")
    match draw(st.sampled_from(("nasty", "nasty", "date", "ends first", "long", "drop", "add"))):
        case "nasty":
            values[at] = draw(st.sampled_from(NASTY))
        case "date" if len(values) > max(dates):
            values[draw(st.sampled_from(dates))] = draw(st.sampled_from(NASTY))
        case "ends first" if len(values) > max(dates):
            values[dates[0]], values[dates[1]] = "20260102", "20260101"
        case "long":
            name = draw(st.sampled_from(list(LIMITS)))
            size = LIMITS[name] - draw(st.integers(0, 1))
            at = min(NAMES.index(name), len(values) - 1)
            values[at] = draw(st.sampled_from("中𠮷a")) * size
        case "drop" if len(values) > 1:
            del values[at]
        case _:
            values.insert(at, draw(st.sampled_from(NASTY)))


@st.composite
def lines_of(draw: st.DrawFn, width: int) -> str:
    """A line: mostly good, else spoilt, of the other layout or a header."""
    kind = draw(st.sampled_from(("line",) * 20 + ("other", "header")))
    if kind == "header":
        return draw(st.sampled_from(HEADERS))
    values = draw(good_values(23 - width if kind == "other" else width))
    for _ in range(draw(USUALLY_NONE)):
        spoil(draw, values)
    return draw(st.sampled_from(("||", "||", "||", " ||", "|| ", "  ||  "))).join(values)


def files(width: int) -> st.SearchStrategy[list[str]]:
    """Lines, of which the first may be the header, and any may be of another file."""
    header = st.sampled_from(([], [HEADERS[width - 11]]))
    return st.builds(list.__add__, header, st.lists(lines_of(width), max_size=12))


FILES = st.sampled_from((11, 12)).flatmap(files)


@settings(deadline=None, max_examples=300)
@given(FILES, st.integers(2, 5))
def test_the_fast_path_and_the_slow_path_agree(lines: list[str], size: int) -> None:
    expected = validate(blocks_of(lines, len(lines) or 1))
    assert validate(blocks_of(lines, 1)) == expected
    assert validate(blocks_of(lines, size)) == expected
    # One bad line in each block, whatever else it holds: nothing is checked by columns.
    assert validate(blocks_of(lines, 1, BAD)) == expected
    assert validate(blocks_of(lines, size, BAD)) == expected
    assert validate(blocks_of(lines, len(lines) or 1, BAD)) == expected
    numbers = [bad.number for bad in expected[1]]
    assert numbers == sorted(set(numbers))
    header = bool(lines) and lines[0].replace(" ", "") in HEADERS
    assert len(expected[0]) + len(numbers) + header == len(lines)


def acceptable(text: str) -> bool:
    """Readings 1 to 4 said once more, for a line alone in its file."""
    values = [value.strip(" ") for value in f"x{text}x".split("||")]
    if len(values) not in (11, 12):
        return False
    values[0], values[-1] = values[0][1:], values[-1][:-1]
    by_name = dict(zip(NAMES, values, strict=False))
    start, end = by_name["start_date"], by_name["end_date"]
    return (
        all(re.fullmatch(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]+", value) for value in values)
        and all(value == value.strip("|") for value in values)
        and all(len(by_name[name]) < limit for name, limit in LIMITS.items())
        and all(by_name[name] in CODES[name].texts() for name in CODES if name in by_name)
        and by_name["user_id"] != "0"
        and by_name["product"] in PRODUCTS
        and is_date(start)
        and (end in ("0", "00000000", "99991231") or (is_date(end) and start <= end))
    )


def is_date(text: str) -> bool:
    try:
        return re.fullmatch("[0-9]{8}", text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


@settings(deadline=None, max_examples=300)
@given(st.sampled_from((11, 12)).flatmap(lines_of))
def test_a_line_is_good_just_when_the_readings_say_so(text: str) -> None:
    assume(text not in HEADERS)
    good, bad = validate([Block(1, [text])])
    assert bool(good) is not bool(bad)
    assert bool(good) == acceptable(text)


def not_by_line(*_: object) -> None:
    raise AssertionError("a good block is checked by columns")


@settings(deadline=None)
@given(rosters(date(2026, 3, 17), (P, Q), max_users=4, max_records=3), st.integers(1, 9))
def test_good_blocks_are_checked_by_columns_only(roster: list[Service], size: int) -> None:
    lines = [record.line() for record in roster]
    with patch.object(Validator, "_one_by_one", not_by_line):
        assert validate(blocks_of(lines, size)) == (lines, [])


# What is told about a bad line


def test_a_problem_in_words_is_short_and_has_no_control_characters() -> None:
    problem = Problem(7, 10, "联系人", Rule.CONTROL_CHARACTER, "a\n\u2028" + "b" * 90, "text")
    shown = "'a\\n\\u2028" + "b" * 56 + "…'"
    assert problem.text() == (
        f"line 7, column 10 联系人: CONTROL_CHARACTER: {shown}: "
        "a control character or line break; accepted: text"
    )
    assert problem.text("zh").endswith(": 含控制字符或换行符; accepted: text")
    assert problem.json() == {
        "line": 7,
        "column": 10,
        "heading": "联系人",
        "rule": "CONTROL_CHARACTER",
        "value": problem.value,
        "reason": "a control character or line break",
        "reasonZh": "含控制字符或换行符",
        "accepted": "text",
    }


def test_a_bad_line_is_given_back_as_it_stood() -> None:
    text = line(user_name=" ", contact=" \t ")
    _, (bad,) = validate([Block(3, [text])])
    assert bad.number == 3
    *reasons, last = bad.mendable()
    assert last == bad.text == text
    assert [reason.split(":")[0] for reason in reasons] == [
        "# line 3, column 2 用户名称",
        "# line 3, column 10 联系人",
    ]


# Files


def test_checking_a_file_reports_its_bad_lines_in_order(tmp_path: Path) -> None:
    path = tmp_path / "users.txt"
    lines = [line(), line(user_id="u2", phone=""), line(product="elsewhere"), line()]
    path.write_bytes("".join(f"{one}\r\n" for one in lines).encode("gb18030") + b"end")
    bad: list[BadLine] = []
    source = FileSource(path)
    validator = check(source, bad.append)
    assert [(found.number, found.problems[0].rule) for found in bad] == [
        (2, Rule.EMPTY),
        (4, Rule.DUPLICATE_KEY),
        (5, Rule.UNTERMINATED_LINE),
    ]
    assert (validator.lines, source.encoding, source.name) == (5, TextEncoding.GB18030, "users.txt")


def test_checking_an_empty_file_reports_it(tmp_path: Path) -> None:
    path = tmp_path / "users.txt"
    path.touch()
    bad: list[BadLine] = []
    assert check(FileSource(path), bad.append).lines == 0
    assert where(bad[0].problems) == [(1, 0, "", Rule.EMPTY_FILE)]


def test_a_path_that_can_not_be_read_is_bad_input(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(BadInput, match=re.escape(str(path))):
            list(FileSource(path).blocks())
