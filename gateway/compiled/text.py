"""JSON as text in SQL: what a statement concatenates to a response.

To escape each text by itself takes a third of a statement's time. So quotation marks and
backslashes that belong to JSON are written as two control characters, texts of records as they are,
and `unmarked` escapes the texts and puts the real ones in, over the whole answer at once. A
record's texts have no control characters: the import rules see to it (`regulation.text`), and
exports rely on it too. All other texts are escaped by the database.

There are no spaces, and what is escaped is what orjson escapes: the bytes are those of the
executor's answer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, case, cast, func, literal
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import ExpressionClauseList

from gateway.kinds import TEXT

_SHORT: Final = 200
_QUOTE, _BACKSLASH = "\x02", "\x04"
ROW: Final = "\x03"
"""Where an object of a list begins; in no text, so that objects can be counted."""
_ROW: Final = ROW.encode()
REFUSAL: Final = "\x07"
"""What stands in the place of a value that can't be written: the executor tells why."""
_REAL: Final = bytes.maketrans(f"{_QUOTE}{_BACKSLASH}".encode(), b'"\\')
"""Marks to what they stand for: one pass, however many there are."""
_MARKS: Final = str.maketrans({'"': _QUOTE, "\\": _BACKSLASH})
LABEL: Final = 'YYYY"年"MM"月"'
"""A month as pages show it, for `to_char`."""
_MOST: Final = 90
"""Arguments of a call; PostgreSQL takes a hundred at the most."""


def marked(json: str) -> str:
    """Return JSON with marks for quotation marks and backslashes."""
    return json.translate(_MARKS)


REFUSED: Final = marked(orjson.dumps(REFUSAL).decode())[1:-1].encode()
"""How a refusal looks in an answer: the database escapes the text in which it stands."""
_ESCAPES: Final = _BACKSLASH.encode()


def refuses(answer: bytes) -> bool:
    """Whether an answer has a refusal; most have no escape at all, which is soon seen."""
    return _ESCAPES in answer and REFUSED in answer


def count_of(mark: bytes, text: bytes) -> int:
    """Return how often a byte is in a text: by taking it out, which is quicker than counting."""
    return len(text) - len(text.replace(mark, b""))


def json_of(answer: bytes) -> tuple[bytes, int]:
    """Return an answer as JSON, and how many objects there are in its lists."""
    if b"\\" in answer:
        answer = answer.replace(b"\\", b"\\\\")
    if b'"' in answer:
        answer = answer.replace(b'"', b'\\"')
    json = answer.translate(_REAL, _ROW)
    return json, len(answer) - len(json)


def unmarked(answer: bytes) -> bytes:
    """Return an answer as JSON."""
    return json_of(answer)[0]


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON value: pieces of marked text, and expressions of type text that are never null."""

    pieces: tuple[str | ColumnElement[Any], ...]

    def __add__(self, other: "Json") -> "Json":
        return Json((*self.pieces, *other.pieces))

    @property
    def text(self) -> ColumnElement[str]:
        """The value as one expression, for short texts: the operator is quicker than the call."""
        parts = self._parts()
        if len(parts) == 1:
            return parts[0]
        # one by one, each step would copy all those before it
        return ExpressionClauseList._construct_for_list(  # noqa: SLF001
            operators.concat_op, TEXT, *parts
        )

    @property
    def long_text(self) -> ColumnElement[str]:
        """The value as one expression, for long texts: the call copies each piece only once."""
        parts = self._parts()
        while len(parts) > _MOST:
            parts = [
                func.concat(*parts[i : i + _MOST], type_=TEXT) for i in range(0, len(parts), _MOST)
            ]
        return func.concat(*parts, type_=TEXT)

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
        return [said(one) if isinstance(one, str) else one for one in merged or [""]]


def said(text: str) -> ColumnElement[str]:
    """Return a constant text; short ones are in many statements, so that each is made once."""
    return _kept(text) if len(text) <= _SHORT else literal(text, TEXT)


@lru_cache(maxsize=10_000)
def _kept(text: str) -> ColumnElement[str]:
    return literal(text, TEXT)


def raw(*pieces: str | ColumnElement[Any]) -> Json:
    """Return pieces that make JSON, marked already."""
    return Json(pieces)


def constant(value: Any) -> Json:
    """Return a value that is the same in all answers."""
    return raw(marked(orjson.dumps(value).decode()))


NULL: Final = constant(None)
_NULL: Final = said("null")


def scalar(value: ColumnElement[Any]) -> Json:
    """Return any value that is never null."""
    return raw(_escaped(value))


def nullable(value: ColumnElement[Any]) -> Json:
    """Return any value, or null."""
    return raw(func.coalesce(_escaped(value), _NULL))


def _escaped(value: ColumnElement[Any]) -> ColumnElement[str]:
    json = cast(func.to_json(value), TEXT)
    real, marks = said('"\\'), said(_QUOTE + _BACKSLASH)
    return func.translate(json, real, marks, type_=TEXT)


def plain(value: ColumnElement[Any]) -> Json:
    """Return a text without control characters, a date or an exact number; never null."""
    return raw(_QUOTE, cast(value, TEXT), _QUOTE)


def plain_nullable(value: ColumnElement[Any]) -> Json:
    """Return the same, or null."""
    return raw(func.coalesce(plain(value).text, _NULL))


def number(value: ColumnElement[Any]) -> Json:
    """Return a whole number that is never null."""
    return raw(cast(value, TEXT))


def boolean(condition: ColumnElement[bool]) -> Json:
    """Return true or false; false for null."""
    return raw(case((condition, said("true")), else_=said("false")))


def name(column: ColumnElement[int], names: Sequence[str]) -> Json:
    """Return a code's name; codes count from 1. Null for null."""
    return chosen(column, dict(enumerate(names, start=1)))


def chosen(column: ColumnElement[int], texts: dict[int, str]) -> Json:
    """Return the text that belongs to a number; null for any other and for null."""
    found = {number: constant(text).text for number, text in texts.items()}
    return raw(case(found, value=column, else_=_NULL)) if found else NULL


def instant(value: ColumnElement[Any]) -> Json:
    """Return an instant as Python's isoformat writes it, or null. The session is in UTC."""
    whole = func.date_trunc(said("second"), value) == value
    written = case(
        (whole, func.to_char(value, said('YYYY-MM-DD"T"HH24:MI:SS"+00:00"'))),
        else_=func.to_char(value, said('YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')),
    )
    return plain_nullable(written)


def encoded(values: Sequence[Any]) -> Json:
    """Return an array of constants, columns and arrays as an opaque text: base64 for URLs."""
    text = func.convert_to(_array(values).text, said("UTF8"))
    data = func.encode(text, said("base64"))
    opaque = func.translate(data, said("+/=\n"), said("-_"), type_=TEXT)
    return raw(_QUOTE, opaque, _QUOTE)


def _array(values: Sequence[Any]) -> Json:
    """Return real JSON, not marked."""
    found = raw("[")
    for i, value in enumerate(values):
        divider = "," if i else ""
        if isinstance(value, ColumnElement):
            found = found + raw(divider, cast(func.to_json(value), TEXT))
        elif isinstance(value, list):
            found = found + raw(divider) + _array(value)
        else:
            found = found + raw(divider, orjson.dumps(value).decode())
    return found + raw("]")


def mapping(fields: Iterable[tuple[str, Json]]) -> Json:
    """Return an object."""
    pieces: list[str | ColumnElement[Any]] = []
    for key, value in fields:
        pieces += [",", *constant(key).pieces, ":", *value.pieces]
    return raw("{", *pieces[1:], "}")


def optional(there: ColumnElement[bool], value: Json) -> Json:
    """Return a value where a condition holds, else null."""
    return raw(case((there, value.text), else_=_NULL))


def gathered(
    item: Json, *order: ColumnElement[Any], where: ColumnElement[bool] | None = None
) -> Json:
    """Return an array of rows' objects, in order: an aggregate."""
    return raw("[", joined((raw(ROW) + item).text, ",", *order, where=where), "]")


def joined(
    text: ColumnElement[str],
    between: str,
    *order: ColumnElement[Any],
    where: ColumnElement[bool] | None = None,
) -> ColumnElement[str]:
    """Return rows' texts, in order and with something between them: an aggregate."""
    divider: Any = said(between)
    every: Any = func.string_agg(
        text, aggregate_order_by(divider, *order) if order else divider, type_=TEXT
    )
    return func.coalesce(every if where is None else every.filter(where), said(""))
