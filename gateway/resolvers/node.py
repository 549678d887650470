"""`node`: any object in scope by its global id; null for an absent and a foreign one alike."""

import strawberry

from gateway.config.clock import today
from gateway.errors import NotFound
from gateway.records.filters import UserFilter
from gateway.records.keyset import Page
from gateway.records.users import UserList, page
from gateway.resolvers.catalogue import product, vendor
from gateway.resolvers.fields import user_fields
from gateway.schema.context import Info
from gateway.schema.ids import GlobalId
from gateway.schema.node import Node
from gateway.schema.selection import selected
from gateway.schema.user import User

_MAX_NUMBER = 2**63


async def node(info: Info, id: strawberry.ID) -> Node | None:  # noqa: A002 (contract)
    """Return the object of an id."""
    match GlobalId.parse(str(id)):
        case GlobalId("Vendor", (str(code),)):
            return await vendor(info, code)
        case GlobalId("Product", (str(name),)):
            return await product(info, name)
        case GlobalId("User", (str(code), int(number))) if 0 < number < _MAX_NUMBER:
            return await _user(info, code, number)
    return None


async def _user(info: Info, code: str, number: int) -> User | None:
    try:
        scope = info.context.scope.narrow(vendors=[code])
    except NotFound:
        return None
    listed = UserList(scope, today(), UserFilter(record_id=number))
    fields = user_fields(selected(info).below)
    found = await info.context.ask(page(listed, fields, Page(first=1), total=False))
    return next((User(row=row) for row in found["rows"]), None)
