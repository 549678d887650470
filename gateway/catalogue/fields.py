"""The fields of one entry in a catalogue file: each is read and checked, and faults are noted."""

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from gateway.catalogue.problems import Problem
from gateway.regulation.codes import Code
from gateway.regulation.text import fault

C = TypeVar("C", bound=Code)

CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CODE_FORM = "1 to 32 ASCII letters, digits, - and _, the first a letter or digit"
_KEY_FORM = "1 to 64 ASCII letters, digits, ., - and _, the first a letter or digit"
_ADDRESS_BELOW = 1024
_TEXTS = "text without ||, control characters, spaces or | at an end, below {} characters"


class Fields:
    """One entry: `name` says which; faults go to `problems`. What can't be read is None."""

    def __init__(self, raw: dict[str, Any], name: str, problems: list[Problem]) -> None:
        """Take the entry's table as TOML has it."""
        self._raw, self.name, self.problems = raw, name, problems
        self._read: list[str] = []

    def refuse(self, field: str, reason: str, reason_zh: str, accepted: str) -> None:
        """Note a fault of a field."""
        self.problems.append(Problem(self.name, field, reason, reason_zh, accepted))

    def text(self, field: str, below: int, *, required: bool = True) -> str | None:
        """Read a text of fewer than so many characters."""
        return self._checked(field, _text_check(below), _TEXTS.format(below), required=required)

    def code(self, field: str, *, required: bool = True) -> str | None:
        """Read a code, such as vendors have."""
        return self._checked(
            field, lambda text: bool(CODE.fullmatch(text)), _CODE_FORM, required=required
        )

    def key(self, field: str, *, required: bool = True) -> str | None:
        """Read the key of an edition."""
        return self._checked(
            field, lambda text: bool(KEY.fullmatch(text)), _KEY_FORM, required=required
        )

    def address(self, field: str) -> str | None:
        """Read a required web address."""
        accepted = f"an http or https address below {_ADDRESS_BELOW} characters"
        return self._checked(field, _is_address, accepted)

    def choice(self, field: str, codes: type[C], default: C | None = None) -> C | None:
        """Read the name of one of a code's members; required without a default."""
        accepted = "one of " + ", ".join(codes.__members__)
        found = self._checked(
            field, codes.__members__.__contains__, accepted, required=default is None
        )
        return default if found is None else codes[found]

    def choices(self, field: str, codes: type[C]) -> tuple[C, ...]:
        """Read a list of names of a code's members; none if it is left out."""
        accepted = "a list without repetition of " + ", ".join(codes.__members__)
        names = self._names(field, codes.__members__.__contains__, accepted)
        return tuple(sorted(codes[name] for name in names))

    def keys(self, field: str) -> tuple[str, ...]:
        """Read a list of keys of editions; none if it is left out."""
        accepted = f"a list without repetition of keys: {_KEY_FORM}"
        return tuple(self._names(field, lambda text: bool(KEY.fullmatch(text)), accepted))

    def day(self, field: str) -> date | None:
        """Read a date, not a time."""
        value = self._take(field)
        if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
            return value
        self._wrong(field, value, "a date as TOML writes it, 2022-10-20 without quotes")
        return None

    def flag(self, field: str) -> bool:
        """Read true or false; false if it is left out."""
        value = self._take(field)
        if value is None or isinstance(value, bool):
            return bool(value)
        self._wrong(field, value, "true or false")
        return False

    def tables(self, field: str) -> list[dict[str, Any]]:
        """Read an array of tables; none if it is left out."""
        value = self._take(field)
        if value is None:
            return []
        if isinstance(value, list) and all(isinstance(one, dict) for one in value):
            return value
        self._wrong(field, value, f"tables: [[{field}]]")
        return []

    def end(self) -> None:
        """Note all fields that nothing has read."""
        for field in [one for one in self._raw if one not in self._read]:
            self.refuse(
                shortened(field),
                "there is no such field",
                "没有该字段",
                "only " + ", ".join(self._read),
            )

    def _take(self, field: str) -> Any:
        self._read.append(field)
        return self._raw.get(field)

    def _checked(
        self, field: str, right: Callable[[str], bool], accepted: str, *, required: bool = True
    ) -> str | None:
        value = self._take(field)
        if value is None:
            if required:
                self.refuse(field, "is missing", "缺失", accepted)
            return None
        if isinstance(value, str) and right(value):
            return value
        self._wrong(field, value, accepted)
        return None

    def _names(self, field: str, right: Callable[[str], bool], accepted: str) -> list[str]:
        value = self._take(field)
        if value is None:
            return []
        if (
            isinstance(value, list)
            and all(isinstance(one, str) and right(one) for one in value)
            and len(set(value)) == len(value)
        ):
            return value
        self._wrong(field, value, accepted)
        return []

    def _wrong(self, field: str, value: Any, accepted: str) -> None:
        shown = shortened(value)
        self.refuse(field, f"{shown} can't be accepted", f"{shown}不能接受", accepted)


def shortened(value: Any) -> str:
    """Show a value of a file in at most sixty characters, control characters escaped."""
    plain = isinstance(value, str) and (KEY.fullmatch(value) or value.isidentifier())
    shown = str(value) if plain else repr(value)
    return shown if len(shown) <= 60 else shown[:59] + "…"


def _text_check(below: int) -> Callable[[str], bool]:
    return lambda text: fault(text, below) is None and text == text.strip()


def _is_address(text: str) -> bool:
    if not text.isprintable() or " " in text or len(text) >= _ADDRESS_BELOW:
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False
