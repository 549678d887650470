"""What a request's cost is worked out by: its variables, and how much its caller reaches."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from graphql import FieldNode, ValueNode, VariableNode, value_from_ast_untyped

MOST_VENDORS: Final = 20
MOST_PRODUCTS: Final = 5
"""That sums are taken to be of, where a caller has more; of how many months, the list says."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a request is worked out by: its variables, and how much its caller reaches."""

    values: Mapping[str, Any]
    vendors: int = MOST_VENDORS
    products: int = MOST_PRODUCTS


def argument_of(field: FieldNode, name: str, given: Given) -> Any:
    """Return what an argument is given; None for nothing."""
    for one in field.arguments or ():
        if one.name.value == name:
            return value_of(one.value, given)
    return None


def value_of(node: ValueNode, given: Given) -> Any:
    """Return a variable's coerced value, or a literal as it stands."""
    if isinstance(node, VariableNode):
        return given.values.get(node.name.value)
    return value_from_ast_untyped(node, dict(given.values))
