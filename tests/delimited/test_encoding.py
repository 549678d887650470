"""Telling the two encodings apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive.strategies import USER_NAMES

from gateway.delimited.encoding import TextEncoding, detect, first_above_ascii
from gateway.regulation.codes import FeeCategory, ServiceStatus, UserType

CODES = [text for codes in (UserType, FeeCategory, ServiceStatus) for text in codes.texts()]


@pytest.mark.parametrize("text", CODES)
def test_each_chinese_code_tells_its_encoding(text: str) -> None:
    assert detect(text.encode()) is TextEncoding.UTF_8
    assert detect(text.encode("gb18030")) is TextEncoding.GB18030


@given(st.text(), st.integers(0, 4))
def test_text_in_utf_8_is_utf_8_wherever_it_is_cut(text: str, missing: int) -> None:
    data = text.encode()
    assert detect(data[: len(data) - missing]) is TextEncoding.UTF_8


@pytest.mark.parametrize("code", ["个人", "机构"])
@pytest.mark.parametrize("name", USER_NAMES)
def test_a_line_in_gb18030_is_gb18030(name: str, code: str) -> None:
    assert detect(f"u1||{name}||{code}||".encode("gb18030")) is TextEncoding.GB18030


def test_plain_ascii_and_nothing_are_utf_8() -> None:
    assert detect(b"") is detect(bytes(range(128))) is TextEncoding.UTF_8


@given(st.binary(max_size=20))
def test_the_first_byte_above_ascii(data: bytes) -> None:
    above = [at for at, byte in enumerate(data) if byte > 127]
    assert first_above_ascii(data) == (above[0] if above else None)
    assert first_above_ascii(bytearray(data)) == first_above_ascii(data)
