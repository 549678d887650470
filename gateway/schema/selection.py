"""What an operation selects below a field, arguments and all: the input of a statement's builder.

Fragments are followed, `@skip` and `@include` obeyed, fields of one response key merged, as the
executor itself does it (GraphQL specification, 6.3.2 CollectFields). With variables that are given
(see `gateway.recording`), so are the arguments that depend on them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from graphql import (
    ArgumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLField,
    GraphQLIncludeDirective,
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLSkipDirective,
    InlineFragmentNode,
    Node,
    SelectionSetNode,
    VariableNode,
    Visitor,
    get_argument_values,
    get_directive_values,
    get_named_type,
    visit,
)
from graphql.execution.values import VariableValues
from strawberry import Info
from strawberry.types.arguments import StrawberryArgument, convert_arguments
from strawberry.types.base import StrawberryContainer, has_object_definition
from strawberry.types.field import StrawberryField

from gateway.recording import Given, Known, decide, derive

Variables = Mapping[str, Any]


@dataclass(slots=True)
class Selected:
    """One selected field: its name in the schema, its response path, what is below.

    The path joins the response keys from the root field's selection on, without list indexes.
    """

    name: str
    path: str
    arguments: dict[str, Any] = field(default_factory=dict)
    below: list["Selected"] = field(default_factory=list)
    as_type: Callable[[str], list["Selected"]] | None = None
    """Of a field of an interface: what is below if the object is of a type."""

    @property
    def key(self) -> str:
        """The response key."""
        return self.path.rpartition("/")[2]

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
    variables: Any = raw.variable_values
    selection = Selection(raw.schema, raw.fragments, variables)
    return Selected(raw.field_name, "", {}, selection.below(kind, raw.field_nodes, ""))


def response_path(info: Info[Any, Any]) -> str:
    """Return the path of the field that is being resolved, as `Selected.path` has it."""
    _, *keys = (key for key in info.path.as_list() if isinstance(key, str))
    return "/".join(keys)


@dataclass(frozen=True, slots=True)
class Selection:
    """How selections are read: with a schema, a document's fragments, and variables."""

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Known[Variables]

    def below(self, kind: Any, nodes: Iterable[Any], path: str) -> list[Selected]:
        """Return what nodes (fields or an operation) select of a type."""
        if not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            return []
        grouped: dict[tuple[str, str], list[FieldNode]] = {}
        for node in nodes:
            for child in self._fields(kind, node.selection_set):
                key = (child.alias or child.name).value
                grouped.setdefault((key, child.name.value), []).append(child)
        found = []
        for (key, name), children in grouped.items():
            here = f"{path}/{key}" if path else key
            if name == "__typename":
                found.append(Selected(name, here))
                continue
            definition = self._definition(kind, name)
            inner = get_named_type(definition.type)
            one = Selected(name, here, self._arguments(definition, children[0]))
            one.below = self.below(inner, children, here)
            if isinstance(inner, GraphQLInterfaceType):
                one.as_type = partial(self._as_type, children, here)
            found.append(one)
        return found

    def _as_type(self, nodes: list[FieldNode], path: str, name: str) -> list[Selected]:
        return self.below(self.schema.get_type(name), nodes, path)

    def _definition(self, kind: Any, name: str) -> GraphQLField:
        """Return a field of a type, or of what implements it: fields of one name are alike."""
        owners = [kind]
        if isinstance(kind, GraphQLInterfaceType):
            owners += self.schema.get_possible_types(kind)
        found: GraphQLField = next(one.fields[name] for one in owners if name in one.fields)
        return found

    def _fields(self, kind: Any, selection: SelectionSetNode | None) -> Iterator[FieldNode]:
        for node in selection.selections if selection else ():
            if not self._included(node):
                continue
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                if condition is None or self._applies(condition.name.value, kind):
                    yield from self._fields(kind, node.selection_set)
            elif isinstance(node, FragmentSpreadNode):
                fragment = self.fragments[node.name.value]
                if self._applies(fragment.type_condition.name.value, kind):
                    yield from self._fields(kind, fragment.selection_set)

    def _applies(self, name: str, kind: Any) -> bool:
        """Say whether a fragment on a type may apply: surely to an object, or to an interface's."""
        condition = self.schema.get_type(name)
        if condition is kind or isinstance(kind, GraphQLInterfaceType):
            return True
        return isinstance(condition, GraphQLInterfaceType) and self.schema.is_sub_type(
            condition, kind
        )

    def _included(self, node: Any) -> bool:
        if not node.directives:
            return True
        if not _has_variables(node.directives):
            return _is_included(node, {})
        return decide(partial(_is_included, node), self.variables)

    def _arguments(self, definition: GraphQLField, node: FieldNode) -> dict[str, Any]:
        declared = definition.extensions.get("strawberry-definition")
        if not definition.args or not isinstance(declared, StrawberryField):
            return {}
        schema = self.schema._strawberry_schema  # type: ignore[attr-defined]  # noqa: SLF001
        convert = partial(
            convert_arguments,
            scalar_registry=schema.schema_converter.scalar_registry,
            config=schema.config,
        )
        if not isinstance(self.variables, Given) or not _has_variables(node.arguments):
            known = {} if isinstance(self.variables, Given) else self.variables
            values = get_argument_values(definition, node, _wrapped(known))
            return convert(values, arguments=declared.arguments)
        found: dict[str, Any] = {}
        for argument in declared.arguments:
            name = schema.config.name_converter.from_argument(argument)
            kept = [one for one in node.arguments or () if one.name.value == name]
            if not kept:
                continue
            value = _reader(name, definition.args[name], kept[0], argument, convert)
            found[argument.python_name] = (
                derive(value, self.variables) if _has_variables(kept) else value({})
            )
        return found


def _reader(
    name: str,
    declared: GraphQLArgument,
    node: ArgumentNode,
    argument: StrawberryArgument,
    convert: Callable[..., dict[str, Any]],
) -> Callable[[Variables], Any]:
    """Return what reads one argument's value; where it is left out, the resolver's default."""
    if isinstance(node.value, VariableNode) and not _has_fields(argument.type):
        required = isinstance(declared.type, GraphQLNonNull)
        return partial(_variable, node.value.name.value, argument.default, required)
    field = GraphQLField(GraphQLBoolean, args={name: declared})
    alone = FieldNode(name=node.name, arguments=(node,))

    def read(variables: Variables) -> Any:
        values = get_argument_values(field, alone, _wrapped(variables))
        found = convert(values, arguments=[argument])
        return found.get(argument.python_name, argument.default)

    return read


def _variable(name: str, default: Any, required: bool, variables: Variables) -> Any:
    value = variables.get(name, default)
    if required and value is None:
        raise ValueError(name)  # a nullable variable in its place, with a default: told elsewhere
    return value


def _has_fields(kind: Any) -> bool:
    """Say whether values of an argument's type are objects, which are to be made."""
    while isinstance(kind, StrawberryContainer):
        kind = kind.of_type
    return has_object_definition(kind)


def _is_included(node: Any, variables: Variables) -> bool:
    skip = get_directive_values(GraphQLSkipDirective, node, _wrapped(variables))
    include = get_directive_values(GraphQLIncludeDirective, node, _wrapped(variables))
    return not (skip and skip["if"]) and not (include and not include["if"])


def _wrapped(plain: Any) -> VariableValues:
    """Wrap coerced variables again: Strawberry hands resolvers the plain dictionary."""
    return VariableValues(sources={}, coerced=plain)


def _has_variables(nodes: Iterable[Node] | None) -> bool:
    finder = _VariableFinder()
    for node in nodes or ():
        visit(node, finder)
    return finder.found


class _VariableFinder(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        """Note that there is one."""
        self.found = True
