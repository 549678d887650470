"""What of the schema operations touch: each field, argument and input field, and how often."""

from collections import Counter
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    is_input_object_type,
    is_interface_type,
    is_object_type,
    parse,
    separate_operations,
    type_from_ast,
    visit,
)

from .documents import Operation
from .measures import EXECUTORS


def coordinates(schema: GraphQLSchema, *, compiled: bool = False) -> set[str]:
    """Return all schema coordinates that an operation can touch, introspection apart.

    With `compiled` those only that most operations are drawn from.
    """
    found = set()
    for name, kind in schema.type_map.items():
        if name.startswith("__") or (compiled and name.startswith("Finding")):
            continue
        if is_object_type(kind) or is_interface_type(kind):
            for field_name, one in kind.fields.items():
                if compiled and field_name in EXECUTORS:
                    continue
                found.add(f"{name}.{field_name}")
                found |= {f"{name}.{field_name}({argument}:)" for argument in one.args}
        elif is_input_object_type(kind):
            found |= {f"{name}.{field_name}" for field_name in kind.fields}
    return found


def touched(schema: GraphQLSchema, one: Operation) -> Counter[str]:
    """Count the coordinates in the operation that is run and in its variables' values."""
    parts = separate_operations(parse(one.document))
    document = parts.get(one.operation_name or "") or next(iter(parts.values()))
    found: Counter[str] = Counter()
    types = TypeInfo(schema)
    visit(document, TypeInfoVisitor(types, _Touched(types, found)))
    _in_variables(schema, document, one, found)
    return found


class _Touched(Visitor):
    def __init__(self, types: TypeInfo, found: Counter[str]) -> None:
        super().__init__()
        self._types, self._found = types, found

    def enter_field(self, node: Any, *_: object) -> None:
        self._found[f"{self._types.get_parent_type()}.{node.name.value}"] += 1
        for argument in node.arguments or ():
            name = f"{self._types.get_parent_type()}.{node.name.value}({argument.name.value}:)"
            self._found[name] += 1

    def enter_object_field(self, node: Any, *_: object) -> None:
        self._found[f"{_named(self._types.get_parent_input_type())}.{node.name.value}"] += 1


def _named(kind: Any) -> Any:
    while isinstance(kind, GraphQLList | GraphQLNonNull):
        kind = kind.of_type
    return kind


def _in_variables(
    schema: GraphQLSchema, document: DocumentNode, one: Operation, found: Counter[str]
) -> None:
    for definition in document.definitions:
        for declared in getattr(definition, "variable_definitions", None) or ():
            kind = _named(type_from_ast(schema, declared.type))
            _in_value(kind, one.variables.get(declared.variable.name.value), found)


def _in_value(kind: Any, value: Any, found: Counter[str]) -> None:
    if isinstance(value, list):
        for each in value:
            _in_value(kind, each, found)
    elif isinstance(kind, GraphQLInputObjectType) and isinstance(value, dict):
        for name, inner in value.items():
            found[f"{kind.name}.{name}"] += 1
            if name in kind.fields:
                _in_value(_named(kind.fields[name].type), inner, found)
