"""Validation of user lines by a report format.

Blocks are checked column by column; only where a column shows a fault are its lines looked at one
by one to say which and why. Both ways apply the same rules, and a property test holds them equal.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from types import MappingProxyType

from gateway.delimited.reader import MAX_LINE, Block
from gateway.intake.problems import BadLine, Problem, Rule
from gateway.regulation.fields import Field, Kind, Layout
from gateway.regulation.formats.format import ReportFormat
from gateway.regulation.layouts import SZSE_2010
from gateway.regulation.text import CONTROL, fault
from gateway.regulation.written import QUOTE
from gateway.tenancy.session import COLUMN_MARK

_BARS = "||"


@dataclass(slots=True)
class Checked:
    """What became of a block: the good lines, divided by `Validator.divider`, and the bad ones."""

    good: list[str]
    bad: list[BadLine] = field(default_factory=list)


class Validator:
    """Checks the blocks of one file, in order.

    The first line settles how many of the format's optional columns the file has. A first line
    that is the layout's headings is skipped. `products` are the names that are known; None knows no
    catalogue and accepts all. `owners` are their licensors: the first line with a known product
    settles whose products the file has. Keys of all lines are remembered, some 200 bytes each, so
    that a line that repeats an earlier one is found.
    """

    def __init__(
        self,
        products: frozenset[str] | None = None,
        owners: Mapping[str, str] = MappingProxyType({}),
        report_format: ReportFormat = SZSE_2010,
    ) -> None:
        """Start a file."""
        self.licensor: str | None = None
        self._owners = owners
        self.report_format = report_format
        self.divider = COLUMN_MARK.decode() if report_format.quotes else report_format.separator
        self.layout: Layout | None = None
        self.lines = 0
        self._layouts = {len(layout.fields): layout for layout in report_format.imports}
        at = {name: i for i, name in enumerate(report_format.users.names)}
        self._user, self._start, self._end = at["user_id"], at["start_date"], at["end_date"]
        self._product, self._mode = at["product"], at["usage_mode"]
        fields = report_format.users.fields
        self._opens = frozenset(fields[self._end].opens)
        self._sorts = fields[self._start].dates.sorts
        self._modes = _numbers_of(fields[self._mode])
        self._products = products
        self._settled = False
        self._seen: dict[str, int] = {}
        self._texts = {one.name: one.texts for one in report_format.imports[-1].fields}
        self._dates: dict[str, str] = {}

    def check(self, block: Block) -> Checked:
        """Check a block of lines."""
        first, lines = block.first, block.lines
        if self.layout is None and lines:
            header = self._settle(lines[0])
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
            values = self.report_format.values(line) or ()
            if len(values) > self._product:
                owner = self._owners.get(values[self._product])
                if owner is not None:
                    return owner
        return None

    def _settle(self, line: str) -> bool:
        """Find the layout by the first line; say whether that is the header."""
        values = [value.strip(" ") for value in self.report_format.values(line) or ()]
        self._settled = len(values) in self._layouts
        self.layout = self._layouts.get(len(values), self.report_format.users)
        return tuple(values) == self.layout.headings

    def finish(self) -> BadLine | None:
        """Say what is wrong with the file as a whole."""
        if self.lines:
            return None
        accepted = "one line per service record"
        return BadLine("", (Problem(1, 0, "", Rule.EMPTY_FILE, "", accepted),))

    def _all_good(self, first: int, lines: list[str]) -> list[str] | None:
        """Return the lines if every one is good, and remember their keys; else None."""
        separator = self.report_format.separator
        joined = "\n".join(lines)
        if self.report_format.spaces and (f" {separator}" in joined or f"{separator} " in joined):
            lines = [separator.join(self.report_format.values(line) or ()) for line in lines]
            joined = "\n".join(lines)
        if _has_stray_marks(joined, len(lines), separator):
            return None
        rows = self._rows(lines, joined)
        if rows is None or not self._columns_good(first, list(zip(*rows, strict=True))):
            return None
        if self.divider != separator:
            return [self.divider.join(row) for row in rows]
        return lines

    def _rows(self, lines: list[str], joined: str) -> list[list[str]] | None:
        """Split lines that are as wide as the layout; None if one is not, or has a stray mark."""
        assert self.layout is not None  # noqa: S101 (set by the first line)
        written = self.report_format
        if written.quotes and QUOTE in joined:
            split = [written.values(line) for line in lines]
            rows = [values for values in split if values is not None]
            if len(rows) != len(lines):
                return None
        else:
            rows = [line.split(written.separator) for line in lines]
        if set(map(len, rows)) != {len(self.layout.fields)}:
            return None
        barred = "|" in joined and (written.quotes or "|" not in written.separator)
        return None if barred and any(map(_has_stray_bars, rows)) else rows

    def _columns_good(self, first: int, columns: list[tuple[str, ...]]) -> bool:
        """Say whether all values are good, and no line repeats another; then remember the keys."""
        assert self.layout is not None  # noqa: S101 (set by the first line)
        for one, values in zip(self.layout.fields, columns, strict=True):
            if not self._column_good(one, values):
                return False
        for start, end in zip(columns[self._start], columns[self._end], strict=True):
            if end not in self._opens and self._later(start, end):
                return False
        keys = self._keys(
            columns[self._user],
            columns[self._start],
            columns[self._product],
            columns[self._mode],
        )
        if len(set(keys)) != len(keys) or not self._seen.keys().isdisjoint(keys):
            return False
        self._seen.update(zip(keys, count(first), strict=False))
        return True

    def _column_good(self, one: Field, values: Sequence[str]) -> bool:
        if one.kind is Kind.TEXT:
            if one.name == "product":
                return all(self._fault(one, value) is None for value in set(values))
            if one.below is not None and max(map(len, values)) >= one.below:
                return False
            if "" in values and one.missing:
                return False
            return not (one.required and one.missing in values)
        distinct = set(values)
        if one.kind is Kind.DATE:
            distinct -= self._dates.keys()
        return all(self._fault(one, value) is None for value in distinct)

    def _later(self, start: str, end: str) -> bool:
        """Say whether a date is after another; both were read."""
        return start > end if self._sorts else self._dates[start] > self._dates[end]

    def _keys(
        self,
        users: Sequence[str],
        starts: Sequence[str],
        products: Sequence[str],
        modes: Sequence[str],
    ) -> list[str]:
        if self._modes is not None:
            modes = [self._modes[mode] for mode in modes]
        return [
            f"{start}{mode}|{product}||{user}"
            for user, start, product, mode in zip(users, starts, products, modes, strict=True)
        ]

    def _one_by_one(self, first: int, lines: list[str], broken: dict[int, str]) -> Checked:
        checked = Checked([])
        for number, line in enumerate(lines, first):
            values = self.report_format.values(line)
            problems = tuple(self._problems(number, line, values, broken.get(number)))
            if problems or values is None:
                checked.bad.append(BadLine(line, problems))
            else:
                checked.good.append(self.divider.join(values))
        return checked

    def _problems(
        self, number: int, line: str, values: list[str] | None, broken: str | None
    ) -> Iterator[Problem]:
        assert self.layout is not None  # noqa: S101 (set by the first line)
        if broken is None and values is None:
            broken = Rule.QUOTING.name
        if broken is not None or values is None:
            rule = Rule[broken or Rule.QUOTING.name]
            yield Problem(number, 0, "", rule, line, self._accepted_line(rule))
            return
        if len(values) != len(self.layout.fields):
            accepted = f"{len(self.layout.fields)} fields, as in the first line"
            if not self._settled:
                widths = " or ".join(map(str, self._layouts))
                accepted = f"{widths} fields divided by {self.report_format.separator}"
            yield Problem(
                number, 0, "", Rule.FIELD_COUNT, f"{len(values)} fields: {line}", accepted
            )
            return
        found = False
        for i, (one, value) in enumerate(zip(self.layout.fields, values, strict=True), 1):
            wrong = self._fault(one, value)
            if wrong is not None:
                found = True
                yield Problem(number, i, one.heading, wrong, value, self._accepted(one, wrong))
        if not found:
            yield from self._problems_of_good_values(number, values)

    def _problems_of_good_values(self, number: int, values: list[str]) -> Iterator[Problem]:
        fields = self.report_format.users.fields
        start, end = values[self._start], values[self._end]
        if end not in self._opens and self._later(start, end):
            one = fields[self._end]
            accepted = f"{start} or later, or {one.opens[0] or 'empty'}"
            yield Problem(number, self._end + 1, one.heading, Rule.END_BEFORE_START, end, accepted)
            return
        user = values[self._user]
        (key,) = self._keys([user], [start], [values[self._product]], [values[self._mode]])
        earlier = self._seen.setdefault(key, number)
        if earlier != number:
            yield Problem(
                number,
                self._user + 1,
                fields[self._user].heading,
                Rule.DUPLICATE_KEY,
                user,
                f"one line per user, product, usage mode and start date (see line {earlier})",
            )

    def _fault(self, one: Field, value: str) -> Rule | None:  # noqa: PLR0911 (one per rule)
        """Return the rule that a single value breaks, or None."""
        if one.open_end and value in self._opens:
            return None
        if not value and not one.missing:
            return Rule.MISSING if one.required else None
        wrong = fault(value, one.below if one.kind is Kind.TEXT else None)
        if wrong is not None:
            return Rule[wrong]
        if one.required and value == one.missing:
            return Rule.MISSING
        if one.kind is Kind.CODE:
            return None if value in self._texts[one.name] else Rule.UNKNOWN_CODE
        if one.kind is Kind.DATE:
            return None if self._is_date(one, value) else Rule.BAD_DATE
        if one.name == "product" and self._products is not None:
            if value not in self._products:
                return Rule.UNKNOWN_PRODUCT
            if self._owners.get(value) != self.licensor:
                return Rule.OTHER_LICENSOR
        return None

    def _is_date(self, one: Field, value: str) -> bool:
        if value in self._dates:
            return True
        found = one.dates.read(value)
        if found is None:
            return False
        self._dates[value] = found.isoformat()
        return True

    def _accepted(self, one: Field, rule: Rule) -> str:
        if rule is Rule.UNKNOWN_PRODUCT:
            return " / ".join(sorted(self._products or ())) or "a product that has been added"
        if rule is Rule.OTHER_LICENSOR:
            own = sorted(name for name, code in self._owners.items() if code == self.licensor)
            return f"{' / '.join(own)}, as before in this file: import each licensor's lines apart"
        return one.accepted

    def _accepted_line(self, rule: Rule) -> str:
        encodings = " or ".join(one.value.upper() for one in self.report_format.encodings)
        return {
            Rule.ENCODING: f"{encodings}, the same in the whole file",
            Rule.UNTERMINATED_LINE: "a line break after every line; "
            "add one if the file is complete",
            Rule.LINE_TOO_LONG: f"at most {MAX_LINE} bytes",
            Rule.QUOTING: "a value as it is, or in quotation marks with each one in it doubled",
        }[rule]


def _numbers_of(mode: Field) -> dict[str, str] | None:
    """Return what stands for each text in keys; None where the texts can stand for themselves."""
    if len(mode.texts) == len(mode.written) and not any("|" in text for text in mode.texts):
        return None
    return {text: str(int(code)) for text, code in mode.texts.items()}


def _has_stray_bars(values: Sequence[str]) -> bool:
    """Say whether a value could not stand in the regulation's own files (reading 4)."""
    return any(
        "|" in value and (_BARS in value or value[0] == "|" or value[-1] == "|") for value in values
    )


def _has_stray_marks(joined: str, lines: int, separator: str) -> bool:
    """Look through a block at once; a line break stands between its lines and nowhere else."""
    if separator == _BARS and (
        not joined
        or "|||" in joined
        or joined[0] == "|"
        or joined[-1] == "|"
        or "\n|" in joined
        or "|\n" in joined
    ):
        return True
    if joined.count("\n") != lines - 1:
        return True
    text = joined.replace("\n", "")
    if separator == "\t":
        text = text.replace("\t", "")
    return CONTROL.search(text) is not None
