"""A page of users, gathered from parts of the list that an index each brings in order."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, select, true, union_all

from gateway.records.keyset import Bound, Key, beyond, branches, ordering
from gateway.records.models import COLUMNS
from gateway.records.order import name_of
from gateway.records.searches import MOST, Search, few
from gateway.tenancy.scope import AnyScope

Conditions = Callable[[FromClause], Sequence[ColumnElement[bool]]]
"""What makes a list, written for any rows that have the columns of service records."""
_Listed = tuple[Select[*tuple[Any, ...]], Sequence[ColumnElement[bool]]]


@dataclass(frozen=True, slots=True)
class Parts:
    """A list in order, and how much of it is wanted: `size` rows within the bounds.

    `rows`, sorted by `keys`, are current records wherever something is searched for.
    """

    scope: AnyScope
    rows: FromClause
    reachable: ColumnElement[bool]
    conditions: Conditions
    searches: Sequence[Search]
    keys: Sequence[Key]
    places: Sequence[Bound]
    backward: bool
    size: ColumnElement[int]
    keys_of: Callable[[FromClause], Sequence[Key]]
    _listed: dict[FromClause, _Listed] = field(default_factory=dict)
    """What is selected of rows and by what, made once for all parts that are of the same."""

    def page(self) -> FromClause:
        """Return the wanted rows."""
        parts = list(self._searched() if self.searches else self._walk())
        if len(parts) == 1 and not self.searches:
            return parts[0].subquery("page")
        nothing = self._select(self.rows, self.reachable).limit(0)
        found = union_all(*(parts or [nothing])).subquery("gathered")
        keys = self.keys_of(found)
        return (
            select(*found.c)
            .where(*beyond(keys, self.places))
            .order_by(*ordering(keys, backward=self.backward))
            .limit(self.size)
            .subquery("page")
        )

    def _searched(self) -> Iterator[Select[*tuple[Any, ...]]]:
        """Yield, of each search, all that it found if that is little; else the walks.

        IDs in the order of IDs stand together: a short one's need not be found first.
        """
        for search in self.searches:
            together = self.keys[0].name == "USER_ID" and not search.in_name
            also = [search.condition(self.rows)]
            if not (together and search.is_short):
                found = search.records(self.scope, most=MOST)
                yield self._select(found, few(found), search.condition(found))
                also.append(~few(found))
            for inside in search.ranges(self.rows) if together else (true(),):
                yield from self._walk(*also, inside)

    def _walk(self, *also: ColumnElement[bool]) -> Iterator[Select[*tuple[Any, ...]]]:
        """Yield the first rows of each branch of the order."""
        for inside, rest in branches(self.keys, self.places):
            part = self._select(self.rows, self.reachable, *also, *inside)
            yield part.order_by(*ordering(rest, backward=self.backward)).limit(self.size)

    def _select(self, rows: FromClause, *also: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
        if rows not in self._listed:
            columns = listed_columns(rows, self.scope)
            self._listed[rows] = select(*columns), self.conditions(rows)
        listed, conditions = self._listed[rows]
        return listed.where(*also, *conditions)


def listed_columns(rows: FromClause, scope: AnyScope) -> list[ColumnElement[Any]]:
    """Return the columns that rows of a list have: the record's, and its product's name."""
    name = name_of(rows, scope.products).label("product_name")
    return [*(rows.c[column] for column in COLUMNS), name]
