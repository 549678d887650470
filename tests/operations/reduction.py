"""Making an operation smaller while something stays true of it: to read what went wrong."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

from graphql import (
    REMOVE,
    ArgumentNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    InlineFragmentNode,
    ObjectFieldNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    parse,
    print_ast,
    validate,
    visit,
)

from .documents import Operation

_PARTS = (FieldNode, InlineFragmentNode, FragmentSpreadNode, ArgumentNode, DirectiveNode,
          ObjectFieldNode, OperationDefinitionNode)  # fmt: skip


async def smallest(
    one: Operation, schema: GraphQLSchema, holds: Callable[[Operation], Awaitable[bool]]
) -> Operation:
    """Leave out parts and variables' values, one after another, while `holds` says yes."""
    tries = 600
    found, went_on = one, True
    while went_on and tries > 0:
        went_on = False
        for candidate in _smaller(found, schema):
            tries -= 1
            if await holds(candidate):
                found, went_on = candidate, True
                break
            if tries <= 0:
                break
    return found


def _smaller(one: Operation, schema: GraphQLSchema) -> Iterator[Operation]:
    document = parse(one.document, no_location=True)
    for name in one.variables:
        rest = {key: value for key, value in one.variables.items() if key != name}
        yield replace(one, variables=rest)
    number = 0
    while (left := _without(document, number)) is not None:
        number += 1
        cleaned = _cleaned(left)
        if cleaned is not None and not validate(schema, cleaned):
            yield replace(one, document=print_ast(cleaned))


class _Remover(Visitor):
    def __init__(self, number: int) -> None:
        super().__init__()
        self.number, self.done = number, False

    def enter(self, node: Any, *_: object) -> Any:
        if self.done or not isinstance(node, _PARTS):
            return None
        self.number -= 1
        if self.number >= 0:
            return None
        self.done = True
        return REMOVE


def _without(document: DocumentNode, number: int) -> DocumentNode | None:
    """Return the document without one of its parts; None if it has not so many."""
    remover = _Remover(number)
    left = visit(document, remover)
    return left if remover.done else None


class _Used(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.variables: set[str] = set()
        self.fragments: set[str] = set()
        self.empty = False

    def enter_variable_definition(self, *_: object) -> Any:
        return False

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        self.variables.add(node.name.value)

    def enter_selection_set(self, node: SelectionSetNode, *_: object) -> None:
        self.empty |= not node.selections

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: object) -> None:
        self.fragments.add(node.name.value)


class _Sweeper(Visitor):
    def __init__(self, used: _Used) -> None:
        super().__init__()
        self._used = used

    def enter_variable_definition(self, node: VariableDefinitionNode, *_: object) -> Any:
        return None if node.variable.name.value in self._used.variables else REMOVE

    def enter_fragment_definition(self, node: FragmentDefinitionNode, *_: object) -> Any:
        return None if node.name.value in self._used.fragments else REMOVE


def _cleaned(document: DocumentNode) -> DocumentNode | None:
    """Take out what is not used any more; None where nothing is left to select."""
    while True:
        used = _Used()
        visit(document, used)
        swept = visit(document, _Sweeper(used))
        if used.empty or not swept.definitions:
            return None
        if len(swept.definitions) == len(document.definitions):
            return swept
        document = swept
