"""How a field's arguments are written: as literals, as variables, or part of each."""

import random
from collections.abc import Mapping
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLInputObjectType,
    GraphQLList,
    get_nullable_type,
    is_non_null_type,
)

from .literals import literal
from .parts import ABSENT, Call, Fields, Fixed, Items, Part, Variable, variables_in
from .places import DEPENDS, Place, ranked
from .values import Values

_SCOPED = {"vendor", "vendors", "after", "before"}
"""Values that go with one caller: as literals they would not hold for another."""


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
