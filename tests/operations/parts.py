"""A field's arguments taken apart: what of them is literal, and what is a variable.

Its variables can then be given other values that still go with the literals beside them: a cursor
with its order, `countedAs` with `countedIn`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import GraphQLArgument, GraphQLInputField, Undefined

from .places import Place

ABSENT: Final = object()


@dataclass(frozen=True)
class Fixed:
    value: Any


@dataclass(frozen=True)
class Variable:
    """`kind` is its type as declared; `needed` says whether null and nothing would be refused."""

    name: str
    kind: str
    default: Any
    default_text: str
    required: bool
    null_allowed: bool

    def declared(self) -> str:
        default = "" if self.default is ABSENT else f" = {self.default_text}"
        return f"${self.name}: {self.kind}{default}"


@dataclass(frozen=True)
class Fields:
    parts: dict[str, "Part"]


@dataclass(frozen=True)
class Items:
    parts: tuple["Part", ...]


Part = Fixed | Variable | Fields | Items
Taken = Mapping[str, GraphQLArgument] | Mapping[str, GraphQLInputField]


@dataclass
class Call:
    """One field's arguments, or a directive's; `outer` are those of the field around."""

    coordinate: str
    taken: Taken
    outer: "Call | None"
    parts: dict[str, Part] = field(default_factory=dict)

    def place(self, name: str, outer: Mapping[str, Any]) -> Place:
        return Place((self.coordinate, name), self.taken[name].type, outer)

    def variables(self) -> Iterator[Variable]:
        for part in self.parts.values():
            yield from variables_in(part)


def variables_in(part: Part) -> Iterator[Variable]:
    if isinstance(part, Variable):
        yield part
    elif isinstance(part, Fields):
        for one in part.parts.values():
            yield from variables_in(one)
    elif isinstance(part, Items):
        for one in part.parts:
            yield from variables_in(one)


def has_default(one: GraphQLArgument | GraphQLInputField) -> bool:
    return one.default_value is not Undefined and one.default_value is not None
