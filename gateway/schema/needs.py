"""What an operation needs for what it selects: stated in the schema, held by the builders below.

A field needs what its type needs, and what it says itself. The list types raise NotFound without
it (`records.users.UserList`, `statistics.grid.StatList` and the like), on whichever way an
operation runs; a test asks every field with every right missing.
"""

from collections.abc import Sequence
from typing import Final

import strawberry
from strawberry.schema_directive import Location

from gateway.tenancy.principal import Right


@strawberry.schema_directive(
    locations=[Location.OBJECT, Location.FIELD_DEFINITION],
    description="The rights that a role must have to be told; none: any valid credential does.",
)
class Needs:
    """The directive."""

    rights: list[Right]


def needs(*rights: Right) -> Sequence[object]:
    """Return the directives of a type or field."""
    return [Needs(rights=list(rights))]


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    description="Personal data: masked, unless the role has the right and the request states a "
    "purpose (of a name only an individual's).",
)
class Masked:
    """The directive."""

    unless: Right


MASKED: Final[Sequence[object]] = [Masked(unless=Right.READ_PERSONAL)]
"""The directives of a field of personal data."""
