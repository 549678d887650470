"""What is left to the executor."""

from collections.abc import Iterable
from typing import Any, Final

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
)

FIELDS: Final = frozenset({
    "Query.exchanges", "Query.interfaceSpecs", "Query.licences", "Vendor.licences",
    "Product.exchange", "Product.interfaceSpecs", "Query.auditEvents",
})  # fmt: skip
"""Fields without a compiler: a document that selects one is the executor's as a whole."""

KINDS: Final = frozenset({"Exchange", "InterfaceSpec", "Licence"})
"""Types whose objects the root field `node` does not compile."""


def selects_uncompiled(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Iterable[FragmentDefinitionNode],
) -> bool:
    """Say whether a valid query or its fragments select a field that is left to the executor."""
    waiting: list[tuple[Any, SelectionSetNode]] = [(schema.query_type, operation.selection_set)]
    waiting += [(_on(schema, one), one.selection_set) for one in fragments]
    while waiting:
        kind, below = waiting.pop()
        for node in below.selections:
            if isinstance(node, FieldNode):
                name = node.name.value
                if f"{kind.name}.{name}" in FIELDS:
                    return True
                if node.selection_set is not None:
                    waiting.append((get_named_type(kind.fields[name].type), node.selection_set))
            elif isinstance(node, InlineFragmentNode):
                narrower = kind if node.type_condition is None else _on(schema, node)
                waiting.append((narrower, node.selection_set))
    return False


def _on(schema: GraphQLSchema, fragment: FragmentDefinitionNode | InlineFragmentNode) -> Any:
    """Return the type that a fragment is on."""
    assert fragment.type_condition is not None  # noqa: S101 (the caller has looked)
    return schema.get_type(fragment.type_condition.name.value)
