"""What an operation selects below a field, arguments and all: the input of a statement's builder.

Fragments are followed, `@skip` and `@include` obeyed, fields of one response key merged, as the
executor itself does it (GraphQL specification, 6.3.2 CollectFields).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLIncludeDirective,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSkipDirective,
    InlineFragmentNode,
    SelectionSetNode,
    get_argument_values,
    get_directive_values,
    get_named_type,
)
from graphql.execution.values import VariableValues
from strawberry import Info
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField


@dataclass(slots=True)
class Selected:
    """One selected field: its name in the schema, its response path, what is below.

    The path joins the response keys from the root field's selection on, without list indexes.
    """

    name: str
    path: str
    arguments: dict[str, Any] = field(default_factory=dict)
    below: list["Selected"] = field(default_factory=list)

    def all(self, name: str) -> Iterator["Selected"]:
        """Yield the selected fields of a name: several, where aliases are used."""
        return (one for one in self.below if one.name == name)

    def names(self) -> set[str]:
        """Return the names of the selected fields."""
        return {one.name for one in self.below}

    def under(self, *path: str) -> list["Selected"]:
        """Return all fields that are selected at a path below this one, whatever their keys."""
        found = [self]
        for name in path:
            found = [one for parent in found for one in parent.all(name)]
        return [one for parent in found for one in parent.below]


def selected(info: Info[Any, Any]) -> Selected:
    """Return the selection of the field that is being resolved."""
    raw = info._raw_info  # noqa: SLF001 (no public way to the AST)
    kind = get_named_type(raw.return_type)
    return Selected(raw.field_name, "", {}, _below(raw, kind, raw.field_nodes, ""))


def response_path(info: Info[Any, Any]) -> str:
    """Return the path of the field that is being resolved, as `Selected.path` has it."""
    _, *keys = (key for key in info.path.as_list() if isinstance(key, str))
    return "/".join(keys)


def _below(
    raw: GraphQLResolveInfo[Any], kind: Any, nodes: Iterable[FieldNode], path: str
) -> list[Selected]:
    if not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
        return []
    grouped: dict[tuple[str, str], list[FieldNode]] = {}
    for node in nodes:
        for child in _fields(raw, node.selection_set):
            key = (child.alias or child.name).value
            grouped.setdefault((key, child.name.value), []).append(child)
    found = []
    for (key, name), children in grouped.items():
        here = f"{path}/{key}" if path else key
        for owner in _owners(raw, kind):
            if name in owner.fields:
                definition = owner.fields[name]
                below = _below(raw, get_named_type(definition.type), children, here)
                found.append(Selected(name, here, _arguments(raw, definition, children[0]), below))
                break
    return found


def _owners(raw: GraphQLResolveInfo[Any], kind: Any) -> list[Any]:
    """Return the types that may declare a selected field: the type, or what implements it."""
    if isinstance(kind, GraphQLInterfaceType):
        return [kind, *raw.schema.get_possible_types(kind)]
    return [kind]


def _fields(
    raw: GraphQLResolveInfo[Any], selection: SelectionSetNode | None
) -> Iterator[FieldNode]:
    for node in selection.selections if selection else ():
        skip = get_directive_values(GraphQLSkipDirective, node, _variables(raw))
        include = get_directive_values(GraphQLIncludeDirective, node, _variables(raw))
        if (skip and skip["if"]) or (include and not include["if"]):
            continue
        if isinstance(node, FieldNode):
            yield node
        elif isinstance(node, InlineFragmentNode):
            yield from _fields(raw, node.selection_set)
        elif isinstance(node, FragmentSpreadNode):
            yield from _fields(raw, raw.fragments[node.name.value].selection_set)


def _variables(raw: GraphQLResolveInfo[Any]) -> VariableValues:
    """Wrap the coerced variables again: Strawberry hands resolvers the plain dictionary."""
    plain: Any = raw.variable_values
    return VariableValues(sources={}, coerced=plain)


def _arguments(raw: GraphQLResolveInfo[Any], definition: Any, node: FieldNode) -> dict[str, Any]:
    declared = definition.extensions.get("strawberry-definition")
    if not definition.args or not isinstance(declared, StrawberryField):
        return {}
    schema = raw.schema._strawberry_schema  # type: ignore[attr-defined]  # noqa: SLF001
    return convert_arguments(
        get_argument_values(definition, node, _variables(raw)),
        declared.arguments,
        scalar_registry=schema.schema_converter.scalar_registry,
        config=schema.config,
    )
