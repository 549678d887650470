"""How text files are written: encodings, line ends, quoting."""

from enum import Enum


class TextEncoding(Enum):
    """An encoding of files; the value is Python's codec name."""

    UTF_8 = "utf-8"
    GB18030 = "gb18030"


class LineEnd(Enum):
    """A line end of files; the value is its characters."""

    LF = "\n"
    CRLF = "\r\n"


class Quoting(Enum):
    """When a value stands in quotation marks, each in it doubled (RFC 4180)."""

    NONE = "none"
    MINIMAL = "minimal"
    ALL = "all"


QUOTE = '"'
