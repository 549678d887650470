"""The walk through the schema: selections with aliases, merged keys, fragments and directives."""

import random

from graphql import (
    GraphQLField,
    GraphQLIncludeDirective,
    GraphQLNamedType,
    GraphQLSchema,
    GraphQLSkipDirective,
    get_named_type,
    is_composite_type,
)

from .arguments import Arguments
from .measures import WEIGHTS, Fragment, Measure, leaves, wanted
from .parts import Call
from .scopes import ANY, Entry, Scope

DEEPEST = 13


class Selections:
    """Writes the selections of one document, with so many aliases at most in all of it."""

    def __init__(
        self, rng: random.Random, schema: GraphQLSchema, arguments: Arguments, aliases: int = 44
    ) -> None:
        self._rng, self._schema, self._arguments = rng, schema, arguments
        self._fields, self._aliases = 0, aliases
        self._depth = rng.choice((4, 6, 8, 8, 9, 11, DEEPEST))
        self._fragments: list[Fragment] = []
        self._names = 0
        self.calls: list[Call] = []
        self._measure = Measure()
        node = schema.type_map[ANY]
        self._nodes = [one.name for one in schema.get_possible_types(node)]  # type: ignore[arg-type]

    def operation(self, fields: int) -> tuple[str, Measure]:
        """Write one operation's selection set of about so many fields, and say what it has."""
        self._measure, self._fields = Measure(), fields
        query = self._schema.query_type
        assert query is not None
        return self._set(
            query, Scope(), 0, None, self._rng.choice((1, 1, 2, 2, 3, 4))
        ), self._measure

    def _set(
        self, kind: GraphQLNamedType, scope: Scope, depth: int, call: Call | None, size: int = 0
    ) -> str:
        """Write a selection set of a type: at least one field, or `__typename`."""
        rng = self._rng
        found: list[str] = []
        for _ in range(size or rng.choice((1, 2, 2, 3, 3, 4, 6))):
            if self._fields > 0 or not found:
                found.append(self._selection(kind, scope, depth, call))
        if size == 0 and rng.random() < 0.06:
            found += [self._leaf(kind, scope, name) for name in leaves(kind)]
        found = [one for one in found if one] or [self._typename(kind, scope)]
        return "{ " + " ".join(found) + " }"

    def _selection(
        self, kind: GraphQLNamedType, scope: Scope, depth: int, call: Call | None
    ) -> str:
        chance = self._rng.random()
        if kind.name == ANY and chance < 0.75:
            return self._conditioned(kind, scope, depth, call, self._rng.choice(self._nodes))
        if chance < 0.07:
            return self._typename(kind, scope)
        if chance < 0.15:
            return self._again(kind, scope, depth, call)
        if chance < 0.20:
            return self._conditioned(kind, scope, depth, call, kind.name)
        if chance < 0.23:
            return f"...{self._directives()} {self._set(kind, scope, depth, call)}"
        if chance < 0.25 and kind.name in self._nodes:
            return self._conditioned(kind, scope, depth, call, ANY)
        if chance < 0.33:
            return self._spread(kind, scope, depth, call)
        return self._new(kind, scope, depth, call)

    def _conditioned(
        self, kind: GraphQLNamedType, scope: Scope, depth: int, call: Call | None, on: str
    ) -> str:
        if kind.name == ANY and self._rng.random() < 0.3:
            return self._spread(self._schema.type_map[on], scope, depth, call)
        inner = self._set(self._schema.type_map[on], scope, depth, call)
        return f"... on {on}{self._directives()} {inner}"

    # Fields

    def _new(self, kind: GraphQLNamedType, scope: Scope, depth: int, outer: Call | None) -> str:
        """Select a field, under an alias if it pleases or if its name is taken."""
        rng = self._rng
        fields = kind.fields  # type: ignore[attr-defined]
        names = list(fields)
        if depth >= self._depth or self._fields <= 0:
            names = leaves(kind)
        weights = [WEIGHTS.get(name, 1) for name in names]
        if not names:
            return ""
        name = rng.choices(names, weights)[0]
        one: GraphQLField = fields[name]
        call, texts = None, {}
        if one.args:
            call = Call(f"{kind.name}.{name}", one.args, outer)
            self.calls.append(call)
            texts = self._arguments.write(call, wanted(rng, one))
        entry = Entry(
            name,
            texts,
            str(one.type),
            Scope() if is_composite_type(get_named_type(one.type)) else None,
            call,
            tuple(call.variables()) if call else (),
        )
        key = self._key(kind, scope, entry, names)
        if key is None:
            if call:
                self.calls.remove(call)
            return ""
        return self._written(kind, scope, key, entry, depth, outer)

    def _again(self, kind: GraphQLNamedType, scope: Scope, depth: int, outer: Call | None) -> str:
        """Select a field once more under a key that it has already, with other fields below."""
        held = [
            (key, one)
            for key, one in scope.on(kind.name).items()
            if one.below is None or depth < self._depth
        ]
        if not held or self._fields <= 0:
            return ""
        key, one = self._rng.choice(held)
        if key != one.name and self._aliases <= 0:
            return ""
        return self._written(kind, scope, key, one, depth, outer)

    def _written(
        self,
        kind: GraphQLNamedType,
        scope: Scope,
        key: str,
        one: Entry,
        depth: int,
        outer: Call | None,
    ) -> str:
        entry = scope.add(kind.name, key, one)
        measure = self._measure
        self._fields -= 1
        measure.fields += 1
        measure.deepest = max(measure.deepest, depth)
        measure.variables |= {variable.name: variable for variable in one.variables}
        if key != one.name:
            self._aliases -= 1
            measure.aliases += 1
        texts = [f"{name}: {text}" for name, text in one.arguments.items()]
        self._rng.shuffle(texts)
        text = f"{key}: {one.name}" if key != one.name else key
        text += (f"({', '.join(texts)})" if texts else "") + self._directives()
        if entry.below is None:
            return text
        inner = self._type_of(kind, one.name)
        return f"{text} {self._set(inner, entry.below, depth + 1, entry.call or outer)}"

    def _type_of(self, kind: GraphQLNamedType, name: str) -> GraphQLNamedType:
        return get_named_type(kind.fields[name].type)  # type: ignore[attr-defined]

    def _key(
        self, kind: GraphQLNamedType, scope: Scope, one: Entry, names: list[str]
    ) -> str | None:
        """Choose the response key: the name, another field's name, a common alias, or a new one."""
        rng = self._rng
        keys = [one.name]
        if self._aliases > 0:
            self._names += 1
            fresh = f"{one.name[0]}{self._names}"
            keys = [rng.choice((fresh, fresh, "x", "y", rng.choice(names))), one.name, fresh]
            if rng.random() < 0.7:
                keys = [one.name, fresh]
        return next((key for key in keys if scope.admits(kind.name, key, one)), None)

    def _leaf(self, kind: GraphQLNamedType, scope: Scope, name: str) -> str:
        one = kind.fields[name]  # type: ignore[attr-defined]
        entry = Entry(name, {}, str(one.type), None, None, ())
        if one.args or not scope.admits(kind.name, name, entry):
            return ""
        return self._written(kind, scope, name, entry, 0, None)

    def _typename(self, kind: GraphQLNamedType, scope: Scope) -> str:
        entry = Entry("__typename", {}, "String!", None, None, ())
        key = "__typename"
        if self._aliases > 0 and self._rng.random() < 0.2:
            key = self._key(kind, scope, entry, ["t"]) or key
        return self._written(kind, scope, key, entry, 0, None)

    # Fragments and directives

    def _spread(self, kind: GraphQLNamedType, scope: Scope, depth: int, call: Call | None) -> str:
        """Spread a named fragment: one that is there and goes with the rest, or a new one."""
        fit = [
            one
            for one in self._fragments
            if one.kind in {kind.name, ANY if kind.name in self._nodes else ""}
            and one.measure.fields <= self._fields
            and one.measure.aliases <= self._aliases
            and depth + one.measure.deepest <= DEEPEST
            and scope.admits_all(one.scope)
        ]
        if fit and self._rng.random() < 0.5:
            one = self._rng.choice(fit)
            self._fields -= one.measure.fields
            self._aliases -= one.measure.aliases
        else:
            made = self._fragment(kind, depth, call)
            if not scope.admits_all(made.scope):
                return ""
            one = made
        scope.add_all(one.scope)
        self._measure.add(one.measure, depth)
        self._measure.fragments[one.name] = one
        return f"...{one.name}{self._directives()}"

    def _fragment(self, kind: GraphQLNamedType, depth: int, call: Call | None) -> Fragment:
        outside, self._measure = self._measure, Measure()
        scope = Scope()
        text = self._set(kind, scope, depth, call)
        measure, self._measure = self._measure, outside
        measure.deepest = max(0, measure.deepest - depth)
        made = Fragment(f"F{len(self._fragments)}", kind.name, scope, text, measure)
        self._fragments.append(made)
        return made

    def _directives(self) -> str:
        rng = self._rng
        found = ""
        for name, directive in (
            ("skip", GraphQLSkipDirective),
            ("include", GraphQLIncludeDirective),
        ):
            if rng.random() < 0.05:
                call, text = self._arguments.flag(directive.args["if"], f"@{name}")
                self.calls.append(call)
                self._measure.variables |= {one.name: one for one in call.variables()}
                found += f" @{name}(if: {text})"
        return found
