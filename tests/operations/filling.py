"""The values of an operation's variables, each in view of what stands beside it."""

from collections.abc import Mapping
from typing import Any

from graphql import GraphQLInputObjectType, get_nullable_type

from .parts import ABSENT, Call, Fixed, Items, Part, Variable
from .places import Place
from .values import Values

_TRIES = 8


class Filling:
    """Gives the variables of calls their values, each in view of what stands beside it.

    If there are others that they are to be like, a plan that serves those mostly serves them too.
    """

    def __init__(self, values: Values, like: Mapping[str, Any] | None = None) -> None:
        self._values, self._like = values, like
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
                self.drawn[part.name] = self._alike(part, place, given)
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

    def _alike(self, variable: Variable, place: Place, given: dict[str, Any]) -> Any:
        if self._like is None:
            return self._draw(variable, place, given)
        other = self._like.get(variable.name, ABSENT)
        if place.name == "orderBy":
            return other
        tries = (self._draw(variable, place, given) for _ in range(_TRIES))
        return next((one for one in tries if _form(one) == _form(other)), other)

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


def _form(value: Any) -> Any:
    """What statements are mostly built by: what is there, and which way a switch stands."""
    if isinstance(value, dict):
        return {name: _form(one) for name, one in value.items()}
    if isinstance(value, list):
        return [*map(_form, value[:1])]
    return value if value is ABSENT or value is None or isinstance(value, bool) else "something"
