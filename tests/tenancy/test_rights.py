"""Rights: every type and field of the schema declares what it needs, and what it declares holds."""

import re
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import graphql
import pytest
from test_schema_cases import AUDITED, CASES, SCHEMA, documents_for
from worlds import SZSE, World, unsealed

from gateway.records.personal import PERSONAL
from gateway.resolvers.query import build_schema
from gateway.schema import asked
from gateway.schema.needs import Masked, Needs
from gateway.tenancy import principal
from gateway.tenancy.principal import Right, Role

T = TypeVar("T")
BUILT = build_schema()
ALL = frozenset(Right) - {Right.IMPORT, Right.ADMINISTER, Right.ISSUE_TOKENS}
"""The rights that the graph asks for."""


def directive_of(definition: Any, kind: type[T]) -> T | None:
    """The directive of a kind that a type or field has itself; None where it has none."""
    strawberry_definition = definition.extensions.get("strawberry-definition")
    directives = getattr(strawberry_definition, "directives", None) or ()
    return next((one for one in directives if isinstance(one, kind)), None)


def declared(definition: Any) -> frozenset[Right] | None:
    """What a type or field declares itself; None where it does not."""
    found = directive_of(definition, Needs)
    return None if found is None else frozenset(found.rights)


def roots(schema: graphql.GraphQLSchema) -> set[Any]:
    return {schema.query_type, schema.mutation_type, schema.subscription_type} - {None}


def undeclared(schema: graphql.GraphQLSchema) -> set[str]:
    """The types, and the fields of the roots, that say nothing of rights."""
    found = set()
    for kind in schema.type_map.values():
        if not isinstance(kind, graphql.GraphQLObjectType) or kind.name.startswith("__"):
            continue
        if kind not in roots(schema):
            if declared(kind) is None:
                found.add(kind.name)
            continue
        for name, field in kind.fields.items():
            inner = graphql.get_named_type(field.type)
            by_type = kind is schema.query_type and (
                isinstance(inner, graphql.GraphQLInterfaceType) or declared(inner) is not None
            )
            if declared(field) is None and not by_type:
                found.add(f"{kind.name}.{name}")
    return found


def test_all_of_the_schema_declares_what_it_needs() -> None:
    assert undeclared(SCHEMA) == set()


def test_what_is_new_must_declare_it() -> None:
    schema = graphql.build_schema(
        "type Query { a: Int b: B } type Mutation { c: B } type B { d: Int }"
    )
    assert undeclared(schema) == {"Query.a", "Query.b", "Mutation.c", "B"}


def test_what_is_masked_is_declared_so() -> None:
    """The fields that the log counts as persons' own or that may hold such, and no others."""
    found = {
        (kind.name, name): directive.unless
        for kind in SCHEMA.type_map.values()
        if isinstance(kind, graphql.GraphQLObjectType)
        for name, field in kind.fields.items()
        if (directive := directive_of(field, Masked)) is not None
    }
    own = {(kind, name) for kind in asked._OWN for name in PERSONAL.values()}
    whole = asked._WHOLE - set(asked._ABOUT)
    assert found == dict.fromkeys(own | whole, Right.READ_PERSONAL)


def needed(document: str) -> frozenset[Right]:
    """All that a document's fields declare; of a node, as far as it is of the fragment's type."""
    found: set[Right] = set()
    info = graphql.TypeInfo(SCHEMA)
    node = re.search(r'node\(id: "([^"]+)"', document)
    kind = unsealed(node[1])[0] if node else None

    class Collector(graphql.Visitor):
        def enter_inline_fragment(self, fragment: graphql.InlineFragmentNode, *_: Any) -> Any:
            condition = fragment.type_condition
            other = condition is not None and kind is not None and condition.name.value != kind
            return graphql.SKIP if other else None

        def enter_field(self, *_: Any) -> None:
            for definition in (info.get_parent_type(), info.get_field_def()):
                if definition is not None:
                    found.update(declared(definition) or ())

    graphql.visit(graphql.parse(document), graphql.TypeInfoVisitor(info, Collector()))
    return frozenset(found)


@pytest.fixture(params=["compiled", "executor"])
async def either(market: World, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "compiled":
        yield market
    else:
        async with market.executing() as world:
            yield world


@pytest.mark.parametrize("missing", sorted(ALL - {Right.READ_PERSONAL}, key=lambda one: one.value))
async def test_no_field_is_told_without_what_it_declares(
    either: World, monkeypatch: pytest.MonkeyPatch, missing: Right
) -> None:
    """Any field that declares a right is refused without it, and any other is told."""
    asked = {field: await documents_for(SZSE, field, either) for field in CASES}
    monkeypatch.setattr(principal, "_RIGHTS", dict.fromkeys(Role, ALL - {missing}))
    outcomes = set()
    for field, documents in asked.items():
        for document in documents[:2]:
            errors = (await either.ask(SZSE, document)).json().get("errors")
            assert bool(errors) == (missing in needed(document)), (field, document, errors)
            for error in errors or ():
                assert error["extensions"]["code"] == "NOT_FOUND"
                assert missing.value in error["message"]
            outcomes.add(bool(errors))
    assert outcomes == {True, False}


@pytest.mark.parametrize("role", [Role.VENDOR_AUDITOR, Role.LICENSOR_AUDITOR])
def test_an_auditor_reads_the_log_and_nothing_else(role: Role) -> None:
    assert role.rights == {Right.READ_AUDIT}
    assert all(needed(document) == role.rights for name in AUDITED for document in CASES[name])


def test_nobody_who_works_reads_the_log() -> None:
    both = [role for role in Role if Right.READ_AUDIT in role.rights and len(role.rights) > 1]
    assert both == []
    assert Right.ISSUE_TOKENS not in Role.PLATFORM_OPERATOR.rights
