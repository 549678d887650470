"""The writer: what it writes is read back as it was, and what could not be is refused."""

import sys
import unicodedata
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive.counting import Service
from naive.strategies import ALPHABET, rosters

from gateway.delimited.encoding import TextEncoding
from gateway.delimited.reader import Reader
from gateway.delimited.writer import LineEnd, line, lines

NASTY = st.text(st.sampled_from("||a中 \t\r\n\x00\x1f\x7f\x85\x9f\u2028\u2029\xa0"), max_size=6)
VALUES = st.none() | NASTY | st.text(ALPHABET, max_size=12)


def writable(value: str) -> bool:
    """Reading 4, said in another way."""
    controls = any(unicodedata.category(char) in ("Cc", "Zl", "Zp") for char in value)
    return value.strip("|") == value != "" and "||" not in value and not controls


@given(st.lists(VALUES, min_size=1, max_size=5))
def test_a_line_gives_its_values_back_or_is_refused(values: list[str | None]) -> None:
    cells = ["0" if value is None else value for value in values]
    if all(map(writable, cells)):
        assert line(values).split("||") == cells
    else:
        with pytest.raises(ValueError, match="can't stand in"):
            line(values)


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("", "EMPTY"),
        ("a||b", "SEPARATOR_INSIDE"),
        ("|a", "BAR_AT_EDGE"),
        ("a|", "BAR_AT_EDGE"),
        ("|", "BAR_AT_EDGE"),
        ("a\nb", "CONTROL_CHARACTER"),
        ("a\u0085b", "CONTROL_CHARACTER"),
        ("a\u2028b", "CONTROL_CHARACTER"),
    ],
)
def test_a_bad_value_is_refused_by_name_wherever_it_stands(value: str, rule: str) -> None:
    for row in ([value, "b"], ["a", value], [value]):
        with pytest.raises(ValueError, match=rule):
            line(row)
        with pytest.raises(ValueError, match=rule):
            lines([["good"], row])


def test_lines_end_each_with_a_line_feed_or_as_asked() -> None:
    rows = [["a", None], ["b|c", "0"]]
    assert lines(rows) == lines(rows, LineEnd.LF) == "a||0\nb|c||0\n"
    assert lines(rows, LineEnd.CRLF) == "a||0\r\nb|c||0\r\n"
    assert lines([]) == ""


@settings(deadline=None)
@given(
    rosters(date(2026, 3, 17), ("增强行情",), max_users=4, max_records=3),
    st.sampled_from(TextEncoding),
    st.sampled_from(LineEnd),
    st.booleans(),
)
def test_any_roster_comes_back(
    roster: list[Service], encoding: TextEncoding, end: LineEnd, named: bool
) -> None:
    rows = [record.line().split("||") for record in roster]
    data = lines(rows, end).encode(encoding.value)
    reader = Reader(encoding if named else None)
    blocks = [*reader.decode(data), *reader.flush()]
    assert [text.split("||") for block in blocks for text in block.lines] == rows
    assert not any(block.broken for block in blocks)


@pytest.mark.parametrize("encoding", TextEncoding)
def test_every_character_has_its_own_bytes_in_both_encodings(encoding: TextEncoding) -> None:
    characters = [
        chr(code)
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) not in ("Cs", "Co", "Cn")
    ]
    written = [character.encode(encoding.value) for character in characters]
    assert len(set(written)) == len(characters)
    assert [data.decode(encoding.value) for data in written] == characters


@given(st.text(ALPHABET))
def test_any_text_comes_back_from_gb18030(text: str) -> None:
    assert text.encode("gb18030").decode("gb18030") == text
