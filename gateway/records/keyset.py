"""Keyset pages: a cursor is a place in an order, not a row number.

Pages therefore neither repeat nor skip a row while data changes.
"""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import partial
from itertools import product
from operator import itemgetter
from typing import Any, Final

import orjson
from sqlalchemy import (
    ColumnElement,
    and_,
    cast,
    literal,
    or_,
    tuple_,
)
from sqlalchemy.types import TypeEngine

from gateway.errors import BadInput, NotFound
from gateway.kinds import BIG_INTEGER, DATE, INSTANT, INTEGER, NUMERIC, TEXT
from gateway.recording import decide, derive, param, present
from gateway.tenancy.scope import AnyScope, Scope

DEFAULT_PAGE: Final = 50
MAX_PAGE: Final = 1000
MAX_BRANCHES: Final = 32
_WHOLE: Final[dict[Any, int]] = {INTEGER: 2**31, BIG_INTEGER: 2**63}


class Direction(Enum):
    """Sort direction: 正向 / 反向."""

    ASC = "ASC"
    DESC = "DESC"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the few values of a key, and the condition that a row has it.

    A value may have several choices, if their conditions exclude each other.
    """

    value: Any
    condition: ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Key:
    """One sort key: its public name, its expression and type, its direction.

    `choices` are all its values, if they are few and known beforehand. `bound` is what stands for
    a cursor's value in comparisons, if it is not the value itself.
    """

    name: str
    value: ColumnElement[Any]
    type: TypeEngine[Any]
    direction: Direction
    choices: tuple[Choice, ...] = ()
    bound: Callable[[Any], ColumnElement[Any]] | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list: the first so many after a cursor, or the last so many before one."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None
    within: str = ""
    """What goes before an argument's name in errors: `users.` for a list nested in figures."""
    peeks: bool = True
    """Whether one row more is asked for, to see whether the list goes on."""

    @classmethod
    def asked(
        cls,
        first: int | None,
        after: str | None,
        last: int | None = None,
        before: str | None = None,
        within: str = "",
    ) -> "Page":
        """Read a page's arguments, known or given."""
        return cls(present(first), present(after), present(last), present(before), within)

    @property
    def backward(self) -> bool:
        """Whether the page is counted from its end."""
        return self.last is not None

    @property
    def limit(self) -> ColumnElement[int]:
        """How many rows to ask for."""
        return literal(decide(_and_one if self.peeks else int, self.size), INTEGER)

    @property
    def size(self) -> int:
        """Rows on the page, 50 unless asked otherwise; BadInput for sizes out of range."""
        size: int = derive(_size, self.first, self.last, self.within)
        return size


def _size(first: int | None, last: int | None, within: str) -> int:
    if first is not None and last is not None:
        raise BadInput(
            "first and last exclude each other",
            "first与last不能同时使用",
            argument=f"{within}last",
            accepted="either first or last",
        )
    name, size = ("first", first) if last is None else ("last", last)
    if size is None:
        return DEFAULT_PAGE
    if not 0 <= size <= MAX_PAGE:
        raise BadInput(
            f"{name}: {size} is out of range",
            f"{name}：{size}超出范围",
            argument=f"{within}{name}",
            accepted=f"0 to {MAX_PAGE}",
        )
    return size


def _and_one(size: int) -> int:
    return size + 1


def encode(order: Sequence[str], values: Sequence[Any]) -> str:
    """Write a cursor: the order that it belongs to, and the row's place in it."""
    return base64.urlsafe_b64encode(orjson.dumps([list(order), list(values)])).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Bound:
    """A place in the order that all rows must lie behind (`forward`) or before."""

    values: Sequence[Any]
    forward: bool


def bounds(
    keys: Sequence[Key], page: Page, scope: AnyScope, vendor_at: int | None = None
) -> list[Bound]:
    """Read the page's cursors.

    `vendor_at` is the place of the key that is a vendor's number, which cursors carry as its code.
    """
    form = [(key.name, key.direction, key.type) for key in keys]
    found = []
    for name, cursor, forward in (("after", page.after, True), ("before", page.before, False)):
        if cursor is not None:
            read = partial(_decode, form, f"{page.within}{name}", vendor_at)
            values = scope.read(read, cursor)
            found.append(Bound([derive(itemgetter(i), values) for i in range(len(keys))], forward))
    return found


def beyond(keys: Sequence[Key], places: Sequence[Bound]) -> list[ColumnElement[bool]]:
    """Return the conditions that the bounds set."""
    return [_past(keys, one.values, forward=one.forward) for one in places]


def branches(
    keys: Sequence[Key], places: Sequence[Bound]
) -> Iterator[tuple[list[ColumnElement[bool]], Sequence[Key]]]:
    """Split a list by the choices of its leading keys.

    Yield each part's conditions, bounds included, and the keys by which it is sorted. An index that
    begins with such a key, or with the next one, then brings a part's first rows at once; a part
    that lies wholly outside the bounds is left out.
    """
    leading: list[Key] = []
    parts = 1
    for key in keys:
        parts *= len(key.choices)
        if not 0 < parts <= MAX_BRANCHES:
            break
        leading.append(key)
    rest = keys[len(leading) :]
    sides = [
        [_sides(key, value) for key, value in zip(leading, one.values, strict=False)]
        for one in places
    ]
    for picked in product(*(key.choices for key in leading)):
        inside = [
            _inside(leading, picked, rest, one, side)
            for one, side in zip(places, sides, strict=True)
        ]
        if not any(conditions is None for conditions in inside):
            given = [choice.condition for choice in picked]
            yield [*given, *(one for some in inside for one in some or ())], rest


def _inside(
    leading: Sequence[Key],
    picked: Sequence[Choice],
    rest: Sequence[Key],
    bound: Bound,
    sides: Sequence[Mapping[Any, int]],
) -> list[ColumnElement[bool]] | None:
    """Return what the bound asks of a part's rows; None where it leaves none of them."""
    for key, choice, side in zip(leading, picked, sides, strict=True):
        if side[choice.value] != 0:
            upward = (key.direction is Direction.ASC) is bound.forward
            return [] if (side[choice.value] > 0) is upward else None
    return [_past(rest, bound.values[len(leading) :], forward=bound.forward)]


def _sides(key: Key, value: Any) -> Mapping[Any, int]:
    """Return on which side of a value each choice lies: -1 before, 0 the same, 1 behind."""
    choices = [choice.value for choice in key.choices]
    sides = decide(lambda here: tuple((one > here) - (one < here) for one in choices), value)
    return dict(zip(choices, sides, strict=True))


def _past(keys: Sequence[Key], values: Sequence[Any], *, forward: bool) -> ColumnElement[bool]:
    """Write `(k1, k2, …) > (v1, v2, …)`; an index finds the place if the directions are one."""
    if len({key.direction for key in keys}) == 1:
        row = tuple_(*(key.value for key in keys))
        place = tuple_(*(_bound(key, value) for key, value in zip(keys, values, strict=True)))
        return row > place if (keys[0].direction is Direction.ASC) is forward else row < place
    alternatives: list[ColumnElement[bool]] = []
    equal: list[ColumnElement[bool]] = []
    bound: ColumnElement[bool] | None = None
    for key, value in zip(keys, values, strict=True):
        here = _bound(key, value)
        upward = (key.direction is Direction.ASC) is forward
        if bound is None:
            bound = key.value >= here if upward else key.value <= here
        alternatives.append(and_(*equal, key.value > here if upward else key.value < here))
        equal.append(key.value == here)
    return or_(*alternatives) if bound is None else and_(bound, or_(*alternatives))


def _bound(key: Key, value: Any) -> ColumnElement[Any]:
    """Return a value as a parameter; numbers and dates as text that the database reads.

    asyncpg would send the first and last dates of the calendar as PostgreSQL's infinities.
    """
    if key.bound is not None:
        return key.bound(value)
    if key.type in {DATE, NUMERIC}:
        return cast(param(value, TEXT), key.type)
    return param(value, key.type)


Form = tuple[str, Direction, TypeEngine[Any]]
"""A key's name, direction and type: all that a cursor is read by."""


def _decode(
    keys: Sequence[Form], name: str, vendor_at: int | None, scope: Scope, cursor: str
) -> list[Any]:
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        order, values = orjson.loads(base64.b64decode(padded, b"-_", validate=True))
        if order != [f"{key} {direction.value}" for key, direction, _ in keys]:
            raise BadInput(
                f"{name}: the cursor belongs to another order",
                f"{name}：该游标属于另一种排序",
                argument=name,
                accepted="a cursor of the same list with the same orderBy",
            )
        if not isinstance(values, list) or len(values) != len(keys):
            raise _bad(name)
        if vendor_at is not None:
            values[vendor_at] = scope.vendor_number(values[vendor_at])
        return [_read(kind, value, name) for (_, _, kind), value in zip(keys, values, strict=True)]
    except (NotFound, UnicodeError, ValueError, TypeError, InvalidOperation) as error:
        raise _bad(name) from error


def _read(kind: TypeEngine[Any], value: Any, name: str) -> Any:
    if kind is DATE:
        return value if value == "infinity" else date.fromisoformat(value).isoformat()
    if kind is INSTANT:
        at = datetime.fromisoformat(value)
        if at.tzinfo is not None:
            return at
    elif kind in _WHOLE:
        if type(value) is int and abs(value) < _WHOLE[kind]:
            return value
    elif (
        isinstance(value, str)
        and "\0" not in value
        and (kind is TEXT or Decimal(value).is_finite())
    ):
        return value
    raise _bad(name)


def _bad(name: str) -> BadInput:
    return BadInput(
        f"{name}: not a cursor of this list",
        f"{name}：不是本列表的游标",
        argument=name,
        accepted="an endCursor, startCursor or cursor that this list gave",
    )


def ordering(keys: Sequence[Key], *, backward: bool = False) -> list[ColumnElement[Any]]:
    """Return the ORDER BY of the keys, reversed for a page that is counted from its end."""
    return [
        key.value.desc() if (key.direction is Direction.DESC) is not backward else key.value.asc()
        for key in keys
    ]


def places(
    keys: Sequence[Key], vendor_at: int | None = None, code: ColumnElement[str] | None = None
) -> list[ColumnElement[Any]]:
    """Return a row's place as cursors carry it: exact numbers as text, the vendor by its code.

    A vendor's number never leaves the gateway.
    """
    found = [cast(key.value, TEXT) if key.type is NUMERIC else key.value for key in keys]
    if vendor_at is not None and code is not None:
        found[vendor_at] = code
    return found
