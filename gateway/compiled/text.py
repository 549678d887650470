"""JSON as text in SQL: what a statement concatenates to a response.

It has no spaces, and escapes what orjson escapes: the bytes are those of the executor's answer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, FunctionElement, Text, case, cast, func, literal
from sqlalchemy.dialects.postgresql import aggregate_order_by


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON value: pieces of text, and expressions of type text that are never null."""

    pieces: tuple[str | ColumnElement[Any], ...]

    def __add__(self, other: "Json") -> "Json":
        return Json((*self.pieces, *other.pieces))

    @property
    def text(self) -> ColumnElement[str]:
        """The value as one expression, for short texts: the operator is quicker than the call."""
        return reduce(lambda left, right: left.concat(right), self._parts())

    @property
    def long_text(self) -> ColumnElement[str]:
        """The value as one expression, for long texts: the call copies each piece only once."""
        parts = self._parts()
        while len(parts) > _MOST:
            parts = [
                func.concat(*parts[i : i + _MOST], type_=Text) for i in range(0, len(parts), _MOST)
            ]
        return func.concat(*parts, type_=Text)

    def unwrapped(self) -> tuple[str, "Json", str]:
        """Return the constant text before and behind, and the value between."""
        pieces = list(self.pieces)
        before: list[str] = []
        behind: list[str] = []
        while pieces and isinstance(pieces[0], str):
            before.append(pieces.pop(0))  # type: ignore[arg-type]
        while pieces and isinstance(pieces[-1], str):
            behind.insert(0, pieces.pop())  # type: ignore[arg-type]
        return "".join(before), Json(tuple(pieces)), "".join(behind)

    def _parts(self) -> list[ColumnElement[Any]]:
        merged: list[str | ColumnElement[Any]] = []
        for piece in self.pieces:
            if isinstance(piece, str) and merged and isinstance(merged[-1], str):
                merged[-1] += piece
            elif not (isinstance(piece, str) and piece == ""):
                merged.append(piece)
        return [literal(one, Text) if isinstance(one, str) else one for one in merged or [""]]


_MOST: Final = 90
"""Arguments of a call; PostgreSQL takes a hundred at the most."""


def raw(*pieces: str | ColumnElement[Any]) -> Json:
    """Return pieces that make JSON."""
    return Json(pieces)


def constant(value: Any) -> Json:
    """Return a value that is the same in all answers."""
    return raw(orjson.dumps(value).decode())


NULL = constant(None)
LABEL = 'YYYY"年"MM"月"'
"""A month as pages show it, for `to_char`."""


def scalar(value: ColumnElement[Any]) -> Json:
    """Return a text, date or number that is never null."""
    return raw(cast(func.to_json(value), Text))


def number(value: ColumnElement[Any]) -> Json:
    """Return a whole number that is never null."""
    return raw(cast(value, Text))


def nullable(value: ColumnElement[Any]) -> Json:
    """Return a text, date or number, or null."""
    return raw(func.coalesce(cast(func.to_json(value), Text), literal("null", Text)))


def boolean(condition: ColumnElement[bool]) -> Json:
    """Return true or false; false for null."""
    return raw(case((condition, literal("true", Text)), else_=literal("false", Text)))


def name(column: ColumnElement[int], names: Sequence[str]) -> Json:
    """Return a code's name; codes count from 1. Null for null."""
    texts = {i + 1: literal(f'"{one}"', Text) for i, one in enumerate(names)}
    return raw(case(texts, value=column, else_=literal("null", Text)))


def instant(value: ColumnElement[Any]) -> Json:
    """Return an instant as Python's isoformat writes it, or null. The session is in UTC."""
    whole = func.date_trunc(literal("second", Text), value) == value
    written = case(
        (whole, func.to_char(value, literal('YYYY-MM-DD"T"HH24:MI:SS"+00:00"', Text))),
        else_=func.to_char(value, literal('YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"', Text)),
    )
    return nullable(written)


def encoded(json: Json) -> Json:
    """Return JSON as an opaque text: base64 for URLs, without padding."""
    data = func.encode(func.convert_to(json.text, literal("UTF8", Text)), literal("base64", Text))
    plain = func.translate(data, literal("+/=\n", Text), literal("-_", Text), type_=Text)
    return raw('"', plain, '"')


def array(items: Iterable[Json]) -> Json:
    """Return an array of so many items."""
    found = raw("[")
    for i, item in enumerate(items):
        found = found + raw("," if i else "") + item
    return found + raw("]")


def mapping(fields: Iterable[tuple[str, Json]]) -> Json:
    """Return an object."""
    found = raw("{")
    for i, (key, value) in enumerate(fields):
        found = found + raw("," if i else "", orjson.dumps(key).decode(), ":") + value
    return found + raw("}")


def optional(there: ColumnElement[bool], value: Json) -> Json:
    """Return a value where a condition holds, else null."""
    return raw(case((there, value.text), else_=literal("null", Text)))


def gathered(
    item: Json, *order: ColumnElement[Any], where: ColumnElement[bool] | None = None
) -> Json:
    """Return an array of rows' values, in order: an aggregate."""
    return raw("[", joined(item.text, ",", *order, where=where), "]")


def joined(
    text: ColumnElement[str],
    between: str,
    *order: ColumnElement[Any],
    where: ColumnElement[bool] | None = None,
) -> ColumnElement[str]:
    """Return rows' texts, in order and with something between them: an aggregate."""
    divider: Any = literal(between, Text)
    every: FunctionElement[Any] | Any = func.string_agg(
        text, aggregate_order_by(divider, *order) if order else divider, type_=Text
    )
    return func.coalesce(every if where is None else every.filter(where), literal("", Text))
