"""Reading a format's file: TOML to a `ReportFormat`, or BadInput that says what would do."""

import hashlib
import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

from gateway.errors import BadInput
from gateway.regulation.codes import Code
from gateway.regulation.dates import DateForm
from gateway.regulation.fields import MONTHLY_FIELDS, USER_FIELDS, Field, Kind, Known, Layout, Money
from gateway.regulation.formats.entries import Entries
from gateway.regulation.formats.format import ReportFormat
from gateway.regulation.text import CONTROL, fault
from gateway.regulation.written import QUOTE, LineEnd, Quoting, TextEncoding

MAX_SIZE: Final = 65_536
"""Characters that a format's file may have."""
DEFAULT: Final = "szse-2010"
_MOST_COLUMNS: Final = 64
_MOST_TEXT: Final = 4096
"""The limit of a text for which none is given, so that a line has one."""
_SEPARATOR: Final = r"\|\||\t|[!#$%&*+,/:;<=>?@^_`|~]"
_SEPARATOR_SAID: Final = '"||", a tab, or one of ! # $ % & * + , / : ; < = > ? @ ^ _ ` | ~'
_NAME: Final = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,128}"
_NAME_SAID: Final = "1 to 128 characters on one line, no space at an end"
_MARK_SAID: Final = "at most 32 characters, no control character, no separator, no space at an end"


@lru_cache(maxsize=256)
def read_format(text: str, source: str, *, stored: bool = False) -> ReportFormat:
    """Read a format; `source` names the file in errors.

    One that is `stored` was good when it came: rules that are newer do not hold for it.
    """
    if len(text) > MAX_SIZE:
        raise _unreadable(source, f"{len(text)} characters", f"at most {MAX_SIZE} characters")
    try:
        table = tomllib.loads(text.replace("\r\n", "\n"))
    except (ValueError, RecursionError) as error:
        raise _unreadable(source, str(error) or "nested too deeply", "TOML 1.0") from None
    digest = hashlib.sha256(text.encode()).hexdigest()
    return _Reading(Entries(source, "", table), stored=stored).format(digest)


@cache
def builtin_formats() -> Mapping[str, ReportFormat]:
    """Return the formats that come with the gateway, by code."""
    found = [
        read_format(file.read_text(encoding="utf-8"), file.name)
        for file in files("gateway.regulation.formats").iterdir()
        if file.name.endswith(".toml")
    ]
    return {one.code: one for one in found}


class _Reading:
    """One format while it is read: what its parts have in common."""

    def __init__(self, top: Entries, *, stored: bool) -> None:
        self.top, self.stored = top, stored
        self.code = top.text(
            "code",
            "[a-z0-9][a-z0-9-]{0,31}",
            "1 to 32 small ASCII letters, digits and -, the first a letter or digit",
        )
        self.version = top.number("version", 1, 9999)
        self.title = _name(top, "title")
        self._file(top.table("file"))
        self._values(top.table("values"))
        self._codes(top.table("codes"))

    def format(self, digest: str) -> ReportFormat:
        imports = self._layouts("users", USER_FIELDS)
        (monthly,) = self._layouts("monthly", MONTHLY_FIELDS)
        self.top.done("code, version, title, file, values, codes, users, monthly")
        return ReportFormat(
            digest,
            self.code,
            self.version,
            self.title,
            self.separator,
            self.quoting,
            self.spaces,
            self.encodings,
            self.line_end,
            self.header,
            self.extension,
            self.missing,
            self.missing == "" or "" in self.opens,
            imports[0],
            imports,
            monthly,
        )

    def _file(self, file: Entries) -> None:
        self.separator = file.text("separator", _SEPARATOR, _SEPARATOR_SAID)
        quotings = {one.value: one for one in Quoting}
        self.quoting = file.chosen("quoting", quotings, "none")
        self.spaces = file.flag("spaces", default=False)
        if self.spaces and self.quoting is not Quoting.NONE:
            file.wrong("spaces", "true", 'false, unless quoting is "none"')
        self.encodings = file.several("encodings", {one.value: one for one in TextEncoding})
        ends = {one.name.lower(): one for one in LineEnd}
        self.line_end = file.chosen("line_end", ends, "lf")
        self.header = file.flag("header", default=False)
        self.extension = file.text(
            "extension", "[a-z0-9]{1,8}", "1 to 8 small letters and digits", "txt"
        )
        file.done("separator, quoting, spaces, encodings, line_end, header, extension")

    def _values(self, values: Entries) -> None:
        said = "yyyy, mm and dd once each, with any of - / . 年 月 日 or a space between"
        self.dates = self._dates(values, "date", ("yyyy", "mm", "dd"), said)
        self.months = self._dates(
            values, "month", ("yyyy", "mm"), said.replace(", mm and dd", ", mm")
        )
        self.missing = values.text("missing", ".{0,32}", _MARK_SAID)
        self._mark(values, "missing", self.missing)
        self.opens = tuple(values.texts("open_end", "a text, or a list of different texts"))
        for one in self.opens:
            self._mark(values, "open_end", one)
        # an open end is the last of all days: that day is one too, whatever else is
        last = self.dates.write(date.max)
        self.opens = self.opens if last in self.opens else (*self.opens, last)
        amount = values.table("amount", default=True)
        self.money = Money(
            amount.text("unit", _NAME, _NAME_SAID, "yuan"),
            amount.number("decimals", 2, 6, 2),
            amount.text("mark", "[.,]", '"." or ","', "."),
        )
        if self.money.mark == self.separator and self.quoting is Quoting.NONE:
            amount.wrong("mark", self.money.mark, "another mark than the separator, or quoting")
        amount.done("unit, decimals, mark")
        values.done("missing, date, month, open_end, amount")

    def _dates(self, values: Entries, key: str, parts: tuple[str, ...], said: str) -> DateForm:
        pattern = values.text(key, ".{1,32}", said)
        found = DateForm.of(pattern, *parts)
        if found is None or self.separator in pattern:
            values.wrong(key, pattern, f"{said}; the separator not among them")
        return found

    def _mark(self, values: Entries, key: str, mark: str) -> None:
        """Refuse a mark that could not stand in a line, or is not the only value that it is."""
        if mark and (
            fault(mark) or self.separator in mark or QUOTE in mark or mark != mark.strip()
        ):
            values.wrong(key, mark, _MARK_SAID)
        last = date.max if key == "open_end" else None
        if not self.stored and self.dates.read(mark) not in {None, last}:
            unless = "" if last is None else f", unless it is {self.dates.write(last)}"
            values.wrong(key, mark, f"no date{unless}")

    def _codes(self, codes: Entries) -> None:
        kinds = {name: one.codes for name, one in USER_FIELDS.items() if one.codes is not None}
        self.words: dict[str, tuple[tuple[Code, tuple[str, ...]], ...]] = {}
        for name, kind in kinds.items():
            self.words[name] = self._words(codes.table(name), kind)
        codes.done(", ".join(kinds))

    def _words(self, table: Entries, kind: type[Code]) -> tuple[tuple[Code, tuple[str, ...]], ...]:
        said = "a text, or a list of different texts of which the first is written"
        found: dict[str, Code] = {}
        words: list[tuple[Code, tuple[str, ...]]] = []
        for code in kind:
            texts = table.texts(code.name, said)
            for text in texts:
                if fault(text) or QUOTE in text or text != text.strip() or text == self.missing:
                    table.wrong(
                        code.name,
                        text,
                        "a text without control characters, quotation marks and spaces at an end, "
                        "another than the missing mark",
                    )
                if self.separator in text:
                    table.wrong(code.name, text, f"a text without the separator {self.separator}")
                if text in found:
                    table.wrong(code.name, text, f"another text than {found[text].name}'s")
                found[text] = code
            words.append((code, tuple(texts)))
        table.done(", ".join(kind.__members__))
        return tuple(words)

    def _layouts(self, name: str, known: Mapping[str, Known]) -> tuple[Layout, ...]:
        """Return the layout without optional columns, and with one after another of them."""
        entries = self.top.table(name)
        title = _name(entries, "title")
        always: list[Field] = []
        optional: list[Field] = []
        for column in entries.tables("columns", _MOST_COLUMNS):
            field, may_lack = self._column(column, name, known)
            for other in (*always, *optional):
                if other.name == field.name:
                    column.wrong("field", field.name, "each field once")
                if other.heading == field.heading:
                    column.wrong("heading", field.heading, f"another heading than {other.name}'s")
            if optional and not may_lack:
                column.wrong("optional", "false", "true, after a column that is optional")
            (optional if may_lack else always).append(field)
        held = {field.name for field in always}
        for lacking in (one for one, what in known.items() if what.needed and one not in held):
            entries.wrong("columns", None, f'a column with field = "{lacking}"')
        if len(always) == 1:
            entries.wrong("columns", always[0].name, "two columns or more")
        entries.done("title, columns")
        return tuple(
            Layout(title, (*always, *optional[:number])) for number in range(len(optional) + 1)
        )

    def _column(
        self, column: Entries, layout: str, known: Mapping[str, Known]
    ) -> tuple[Field, bool]:
        name = column.chosen("field", {one: one for one in known})
        what = known[name]
        heading = _name(column, "heading")
        if self.quoting is Quoting.NONE and self.separator in heading:
            column.wrong("heading", heading, f"a heading without {self.separator}, or quoting")
        if QUOTE in heading or fault(heading):
            column.wrong("heading", heading, "a heading without quotation marks and ||")
        below = column.number("below", 0, 65_536, 0) or None
        texts = [text for _, words in self.words.get(name, ()) for text in words]
        limited = what.kind in {Kind.TEXT, Kind.CODE}
        if below is not None and (layout == "monthly" or not limited):
            column.wrong("below", below, "a limit for texts and codes of users only")
        if below is not None and (below < 2 or any(len(text) >= below for text in texts)):
            column.wrong("below", below, f"more than {max(map(len, texts), default=1)}")
        if below is None and what.kind is Kind.TEXT and layout == "users":
            below = _MOST_TEXT
        may_lack = column.flag("optional", default=False)
        if may_lack and (what.needed or layout == "monthly"):
            column.wrong("optional", "true", "false: " + _needed(known))
        # with another mark than the one that is stored, a name could not be told from a missing one
        required = what.required or (name == "user_name" and self.missing != "0")
        required = required or (what.open_end and self.missing not in self.opens)
        tightens = what.kind is Kind.TEXT and layout == "users"
        if column.flag("required", default=required) is not required:
            if required or not tightens:
                column.wrong("required", not required, "true" if required else "no such entry here")
            required = True
        column.done("field, heading, below, optional, required")
        field = Field(
            name,
            heading,
            what.kind,
            below,
            what.codes,
            required,
            what.open_end,
            self.words.get(name, ()),
            self.missing,
            self.opens,
            self.months if what.kind is Kind.MONTH else self.dates,
            self.money,
        )
        return field, may_lack


def _needed(known: Mapping[str, Known]) -> str:
    return "only " + ", ".join(one for one, what in known.items() if not what.needed) + " may lack"


def _name(entries: Entries, key: str) -> str:
    name = entries.text(key, _NAME, _NAME_SAID)
    if name != name.strip() or CONTROL.search(name):
        entries.wrong(key, name, _NAME_SAID)
    return name


def _unreadable(source: str, what: str, accepted: str) -> BadInput:
    return BadInput(f"{source}: {what}", f"{source}：{what}", argument=source, accepted=accepted)
