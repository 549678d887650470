"""A report format as a value: everything that differs between data companies' files."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.errors import BadInput
from gateway.regulation.fields import Layout
from gateway.regulation.text import fault
from gateway.regulation.written import QUOTE, LineEnd, Quoting, TextEncoding


@dataclass(frozen=True, slots=True)
class ReportFormat:
    """The layouts of a data company's two files, and how their lines are written.

    Two formats are the same if their files are. `users` is what exports write, `imports` what
    imports take: the same, and with optional columns behind. The first of `encodings` is written
    unless another is asked for. With `spaces`, spaces round separators do not belong to values.
    With `blank`, a field may be empty: that is how a missing value or an open end is written.
    """

    digest: str
    code: str = field(compare=False)
    version: int = field(compare=False)
    title: str = field(compare=False)
    separator: str = field(compare=False)
    quoting: Quoting = field(compare=False)
    spaces: bool = field(compare=False)
    encodings: tuple[TextEncoding, ...] = field(compare=False)
    line_end: LineEnd = field(compare=False)
    header: bool = field(compare=False)
    extension: str = field(compare=False)
    missing: str = field(compare=False)
    blank: bool = field(compare=False)
    users: Layout = field(compare=False)
    imports: tuple[Layout, ...] = field(compare=False)
    monthly: Layout = field(compare=False)

    def __str__(self) -> str:
        return f"{self.code}@{self.version}"

    @property
    def quotes(self) -> bool:
        """Whether values can stand in quotation marks."""
        return self.quoting is not Quoting.NONE

    def encoding(self, asked: TextEncoding | None) -> TextEncoding | None:
        """Return an encoding that is asked for, or the only one; None to tell it from the content.

        Raise BadInput for one that the format's files don't have.
        """
        if asked is not None and asked not in self.encodings:
            raise BadInput(
                f"{asked.value} is not an encoding of {self.code}",
                f"{self.code}的文件不用{asked.value}编码",
                argument="encoding",
                accepted=" or ".join(one.value for one in self.encodings),
            )
        return self.encodings[0] if len(self.encodings) == 1 else asked

    def cell(self, text: str) -> str:
        """Write one value's text; raise ValueError for one that can't stand in a line."""
        if text or not self.blank:
            wrong = fault(text)
            if wrong is None and not self.quotes and self.separator in text:
                wrong = "SEPARATOR_INSIDE"
            if wrong is not None:
                raise ValueError(f"{text!r} can't stand in a {self.separator} line: {wrong}")
        return self.quoted(text)

    def quoted(self, text: str) -> str:
        """Put a text into quotation marks where the format has them."""
        if self.quoting is Quoting.NONE:
            return text
        if self.quoting is Quoting.MINIMAL and self.separator not in text and QUOTE not in text:
            return text
        return QUOTE + text.replace(QUOTE, QUOTE * 2) + QUOTE

    def line(self, cells: Iterable[str]) -> str:
        """Write a line of cells, without its end."""
        return self.separator.join(map(self.cell, cells))

    def header_line(self, layout: Layout) -> str:
        """Return the line of headings, without its end."""
        return self.separator.join(map(self.quoted, layout.headings))

    def values(self, line: str) -> list[str] | None:
        """Split a line into values; None where quotation marks stand as they can't."""
        if not self.quotes or QUOTE not in line:
            values = line.split(self.separator)
            return _trimmed(values) if self.spaces else values
        return _unquoted(line, self.separator)


def _trimmed(values: list[str]) -> list[str]:
    """Remove the spaces round separators; those at the line's own ends belong to its values."""
    if len(values) == 1:
        return values
    first, *middle, last = values
    return [first.rstrip(" "), *(value.strip(" ") for value in middle), last.lstrip(" ")]


def _unquoted(line: str, separator: str) -> list[str] | None:
    values: list[str] = []
    at, end = 0, len(line)
    while True:
        if line.startswith(QUOTE, at):
            close = at + 1
            while (close := line.find(QUOTE, close)) >= 0 and line.startswith(QUOTE, close + 1):
                close += 2
            if close < 0:
                return None
            values.append(line[at + 1 : close].replace(QUOTE * 2, QUOTE))
            at = close + 1
        else:
            stop = line.find(separator, at)
            value = line[at:] if stop < 0 else line[at:stop]
            if QUOTE in value:
                return None
            values.append(value)
            at += len(value)
        if at == end:
            return values
        if not line.startswith(separator, at):
            return None
        at += len(separator)
