"""A page of users, gathered from parts of the list that an index each brings in order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, select, union_all

from gateway.records.keyset import Bound, Key, branches, ordering
from gateway.records.models import COLUMNS
from gateway.records.searches import MOST, Search, among, few
from gateway.tenancy.scope import Scope


@dataclass(frozen=True, slots=True)
class Parts:
    """A list in order, and how much of it is wanted: `size` rows within the bounds.

    `where` selects from `rows`, which are current records wherever something is searched for.
    """

    scope: Scope
    rows: FromClause
    where: Sequence[ColumnElement[bool]]
    searches: Sequence[Search]
    keys: Sequence[Key]
    places: Sequence[Bound]
    backward: bool
    size: int

    def gathered(self) -> FromClause:
        """Return rows of the list among which the wanted ones are.

        The caller sorts them, and cuts off those out of bounds and those too many.
        """
        parts = list(self._searched() if self.searches else self._walk())
        if len(parts) == 1:
            return parts[0].subquery("gathered")
        return union_all(*(parts or [self._select().limit(0)])).subquery("gathered")

    def _searched(self) -> Iterator[Select[*tuple[Any, ...]]]:
        """Yield, of each search, all that it found if that is little; else the walks."""
        by_user_id = self.keys[0].name == "USER_ID"
        for search in self.searches:
            found, condition = search.keys(self.scope, most=MOST), search.condition(self.rows)
            yield self._select(among(found, self.rows), few(found), condition)
            if by_user_id and not search.in_name:
                for inside in search.ranges(self.rows):
                    yield from self._walk(~few(found), condition, inside)
            else:
                yield from self._walk(~few(found), condition)

    def _walk(self, *also: ColumnElement[bool]) -> Iterator[Select[*tuple[Any, ...]]]:
        """Yield the first rows of each branch of the order."""
        for inside, rest in branches(self.keys, self.places):
            part = self._select(*also, *inside)
            yield part.order_by(*ordering(rest, backward=self.backward)).limit(self.size)

    def _select(self, *also: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
        return select(*(self.rows.c[column] for column in COLUMNS)).where(*self.where, *also)
