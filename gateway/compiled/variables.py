"""Variables of an operation, coerced as the executor coerces them, by types looked up once."""

from collections.abc import Mapping
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLSchema,
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
        self._defined: list[tuple[str, Any, Any, bool]] = []
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
            self._defined.append((signature.name, signature.type, default, required))

    def coerced(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values; ValueError for any that does not fit."""
        found: dict[str, Any] = {}
        for name, kind, default, required in self._defined:
            value = given.get(name, Undefined)
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
