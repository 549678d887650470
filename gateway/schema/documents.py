"""Documents: parsed, held to the gateway's limits, and only then validated by the schema's rules.

The limits go first, for what validation takes grows with the square of what some of them bound.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import strawberry
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionNode,
    parse,
    validate,
)
from strawberry.extensions import SchemaExtension

from gateway.errors import CostLimit

MAX_CHARACTERS: Final = 50_000
MAX_TOKENS: Final = 5000
MAX_DEPTH: Final = 15
MAX_ALIASES: Final = 50
MAX_DIRECTIVES: Final = 100
MAX_FRAGMENTS: Final = 100
MAX_SELECTIONS: Final = 300
MAX_FIELDS: Final = 2000


@dataclass(frozen=True, slots=True)
class _Size:
    """What a selection is like with its fragments in their places: how many fields, how deep."""

    fields: int
    depth: int


class DocumentLimits(SchemaExtension):
    """Refuses a document that is too large; of several operations the request says which one."""

    def on_parse(self) -> Iterator[None]:
        """Look at what was parsed."""
        yield
        document = self.execution_context.graphql_document
        if document is None:
            return
        hold_to_limits(document)
        named = self.execution_context._provided_operation_name is not None  # noqa: SLF001
        if not named and len(operations_of(document)) > 1:
            # GraphQL specification, 6.1 GetOperation
            raise GraphQLError("Must provide operation name if query contains multiple operations.")


def operations_of(document: DocumentNode) -> list[OperationDefinitionNode]:
    """Return a document's operations."""
    return [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """Return a document's fragments by name."""
    return {
        one.name.value: one
        for one in document.definitions
        if isinstance(one, FragmentDefinitionNode)
    }


def checked(schema: strawberry.Schema, text: str) -> DocumentNode | None:
    """Return a document that the executor would run; None for any other, which it explains.

    CostLimit for one that is larger than documents may be.
    """
    try:
        document = parse(text, max_tokens=MAX_TOKENS)
        hold_to_limits(document)
        wrong = validate(schema._schema, document, max_errors=1)  # noqa: SLF001
    except (GraphQLError, ValueError, KeyError, RecursionError) as error:
        if f"more than {MAX_TOKENS} tokens" in str(error):
            raise CostLimit(
                f"the document has more than {MAX_TOKENS} tokens",
                f"文档超过{MAX_TOKENS}个词法单元",
                argument="query",
                accepted=f"at most {MAX_TOKENS}",
            ) from None
        return None
    return None if wrong else document


def hold_to_length(text: str) -> None:
    """Raise CostLimit for a text that is longer than documents may be: it is not even kept."""
    _at_most(len(text), MAX_CHARACTERS, "characters", "个字符")


def hold_to_limits(document: DocumentNode) -> None:
    """Raise CostLimit for a document that is larger than documents may be."""
    _Measured(fragments_of(document)).look_at(document)


class _Measured:
    """Counts, each fragment once: a chain of fragments may stand for millions of fields."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._known: dict[str, _Size] = {}
        self._aliases = self._directives = 0

    def look_at(self, document: DocumentNode) -> None:
        _at_most(len(self._fragments), MAX_FRAGMENTS, "fragments", "个片段")
        for definition in document.definitions:
            if isinstance(definition, FragmentDefinitionNode):
                self._of_fragment(definition.name.value)
            elif isinstance(definition, OperationDefinitionNode):
                self._count(definition)
                size = self._of(definition)
                _at_most(size.depth - 1, MAX_DEPTH, "levels of depth", "层深度")
                _at_most(size.fields, MAX_FIELDS, "fields with fragments in place", "个展开后字段")

    def _of_fragment(self, name: str) -> _Size:
        if name not in self._known:
            # what a fragment says of itself, or of one that is not there, another rule tells
            self._known[name] = _Size(0, 0)
            if name in self._fragments:
                self._count(self._fragments[name])
                self._known[name] = self._of(self._fragments[name])
        return self._known[name]

    def _of(self, node: Any) -> _Size:
        if node.selection_set is None:
            return _Size(0, 0)
        selections = node.selection_set.selections
        _at_most(len(selections), MAX_SELECTIONS, "selections in one place", "个同层选择")
        fields = depth = 0
        for one in selections:
            size = self._of_one(one)
            fields, depth = fields + size.fields, max(depth, size.depth)
            if fields > MAX_FIELDS:
                break  # enough is known; it does not become less
        return _Size(fields, depth)

    def _of_one(self, node: SelectionNode) -> _Size:
        self._count(node)
        if isinstance(node, FragmentSpreadNode):
            return self._of_fragment(node.name.value)
        size = self._of(node)
        if not isinstance(node, FieldNode):
            return size
        if node.alias is not None:
            self._aliases += 1
            _at_most(self._aliases, MAX_ALIASES, "aliases", "个别名")
        # introspection has its own rule of depth
        deeper = 0 if node.name.value.startswith("__") else size.depth + 1
        return _Size(size.fields + 1, deeper)

    def _count(self, node: Any) -> None:
        self._directives += len(node.directives or ())
        _at_most(self._directives, MAX_DIRECTIVES, "directives", "个指令")


def _at_most(found: int, most: int, what: str, what_zh: str) -> None:
    if found > most:
        raise CostLimit(
            f"the document has {found} {what}",
            f"文档有{found}{what_zh}",
            argument="query",
            accepted=f"at most {most}",
        )
