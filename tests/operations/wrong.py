"""Values that the gateway refuses, in every way in which it does."""

import random
from typing import Any, Final

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    get_nullable_type,
    is_non_null_type,
)

from .material import Material, Reach

NOTHING: Final = object()
_CURSORS = (
    "",
    "x",
    "!!!",
    "e30",
    "W10",
    "W1tdLFtdXQ",
    "\U0001f600",
    "=",
    "W1siVVNFUl9JRCBBU0MiXSxbMV1d",
)
_SIZES = (-1, 1001, 2**31 - 1, 2**31, "ten", 1.5, True, "3", 3.0)
_INSTANTS = (
    *("2999-01-01T00:00:00Z", "2024-01-01T00:00:00", "yesterday", "", 0, "2024-01-01"),
    *("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+14:00", "2024-13-01T00:00:00Z"),
)
_DAYS = ("2024-02-30", "", "20240101", 20240101, "0000-01-01", "2024-1-1", "x" * 300)
_MONTHS = ("2024-13", "0000-01", "x", 202401, "", "2024-1", "2024年01月", '"\\', "9999-12")
_TEXTS = ("\x00", "a\x00b", "x" * 100_000, 1, True, {"a": 1}, ["x"])


def wrong_value(
    rng: random.Random, name: str, kind: GraphQLInputType, material: Material, reach: Reach
) -> Any:
    """Return a value that should be refused, or NOTHING where none is known."""
    options = _options(rng, name, kind, material, reach)
    if is_non_null_type(kind):
        options.append(None)
    return rng.choice(options) if options else NOTHING


def _options(
    rng: random.Random, name: str, kind: GraphQLInputType, material: Material, reach: Reach
) -> list[Any]:
    one = get_nullable_type(kind)
    others = [code for other in material.reaches.values() for code in other.vendors]
    named = ["NOBODY", "", *(code for code in others if code not in reach.vendors), "\x00"]
    if isinstance(one, GraphQLList):
        return [[], [None], {}, *([code] for code in named if name in {"vendors", "products"})]
    if isinstance(one, GraphQLInputObjectType):
        return [{"nope": 1}, "x", [], {next(iter(one.fields)): {}}]
    if isinstance(one, GraphQLEnumType):
        return ["NOPE", "", 1, next(iter(one.values)).lower(), *list(one.values)[:2]]
    if name in {"after", "before"}:
        return [*_CURSORS, *rng.sample(material.all_cursors(), 4)]
    if name in {"vendors", "vendor", "products"}:
        return named
    if name == "year":
        return [0, 9999, -1, 9998, 1, "2024", 2**31]
    if name == "id":
        return [1, 2**40, 1.5, {"a": 1}, "\x00"]
    return list(
        {
            "Int": _SIZES,
            "DateTime": _INSTANTS,
            "Date": _DAYS,
            "Month": _MONTHS,
            "String": _TEXTS,
            "Boolean": ("true", 1, 0),
        }.get(str(one), ())
    )
