"""Reading the tables of a format's file: every error names the key, its value and what would do."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from gateway.errors import BadInput

T = TypeVar("T")


class Entries:
    """One table of a file; each entry is taken once, and none may be left."""

    def __init__(self, source: str, path: str, table: Mapping[str, Any]) -> None:
        """Take a table: the file's name, the table's path in it, and what it holds."""
        self._source, self._path, self._table = source, path, dict(table)

    def wrong(self, key: str, value: object, accepted: str) -> NoReturn:
        """Refuse an entry."""
        where = f"{self._path}.{key}" if self._path else key
        shown = "nothing" if value is None else repr(value)
        raise BadInput(
            f"{self._source}: {where} can't be {shown[:200]}",
            f"{self._source}：{where}不可为{'空' if value is None else shown[:200]}",
            argument=where,
            accepted=accepted,
        )

    def text(self, key: str, pattern: str, accepted: str, default: str | None = None) -> str:
        """Take a text that a pattern matches as a whole."""
        value = self._table.pop(key, default)
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            self.wrong(key, value, accepted)
        return value

    def number(self, key: str, least: int, most: int, default: int | None = None) -> int:
        """Take a whole number within bounds."""
        value = self._table.pop(key, default)
        if type(value) is not int or not least <= value <= most:
            self.wrong(key, value, f"a whole number from {least} to {most}")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """Take true or false."""
        value = self._table.pop(key, default)
        if type(value) is not bool:
            self.wrong(key, value, "true or false")
        return value

    def chosen(self, key: str, choices: Mapping[str, T], default: str | None = None) -> T:
        """Take one of several."""
        value = self._table.pop(key, default)
        if not isinstance(value, str) or value not in choices:
            self.wrong(key, value, _either(choices))
        return choices[value]

    def several(self, key: str, choices: Mapping[str, T]) -> tuple[T, ...]:
        """Take one or more of several, each at most once."""
        value = self._table.pop(key, None)
        if (
            not isinstance(value, list)
            or not value
            or not all(isinstance(one, str) and one in choices for one in value)
            or len(set(value)) != len(value)
        ):
            self.wrong(key, value, f"a list of {_either(choices)}, each at most once")
        return tuple(choices[one] for one in value)

    def texts(self, key: str, accepted: str, default: Sequence[str] | None = None) -> list[str]:
        """Take one text, or a list of them that are not the same."""
        value = self._table.pop(key, default)
        found = [value] if isinstance(value, str) else value
        if (
            not isinstance(found, list)
            or not found
            or not all(isinstance(one, str) for one in found)
            or len(set(found)) != len(found)
        ):
            self.wrong(key, value, accepted)
        return found

    def table(self, key: str, *, default: bool = False) -> "Entries":
        """Take a table."""
        value = self._table.pop(key, {} if default else None)
        if not isinstance(value, dict):
            self.wrong(key, value, "a table")
        return Entries(self._source, f"{self._path}.{key}" if self._path else key, value)

    def tables(self, key: str, most: int) -> Iterator["Entries"]:
        """Take a list of tables."""
        value = self._table.pop(key, None)
        path = f"{self._path}.{key}" if self._path else key
        if (
            not isinstance(value, list)
            or not 0 < len(value) <= most
            or not all(isinstance(one, dict) for one in value)
        ):
            self.wrong(key, value, f"a list of 1 to {most} tables")
        return (Entries(self._source, f"{path}[{i}]", one) for i, one in enumerate(value, 1))

    def done(self, known: str) -> None:
        """Refuse what was not taken."""
        for key, value in self._table.items():
            self.wrong(key, value, f"no such entry; {known}")


def _either(choices: Mapping[str, object]) -> str:
    return " or ".join(f'"{one}"' for one in choices)
