"""JSON values written as GraphQL literals, by the type of their place."""

import json
import random
import re
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    get_nullable_type,
)

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def literal(value: Any, kind: GraphQLInputType | None, rng: random.Random) -> str:
    """Write a value; one that is not of the type at all as JSON would have it."""
    kind = None if kind is None else get_nullable_type(kind)
    if isinstance(kind, GraphQLList):
        if isinstance(value, list):
            return f"[{', '.join(literal(one, kind.of_type, rng) for one in value)}]"
        return literal(value, kind.of_type, rng)  # one value stands for a list of it
    if isinstance(value, list):
        return f"[{', '.join(literal(one, None, rng) for one in value)}]"
    if isinstance(value, dict):
        fields = kind.fields if isinstance(kind, GraphQLInputObjectType) else {}
        parts = (
            f"{name}: {literal(one, fields[name].type if name in fields else None, rng)}"
            for name, one in value.items()
        )
        return f"{{{', '.join(parts)}}}"
    if isinstance(kind, GraphQLEnumType) and isinstance(value, str) and _NAME.fullmatch(value):
        return value
    return text(value, rng) if isinstance(value, str) else json.dumps(value)


def text(value: str, rng: random.Random) -> str:
    """Write a text: plain, with escapes for all beyond ASCII, or as a block."""
    kind = rng.randrange(12)
    plain = value.isprintable() and not {'"', "\\"}.intersection(value)
    if kind == 0 and value and plain and value == value.strip():
        return f'"""{value}"""'
    # the escapes of JSON, pairs of surrogates included, are escapes of GraphQL
    return json.dumps(value, ensure_ascii=kind == 1)
