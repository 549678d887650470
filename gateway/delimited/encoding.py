"""The two encodings of files, and telling them apart (reading 5)."""

import codecs
import re

from gateway.regulation.written import TextEncoding

__all__ = ["WINDOW", "TextEncoding", "detect", "first_above_ascii", "must_be_utf_8"]

WINDOW = 65_536
"""How many bytes, from the first one above ASCII on, decide."""

_ENOUGH = 8
"""One character of GB18030 in eight is UTF-8 by chance; this many different ones never are."""
_ABOVE_ASCII = re.compile(rb"[\x80-\xff]")


def first_above_ascii(data: bytes | bytearray) -> int | None:
    """Return where the first byte above ASCII stands, or None."""
    found = _ABOVE_ASCII.search(data)
    return found.start() if found else None


def detect(sample: bytes) -> TextEncoding:
    """Tell the encoding of a sample that may end inside a character.

    Chinese text in GB18030 is practically never valid UTF-8 (个人, 机构 and all four fee categories
    are not), so that its lines fail as UTF-8. It is UTF-8 as long as fewer than half of the lines
    above ASCII fail: a damaged line or two do not make a whole file look like the other encoding.
    """
    lines = [line for line in sample.split(b"\n") if not line.isascii()]
    failed = sum(not _may_be_utf_8(line) for line in lines)
    return TextEncoding.GB18030 if lines and 2 * failed >= len(lines) else TextEncoding.UTF_8


def must_be_utf_8(sample: bytes) -> bool:
    """Tell whether a sample that is said to be GB18030, and may end inside a character, is not.

    All of it is UTF-8, of too many characters for that to be chance: 统一 in GB18030 is UTF-8 too.
    """
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return len({one for one in text if not one.isascii()}) >= _ENOUGH


def _may_be_utf_8(line: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(line)
    except UnicodeDecodeError:
        return False
    return True
