"""How arguments are written: as literals, as variables, or part of each; and their variables' values.

A field's arguments are kept as parts, so that its variables can be given other values that still go
with the literals beside them: a cursor with its order, `countedAs` with `countedIn`.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    GraphQLArgument,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLList,
    Undefined,
    get_nullable_type,
    is_non_null_type,
)

from .literals import literal
from .values import DEPENDS, Place, Values, ranked

ABSENT: Final = object()
_SCOPED = {"vendor", "vendors", "after", "before"}
"""Values that go with one caller: as literals they would not hold for another."""


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


class Arguments:
    """Writes the arguments of one document's fields; its variables are declared in `declared`."""

    def __init__(self, rng: random.Random, values: Values) -> None:
        self.rng, self._values = rng, values
        self.declared: dict[str, Variable] = {}
        self._alike: dict[tuple[str, ...], list[Variable]] = {}

    def write(self, call: Call, names: list[str]) -> dict[str, str]:
        """Fill the call's parts; return the arguments' texts."""
        given: dict[str, Any] = {}
        for name in sorted(names, key=ranked):
            part = self._part(call.place(name, {}), call.parts, given)
            call.parts[name] = part
            if isinstance(part, Fixed):
                given[name] = part.value
        return {name: self._text(part, call.place(name, {})) for name, part in call.parts.items()}

    def flag(self, directive: GraphQLArgument, name: str) -> tuple[Call, str]:
        """Write the condition of `@skip` or `@include`."""
        call = Call(name, {name: directive}, None)
        place = call.place(name, {})
        if self.rng.random() < 0.6:
            call.parts[name] = self._variable(place)
        else:
            call.parts[name] = Fixed(self._values.value(place, {}))
        return call, self._text(call.parts[name], place)

    def _part(self, place: Place, beside: Mapping[str, Part], given: dict[str, Any]) -> Part:
        rng = self.rng
        follows = any(
            any(variables_in(beside[name]))
            for name in DEPENDS.get(place.name, ())
            if name in beside
        )
        cursor_inside = place.nested and place.name == "after"
        scoped = place.name in _SCOPED and rng.random() < 0.85
        if follows or cursor_inside or scoped or rng.random() < 0.35:
            return self._variable(place)
        kind = get_nullable_type(place.kind)
        if not is_non_null_type(place.kind) and rng.random() < 0.04:
            return Fixed(None)
        if isinstance(kind, GraphQLInputObjectType) and rng.random() < 0.8:
            return self._fields(place, kind)
        if isinstance(kind, GraphQLList) and rng.random() < 0.5:
            element = place.element()
            return Items(
                tuple(self._part(element, {}, {}) for _ in range(rng.choice((1, 1, 2, 2, 3))))
            )
        return Fixed(self._values.value(place, given))

    def _fields(self, place: Place, kind: GraphQLInputObjectType) -> Fields:
        parts: dict[str, Part] = {}
        given: dict[str, Any] = {}
        for name in self._values.names(place, kind):
            parts[name] = self._part(place.under(name, kind.fields[name].type), parts, given)
            part = parts[name]
            if isinstance(part, Fixed):
                given[name] = part.value
        return Fields(parts)

    def _variable(self, place: Place) -> Variable:
        """Declare a variable, or take one again that stands in such a place already."""
        rng = self.rng
        root = place.path[0] if place.name == "filter" else ""
        alike = self._alike.setdefault((root, place.name, str(place.kind)), [])
        if alike and place.name not in DEPENDS and rng.random() < 0.25:
            return rng.choice(alike)
        needs = is_non_null_type(place.kind)
        inner = str(place.kind).removesuffix("!")
        kind, default = inner, ABSENT
        may_default = place.name not in {*DEPENDS, *_SCOPED}
        has_default = place.name in {"direction", "by"} and not place.in_list
        if needs and not has_default:
            with_default = may_default and rng.random() < 0.2
            kind = inner if with_default else f"{inner}!"
        else:
            with_default = may_default and rng.random() < 0.25
            if place.name not in DEPENDS and rng.random() < 0.2:
                kind = f"{inner}!"
        if with_default:
            empty = not needs and not kind.endswith("!") and rng.random() < 0.15
            default = None if empty else self._values.value(place, {})
        made = Variable(
            name=f"{place.name.removeprefix('@')}{len(self.declared) or ''}",
            kind=kind,
            default=default,
            default_text="" if default is ABSENT else literal(default, place.kind, rng),
            required=kind.endswith("!") and default is ABSENT,
            null_allowed=not needs and not kind.endswith("!"),
        )
        self.declared[made.name] = made
        alike.append(made)
        return made

    def _text(self, part: Part, place: Place) -> str:
        kind = get_nullable_type(place.kind)
        if isinstance(part, Variable):
            return f"${part.name}"
        if isinstance(part, Fields):
            assert isinstance(kind, GraphQLInputObjectType)
            inner = (
                f"{name}: {self._text(one, place.under(name, kind.fields[name].type))}"
                for name, one in part.parts.items()
            )
            return f"{{{', '.join(inner)}}}"
        if isinstance(part, Items):
            return f"[{', '.join(self._text(one, place.element()) for one in part.parts)}]"
        return literal(part.value, place.kind, self.rng)


def has_default(one: GraphQLArgument | GraphQLInputField) -> bool:
    return one.default_value is not Undefined and one.default_value is not None


class Filling:
    """Gives the variables of calls their values, each in view of what stands beside it."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self.drawn: dict[str, Any] = {}
        self._known: dict[int, dict[str, Any]] = {}

    def fill(self, call: Call) -> None:
        outer = self._known.get(id(call.outer), {})
        given: dict[str, Any] = {}
        for name, part in call.parts.items():
            value = self._value(part, call.place(name, outer), given)
            if value is not ABSENT:
                given[name] = value
        self._known[id(call)] = given

    def _value(self, part: Part, place: Place, given: dict[str, Any]) -> Any:
        if isinstance(part, Fixed):
            return part.value
        if isinstance(part, Variable):
            if part.name not in self.drawn:
                self.drawn[part.name] = self._draw(part, place, given)
            drawn = self.drawn[part.name]
            return part.default if drawn is ABSENT else drawn
        if isinstance(part, Items):
            return [self._value(one, place.element(), {}) for one in part.parts]
        kind = get_nullable_type(place.kind)
        assert isinstance(kind, GraphQLInputObjectType)
        found: dict[str, Any] = {}
        for name, one in part.parts.items():
            value = self._value(one, place.under(name, kind.fields[name].type), found)
            if value is not ABSENT:
                found[name] = value
        return found

    def _draw(self, variable: Variable, place: Place, given: dict[str, Any]) -> Any:
        rng = self._values.rng
        chance = rng.random()
        unlikely = 0.25 if place.nested and place.name == "first" else 1.0
        if self._values.wrong and chance < self._values.wrong / 4:
            return rng.choice((ABSENT, None))
        if not variable.required and chance < 0.12 * unlikely:
            return ABSENT
        if variable.null_allowed and chance < 0.2 * unlikely:
            return None
        return self._values.value(place, given)
