"""The second wall: a statement on vendor-owned rows without its scope's predicate is refused.

For every place where a statement reads or changes a vendor-owned table, each axis of the table
(vendor, and product where it has one) must be tied, by a condition that always holds, to values
within the scope: directly, or by equality with the same axis of another table, subquery or CTE,
which is looked at in turn.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    CTE,
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    CollectionAggregate,
    ColumnElement,
    Delete,
    Insert,
    Join,
    Select,
    Table,
    Update,
)
from sqlalchemy import select as make_select
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import ColumnClause, Grouping, Label, TextClause
from sqlalchemy.sql.selectable import AliasedReturnsRows, FromClause, Subquery

from gateway.db.base import SCOPED
from gateway.errors import ScopeViolation
from gateway.tenancy.scope import AXES, Scope

_COMPILER = make_select(1)._default_compiler()  # noqa: SLF001


def check(statement: visitors.ExternallyTraversible, scope: Scope) -> None:
    """Raise ScopeViolation unless every vendor-owned table in the statement is tied to the scope.

    `statement` is any SQLAlchemy Core statement; its subqueries, CTEs and correlated parts count.
    """
    for part in _parts(statement):
        if isinstance(part, TextClause):
            raise ScopeViolation(f"raw SQL can't be checked: {part}")
        if isinstance(part, ColumnClause) and part.is_literal and "(" in part.name:
            raise ScopeViolation(f"raw SQL can't be checked: {part.name}")
        if isinstance(part, Select):
            _check_select(part, scope)
        elif isinstance(part, Update | Delete):
            _check_change(part, scope)
        elif isinstance(part, Insert):
            _check_insert(part, scope)


def _parts(element: Any) -> Iterator[Any]:
    """Yield an element and all that is in it, each part once however often it is used."""
    seen: set[int] = set()
    waiting = [element]
    while waiting:
        part = waiting.pop()
        if isinstance(part, tuple | list):
            waiting.extend(part)
        elif id(part) not in seen and isinstance(part, visitors.ExternallyTraversible):
            seen.add(id(part))
            yield part
            waiting.extend(part.get_children())


def _owned(rows: Any) -> bool:
    while isinstance(rows, AliasedReturnsRows) and isinstance(rows.element, FromClause):
        if isinstance(rows, Subquery | CTE):
            return False
        rows = rows.element
    return isinstance(rows, Table) and bool(rows.info.get(SCOPED))


def _flat(rows: FromClause, conditions: list[Any]) -> Iterator[FromClause]:
    """Yield the tables of a FROM item; inner joins' conditions always hold, outer joins' do not."""
    if isinstance(rows, Join):
        if not rows.isouter and not rows.full:
            conditions.extend(_conjuncts(rows.onclause))
            yield from _flat(rows.left, conditions)
            yield from _flat(rows.right, conditions)
            return
        inner: list[Any] = [] if rows.full else list(_conjuncts(rows.onclause))
        yield from _flat(rows.left, conditions)
        for table in _flat(rows.right, inner):
            yield _OuterJoined(table, inner) if _owned(table) else table  # type: ignore[misc]
        return
    yield rows


class _OuterJoined:
    """A table on the optional side of an outer join: only the join's own condition binds it."""

    def __init__(self, rows: FromClause, conditions: list[Any]) -> None:
        self.rows, self.conditions = rows, conditions


def _check_select(select: Select[*tuple[Any, ...]], scope: Scope) -> None:
    conditions = list(_conjuncts(select.whereclause))
    found: list[Any] = []
    for item in _froms(select):
        found.extend(_flat(item, conditions))
    here = [rows.rows if isinstance(rows, _OuterJoined) else rows for rows in found]
    for rows in found:
        if isinstance(rows, _OuterJoined):
            _require(rows.rows, [*conditions, *rows.conditions], here, scope)
        elif _owned(rows):
            _require(rows, conditions, here, scope)


def _froms(select: Any) -> Any:
    """Return what `get_final_froms` does, without its compiling the whole statement each time."""
    return select._compile_state_factory(select, _COMPILER)._get_display_froms()  # noqa: SLF001


def _check_change(change: Update | Delete, scope: Scope) -> None:
    conditions = list(_conjuncts(change.whereclause))
    here: list[Any] = [change.table]
    for condition in conditions:
        for part in _parts(condition):
            if isinstance(part, ColumnClause) and _owned(part.table) and part.table not in here:
                here.append(part.table)
    for rows in here:
        if _owned(rows):
            _require(rows, conditions, here, scope)


def _check_insert(insert: Insert, scope: Scope) -> None:
    if not _owned(insert.table):
        return
    axes = [axis for axis in AXES if axis in insert.table.c]
    if insert.select is not None:
        names = list(insert._select_names or ())  # noqa: SLF001 (no public way to ask)
        given = dict(zip(names, insert.select.selected_columns, strict=True))
        rows: list[dict[str, Any]] = [given]
    else:
        values: Any = insert._multi_values or ((insert._values or {},),)  # noqa: SLF001
        rows = [
            {getattr(key, "name", key): value for key, value in row.items()}
            for many in values
            for row in many
        ]
    for row in rows:
        for axis in axes:
            if not _tied_value(row.get(axis), axis, scope):
                raise ScopeViolation(f"insert into {insert.table.name} outside the scope's {axis}")


def _tied_value(value: Any, axis: str, scope: Scope) -> bool:
    while isinstance(value, Label | Grouping):
        value = value.element
    if isinstance(value, BindParameter):
        value = value.value
    if isinstance(value, ColumnClause):
        return value.name == axis and isinstance(value.table, FromClause)
    return isinstance(value, int) and value in scope.ids(axis)


def _conjuncts(condition: Any) -> Iterator[Any]:
    if condition is None:
        return
    if isinstance(condition, Grouping):
        yield from _conjuncts(condition.element)
    elif isinstance(condition, BooleanClauseList) and condition.operator is operators.and_:
        for part in condition.clauses:
            yield from _conjuncts(part)
    else:
        yield condition


def _require(rows: FromClause, conditions: list[Any], here: list[Any], scope: Scope) -> None:
    for axis in AXES:
        if axis in rows.c and not _tied(rows.c[axis], axis, conditions, here, scope):
            raise ScopeViolation(f"no predicate of the scope on {rows}.{axis}")


def _tied(
    column: ColumnElement[Any],
    axis: str,
    conditions: list[Any],
    here: list[Any],
    scope: Scope,
    seen: frozenset[int] = frozenset(),
) -> bool:
    """Follow equalities from a column until one reaches the scope or another checked source.

    A subquery, a CTE and a table of an enclosing statement (not `here`) are checked on their own.
    """
    for condition in conditions:
        if (
            id(condition) in seen
            or not isinstance(condition, BinaryExpression)
            or condition.operator is not operators.eq
        ):
            continue
        sides = (condition.left, condition.right)
        for one, other in (sides, sides[::-1]):
            if one is not column:
                continue
            if not isinstance(other, ColumnClause):
                if _in_scope(other, axis, scope):
                    return True
            elif other.name == axis and isinstance(other.table, FromClause):
                if not (_owned(other.table) and other.table in here):
                    return True
                if _tied(other, axis, conditions, here, scope, seen | {id(condition)}):
                    return True
    return False


def _in_scope(value: Any, axis: str, scope: Scope) -> bool:
    while isinstance(value, CollectionAggregate | Grouping):
        value = value.element
    if not isinstance(value, BindParameter):
        return False
    values = value.value if isinstance(value.value, list) else [value.value]
    return set(values) <= set(scope.ids(axis))
