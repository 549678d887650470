"""What may occur in a statement: kinds of elements, functions, operators, types and names.

An allow-list. An element of another class, a subclass of a listed one included, is refused; so is
each attribute of a listed class that is set and has no reader below. Raw SQL has therefore no place
to stand, also in releases of SQLAlchemy that add places. To let the gateway say more, add a word.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    JSON,
    Alias,
    BigInteger,
    BinaryExpression,
    BindParameter,
    Boolean,
    Case,
    Cast,
    CollectionAggregate,
    Column,
    ColumnClause,
    CompoundSelect,
    Date,
    DateTime,
    Delete,
    False_,
    Function,
    FunctionFilter,
    Insert,
    Integer,
    Interval,
    Label,
    LargeBinary,
    Lateral,
    Null,
    Numeric,
    Over,
    PrimaryKeyConstraint,
    ScalarSelect,
    Select,
    SmallInteger,
    String,
    Subquery,
    Table,
    TableValuedAlias,
    Text,
    True_,
    Tuple,
    TupleType,
    UnaryExpression,
    Unicode,
    UnicodeText,
    Update,
    Uuid,
    Values,
)
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.dialects.postgresql import ext
from sqlalchemy.dialects.postgresql.dml import OnConflictDoNothing, OnConflictDoUpdate
from sqlalchemy.sql import elements, functions, operators, selectable, sqltypes
from sqlalchemy.sql.selectable import LABEL_STYLE_DISAMBIGUATE_ONLY, LABEL_STYLE_NONE
from sqlalchemy.sql.visitors import ExternallyTraversible, InternalTraversal

from gateway.db.base import Base, CodeType
from gateway.errors import ScopeViolation

FUNCTIONS: Final = frozenset({
    "array_agg", "bool_and", "bool_or", "ceil", "char_length", "clock_timestamp", "coalesce",
    "concat", "convert_to", "count", "date_trunc", "dense_rank", "encode", "first_value", "floor",
    "gateway_analyze", "gateway_issue_embed", "gateway_revoke_embed", "gateway_sign_out",
    "greatest", "json_agg", "json_build_array", "json_build_object",
    "jsonb_agg", "jsonb_build_array", "jsonb_build_object", "lag", "last_value", "lead",
    "least", "left", "length", "lower", "ltrim", "max", "min", "nullif", "rank", "replace", "right",
    "round", "row_number", "starts_with", "string_agg", "strpos", "sum", "textsend", "to_char",
    "to_date", "to_json", "translate", "unnest", "upper",
})  # fmt: skip
"""What may be called: functions of their arguments alone, and the gateway's own."""

OWNED_FUNCTIONS: Final = frozenset({"gateway_find"})
"""Functions, for FROM only, whose rows belong to vendors as those of the table do that they return.

Their columns have that table's names, which an alias must not change.
"""

OPERATORS: Final = frozenset({
    operators.add, operators.and_, operators.any_op, operators.asc_op, operators.between_op,
    operators.comma_op, operators.concat_op, operators.desc_op, operators.distinct_op, operators.eq,
    operators.exists, operators.ge, operators.getitem, operators.gt, operators.in_op, operators.inv,
    operators.is_, operators.is_distinct_from, operators.is_false, operators.is_not,
    operators.is_not_distinct_from, operators.is_true, operators.le, operators.lt, operators.mul,
    operators.ne, operators.neg, operators.not_between_op, operators.not_in_op,
    operators.nulls_first_op, operators.nulls_last_op, operators.or_, operators.sub,
    operators.truediv,
})  # fmt: skip
"""`all_op` is not among them: `= ALL ('{}')` holds for every row."""

TYPES: Final = frozenset({
    BigInteger, Boolean, CodeType, Date, DateTime, Integer, Interval, JSON, LargeBinary, Numeric,
    SmallInteger, String, Text, Unicode, UnicodeText, Uuid, pg.JSONB, sqltypes.NullType,
    sqltypes.TableValueType, sqltypes.UUID,
})  # fmt: skip
"""Types without SQL of their own: a TypeDecorator could bring some."""

_LITERAL = re.compile(r"\*|-?[0-9]+|(interval )?'[A-Za-z0-9 ]*'(::date)?")
_FROM_NAME = re.compile(r"(?!.*_[0-9]+$)[a-z][a-z0-9_]{0,58}")
"""Names in FROM read the same in PostgreSQL: not cut, not folded, none that SQLAlchemy makes up."""
_COLLATIONS, _SIZES = frozenset({None, "C"}), frozenset({int, type(None)})
_MATERIALIZED = frozenset({"MATERIALIZED", "NOT MATERIALIZED"})
_PLAIN = frozenset(
    {bool, int, float, str, bytes, Decimal, date, datetime, time, timedelta, UUID, type(None)}
)

FROM_KINDS: Final = frozenset({Table, Alias, Subquery, Lateral, CTE, TableValuedAlias, Values})
"""What may stand in FROM, beside joins."""


def refused(what: object) -> ScopeViolation:
    """Return the error for what can't be checked."""
    return ScopeViolation(f"the guard does not know what this does: {what}")


Reader = Callable[[Any], Iterable[Any]]
"""Takes an attribute's value; returns the elements in it, or raises."""


def children(element: Any) -> Sequence[Any]:
    """Return what is directly in an element, or raise ScopeViolation if it may not occur.

    What is read or changed (FROM, INTO, the select of an insert) is not among it: that is looked at
    as a table. Neither is the table of a column.
    """
    kind = type(element)
    if kind is Column or kind is ColumnClause:
        _column(element)
        return ()
    readers = _KINDS.get(kind)
    if readers is None:
        raise refused(kind.__name__)
    found: list[Any] = []
    for name, read in readers:
        value = getattr(element, name)
        if value is not None:
            found += read(value)
    return found


def is_ours(table: Table) -> bool:
    """Say whether a table is one of the models', not another of the same name."""
    return Base.metadata.tables.get(table.name) is table


def check_table(table: Any) -> None:
    """Refuse a table that is neither one of ours nor temporary."""
    if type(table) is not Table:
        raise refused(type(table).__name__)
    if not is_ours(table):
        check_temporary(table)


def check_temporary(table: Table) -> None:
    """Refuse a table unless it ends with its transaction, and has a name and no SQL of its own."""
    if (
        table.name in Base.metadata.tables
        or table.schema is not None
        or table.name.startswith("pg_")
        or table._prefixes != ["TEMPORARY"]  # noqa: SLF001 (no public way to ask)
        or dict(table.dialect_kwargs) != {"postgresql_on_commit": "DROP"}
        or table.indexes
        or any(type(one) is not PrimaryKeyConstraint for one in table.constraints)
    ):
        raise refused(f"table {table.name}")
    check_from_name(table)
    for column in table.c:
        if column.default or column.onupdate or column.server_default or column.computed:
            raise refused(f"a default of {column}")
        _column(column)
        _type(column.type)


def check_from_name(rows: Any) -> None:
    """Refuse a name in FROM that PostgreSQL might read as another."""
    name = rows.name
    _name(name)
    if not isinstance(name, elements._anonymous_label) and not _FROM_NAME.fullmatch(name):  # noqa: SLF001
        raise refused(f"the name {name}")


def _nothing(value: Any) -> Iterable[Any]:
    if value:
        raise refused(type(value).__name__)
    return ()


def _anything(_: Any) -> Iterable[Any]:
    return ()


def _elements(value: Any) -> Iterable[Any]:
    """Return the elements in a value: one, or any nesting of lists; plain values become binds."""
    if isinstance(value, ExternallyTraversible):
        return (value,)
    if isinstance(value, dict):
        value = value.items()
    elif type(value) in _PLAIN:
        return ()
    elif not isinstance(value, tuple | list):
        if isinstance(value, Enum):
            return ()
        raise refused(f"a value of {type(value).__name__}")
    found: list[Any] = []
    for part in value:
        if isinstance(part, ExternallyTraversible):
            found.append(part)
        elif type(part) not in _PLAIN:
            found += _elements(part)
    return found


def _operator(value: Any) -> Iterable[Any]:
    if value not in OPERATORS:
        raise refused(f"operator {getattr(value, '__name__', value)}")
    return ()


def _type(value: Any) -> Iterable[Any]:
    kind = type(value)
    if kind is ARRAY or kind is pg.ARRAY:
        return _type(value.item_type)
    if kind is TupleType:
        return [one for part in value.types for one in _type(part)]
    if (
        kind not in TYPES
        or value._variant_mapping  # noqa: SLF001
        or getattr(value, "collation", None) not in _COLLATIONS
        or type(getattr(value, "length", None)) not in _SIZES
        or type(getattr(value, "precision", None)) not in _SIZES
        or type(getattr(value, "scale", None)) not in _SIZES
    ):
        raise refused(f"type {kind.__name__}")
    return ()


def _name(value: Any) -> Iterable[Any]:
    """Let a name pass that SQLAlchemy quotes where it must."""
    if not isinstance(value, str) or getattr(value, "quote", None) is False:
        raise refused(f"the name {value}")
    return ()


def _function(name: Any) -> Iterable[Any]:
    if name not in FUNCTIONS and name not in OWNED_FUNCTIONS:
        raise refused(f"function {name}")
    return _name(name)


def _column(column: Any) -> None:
    _name(column.name)
    if column.is_literal:
        if not _LITERAL.fullmatch(column.name):
            raise refused(f"raw SQL {column.name}")
        _type(column.type)
    elif column.table is None:
        raise refused(f"a column of no table, {column.name}")


def _style(value: Any) -> Iterable[Any]:
    if value not in {LABEL_STYLE_NONE, LABEL_STYLE_DISAMBIGUATE_ONLY}:
        raise refused(value)
    return ()


def _true(value: Any) -> Iterable[Any]:
    if value is not True:
        raise refused("a parameter by a name of its own")
    return ()


def _options(attributes: Any) -> Iterable[Any]:
    return _nothing(attributes.get("dialect_options"))


def _column_names(columns: Any) -> Iterable[Any]:
    for column in columns:
        _name(column.name)
        _type(column.type)
    return ()


def _prefixes(value: Any) -> Iterable[Any]:
    for text, dialect in value:
        if dialect not in {"*", "postgresql"} or str(text) not in _MATERIALIZED:
            raise refused(text)
    return ()


def _ctes(value: Any) -> Iterable[Any]:
    if any(options.nesting for options in value):
        raise refused("a CTE that is not at the top")
    return ()


_BY_VALUE: dict[Any, Reader] = {
    InternalTraversal.dp_clauseelement: _elements,
    InternalTraversal.dp_clauseelement_list: _elements,
    InternalTraversal.dp_clauseelement_tuple: _elements,
    InternalTraversal.dp_clauseelement_tuples: _elements,
    InternalTraversal.dp_dml_values: _elements,
    InternalTraversal.dp_dml_multi_values: _elements,
    InternalTraversal.dp_multi_list: _elements,
    InternalTraversal.dp_operator: _operator,
    InternalTraversal.dp_type: _type,
    InternalTraversal.dp_anon_name: _name,
    InternalTraversal.dp_boolean: _anything,
}
"""How to read an attribute by what SQLAlchemy says of it. Of other kinds nothing may be set."""

_TABLES = {
    "table", "select", "_select_names", "_extra_froms", "_from_obj", "_setup_joins",
    "_correlate", "_correlate_except", "_correlate_mode",
}  # fmt: skip
"""What `tenancy.guard` reads of a statement itself."""
_STATEMENT = {
    **dict.fromkeys((*_TABLES, "keyword", "dialect_options"), _anything),
    "__dict__": _options,
    "_label_style": _style,
    "_independent_ctes_opts": _ctes,
}
_CALL = {"name": _function, "_table_value_type": _type}
_SPECIAL: dict[Any, dict[str, Reader]] = {
    Select: _STATEMENT,
    CompoundSelect: _STATEMENT,
    Insert: _STATEMENT,
    pg.Insert: _STATEMENT,
    Update: _STATEMENT,
    Delete: _STATEMENT,
    CTE: {"element": _anything, "_cte_alias": _anything, "_prefixes": _prefixes}
    | dict.fromkeys(("recursive", "nesting"), _nothing),
    Values: {"_column_args": _column_names, "name": _anything, "_is_lateral": _nothing},
    TableValuedAlias: {"_render_derived_w_types": _nothing},
    BindParameter: {"value": _elements, "literal_execute": _nothing, "unique": _true},
    selectable._OffsetLimitParam: {"value": _elements, "literal_execute": _nothing},  # noqa: SLF001
    elements.FrameClause: dict.fromkeys(("lower_type", "upper_type"), _anything),
    Function: _CALL,
    **{
        getattr(functions, name): _CALL
        for name in FUNCTIONS
        if isinstance(getattr(functions, name, None), type)
    },
}


def _readers(kind: Any) -> tuple[tuple[str, Reader], ...]:
    own = _SPECIAL.get(kind, {})
    found = {name: _BY_VALUE.get(how, _nothing) for name, how in kind._traverse_internals}  # noqa: SLF001
    return tuple(item for item in (found | own).items() if item[1] is not _anything)


_KINDS: dict[Any, tuple[tuple[str, Reader], ...]] = {
    kind: _readers(kind)
    for kind in (
        *_SPECIAL,
        *(BinaryExpression, elements.IndexExpression, UnaryExpression, elements.AsBoolean),
        *(elements.BooleanClauseList, elements.ExpressionClauseList, elements.ClauseList, Tuple),
        *(Case, Cast, elements.TypeClause, CollectionAggregate, elements.Grouping, Label),
        *(Null, True_, False_, Over, FunctionFilter, elements.AggregateOrderBy),
        *(ext.aggregate_order_by, ext.DistinctOnClause, elements.ElementList, elements.OrderByList),
        *(ScalarSelect, selectable.Exists, selectable.SelectStatementGrouping),
        *(elements._label_reference, selectable.ForUpdateArg, elements.DMLTargetCopy),  # noqa: SLF001
        *(OnConflictDoNothing, OnConflictDoUpdate),
    )
}
