"""The Node interface (Relay global object identification)."""

import strawberry


@strawberry.interface(description="Anything that can be fetched again by its id.")
class Node:
    """An object with a global id."""

    @strawberry.field(description="Opaque; stays the same for the object's whole life.")
    def id(self) -> strawberry.ID:
        """Return the id; each type says its own."""
        raise NotImplementedError
