"""The second wall: a statement on vendor-owned rows without its scope's predicate is refused.

For every place where a statement reads or changes a vendor-owned table, each axis of the table
(vendor, product, licensor: those that it has) must be tied, by a condition that always holds, to
values within the scope: directly, or by equality with a column that is tied itself. A column of a
subquery or CTE is tied if it is a tied one in the subquery, in every branch of a union. A name is
no tie.

What may occur in a statement at all stands in `tenancy.vocabulary`. This module walks a statement
the way SQLAlchemy's compiler does, so that it knows of each SELECT what will stand in its FROM and
what a column's table will be called there.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    CTE,
    Alias,
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    CollectionAggregate,
    Column,
    ColumnClause,
    CompoundSelect,
    Delete,
    Function,
    Insert,
    Join,
    Label,
    Lateral,
    Select,
    Subquery,
    Table,
    TableValuedAlias,
    Update,
)
from sqlalchemy import select as make_select
from sqlalchemy.dialects.postgresql import Insert as UpsertingInsert
from sqlalchemy.dialects.postgresql.dml import OnConflictDoUpdate
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import Grouping
from sqlalchemy.sql.selectable import FromGrouping, SelectStatementGrouping

from gateway.db.base import SCOPED
from gateway.errors import ScopeViolation
from gateway.tenancy.scope import AXES, Scope, axes_of, genuine
from gateway.tenancy.vocabulary import (
    FROM_KINDS,
    OWNED_FUNCTIONS,
    check_from_name,
    check_table,
    children,
    is_ours,
    refused,
)

_COMPILER = make_select(1)._default_compiler()  # noqa: SLF001
_INSERTS = (Insert, UpsertingInsert)
_OF_FUNCTIONS = {"vendor_id", "product_id"}
"""The axes of the rows of OWNED_FUNCTIONS."""
_CHANGES = (Update, Delete)
_QUERIES = (Select, CompoundSelect, SelectStatementGrouping)
_STATEMENTS = (Select, CompoundSelect, *_INSERTS, *_CHANGES)


def check(statement: Any, scope: Scope) -> None:
    """Raise ScopeViolation unless every vendor-owned table in the statement is tied to the scope.

    `statement` is any SQLAlchemy Core statement; its subqueries, CTEs and correlated parts count.
    """
    if type(statement) not in _STATEMENTS or statement._execution_options:  # noqa: SLF001
        raise refused(type(statement).__name__)
    _Guard(genuine(scope)).walk([statement], None)


Equality = tuple[Any, Any]


@dataclass(slots=True, eq=False)
class _Level:
    """One SELECT, UPDATE or DELETE: what is in its FROM, by name, and the equalities that hold."""

    outer: "_Level | None"
    rows: dict[str, Any] = field(default_factory=dict)
    equal: list[Equality] = field(default_factory=list)
    equal_if_there: dict[str, list[Equality]] = field(default_factory=dict)
    """By the name of a table on the optional side of an outer join: what its ON says of it."""
    shown: set[Any] = field(default_factory=set)
    visible: set[Any] = field(default_factory=set)
    """The compiler's `asfrom_froms` and `correlate_froms`."""

    def equalities(self, name: str) -> list[Equality]:
        """Return what holds wherever a row of a table is in the result."""
        return [*self.equal, *self.equal_if_there.get(name, ())]


_NOWHERE = _Level(None)


class _Guard:
    """The walk through one statement."""

    def __init__(self, scope: Scope) -> None:
        self._ids = {axis: frozenset(scope.ids(axis)) for axis in AXES}
        self._levels: dict[tuple[int, _Level | None], _Level] = {}
        self._ctes: dict[str, Any] = {}
        self._parameters: dict[str, Any] = {}
        self._followed: dict[tuple[int, str, _Level], bool] = {}
        self._passed: dict[tuple[int, _Level | None, bool], Any] = {}
        """Elements by their identity and place: a statement may have one in it many times."""

    def walk(self, parts: Iterable[Any], level: _Level | None, *, in_from: bool = False) -> None:
        """Look at elements and all that is in them, but for the tables that `level` has."""
        waiting = [*parts]
        while waiting:
            part = waiting.pop()
            kind = type(part)
            if kind in _QUERIES:
                self._query(part, level, in_from=in_from)
            elif kind in _CHANGES:
                self._change(part)
            elif kind in _INSERTS:
                self._insert(part)
            elif kind in FROM_KINDS:
                self._read_whole(part, level)
            elif (seen := (id(part), level, in_from)) not in self._passed:
                self._passed[seen] = part
                self._check_names(part)
                waiting += children(part)

    def _check_names(self, part: Any) -> None:
        """Refuse one name for two things, and rows of a function that only FROM may have."""
        if isinstance(part, BindParameter):
            if self._parameters.setdefault(part.key, part) is not part:
                raise refused(f"two parameters of the name {part.key}")
        elif type(part) is Function and part.name in OWNED_FUNCTIONS:
            raise refused(f"function {part.name} outside FROM")

    def _read_whole(self, rows: Any, level: _Level | None) -> None:
        """Look at a table among columns, for all its columns, and at a CTE that nothing reads."""
        if type(rows) is CTE:
            self._rows(rows, level or _NOWHERE)
        elif _home(rows, level) is None:
            raise refused(rows.name)

    def _query(self, query: Any, level: _Level | None, *, in_from: bool) -> None:
        """Look at a query. The branches of a compound see what the compound sees."""
        if type(query) is Select:
            self._select(query, level, in_from=in_from)
            return
        parts = [*children(query)]
        self.walk([part for part in parts if type(part) in _QUERIES], level, in_from=in_from)
        self.walk([part for part in parts if type(part) not in _QUERIES], level)

    def _select(self, select: Any, inside: _Level | None, *, in_from: bool) -> None:
        within = inside or _NOWHERE
        outer = within.outer if in_from else inside
        level = self._levels[id(select), outer] = _Level(outer)
        if in_from:
            froms = _froms(select, within.visible - within.shown, ())
        else:
            froms = _froms(select, within.visible, within.shown)
        level.shown = {rows for item in froms for rows in item._from_objects}  # noqa: SLF001
        level.visible = level.shown | within.visible
        conditions = self._place(froms, level)
        level.equal += _equalities(select.whereclause)
        self._confine(level)
        self.walk([*children(select), *conditions], level)

    def _change(self, change: Any) -> None:
        table = change.table
        _check_target(table)
        given = dict(change._values or {}) if type(change) is Update else {}  # noqa: SLF001
        if _owned(table) and not {_name_of(key) for key in given}.isdisjoint(AXES):
            raise ScopeViolation(f"{table.name} would change its owner")
        sources: list[Any] = [*change._where_criteria, *given.values()]  # noqa: SLF001
        froms = [rows for part in sources for rows in part._from_objects]  # noqa: SLF001
        froms += getattr(change, "_extra_froms", ())
        level = _Level(None)
        level.shown = {table, *froms}
        level.visible = level.shown
        conditions = self._place(dict.fromkeys([table, *froms]), level)
        level.equal += _equalities(change.whereclause)
        self._confine(level)
        self.walk([*children(change), *conditions], level)

    def _insert(self, insert: Any) -> None:
        table = insert.table
        _check_target(table)
        if type(table) is not Table:
            raise refused(type(table).__name__)
        self.walk(children(insert), None)
        if insert.select is not None:
            self.walk([insert.select], None)
        if not _owned(table):
            return
        for axis in axes_of(table):
            if not self._given(insert, axis):
                raise ScopeViolation(f"insert into {table.name} outside the scope's {axis}")
        conflict: Any = insert._post_values_clause  # noqa: SLF001
        if isinstance(conflict, OnConflictDoUpdate):
            found = {_name_of(one) for one in conflict.inferred_target_elements or ()}
            changed = {_name_of(key) for key in dict(conflict.update_values_to_set)}
            axes = set(axes_of(table))
            if not axes <= found or not axes.isdisjoint(changed):
                raise ScopeViolation(f"a conflict in {table.name} would change another's row")

    def _given(self, insert: Any, axis: str) -> bool:
        """Say whether an insert gives each row a value within the scope, and only such."""
        if insert.select is not None:
            names = [_name_of(name) for name in insert._select_names or ()]  # noqa: SLF001
            return names.count(axis) == 1 and self._each_branch(
                insert.select, names.index(axis), axis, None
            )
        rows = insert._multi_values or ((insert._values or {},),)  # noqa: SLF001
        return all(
            type(row) is not tuple
            and type(row) is not list
            and (values := [value for key, value in row.items() if _name_of(key) == axis])
            and all(self._in_scope(value, axis) for value in values)
            for many in rows
            for row in many
        )

    def _place(self, froms: Iterable[Any], level: _Level) -> list[Any]:
        """Put FROM items into a level and look at each; return the conditions of their joins."""
        conditions: list[Any] = []
        for item in froms:
            for rows, optional in _spread(item, level.equal, conditions):
                if level.rows.setdefault(rows.name, rows) is not rows:
                    raise refused(f"two tables of the name {rows.name}")
                if optional is not None:
                    level.equal_if_there[rows.name] = optional
        for rows in level.rows.values():
            self._rows(rows, level)
        return conditions

    def _rows(self, rows: Any, level: _Level) -> None:
        """Look at what stands in FROM."""
        kind = type(rows)
        if kind is Table:
            check_table(rows)
            _check_readable(rows)
            return
        check_from_name(rows)
        if kind is Alias:
            check_table(rows.element)
            _check_readable(rows.element)
        elif kind is Subquery:
            self.walk([rows.element], level, in_from=True)
        elif kind is Lateral:
            self._lateral(rows, level)
        elif kind is CTE:
            self._cte(rows)
        elif kind is TableValuedAlias:
            (function,) = (part for part in children(rows))
            if type(function) is not Function:
                raise refused(type(function).__name__)
            renamed = rows._render_derived or not set(rows.c.keys()) >= _OF_FUNCTIONS  # noqa: SLF001
            if function.name in OWNED_FUNCTIONS and renamed:
                raise refused(f"{function.name} without its columns' names")
            self.walk(children(function), level, in_from=True)
        else:
            self.walk(children(rows), level, in_from=True)

    def _lateral(self, rows: Any, level: _Level) -> None:
        """Look at a query in FROM that sees what else is there."""
        query = rows.element.element if type(rows.element) is Subquery else None
        if type(query) is not Select:
            raise refused(type(rows.element).__name__)
        self.walk([query], level)

    def _cte(self, cte: Any) -> None:
        """Look at a CTE, once. It stands before the statement and sees nothing of it."""
        while cte._cte_alias is not None:  # noqa: SLF001
            cte = cte._cte_alias  # noqa: SLF001
            check_from_name(cte)
        known = self._ctes.get(cte.name)
        if known is None:
            self._ctes[cte.name] = cte
            self.walk([*children(cte), cte.element], None)
        elif known is not cte:
            raise refused(f"two CTEs of the name {cte.name}")

    def _confine(self, level: _Level) -> None:
        for name, rows in level.rows.items():
            if _owned(rows):
                equalities = level.equalities(name)
                for axis in axes_of(rows):
                    if not self._tied(rows.c[axis], axis, level, equalities, ()):
                        raise ScopeViolation(f"no predicate of the scope on {name}.{axis}")

    def _tied(
        self,
        column: Any,
        axis: str,
        level: _Level,
        equalities: list[Equality],
        seen: tuple[Any, ...],
    ) -> bool:
        """Follow equalities from a column of a level until one reaches the scope."""
        for sides in equalities:
            for one, other in (sides, sides[::-1]):
                if one is not column:
                    continue
                if self._in_scope(other, axis):
                    return True
                if not isinstance(other, ColumnClause) or any(other is known for known in seen):
                    continue
                home = _home(other.table, level)
                if home is None:
                    continue
                if home is not level:
                    if self._tied_at_home(other, axis, home):
                        return True
                elif self._followed_to(other, axis, level) or self._tied(
                    other, axis, level, equalities, (*seen, column)
                ):
                    return True
        return False

    def _tied_at_home(self, column: Any, axis: str, home: _Level) -> bool:
        """Say whether a column is tied in the level that has its table, and has it confined."""
        rows = column.table
        if _owned(rows) and axis in axes_of(rows) and column is rows.c[axis]:
            return True
        return self._followed_to(column, axis, home) or self._tied(
            column, axis, home, home.equalities(rows.name), ()
        )

    def _followed_to(self, column: Any, axis: str, level: _Level) -> bool:
        """Follow a column into its subquery."""
        rows = column.table
        if type(rows) is not Subquery and type(rows) is not CTE:
            return False
        key = (id(column), axis, level)
        if key not in self._followed:
            self._followed[key] = False
            names = [one.name for one in rows.c]
            places = [place for place, one in enumerate(rows.c) if one is column]
            self._followed[key] = (
                len(places) == 1
                and len(set(names)) == len(names)
                and self._each_branch(
                    rows.element, places[0], axis, level.outer if type(rows) is Subquery else None
                )
            )
        return self._followed[key]

    def _each_branch(self, query: Any, place: int, axis: str, outer: _Level | None) -> bool:
        """Say whether a column of a query, counted from 0, is tied in every branch of it."""
        while type(query) is SelectStatementGrouping:
            query = query.element
        if type(query) is CompoundSelect:
            return all(self._each_branch(one, place, axis, outer) for one in query.selects)
        level = self._levels.get((id(query), outer))
        if type(query) is not Select or level is None:
            return False
        columns: Any = query._all_selected_columns  # noqa: SLF001
        if place >= len(columns):
            return False
        value = columns[place]
        while isinstance(value, Label | Grouping):
            value = value.element
        if not isinstance(value, ColumnClause):
            return self._in_scope(value, axis)
        home = _home(value.table, level)
        return home is not None and self._tied_at_home(value, axis, home)

    def _in_scope(self, value: Any, axis: str) -> bool:
        """Say whether a value is a number of the scope, or `= ANY` of such."""
        while isinstance(value, Label | Grouping):
            value = value.element
        several = isinstance(value, CollectionAggregate) and value.operator is operators.any_op
        if several:
            value = value.element
            while isinstance(value, Grouping):
                value = value.element
        if isinstance(value, BindParameter):
            value = value.value
        numbers = value if several else [value]
        return type(numbers) is list and all(
            type(number) is int and number in self._ids[axis] for number in numbers
        )


def _froms(select: Any, explicit: Any, implicit: Any) -> Any:
    """Return what the compiler will show in FROM, given what the enclosing statements show."""
    state = select._compile_state_factory(select, _COMPILER)  # noqa: SLF001
    return state._get_display_froms(explicit, implicit)  # noqa: SLF001


def _spread(
    item: Any, equal: list[Equality], conditions: list[Any], optional: list[Equality] | None = None
) -> Iterator[tuple[Any, list[Equality] | None]]:
    """Yield the tables of a FROM item, each with the equalities that hold only if it is there.

    Those of inner joins go to `equal`, or to `optional` within the optional side of an outer join.
    """
    while isinstance(item, FromGrouping):
        item = item.element
    if type(item) is not Join:
        if type(item) not in FROM_KINDS:
            raise refused(type(item).__name__)
        yield item, optional
        return
    conditions.append(item.onclause)
    held = _equalities(item.onclause)
    if not item.isouter and not item.full:
        (equal if optional is None else optional).extend(held)
        yield from _spread(item.left, equal, conditions, optional)
        yield from _spread(item.right, equal, conditions, optional)
        return
    yield from _spread(item.left, equal, conditions, optional)
    yield from _spread(item.right, equal, conditions, [] if item.full else [*held])


def _equalities(condition: Any) -> list[Equality]:
    """Return both sides of each equality in a condition that must hold for the condition to."""
    if isinstance(condition, Grouping):
        return _equalities(condition.element)
    if isinstance(condition, BooleanClauseList) and condition.operator is operators.and_:
        return [pair for part in condition.clauses for pair in _equalities(part)]
    if isinstance(condition, BinaryExpression) and condition.operator is operators.eq:
        return [(condition.left, condition.right)]
    return []


def _home(rows: Any, level: _Level | None) -> _Level | None:
    """Return the level whose FROM has a table, unless another of its name stands before it."""
    while level is not None and rows is not None:
        found = level.rows.get(rows.name)
        if found is not None:
            return level if found is rows else None
        level = level.outer
    return None


def _owned(rows: Any) -> bool:
    kind = type(rows)
    if kind is TableValuedAlias:
        return rows.element.name in OWNED_FUNCTIONS
    table = rows.element if kind is Alias else rows
    return type(table) is Table and bool(table.info.get(SCOPED))


def _check_readable(table: Table) -> None:
    """Refuse a table of ours that is under no wall though it belongs to someone: API keys."""
    if not _owned(table) and axes_of(table) and is_ours(table):
        raise refused(f"table {table.name}")


def _check_target(table: Any) -> None:
    """Refuse changes of what all vendors share."""
    rows: Any = table
    if type(table) is Alias:
        rows = table.element
    check_table(rows)
    if not _owned(rows) and is_ours(rows):
        raise refused(f"a change of {rows.name}")


def _name_of(key: Any) -> Any:
    if isinstance(key, Column):
        return key.name
    if type(key) is not str:
        raise refused(f"a value for {type(key).__name__}")
    return key
