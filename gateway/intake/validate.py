"""Validation of user lines by `regulation.layouts`.

Blocks are checked column by column; only where a column shows a fault are its lines looked at one
by one to say which and why. Both ways apply the same rules, and a property test holds them equal.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import count
from types import MappingProxyType

from gateway.delimited.reader import MAX_LINE, Block
from gateway.intake.problems import BadLine, Problem, Rule
from gateway.regulation.layouts import (
    DOWNLOAD,
    DOWNLOAD_WITH_STATUS,
    MISSING,
    OPEN_ENDS,
    SEPARATOR,
    Field,
    Kind,
    Layout,
)
from gateway.regulation.text import CONTROL, fault

_DATE_DIGITS = 8
_LAYOUTS = {len(layout.fields): layout for layout in (DOWNLOAD, DOWNLOAD_WITH_STATUS)}
_COLUMN = {name: i for i, name in enumerate(DOWNLOAD_WITH_STATUS.names)}
_USER, _START, _END = _COLUMN["user_id"], _COLUMN["start_date"], _COLUMN["end_date"]
_PRODUCT, _MODE = _COLUMN["product"], _COLUMN["usage_mode"]


@dataclass(slots=True)
class Checked:
    """What became of a block: the good lines, spaces round separators removed, and the bad ones."""

    good: list[str]
    bad: list[BadLine] = field(default_factory=list)


class Validator:
    """Checks the blocks of one file, in order.

    The first line settles whether the file has eleven columns or twelve (status last). A first
    line that is the layout's headings is skipped. `products` are the names that are known; None
    knows no catalogue and accepts all. `owners` are their licensors: the first line with a known
    product settles whose products the file has. Keys of all lines are remembered, some 200 bytes
    each, so that a line that repeats an earlier one is found.
    """

    def __init__(
        self,
        products: frozenset[str] | None = None,
        owners: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Start a file."""
        self.licensor: str | None = None
        self._owners = owners
        self.layout: Layout | None = None
        self.lines = 0
        self._products = products
        self._settled = False
        self._seen: dict[str, int] = {}
        self._dates: set[str] = set()

    def check(self, block: Block) -> Checked:
        """Check a block of lines."""
        first, lines = block.first, block.lines
        if self.layout is None and lines:
            self.layout, self._settled, header = _layout_of(lines[0])
            if header and first not in block.broken:
                first, lines = first + 1, lines[1:]
        self.lines += len(lines)
        if not lines:
            return Checked([])
        if self.licensor is None and self._owners:
            self.licensor = self._licensor_of(lines)
        clean = None if block.broken else self._all_good(first, lines)
        return Checked(clean) if clean is not None else self._one_by_one(first, lines, block.broken)

    def _licensor_of(self, lines: list[str]) -> str | None:
        """Return whose the first known product is."""
        for line in lines:
            values = _values(line)
            if len(values) > _PRODUCT and (owner := self._owners.get(values[_PRODUCT])) is not None:
                return owner
        return None

    def finish(self) -> BadLine | None:
        """Say what is wrong with the file as a whole."""
        if self.lines:
            return None
        accepted = "one line per service record"
        return BadLine("", (Problem(1, 0, "", Rule.EMPTY_FILE, "", accepted),))

    def _all_good(self, first: int, lines: list[str]) -> list[str] | None:
        """Return the lines if every one is good, and remember their keys; else None."""
        assert self.layout is not None  # noqa: S101 (set by the first line)
        joined = "\n".join(lines)
        if f" {SEPARATOR}" in joined or f"{SEPARATOR} " in joined:
            lines = [SEPARATOR.join(_values(line)) for line in lines]
            joined = "\n".join(lines)
        if _has_stray_bars_or_controls(joined, len(lines)):
            return None
        rows = [line.split(SEPARATOR) for line in lines]
        if set(map(len, rows)) != {len(self.layout.fields)}:
            return None
        columns = list(zip(*rows, strict=True))
        for one, values in zip(self.layout.fields, columns, strict=True):
            if not self._column_good(one, values):
                return None
        for start, end in zip(columns[_START], columns[_END], strict=True):
            if start > end and end not in OPEN_ENDS:
                return None
        keys = _keys(columns[_USER], columns[_START], columns[_PRODUCT], columns[_MODE])
        if len(set(keys)) != len(keys) or not self._seen.keys().isdisjoint(keys):
            return None
        self._seen.update(zip(keys, count(first), strict=False))
        return lines

    def _column_good(self, one: Field, values: Sequence[str]) -> bool:
        if one.kind is Kind.TEXT:
            if one.name == "product":
                return all(self._fault(one, value) is None for value in set(values))
            if one.below is not None and max(map(len, values)) >= one.below:
                return False
            return "" not in values and not (one.required and MISSING in values)
        distinct = set(values)
        if one.kind is Kind.DATE:
            distinct -= self._dates
        return all(self._fault(one, value) is None for value in distinct)

    def _one_by_one(self, first: int, lines: list[str], broken: dict[int, str]) -> Checked:
        checked = Checked([])
        for number, line in enumerate(lines, first):
            values = _values(line)
            problems = tuple(self._problems(number, line, values, broken.get(number)))
            if problems:
                checked.bad.append(BadLine(line, problems))
            else:
                checked.good.append(SEPARATOR.join(values))
        return checked

    def _problems(
        self, number: int, line: str, values: list[str], broken: str | None
    ) -> Iterator[Problem]:
        assert self.layout is not None  # noqa: S101 (set by the first line)
        if broken is not None:
            yield Problem(number, 0, "", Rule[broken], line, _ACCEPTED_LINES[broken])
            return
        if len(values) != len(self.layout.fields):
            accepted = f"{len(self.layout.fields)} fields, as in the first line"
            if not self._settled:
                accepted = f"{' or '.join(map(str, _LAYOUTS))} fields divided by {SEPARATOR}"
            yield Problem(
                number, 0, "", Rule.FIELD_COUNT, f"{len(values)} fields: {line}", accepted
            )
            return
        found = False
        for i, (one, value) in enumerate(zip(self.layout.fields, values, strict=True), 1):
            rule = self._fault(one, value)
            if rule is not None:
                found = True
                yield Problem(number, i, one.heading, rule, value, self._accepted(one, rule))
        if found:
            return
        start, end = values[_START], values[_END]
        if start > end and end not in OPEN_ENDS:
            heading = self.layout.fields[_END].heading
            yield Problem(
                number, _END + 1, heading, Rule.END_BEFORE_START, end, f"{start} or later, or 0"
            )
            return
        (key,) = _keys([values[_USER]], [start], [values[_PRODUCT]], [values[_MODE]])
        earlier = self._seen.setdefault(key, number)
        if earlier != number:
            yield Problem(
                number,
                _USER + 1,
                self.layout.fields[_USER].heading,
                Rule.DUPLICATE_KEY,
                values[_USER],
                f"one line per user, product, usage mode and start date (see line {earlier})",
            )

    def _fault(self, one: Field, value: str) -> Rule | None:  # noqa: PLR0911 (one per rule)
        """Return the rule that a single value breaks, or None."""
        wrong = fault(value, one.below if one.kind is Kind.TEXT else None)
        if wrong is not None:
            return Rule[wrong]
        if one.required and value == MISSING:
            return Rule.MISSING
        if one.codes is not None:
            return None if value in one.codes.texts() else Rule.UNKNOWN_CODE
        if one.kind is Kind.DATE:
            if (one.open_end and value in OPEN_ENDS) or self._is_date(value):
                return None
            return Rule.BAD_DATE
        if one.name == "product" and self._products is not None:
            if value not in self._products:
                return Rule.UNKNOWN_PRODUCT
            if self._owners.get(value) != self.licensor:
                return Rule.OTHER_LICENSOR
        return None

    def _is_date(self, value: str) -> bool:
        if value in self._dates:
            return True
        if len(value) != _DATE_DIGITS or not (value.isascii() and value.isdigit()):
            return False
        try:
            date(int(value[:4]), int(value[4:6]), int(value[6:]))
        except ValueError:
            return False
        self._dates.add(value)
        return True

    def _accepted(self, one: Field, rule: Rule) -> str:
        if rule is Rule.UNKNOWN_PRODUCT:
            return " / ".join(sorted(self._products or ())) or "a product that has been added"
        if rule is Rule.OTHER_LICENSOR:
            own = sorted(name for name, code in self._owners.items() if code == self.licensor)
            return f"{' / '.join(own)}, as before in this file: import each licensor's lines apart"
        return one.accepted


_ACCEPTED_LINES = {
    "ENCODING": "UTF-8 or GB18030, the same in the whole file",
    "UNTERMINATED_LINE": "a line break after every line; add one if the file is complete",
    "LINE_TOO_LONG": f"at most {MAX_LINE} bytes",
}


def _layout_of(line: str) -> tuple[Layout, bool, bool]:
    """Return the layout of a first line, whether it fits, and whether it is the header."""
    values = [value.strip(" ") for value in line.split(SEPARATOR)]
    layout = _LAYOUTS.get(len(values), DOWNLOAD)
    return layout, len(values) in _LAYOUTS, tuple(values) == layout.headings


def _values(line: str) -> list[str]:
    """Split a line, without the spaces round separators (reading 2).

    Spaces at the line's own ends belong to its first and last value.
    """
    values = line.split(SEPARATOR)
    if f" {SEPARATOR}" not in line and f"{SEPARATOR} " not in line:
        return values
    first, *middle, last = values
    return [first.rstrip(" "), *(value.strip(" ") for value in middle), last.lstrip(" ")]


def _has_stray_bars_or_controls(joined: str, lines: int) -> bool:
    """Look through a block at once; a line break stands between its lines and nowhere else."""
    return (
        not joined
        or "|||" in joined
        or joined[0] == "|"
        or joined[-1] == "|"
        or "\n|" in joined
        or "|\n" in joined
        or joined.count("\n") != lines - 1
        or CONTROL.search(joined.replace("\n", "")) is not None
    )


def _keys(
    users: Sequence[str], starts: Sequence[str], products: Sequence[str], modes: Sequence[str]
) -> list[str]:
    return [
        f"{start}{mode}|{product}||{user}"
        for user, start, product, mode in zip(users, starts, products, modes, strict=True)
    ]
