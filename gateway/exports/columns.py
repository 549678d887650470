"""The statutory columns as SQL text, in the layout's order: the database does the formatting."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Text,
    case,
    cast,
    func,
    literal,
)

from gateway.records.known import OPEN_END
from gateway.records.users import UserList, whole
from gateway.regulation.layouts import DOWNLOAD, MISSING, MONTHLY, Field, Kind, Layout
from gateway.statistics.grid import StatList
from gateway.statistics.stats import whole_stats


def user_lines(
    users: UserList, among: Callable[[FromClause], ColumnElement[bool]] | None = None
) -> Select[*tuple[Any, ...]]:
    """Return the eleven columns of the user download (一、1), in list order.

    `among` is a further condition on a record.
    """
    return _lines(DOWNLOAD, *whole(users, among))


def monthly_lines(stats: StatList) -> Select[*tuple[Any, ...]]:
    """Return the nine columns of the monthly download (一、2), in list order."""
    return _lines(MONTHLY, *whole_stats(stats))


def _lines(
    layout: Layout, columns: dict[str, ColumnElement[Any]], rows: Select[*tuple[Any, ...]]
) -> Select[*tuple[Any, ...]]:
    return rows.add_columns(*cells(layout, columns))


def cells(layout: Layout, columns: Mapping[str, ColumnElement[Any]]) -> list[ColumnElement[str]]:
    """Return a line's cells as text, of columns named as the layout's fields."""
    return [_text(field, columns[field.name]) for field in layout.fields]


def _text(field: Field, value: ColumnElement[Any]) -> ColumnElement[str]:
    match field.kind:
        case Kind.CODE if field.codes is not None:
            texts = {int(code): literal(text, Text) for text, code in field.codes.texts().items()}
            found: ColumnElement[str] = case(texts, value=value)
        case Kind.DATE:
            found = func.to_char(value, "YYYYMMDD")
            if field.open_end:
                found = case((value == OPEN_END, MISSING), else_=found)
        case Kind.MONTH:
            found = func.to_char(value, "YYYYMM")
        case Kind.TEXT | Kind.COUNT | Kind.MONEY | Kind.CODE:
            found = func.coalesce(cast(value, Text), MISSING)
    return found.label(field.name)
