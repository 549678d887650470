"""A statement as it is asked again and again: its text, with constants in it, and its places.

SQLAlchemy's compiler makes a parameter of each value, named, counted and cast for itself. Most
values of a compiled operation are constants: keys of its JSON, names of codes. They are written at
once, as they are met; of the others each has one place, wherever it is used.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import BindParameter, Column, Select
from sqlalchemy.dialects.postgresql.asyncpg import PGCompiler_asyncpg, PGDialect_asyncpg
from sqlalchemy.types import TypeEngine

from gateway.errors import ScopeViolation
from gateway.recording import slot_of

Place = tuple[int | None, Any]
"""What fills a place: the slot of what is given, or a value that can't be written."""
_WRITTEN: Final = frozenset({str, int, type(None)})


def written(statement: Select[Any]) -> tuple[str, Sequence[Place]]:
    """Return a statement's text as the driver takes it, and what fills its places in order."""
    compiled: Any = statement.compile(dialect=_DIALECT)
    return compiled.string, list(compiled.places.values())


class _Compiler(PGCompiler_asyncpg):
    """SQLAlchemy's compiler, but for parameters; and columns, half of all, by a shorter way."""

    def __init__(self, *args: Any, **given: Any) -> None:
        self.places: dict[BindParameter[Any], Place] = {}
        self._known: dict[Any, str] = {}
        super().__init__(*args, **given)

    def visit_bindparam(self, bindparam: BindParameter[Any], **_: Any) -> str:  # type: ignore[override]
        """Return a constant, or a place."""
        known = self._known.get(bindparam)
        if known is None:
            known = self._known[bindparam] = self._parameter(bindparam)
        return known

    def visit_column(self, column: Any, *args: Any, **given: Any) -> str:
        """Return a column's name, which is the same wherever no result is told of it."""
        if args or given.get("add_to_result_map") or not given.get("include_table", True):
            return super().visit_column(column, *args, **given)
        known = self._known.get(column)
        if known is None:
            known = self._known[column] = super().visit_column(column, **given)
        return known

    def _label_select_column(  # type: ignore[override]
        self, select: Any, column: Any, tells: Any, asfrom: Any, *args: Any, **given: Any
    ) -> str:
        """Return a column of a subquery with its label, which no result is told of either."""
        if asfrom and not tells and type(column) is Column and not given.get("name"):
            label: str = self.preparer.quote(column.name)
            return f"{self.visit_column(column)} AS {label}"
        compiler: Any = super()
        found: str = compiler._label_select_column(  # noqa: SLF001 (its own)
            select, column, tells, asfrom, *args, **given
        )
        return found

    def _parameter(self, parameter: BindParameter[Any]) -> str:
        if parameter.expanding or parameter.required or parameter.callable is not None:
            raise TypeError("the driver takes values only: compare with an array in one parameter")
        cast, process = _way(parameter.type)
        slot = slot_of(parameter._orig_key)  # noqa: SLF001 (the key itself has a number behind it)
        if slot is None:
            value = parameter.value
            if process is not None:
                value = process(value)
            if type(value) in _WRITTEN:
                return _literal(value) + cast
        self.places[parameter] = (slot, value if slot is None else None)
        return f"${len(self.places)}{cast}"


class _Dialect(PGDialect_asyncpg):
    statement_compiler = _Compiler
    supports_statement_cache = False


_DIALECT: Final = _Dialect()  # type: ignore[no-untyped-call]


@lru_cache(maxsize=1000)
def _way(kind: TypeEngine[Any]) -> tuple[str, Callable[[Any], Any] | None]:
    """Return the cast behind a parameter of a type, and what makes the driver's value of one."""
    here: Any = kind.dialect_impl(_DIALECT)
    if here._has_bind_expression:  # noqa: SLF001 (no public way to ask)
        raise TypeError(f"a parameter of {kind!r}")
    plain: Any = kind._unwrapped_dialect_impl(_DIALECT)  # noqa: SLF001
    cast = ""
    if plain.render_bind_cast:
        compiler: Any = _Compiler(_DIALECT, None)
        cast = compiler.render_bind_cast(kind, plain, "")
    return cast, here.bind_processor(_DIALECT)


def _literal(value: str | int | None) -> str:
    """Write a constant into the text: the planner knows it, and it is not sent each time."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return f"({value})"
    if "\0" in value:
        raise ScopeViolation("a NUL in a constant")
    quoted = value.replace("\\", "\\\\").replace("'", "''")
    return f"E'{quoted}'"
