"""What keeps a value that is stored from being written in a format, and read again as it was."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from gateway.regulation.fields import USER_FIELDS, Field, Kind, Layout
from gateway.regulation.formats.format import ReportFormat

_NEVER_MISSING: Final = frozenset({"user_id", "user_name", "product"})
"""Texts that every record has: of a name that is missing, the regulation's mark is stored."""
_NEVER_INSIDE: Final = frozenset({"||", "\t"})
_STORED_MARK: Final = "0"


class Hindrance(Enum):
    """What is the matter with a value, by what the format says of its column."""

    SEPARATOR = "has the separator in it", "含分隔符"
    SPACE_BEFORE = "begins with a space, which does not count there", "以空格开头（该处空格不计）"
    SPACE_BEHIND = "ends with a space, which does not count there", "以空格结尾（该处空格不计）"
    MARK = "is what stands for a missing one", "与缺失标记相同"
    MISSING = "is missing", "缺失"
    TOO_LONG = "is too long", "过长"

    def __init__(self, said: str, said_zh: str) -> None:
        """Give a member its texts."""
        self.said, self.said_zh = said, said_zh


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A hindrance that a column's values may meet. `below` is the limit that makes one too long."""

    field: Field
    hindrance: Hindrance
    separator: str

    @property
    def below(self) -> int:
        """The column's limit: characters, strictly less."""
        return self.field.below or 0

    @property
    def said(self) -> str:
        """What is the matter, in words, after the column's heading."""
        limit = f" ({self.below} characters or more)"
        return self.hindrance.said + (limit if self.hindrance is Hindrance.TOO_LONG else "")

    @property
    def said_zh(self) -> str:
        """The same in Chinese."""
        limit = f"（{self.below}个字符以上）"
        return self.hindrance.said_zh + (limit if self.hindrance is Hindrance.TOO_LONG else "")

    def meets(self, value: str | None) -> bool:
        """Whether a value can't be written for it."""
        if value is None:
            return self.hindrance is Hindrance.MISSING
        return _MET[self.hindrance](self, value)


_MET: Final[dict[Hindrance, Callable[[Obstacle, str], bool]]] = {
    Hindrance.SEPARATOR: lambda one, value: one.separator in value,
    Hindrance.SPACE_BEFORE: lambda _, value: value.startswith(" "),
    Hindrance.SPACE_BEHIND: lambda _, value: value.endswith(" "),
    Hindrance.MARK: lambda one, value: value == one.field.missing,
    Hindrance.MISSING: lambda *_: False,
    Hindrance.TOO_LONG: lambda one, value: len(value) >= one.below,
}


def obstacles(report_format: ReportFormat, layout: Layout) -> tuple[Obstacle, ...]:
    """Return what may keep texts from being written in a layout of the format."""
    last = len(layout.fields) - 1
    return tuple(
        Obstacle(one, hindrance, report_format.separator)
        for place, one in enumerate(layout.fields)
        if one.kind is Kind.TEXT
        for hindrance in _of(report_format, one, first=place == 0, last=place == last)
    )


def _of(report_format: ReportFormat, one: Field, *, first: bool, last: bool) -> Iterator[Hindrance]:
    if not report_format.quotes and report_format.separator not in _NEVER_INSIDE:
        yield Hindrance.SEPARATOR
    if one.name not in USER_FIELDS:
        return  # names of the catalogue, which an operator chose for every format
    if report_format.spaces and not first:
        yield Hindrance.SPACE_BEFORE
    if report_format.spaces and not last:
        yield Hindrance.SPACE_BEHIND
    stored = one.name == "user_name" and one.missing == _STORED_MARK  # for a name that is missing
    if one.missing and (one.required or not stored):
        yield Hindrance.MARK
    if one.required and one.name not in _NEVER_MISSING:
        yield Hindrance.MISSING
    if one.below is not None:
        yield Hindrance.TOO_LONG


def holds(report_format: ReportFormat, other: ReportFormat) -> bool:
    """Whether whatever was read from the other format's files can be written in this one's."""
    theirs = {one.name: (place, one) for place, one in enumerate(other.imports[-1].fields)}
    return all(
        one.hindrance is not Hindrance.MISSING
        if one.field.name not in theirs
        else _ruled_out(one, other, *theirs[one.field.name])
        for one in obstacles(report_format, report_format.users)
    )


def _ruled_out(one: Obstacle, other: ReportFormat, place: int, read: Field) -> bool:
    """Whether no value that was read as that field of the other format can meet an obstacle."""
    match one.hindrance:
        case Hindrance.SEPARATOR:
            return not other.quotes and one.separator == other.separator
        case Hindrance.SPACE_BEFORE:
            return other.spaces and place > 0
        case Hindrance.SPACE_BEHIND:
            return other.spaces and place < len(other.users.fields) - 1
        case Hindrance.MARK:
            nameless = read.name == "user_name" and not read.required
            return one.field.missing == read.missing and not (one.field.required and nameless)
        case Hindrance.MISSING:
            return read.required and place < len(other.users.fields)
        case Hindrance.TOO_LONG:
            return read.below is not None and read.below <= one.below
