"""What is left to the executor."""

from collections.abc import Iterable
from typing import Any, Final

from graphql import FieldNode, GraphQLSchema, Node, TypeInfo, TypeInfoVisitor, Visitor, visit

FIELDS: Final = frozenset({
    "Query.exchanges", "Query.interfaceSpecs", "Query.licences", "Vendor.licences",
    "Product.exchange", "Product.interfaceSpecs", "Query.auditEvents",
})  # fmt: skip
"""Fields without a compiler: a document that selects one is the executor's as a whole."""

KINDS: Final = frozenset({"Exchange", "InterfaceSpec", "Licence"})
"""Types whose objects the root field `node` does not compile."""


def selects_uncompiled(schema: GraphQLSchema, parts: Iterable[Node]) -> bool:
    """Say whether operations or fragments select a field that is left to the executor."""
    info = TypeInfo(schema)
    finder = _Finder(info)
    for part in parts:
        visit(part, TypeInfoVisitor(info, finder))
    return finder.found


class _Finder(Visitor):
    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self._info, self.found = info, False

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        """Look at one field."""
        parent = self._info.get_parent_type()
        self.found |= parent is not None and f"{parent.name}.{node.name.value}" in FIELDS
