"""Variables of an operation, coerced as the executor coerces them, by types looked up once."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    GraphQLBoolean,
    GraphQLError,
    GraphQLID,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    GraphQLString,
    OperationDefinitionNode,
    Undefined,
    coerce_input_value,
    is_non_null_type,
)
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.execution.values import VariableValues, get_variable_values


class Variables:
    """The variables that an operation defines."""

    __slots__ = ("_defined",)

    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode) -> None:
        """Look up types and defaults; raise GraphQLError or ValueError for what is wrong."""
        self._defined: list[tuple[str, Any, Any, bool, _Fits]] = []
        for node in operation.variable_definitions or ():
            signature = get_variable_signature(schema, node)
            default: Any = Undefined
            if isinstance(signature, GraphQLError):
                raise signature
            if node.default_value is not None:
                found = get_variable_values(schema, [node], {})
                if not isinstance(found, VariableValues):
                    raise ValueError(signature.name)
                default = found.coerced[signature.name]
            required = is_non_null_type(signature.type)
            kind = signature.type
            self._defined.append((signature.name, kind, default, required, _as_it_is(kind)))

    def coerced(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values; ValueError for any that does not fit."""
        found: dict[str, Any] = {}
        for name, kind, default, required, fits in self._defined:
            value = given.get(name, Undefined)
            if fits(value):
                found[name] = value
                continue
            if value is Undefined:
                if default is not Undefined:
                    found[name] = default
                elif required:
                    raise ValueError(name)
                continue
            value = coerce_input_value(value, kind)
            if value is Undefined:
                raise ValueError(name)
            found[name] = value
        return found


_Fits = Callable[[Any], bool]
_PLAIN: Final[dict[Any, _Fits]] = {
    GraphQLString: lambda value: type(value) is str,
    GraphQLID: lambda value: type(value) is str,
    GraphQLBoolean: lambda value: type(value) is bool,
    GraphQLInt: lambda value: type(value) is int and GRAPHQL_MIN_INT <= value <= GRAPHQL_MAX_INT,
}


def _as_it_is(kind: Any) -> _Fits:
    """Return what tells the values that are coerced to themselves: most are, and it is quicker."""
    if isinstance(kind, GraphQLNonNull):
        return _without_null(kind.of_type)
    fits = _without_null(kind)
    return lambda value: value is None or fits(value)


def _without_null(kind: Any) -> _Fits:
    if isinstance(kind, GraphQLList):
        item = _as_it_is(kind.of_type)
        return lambda value: type(value) is list and all(map(item, value))
    return _PLAIN.get(kind, lambda _: False)
