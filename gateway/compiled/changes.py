"""What imports changed, in JSON text."""

from functools import partial
from typing import Any

from pydantic.alias_generators import to_camel
from sqlalchemy import ColumnElement, FromClause, and_, case, func, literal, select

from gateway.compiled.lists import Connection, Listed, connection, paged
from gateway.compiled.objects import Row, written
from gateway.compiled.request import Request
from gateway.compiled.text import ROW, Json, constant, name, number, optional, plain_nullable, raw
from gateway.kinds import TEXT
from gateway.records.changes import ChangeKind, change_rows, differences, numbers_of, state
from gateway.records.models import CONTENT
from gateway.resolvers.changes import read_changes
from gateway.schema.change import CODES, HEADING
from gateway.schema.selection import Selected
from gateway.tenancy.scope import AnyScope


def changes(request: Request, selected: Selected) -> Json:
    """Return the root field `changes`."""
    request.by_values = True
    listed, paging = read_changes(request.scope, **selected.arguments)
    rows = change_rows(listed, paged(paging, selected))
    numbers = numbers_of(listed)

    def total(_: Listed, __: Selected) -> Json:
        return number(numbers.select(numbers.total))

    def counts(_: Listed, one: Selected) -> Json:
        counted = numbers.counted()
        row = Row({}, {column.name: partial(_number, column) for column in counted.c})
        json = written("ChangeCounts", one.below, row)
        return raw(select(json.text).select_from(counted).scalar_subquery())

    what = Connection(
        "ChangeConnection",
        "Change",
        lambda row: _row(rows.values(row), row, request.scope),
        {"totalCount": total, "counts": counts},
    )
    return raw(connection(what, selected, rows))


def _number(value: ColumnElement[int], _: Selected) -> Json:
    return number(value)


def _row(values: Any, row: FromClause, scope: AnyScope) -> Row:
    return Row(
        values,
        {
            "kind": lambda _: name(row.c.kind, [kind.name for kind in ChangeKind]),
            "before": partial(_state, row, "before", scope),
            "after": partial(_state, row, "after", scope),
            "fields": partial(_fields, row, scope),
        },
    )


def _state(row: FromClause, when: str, scope: AnyScope, selected: Selected) -> Json:
    there, values = state(row, when, scope)
    return optional(there, written("UserState", selected.below, Row(values)))


def _fields(row: FromClause, scope: AnyScope, selected: Selected) -> Json:
    """Return the fields that a change made different; none of a line that came or went."""
    was, before = state(row, "before", scope)
    still, after = state(row, "after", scope)
    changed = differences(row)
    parts: list[ColumnElement[str]] = []
    for column in CONTENT:
        values: dict[str, Json] = {
            "field": constant(to_camel(column)),
            "heading": constant(HEADING[column]),
            "before": _text(column, before[column]),
            "after": _text(column, after[column]),
        }
        item = written(
            "FieldChange",
            selected.below,
            Row({}, {key: partial(_known, value) for key, value in values.items()}),
        )
        parts.append(
            case(
                (and_(was, still, changed[column]), (raw(",", ROW) + item).text),
                else_=literal("", TEXT),
            )
        )
    listed = func.ltrim(func.concat(*parts, type_=TEXT), literal(",", TEXT), type_=TEXT)
    return raw("[", listed, "]")


def _known(value: Json, _: Selected) -> Json:
    return value


def _text(column: str, value: ColumnElement[Any]) -> Json:
    codes = CODES.get(column)
    if codes is not None:
        return name(value, [code.name for code in codes])
    return plain_nullable(value)
