"""Who asks."""

import strawberry

from gateway.schema.needs import needs
from gateway.schema.vendor import Vendor
from gateway.tenancy.principal import Right, Role

strawberry.enum(Right, name="Right", description="What a role may do within its scope.")
strawberry.enum(Role, name="Role", description="A role.")


@strawberry.type(description="The caller: role, rights, and what is in scope.", directives=needs())
class Viewer:
    """The caller."""

    name: str = strawberry.field(description="How the audit log calls the caller.")
    role: Role
    rights: list[Right]
    vendor: str | None = strawberry.field(description="The vendor's code, for a vendor's key.")
    licensor: str | None = strawberry.field(description="The licensor's code, for a licensor's.")
    vendors: list[Vendor] = strawberry.field(description="The vendors in scope, by code.")
