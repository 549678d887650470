"""`node`: any object in scope by its global id; null for an absent and a foreign one alike."""

from datetime import date
from typing import Any

import strawberry

from gateway.config.clock import today
from gateway.records.filters import UserFilter
from gateway.records.keyset import Page
from gateway.records.users import UserList, page
from gateway.resolvers.catalogue import one_vendor, product, vendor
from gateway.resolvers.fields import user_fields
from gateway.schema.context import Info
from gateway.schema.ids import GlobalId
from gateway.schema.node import Node
from gateway.schema.selection import selected
from gateway.schema.user import User
from gateway.tenancy.scope import AnyScope

_MAX_NUMBER = 2**63


async def node(info: Info, id: strawberry.ID) -> Node | None:  # noqa: A002 (contract)
    """Return the object of an id."""
    kind, parts = read_id(str(id))
    match kind:
        case "Vendor":
            return await vendor(info, parts[0])
        case "Product":
            return await product(info, parts[0])
        case "User":
            return await _user(info, *parts)
    return None


def read_id(text: str) -> tuple[str | None, tuple[Any, ...]]:
    """Return the type of an id and what names the object within it; None for what is no id."""
    match GlobalId.parse(text):
        case GlobalId("Vendor" | "Product" as kind, (str(name),)):
            return kind, (name,)
        case GlobalId("User", (str(code), int(number))) if 0 < number < _MAX_NUMBER:
            return "User", (code, number)
    return None, ()


def one_user(scope: AnyScope, day: date, code: str, number: int) -> UserList | None:
    """Return the list of one record by its number; None at a vendor outside the scope."""
    mine = one_vendor(scope, code)
    return None if mine is None else UserList(mine, day, UserFilter(record_id=number))


async def _user(info: Info, code: str, number: int) -> User | None:
    listed = one_user(info.context.scope, today(), code, number)
    if listed is None:
        return None
    fields = user_fields(selected(info).below)
    found = await info.context.ask(page(listed, fields, Page(first=1), total=False))
    return next((User(row=row) for row in found["rows"]), None)
