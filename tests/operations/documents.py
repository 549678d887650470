"""Whole operations: a document, which of its operations to run, and the values of its variables."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from graphql import GraphQLSchema

from .arguments import Arguments
from .filling import Filling
from .material import Material
from .measures import Fragment, Measure
from .parts import ABSENT, Call, Variable
from .selections import Selections
from .values import Values

FIELDS = 60
WRONG_DOCUMENTS, WRONG_VALUES = 0.015, 0.04
"""The share of documents with wrong literals, and of values' sets with wrong ones."""
STATED = 0.8
"""The share of requests that state a purpose."""


@dataclass(frozen=True)
class Operation:
    """One request, as a caller would send it; `caller` is whose world the values are of."""

    document: str
    operation_name: str | None
    variables: dict[str, Any]
    caller: str
    purpose: str | None
    """For what the caller sees personal data; None: masks."""
    calls: Sequence[Call] = field(repr=False, compare=False)
    names: Sequence[str | None] = field(repr=False, compare=False)

    @property
    def body(self) -> dict[str, Any]:
        name = {} if self.operation_name is None else {"operationName": self.operation_name}
        return {"query": self.document, "variables": self.variables, **name}


def operation(
    rng: random.Random,
    schema: GraphQLSchema,
    material: Material,
    caller: str | None = None,
    fields: int = FIELDS,
) -> Operation:
    """Draw an operation of a caller's, with so many fields at most."""
    caller = caller or rng.choice(list(material.reaches))
    wrong = 0.12 if rng.random() < WRONG_DOCUMENTS else 0.0
    arguments = Arguments(rng, Values(rng, material, material.reaches[caller], wrong))
    several = rng.choice((1,) * 8 + (2, 3))
    selections = Selections(rng, schema, arguments)
    written = [selections.operation(rng.randint(3, max(3, fields))) for _ in range(several)]
    names: list[str | None] = [f"Q{i}" for i in range(several)]
    if several == 1 and rng.random() < 0.6:
        names = [None]
    document = _document(rng, list(zip(names, written, strict=True)))
    empty = Operation(document, names[0], {}, caller, "test", selections.calls, names)
    return vary(rng, empty, material, caller)


def revalue(
    rng: random.Random, one: Operation, material: Material, caller: str | None = None
) -> Operation:
    """The same operation with other right values of the same forms, of the same caller or another's."""
    caller = caller or one.caller
    filling = Filling(Values(rng, material, material.reaches[caller]), one.variables)
    return replace(one, variables=_filled(filling, one), caller=caller, purpose=_purpose(rng))


def vary(
    rng: random.Random, one: Operation, material: Material, caller: str | None = None
) -> Operation:
    """The same document with other values for its variables, of the same caller or another's.

    Of a document's several operations, it may be another one.
    """
    caller = caller or one.caller
    wrong = 0.35 if rng.random() < WRONG_VALUES else 0.0
    variables = _filled(Filling(Values(rng, material, material.reaches[caller], wrong)), one)
    name = rng.choice(one.names)
    if rng.random() < (0.5 if len(one.names) == 1 else 0.05):
        name = None  # of several operations the first
    if wrong and rng.random() < 0.1:
        name = rng.choice(("Nothing", "", None))
    purpose = _purpose(rng)
    return replace(one, operation_name=name, variables=variables, caller=caller, purpose=purpose)


def _purpose(rng: random.Random) -> str | None:
    return "test" if rng.random() < STATED else None


def _filled(filling: Filling, one: Operation) -> dict[str, Any]:
    for call in one.calls:
        filling.fill(call)
    return {name: value for name, value in filling.drawn.items() if value is not ABSENT}


def _document(rng: random.Random, written: Sequence[tuple[str | None, tuple[str, Measure]]]) -> str:
    fragments: dict[str, Fragment] = {}
    parts = []
    for name, (text, measure) in written:
        fragments |= measure.fragments
        parts.append(_head(rng, name, list(measure.variables.values())) + text)
    parts += [f"fragment {one.name} on {one.kind} {one.text}" for one in fragments.values()]
    if rng.random() < 0.3:
        rng.shuffle(parts)
    return rng.choice((" ", "\n", "\n\n", " # and, then\n")).join(parts)


def _head(rng: random.Random, name: str | None, variables: list[Variable]) -> str:
    if name is None and not variables:
        return rng.choice(("", "query "))
    rng.shuffle(variables)
    declared = ", ".join(one.declared() for one in variables)
    return f"query {name or ''}{f'({declared})' if declared else ''} "
