"""The numbered readings of regulation.md that concern files and values, one test each."""

import pytest
from naive.strategies import LIMITS

from gateway.delimited.encoding import TextEncoding
from gateway.delimited.reader import Reader
from gateway.delimited.writer import LineEnd, line, lines
from gateway.exports.stream import Form
from gateway.intake.problems import Rule
from gateway.intake.validate import Validator
from gateway.regulation.layouts import (
    DOWNLOAD,
    DOWNLOAD_WITH_STATUS,
    MISSING,
    QUERY,
    SEPARATOR,
    Layout,
)

BOM = "\ufeff"
USER = {
    "user_id": "u1",
    "user_name": "张三",
    "user_type": "个人",
    "fee_category": "全价用户",
    "start_date": "20240101",
    "end_date": "20241231",
    "product": "增强行情",
    "usage_mode": "终端",
    "address": "深圳",
    "contact": "李四",
    "phone": "110",
}


def values(**changed: str) -> list[str]:
    return list((USER | changed).values())


def imported(
    text: str | bytes, encoding: TextEncoding | None = None
) -> tuple[list[str], list[Rule]]:
    """Return what import takes of a file, and the rules that its other lines break."""
    reader, validator = Reader(encoding), Validator()
    good: list[str] = []
    rules: list[Rule] = []
    data = text if isinstance(text, bytes) else text.encode()
    for block in (*reader.decode(data), *reader.flush()):
        checked = validator.check(block)
        good += checked.good
        rules += [problem.rule for bad in checked.bad for problem in bad.problems]
    return good, rules


def test_reading_1_limits() -> None:
    """1. A limit counts **characters**, strictly less than: `< 32` means at most 31.
    (内部免费用户 is 6 characters and 12 GBK bytes: bytes would break the regulation's own limit
    of 8.)"""
    for name, limit in LIMITS.items():
        for character in ("a", "中", "𠮷"):  # 1 to 4 bytes in either encoding
            for encoding in TextEncoding:
                at_most = "||".join(values(**{name: character * (limit - 1)}))
                over = "||".join(values(**{name: character * limit}))
                data = f"{at_most}\n{over}\n".encode(encoding.value)
                assert imported(data) == ([at_most], [Rule.TOO_LONG])
    free = "||".join(values(fee_category="内部免费用户"))
    assert len("内部免费用户".encode("gbk")) == 12
    assert imported(f"{free}\n".encode("gb18030")) == ([free], [])


def test_reading_2_separator() -> None:
    """2. The separator is `||` with no spaces. Export writes none; import also accepts spaces
    around it."""
    assert SEPARATOR == "||"
    written = line(values())
    assert written == (
        "u1||张三||个人||全价用户||20240101||20241231||增强行情||终端||深圳||李四||110"
    )
    for separator in ("||", " ||", "|| ", " || ", "   ||  "):
        assert imported(separator.join(values()) + "\n") == ([written], [])
    # Only spaces, and only there: what stands inside a value is the value's.
    inside = "||".join(values(user_name="张 三", contact="李\u3000", address="a | b"))
    assert imported(f"{inside}\n") == ([inside], [])
    assert imported("|".join(values()) + "\n") == ([], [Rule.FIELD_COUNT])


def test_reading_3_missing() -> None:
    """3. No field may be empty; a missing value is `0`. An open end date is `0`; import also
    accepts `00000000` and `99991231` as open."""
    assert MISSING == "0"
    assert line(["u1", None, "0"]) == "u1||0||0"
    with pytest.raises(ValueError, match="EMPTY"):
        line(["u1", "", "0"])
    for name in USER:
        for empty in ("", " "):
            if (name, empty) not in (("user_id", " "), ("phone", " ")):  # " " may end a line
                assert imported("||".join(values(**{name: empty})) + "\n") == ([], [Rule.EMPTY])
    missing = dict.fromkeys(("user_name", "end_date", "address", "contact", "phone"), "0")
    all_missing = "||".join(values(**missing))
    assert imported(f"{all_missing}\n") == ([all_missing], [])
    for end in ("0", "00000000", "99991231"):
        text = "||".join(values(end_date=end))
        assert imported(f"{text}\n") == ([text], [])
    for start in ("00000000", "0"):
        assert imported("||".join(values(start_date=start)) + "\n")[0] == []
    for end in ("00", "000000000", "99991230 1", "9999-12-31"):
        assert imported("||".join(values(end_date=end)) + "\n") == ([], [Rule.BAD_DATE])


@pytest.mark.parametrize(
    ("bad", "near", "rule"),
    [
        ("a||b", "a|b", Rule.FIELD_COUNT),
        ("|a", "｜a", Rule.BAR_AT_EDGE),
        ("a|b|", "a|b", Rule.BAR_AT_EDGE),
        *(
            (f"a{chr(code)}b", "ab", Rule.CONTROL_CHARACTER)
            for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)
            if chr(code) != "\n"
        ),
        ("a\nb", "ab", Rule.FIELD_COUNT),
        ("a\r\nb", "ab", Rule.FIELD_COUNT),
    ],
)
def test_reading_4_forbidden(bad: str, near: str, rule: Rule) -> None:
    """4. No value may contain `||`, a line break or another control character, nor begin or end
    with `|` (it would make `|||`). On import that is a rejected line with a rule code; nothing is
    ever truncated or silently changed."""
    written = line(values(user_name=near))
    with pytest.raises(ValueError, match="can't stand"):
        line(values(user_name=bad))
    good, rules = imported(written + "\n" + "||".join(values(user_name=bad)) + "\n")
    assert good == [written]
    assert set(rules) == {rule}


@pytest.mark.parametrize(
    "value",
    [
        "a|b",
        " 张",
        "e\u0301",
        "é",
        "\u200bx",
        "𠮷",
        "\U0001f468\u200d\U0001f469",
        "=1",
        '"a"',
        "\\n",
    ],
)
def test_reading_4_unchanged(value: str) -> None:
    """4. […] nothing is ever truncated or silently changed."""
    for encoding in TextEncoding:
        text = line(values(user_id=value, contact=f"x{value}x", address=value.strip() * 20))
        assert imported(f"{text}\n".encode(encoding.value), encoding) == ([text], [])


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("mark", ["", BOM])
@pytest.mark.parametrize("end", LineEnd)
@pytest.mark.parametrize("encoding", TextEncoding)
def test_reading_5_import(
    encoding: TextEncoding, end: LineEnd, mark: str, header: bool, named: bool
) -> None:
    """5. […] Import: both encodings, detected or named; a byte-order mark and `\\r\\n` are
    accepted."""
    rows = [values(), values(user_id="用户2")]
    text = mark + lines([list(DOWNLOAD.headings)] * header + rows, end)
    expected = [line(row) for row in rows]
    assert imported(text.encode(encoding.value), encoding if named else None) == (expected, [])


def test_reading_5_export() -> None:
    """5. Export: no header line unless asked for, `\\n` line ends (`\\r\\n` on request), UTF-8 or
    GB18030 on request."""
    assert Form() == Form(TextEncoding.UTF_8, header=False, line_end=LineEnd.LF)
    assert lines([["a", "b"]]) == "a||b\n"
    assert lines([["a", "b"]], LineEnd.CRLF) == "a||b\r\n"
    assert [encoding.value for encoding in TextEncoding] == ["utf-8", "gb18030"]


@pytest.mark.parametrize(
    ("layout", "order"),
    [
        (
            QUERY,
            "用户ID 用户名称 用户类型 起始日期 终止日期 产品名称 联系人 联系地址 联系电话 "
            "优惠标记 服务状态",
        ),
        (
            DOWNLOAD,
            "用户ID 用户名称 用户类型 用户优惠标记 服务起始日 服务终止日 信息产品 信息使用方式 "
            "联系地址 联系人 联系电话",
        ),
        (
            DOWNLOAD_WITH_STATUS,
            "用户ID 用户名称 用户类型 用户优惠标记 服务起始日 服务终止日 信息产品 信息使用方式 "
            "联系地址 联系人 联系电话 服务状态",
        ),
    ],
)
def test_the_orders_of_columns(layout: Layout, order: str) -> None:
    """Two layouts, eleven columns each, and they differ: the screen has no usage mode; the
    download has no service status, address before contact, category fourth. Import also takes the
    download with the status as a twelfth."""
    assert layout.headings == tuple(order.split())


def test_the_names_stand_in_the_order_of_the_headings() -> None:
    """The same, by the fields' names: what is written under a heading is that field."""
    start = ("user_id", "user_name", "user_type")
    assert DOWNLOAD.names == tuple(USER)
    assert DOWNLOAD_WITH_STATUS.names == (*USER, "service_status")
    assert QUERY.names == (
        *start,
        *("start_date", "end_date", "product", "contact", "address", "phone"),
        *("fee_category", "service_status"),
    )


def test_the_screen_s_order_is_not_imported() -> None:
    """Its headings are no header, and its lines break the rules of the download."""
    screen = {**USER, "service_status": "正常使用"}
    row = "||".join(screen[name] for name in QUERY.names)
    good, rules = imported("||".join(QUERY.headings) + f"\n{row}\n")
    assert good == []
    assert {Rule.UNKNOWN_CODE, Rule.BAD_DATE} <= set(rules)
