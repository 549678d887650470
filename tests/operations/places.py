"""Where values stand, and which of them depend on others beside them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from graphql import GraphQLInputType, GraphQLList, get_nullable_type

Given = Mapping[str, Any]
SEQUENCE = ("year", "vendor", "vendors", "from", "to", "countedIn", "orderBy", "first", "last")
"""Values that later ones depend on come first."""
DEPENDS = {
    "from": ("year",),
    "to": ("from", "year"),
    "last": ("first",),
    "after": ("vendors", "orderBy"),
    "before": ("vendors", "orderBy"),
    "countedAs": ("countedIn",),
}


@dataclass(frozen=True)
class Place:
    """Where a value stands: in which argument of which field, how deep, and of what type.

    `outer` has the arguments of the field around: of `monthlyStats`, for its `users`.
    """

    path: tuple[str, ...]
    kind: GraphQLInputType
    outer: Given = field(default_factory=dict)
    in_list: bool = False

    @property
    def name(self) -> str:
        return self.path[-1]

    @property
    def nested(self) -> bool:
        return self.path[0] == "MonthlyStat.users"

    def under(self, name: str, kind: GraphQLInputType) -> "Place":
        return replace(self, path=(*self.path, name), kind=kind, in_list=False)

    def element(self) -> "Place":
        kind = get_nullable_type(self.kind)
        assert isinstance(kind, GraphQLList)
        return replace(self, kind=kind.of_type, in_list=True)


def ranked(name: str) -> int:
    return SEQUENCE.index(name) if name in SEQUENCE else len(SEQUENCE) - (name not in DEPENDS)
