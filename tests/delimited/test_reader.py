"""The push reader: any cut of a file's bytes gives the same lines, numbers and faults."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations_with_replacement, cycle
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from naive.counting import Service
from naive.strategies import rosters

from gateway.delimited import reader as under_test
from gateway.delimited.encoding import WINDOW, TextEncoding
from gateway.delimited.reader import MAX_LINE, Reader

UTF_8, GB18030 = TextEncoding.UTF_8, TextEncoding.GB18030
BOMS = {UTF_8: b"\xef\xbb\xbf", GB18030: b"\x84\x31\x95\x33"}
BAR_BYTE = b"\x82\x7c".decode("gb18030")  # its second byte in GB18030 is that of |
VALID = "u1||甲||个人||全价用户||20260101||0||增强行情||Web||0||0||0"

encodings = pytest.mark.parametrize("encoding", TextEncoding)
both_ends = pytest.mark.parametrize("end", ["\n", "\r\n"])


@dataclass
class Read:
    lines: list[str] = field(default_factory=list)
    broken: dict[int, str] = field(default_factory=dict)
    encoding: TextEncoding | None = None


def read(chunks: Iterable[bytes], encoding: TextEncoding | None = None) -> Read:
    """Read chunks to the end; the text of an overlong line is left out."""
    reader = Reader(encoding)
    blocks = [block for chunk in chunks for block in reader.decode(chunk)]
    blocks += reader.flush()
    result = Read(encoding=reader.encoding)
    for block in blocks:
        assert block.lines
        assert block.first == len(result.lines) + 1
        result.lines += block.lines
        assert all(block.first <= number <= len(result.lines) for number in block.broken)
        result.broken |= block.broken
    for number, fault in result.broken.items():
        if fault == "LINE_TOO_LONG":
            result.lines[number - 1] = ""
    return result


def cut(data: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    """Cut into chunks of these sizes, over and over."""
    at = 0
    for size in cycle(sizes):
        if at >= len(data):
            return
        yield data[at : at + size]
        at += size


def one_by_one(data: bytes, encoding: TextEncoding) -> Read:
    """What a named encoding must give: the whole file at hand, each line by itself."""
    result = Read(encoding=encoding)
    *raws, rest = data.split(b"\n")
    for number, raw in enumerate([*raws, rest] if rest else raws, 1):
        if number > len(raws):
            result.broken[number] = "UNTERMINATED_LINE"
        try:
            line = raw.decode(encoding.value)
        except UnicodeDecodeError:
            line = raw.decode(encoding.value, "backslashreplace")
            result.broken[number] = "ENCODING"
        result.lines.append(line.removesuffix("\r"))
    return result


SIZES = st.lists(st.integers(1, 20), min_size=1, max_size=8)
TEXT = st.characters(exclude_categories=("Cs",), exclude_characters="\r\n\ufeff")
LINES = st.lists(
    st.text(TEXT) | st.text(st.sampled_from(f"|a0 中𠮷é{BAR_BYTE}\x85\u2028")), max_size=20
)
FRAGMENTS = (
    *(b"\n", b"\n", b"\r\n", b"\r", b"|", b"||", b"a", b"0123456789abcde", b"\x80", b"\xff"),
    *("张三𠮷\u2028".encode(), "个人".encode("gb18030"), "个人".encode("gb18030")[:3]),
    *(b"\xe4\xb8", "𠮷".encode("gb18030")),
)
BYTES = st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=3), max_size=30).map(b"".join)


@settings(deadline=None)
@given(LINES, st.sampled_from(TextEncoding), st.sampled_from(("\n", "\r\n")), st.booleans(), SIZES)
def test_any_lines_in_any_chunks_are_those_lines(
    lines: list[str], encoding: TextEncoding, end: str, marked: bool, sizes: list[int]
) -> None:
    data = "".join(line + end for line in lines).encode(encoding.value)
    data = (BOMS[encoding] if marked else b"") + data
    assert read(cut(data, sizes), encoding) == Read(lines, {}, encoding)


@settings(deadline=None)
@given(BYTES, st.sampled_from(TextEncoding), SIZES)
def test_any_bytes_in_any_chunks_are_the_lines_read_one_by_one(
    data: bytes, encoding: TextEncoding, sizes: list[int]
) -> None:
    data = b"|" + data  # no byte-order mark at the start
    assert read(cut(data, sizes), encoding) == one_by_one(data, encoding)


@settings(deadline=None)
@given(BYTES, st.sampled_from((b"", *BOMS.values())), st.integers(1, 24), SIZES)
def test_detection_does_not_depend_on_chunks(
    data: bytes, mark: bytes, window: int, sizes: list[int]
) -> None:
    with patch.object(under_test, "WINDOW", window):
        assert read(cut(mark + data, sizes)) == read([mark + data])


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            *(
                st.sampled_from((0, 3, 5, 6, 7, 9)),
                st.sampled_from((b"", b"\xff", b"\xe4\xb8\xad")),
            ),
            st.sampled_from((b"\n", b"\r\n")),
        ),
        max_size=6,
    ),
    st.sampled_from(TextEncoding),
    SIZES,
)
@example([(6, b"", b"\r\n")], UTF_8, [7])
@example([(6, b"", b"\r\n"), (0, b"\xff", b"\n")], UTF_8, [1])
@example([(7, b"", b"\n"), (1, b"", b"\n")], UTF_8, [7])
def test_what_is_overlong_does_not_depend_on_chunks(
    shapes: list[tuple[int, bytes, bytes]], encoding: TextEncoding, sizes: list[int]
) -> None:
    data = b"".join(b"x" * number + odd + end for number, odd, end in shapes)
    with patch.object(under_test, "MAX_LINE", 6):
        result = read(cut(data, sizes), encoding)
        assert result == read([data], encoding)
    assert len(result.lines) == len(shapes)


@settings(deadline=None)
@given(
    rosters(date(2026, 3, 17), ("增强行情",), max_users=3, max_records=2),
    st.sampled_from(TextEncoding),
    st.sampled_from(("\n", "\r\n")),
    SIZES,
)
def test_any_roster_is_detected(
    roster: list[Service], encoding: TextEncoding, end: str, sizes: list[int]
) -> None:
    lines = [record.line() for record in roster]
    data = "".join(line + end for line in lines).encode(encoding.value)
    assert read(cut(data, sizes)) == Read(lines, {}, encoding if lines else None)


@encodings
@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("marked", [True, False])
def test_every_cut_into_three(encoding: TextEncoding, marked: bool, named: bool) -> None:
    """Inside the mark, inside characters, between the bars, between CR and LF; empty chunks."""
    lines = [f"u|1||张𠮷||{BAR_BYTE}||é", "", "个人||b"]
    data = f"{lines[0]}\r\n\n{lines[2]}\r\n".encode(encoding.value)
    data = (BOMS[encoding] if marked else b"") + data
    asked = encoding if named else None
    for one, two in combinations_with_replacement(range(len(data) + 1), 2):
        chunks = [data[:one], data[one:two], data[two:]]
        assert read(chunks, asked) == Read(lines, {}, encoding), (one, two)
    assert read(cut(data, [1]), asked) == Read(lines, {}, encoding)


# Detection


@encodings
@pytest.mark.parametrize("sizes", [[1], [7, 4096], [WINDOW], [WINDOW + 1], [1 << 20]])
@pytest.mark.parametrize("tail", [1, 1200])
def test_plain_ascii_first_does_not_decide(
    encoding: TextEncoding, sizes: list[int], tail: int
) -> None:
    lines = ["plain||ascii"] * 5500 + [VALID] * tail
    data = "".join(f"{line}\n" for line in lines).encode(encoding.value)
    assert data.index("甲".encode(encoding.value)) > WINDOW
    assert read(cut(data, sizes)) == Read(lines, {}, encoding)


def test_plain_ascii_is_handed_on_at_once() -> None:
    reader = Reader()
    for number in range(1, 100):
        (block,) = reader.decode(b"plain||ascii\nrest\n")
        assert (block.first, block.lines) == (number * 2 - 1, ["plain||ascii", "rest"])
    (block,) = reader.decode("ascii\n甲\n乙".encode())
    assert (block.first, block.lines) == (199, ["ascii"])
    assert reader.encoding is None


def test_no_more_than_the_window_is_held_until_the_encoding_is_known() -> None:
    reader = Reader()
    line = f"{VALID}\n".encode("gb18030")
    taken = 0
    while reader.encoding is None and taken <= 2 * WINDOW:
        assert len(reader._held) < WINDOW + len(line)
        reader.decode(line)
        taken += len(line)
    assert reader.encoding is GB18030
    assert taken < WINDOW + 2 * len(line)


def test_a_file_that_changes_its_encoding_after_the_window_breaks_there() -> None:
    lines = [VALID] * 1200
    data = "".join(f"{line}\n" for line in lines).encode()
    assert len(data) > WINDOW
    result = read(cut(data + f"{VALID}\n".encode("gb18030") + b"end\n", [4096]))
    assert result.encoding is UTF_8
    assert result.broken == {1201: "ENCODING"}
    assert result.lines[:1200] == lines
    assert result.lines[1201:] == ["end"]


def test_an_overlong_line_does_not_make_detection_depend_on_chunks() -> None:
    junk = b"x" * 2 * MAX_LINE + b"\xff\xfe\n"
    data = junk + f"{VALID}\n".encode() * 1200
    assert read(cut(data, [4096])) == read([data])


# Byte-order marks


@encodings
@pytest.mark.parametrize("sizes", [[1], [3], [100]])
def test_a_byte_order_mark_names_the_encoding_and_is_no_text(
    encoding: TextEncoding, sizes: list[int]
) -> None:
    mark = BOMS[encoding]
    assert mark == "\ufeff".encode(encoding.value)
    assert read(cut(mark + b"plain\n", sizes)) == Read(["plain"], {}, encoding)
    assert read(cut(mark, sizes)) == Read([], {}, encoding)
    assert read(cut(mark + b"\n", sizes)) == Read([""], {}, encoding)


@encodings
def test_only_the_first_mark_is_taken_off(encoding: TextEncoding) -> None:
    data = BOMS[encoding] * 2 + b"a\n" + BOMS[encoding] + b"b\n"
    assert read([data]).lines == ["\ufeffa", "\ufeffb"]


def test_half_a_mark_is_no_mark() -> None:
    assert read([b"\xef\xbb"], GB18030) == Read(["锘"], {1: "UNTERMINATED_LINE"}, GB18030)
    assert read([b"\xef\xbb"], UTF_8).broken == {1: "ENCODING"}


@encodings
def test_no_mark_changes_the_named_encoding(encoding: TextEncoding) -> None:
    for mark in BOMS.values():
        assert read([mark + b"plain\n"], encoding).encoding is encoding


def test_a_mark_of_another_encoding_than_the_named_one_is_text() -> None:
    """The first three bytes of 锘扛 in GB18030 look like the mark of UTF-8."""
    data = "锘扛||b\n".encode("gb18030")
    assert data.startswith(BOMS[UTF_8])
    assert read([data], GB18030) == Read(["锘扛||b"], {}, GB18030)


@pytest.mark.parametrize("size", [1, 2, 5, 100])
@pytest.mark.parametrize("text", ["u1||b", "用户||b", ""])
def test_a_file_of_utf_8_that_is_named_gb18030_is_told(text: str, size: int) -> None:
    data = f"\ufeff{text}\nu2||c\n".encode()
    found = read([data[i : i + size] for i in range(0, len(data), size)], GB18030)
    assert found.broken == {1: "ENCODING"}
    assert found.lines[1:] == ["u2||c"]


@pytest.mark.parametrize("sizes", [[1], [7], [1000]])
def test_a_file_of_utf_8_without_a_mark_that_is_named_gb18030_is_told(sizes: list[int]) -> None:
    """Where its characters stand first, and read as what was named for the rest."""
    data = "plain||1\nu1||深圳证券信息\nu2||有限公司\n".encode()
    found = read(cut(data, sizes), GB18030)
    assert found.broken == {2: "ENCODING"}
    assert found.encoding is GB18030
    assert found.lines[0] == "plain||1"


@encodings
@pytest.mark.parametrize("named", [GB18030, None])
def test_an_overlong_line_before_the_encoding_is_known(
    encoding: TextEncoding, named: TextEncoding | None
) -> None:
    """It is read, and a wrong name is told, in the same way however the file is cut."""
    long = "a" * 60_000 + "中文机构" * 1000
    data = f"{long}\n".encode(encoding.value) + f"{VALID}\n".encode(encoding.value) * 1200
    whole = read([data], named)
    assert read(cut(data, [4096]), named) == whole
    assert whole.broken[1] == "LINE_TOO_LONG"
    if (named, encoding) != (GB18030, UTF_8):
        assert whole.encoding is encoding


@pytest.mark.parametrize("sizes", [[1], [7], [1000]])
@pytest.mark.parametrize(
    "data",
    [
        "统一\n".encode("gb18030") * 20,  # UTF-8 by chance
        "u1||甲乙\n".encode(),  # too little to tell
        "深圳证券信息有限公司\n".encode("gb18030"),
        "深圳证券信息有限公司\n".encode() + "个人\n".encode("gb18030"),
        b"plain\n" * 20,
        b"",
    ],
)
def test_what_may_be_gb18030_is_read_as_it_is_named(data: bytes, sizes: list[int]) -> None:
    found = read(cut(data, sizes), GB18030)
    assert found == Read(data.decode("gb18030").splitlines(), {}, GB18030)


# Lines that can't be read


@pytest.mark.parametrize(
    ("encoding", "bad"),
    [
        (UTF_8, b"\xff"),
        (UTF_8, b"\xe4\xb8"),  # a character cut short by the line end
        (UTF_8, b"\xed\xa0\x80"),  # a surrogate
        (UTF_8, b"\xc0\xbc"),  # | in two bytes
        (UTF_8, "个人".encode("gb18030")),
        (GB18030, b"\xff"),
        (GB18030, b"\x81"),  # a first byte that must not eat the line end
        (GB18030, b"\x81\x30\x81"),
    ],
)
@pytest.mark.parametrize("sizes", [[1], [1000]])
@both_ends
def test_bytes_that_are_no_text_name_their_line_only(
    encoding: TextEncoding, bad: bytes, sizes: list[int], end: str
) -> None:
    lines = ["甲||1", "bad", "乙||2", "bad", "丙||3"]
    data = b"".join(
        (bad if line == "bad" else line.encode(encoding.value)) + end.encode() for line in lines
    )
    result = read(cut(data, sizes), encoding)
    assert result.broken == {2: "ENCODING", 4: "ENCODING"}
    assert result.lines[::2] == lines[::2]


@encodings
@both_ends
@pytest.mark.parametrize("sizes", [[1000], [4096], [MAX_LINE], [MAX_LINE + 1], [1 << 20]])
@pytest.mark.parametrize("filling", ["x", "中", "𠮷|"])
def test_overlong_lines_are_named_and_the_count_goes_on(
    encoding: TextEncoding, end: str, sizes: list[int], filling: str
) -> None:
    long = filling * 2 * MAX_LINE
    lines = ["甲", long, "乙", long, long, "", "丙"]
    data = "".join(line + end for line in lines).encode(encoding.value)
    result = read(cut(data, sizes), encoding)
    assert result.broken == dict.fromkeys((2, 4, 5), "LINE_TOO_LONG")
    assert result.lines == ["甲", "", "乙", "", "", "", "丙"]


def test_an_overlong_line_is_not_held() -> None:
    reader = Reader(UTF_8)
    reader.decode(b"first\n")
    blocks = []
    for _ in range(100):
        blocks += reader.decode(b"x" * 4096)
        assert len(reader._held) <= MAX_LINE + 4096
    (long,) = blocks
    assert (long.first, long.broken) == (2, {2: "LINE_TOO_LONG"})
    assert len(long.lines[0]) <= MAX_LINE
    (after,) = reader.decode(b"x\nb\n")
    assert (after.first, after.lines, after.broken) == (3, ["b"], {})
    assert reader.flush() == []


def test_an_overlong_last_line_is_overlong_with_or_without_its_end() -> None:
    for end in (b"", b"\n"):
        data = b"a\n" + b"x" * (MAX_LINE + 1) + end
        for sizes in ([4096], [len(data)]):
            assert read(cut(data, sizes), UTF_8).broken == {2: "LINE_TOO_LONG"}


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("start", ["x", "aaaaa中"])
@pytest.mark.parametrize("over", [0, 1])
@both_ends
def test_the_longest_line_is_the_same_in_any_chunks(
    end: str, over: int, start: str, named: bool
) -> None:
    """Its end does not count: `MAX_LINE` bytes are a line, one more is too long."""
    filling = "x" * (MAX_LINE - len(start.encode()) + over)
    data = f"{start}{filling}{end}".encode() + b"b\n"
    broken = {1: "LINE_TOO_LONG"} if over else {}
    at = MAX_LINE + over
    for middle in (at, at + 1, at + 2):
        for chunks in ([data], [data[:middle], data[middle:]], [data[:7], data[7:]]):
            assert read(chunks, UTF_8 if named else None).broken == broken, list(map(len, chunks))


# Ends of lines and of files


@pytest.mark.parametrize("last", ["乙", "乙\r"])
@encodings
def test_a_missing_last_line_end_is_flagged(encoding: TextEncoding, last: str) -> None:
    data = f"甲\n{last}".encode(encoding.value)
    for sizes in ([1], [100]):
        assert read(cut(data, sizes), encoding) == Read(
            ["甲", "乙"], {2: "UNTERMINATED_LINE"}, encoding
        )


def test_a_last_line_that_is_no_text_says_so_first() -> None:
    assert read([b"a\n\xff"], UTF_8).broken == {2: "ENCODING"}


@pytest.mark.parametrize("encoding", [None, *TextEncoding])
def test_an_empty_file_has_no_lines(encoding: TextEncoding | None) -> None:
    assert read([], encoding) == read([b"", b""], encoding) == Read([], {}, encoding)


@both_ends
@pytest.mark.parametrize("number", [1, 2, 9])
def test_only_line_ends_are_empty_lines(end: str, number: int) -> None:
    data = end.encode() * number
    assert read([data]) == read(cut(data, [1])) == Read([""] * number)


def test_a_carriage_return_elsewhere_stays_in_the_line() -> None:
    assert read([b"a\rb\n\rc\r\r\n"]).lines == ["a\rb", "\rc\r"]
