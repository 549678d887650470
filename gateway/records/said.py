"""What can be said of a row, by name: most lists ask for little of it."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, FromClause

from gateway.catalogue.licensors import licensor_text

Made = Callable[[], ColumnElement[Any]]
"""Makes an expression."""


class Said(Mapping[str, ColumnElement[Any]]):
    """Columns, and expressions that are made when they are asked for."""

    __slots__ = ("_ways",)

    def __init__(self, ways: Mapping[str, ColumnElement[Any] | Made]) -> None:
        """Take what can be said, or how it is made, by name."""
        self._ways = ways

    def __getitem__(self, name: str) -> ColumnElement[Any]:
        way = self._ways[name]
        return way if isinstance(way, ColumnElement) else way()

    def __iter__(self) -> Iterator[str]:
        return iter(self._ways)

    def __len__(self) -> int:
        return len(self._ways)


def licensor_of(row: FromClause) -> dict[str, Made]:
    """Return how the code and name are made of the licensor whose product the row has."""
    return {f"licensor_{name}": partial(licensor_text, row, name) for name in ("code", "name")}
