"""The two encodings of `||` files, and telling them apart (reading 5)."""

import codecs
import re
from enum import Enum


class TextEncoding(Enum):
    """An encoding of files; the value is Python's codec name."""

    UTF_8 = "utf-8"
    GB18030 = "gb18030"


WINDOW = 65_536
"""How many bytes, from the first one above ASCII on, decide."""

_ABOVE_ASCII = re.compile(rb"[\x80-\xff]")


def first_above_ascii(data: bytes | bytearray) -> int | None:
    """Return where the first byte above ASCII stands, or None."""
    found = _ABOVE_ASCII.search(data)
    return found.start() if found else None


def detect(sample: bytes) -> TextEncoding:
    """Tell the encoding of a sample that may end inside a character.

    Chinese text in GB18030 is practically never valid UTF-8 (个人, 机构 and all four fee categories
    are not), so that what reads as UTF-8 is UTF-8. Plain ASCII reads alike in both.
    """
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return TextEncoding.GB18030
    return TextEncoding.UTF_8
