"""How much parts of a document have, and how often fields and arguments are chosen."""

import random
from dataclasses import dataclass, field

from graphql import (
    GraphQLField,
    GraphQLNamedType,
    get_named_type,
    is_composite_type,
    is_non_null_type,
)

from .parts import Variable, has_default
from .scopes import Scope

EXECUTORS = ("findings", "findingRules")
"""Root fields that are not compiled: never drawn, so that the two paths can be compared."""
WEIGHTS = {"edges": 3, "nodes": 5, "users": 5, "monthlyStats": 4, "node": 2, "changes": 3,
            "totals": 2, "otherServices": 1.5, "history": 1.5, "fields": 2, "previousMonth": 2,
            "sameMonthLastYear": 2, "viewer": 0.6, "vendor": 0.9,
            "licences": 0.25, "exchanges": 0.45, "interfaceSpecs": 0.25, "exchange": 0.1,
            "quantities": 0.1, "feeLines": 0.15, "feesByPack": 0.15, "unapprovedCount": 0.05,
            **dict.fromkeys(EXECUTORS, 0.0)}  # fmt: skip
WANTED = {"first": 0.85, "vendors": 0.25, "search": 0.4, "after": 0.3, "last": 0.15,
           "before": 0.2, "year": 0.2, "asOf": 0.25, "orderBy": 0.5, "filter": 0.5, "rulePack": 0.03}  # fmt: skip


@dataclass
class Measure:
    """How much a part of a document has, fragments counted wherever they are spread."""

    fields: int = 0
    aliases: int = 0
    deepest: int = 0
    variables: dict[str, Variable] = field(default_factory=dict)
    fragments: dict[str, "Fragment"] = field(default_factory=dict)

    def add(self, other: "Measure", depth: int) -> None:
        self.fields += other.fields
        self.aliases += other.aliases
        self.deepest = max(self.deepest, depth + other.deepest)
        self.variables |= other.variables
        self.fragments |= other.fragments


@dataclass
class Fragment:
    name: str
    kind: str
    scope: Scope
    text: str
    measure: Measure


def wanted(rng: random.Random, one: GraphQLField) -> list[str]:
    """Choose arguments: those that are required, and some of the others."""
    by_year = "year" in one.args and rng.random() < 0.3
    found = []
    for name, argument in one.args.items():
        if by_year and name in {"from", "to"}:
            continue
        required = is_non_null_type(argument.type) and not has_default(argument)
        if required or rng.random() < WANTED.get(name, 0.35):
            found.append(name)
    return found


def leaves(kind: GraphQLNamedType) -> list[str]:
    """Return the fields that have no selection of their own."""
    fields = kind.fields  # type: ignore[attr-defined]
    return [n for n, one in fields.items() if not is_composite_type(get_named_type(one.type))]
