"""`node`: any object in scope by its global id; null for an absent and a foreign one alike."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import strawberry

from gateway.catalogue.fields import KEY
from gateway.config.clock import today
from gateway.records.filters import UserFilter
from gateway.records.keyset import Page
from gateway.records.users import UserList, page
from gateway.resolvers.catalogue import one_vendor, product, vendor
from gateway.resolvers.fields import user_fields
from gateway.resolvers.interface_specs import exchange, interface_spec
from gateway.resolvers.licences import licence
from gateway.schema.context import Info
from gateway.schema.ids import GlobalId
from gateway.schema.node import Node
from gateway.schema.selection import selected
from gateway.schema.user import User
from gateway.tenancy.scope import AnyScope

_MAX_NUMBER = 2**63
_BY_NAME: dict[str, Callable[[Info, str], Awaitable[Node | None]]] = {
    "Vendor": vendor,
    "Product": product,
    "Exchange": exchange,
    "InterfaceSpec": interface_spec,
}


async def node(info: Info, id: strawberry.ID) -> Node | None:  # noqa: A002 (contract)
    """Return the object of an id."""
    kind, parts = read_id(str(id))
    if kind == "User":
        return await _user(info, *parts)
    if kind == "Licence":
        return await licence(info, *parts)
    return None if kind is None else await _BY_NAME[kind](info, parts[0])


def read_id(text: str) -> tuple[str | None, tuple[Any, ...]]:
    """Return the type of an id and what names the object within it; None for what is no id."""
    match GlobalId.parse(text):
        case GlobalId("Vendor" | "Product" as kind, (str(name),)):
            return kind, (name,)
        case GlobalId("Exchange" | "InterfaceSpec" as kind, (str(name),)) if KEY.fullmatch(name):
            return kind, (name,)
        case GlobalId("Licence", (str(code), str(product_name), str(start))):
            day = _day(start)
            return (None, ()) if day is None else ("Licence", (code, product_name, day))
        case GlobalId("User", (str(code), int(number))) if 0 < number < _MAX_NUMBER:
            return "User", (code, number)
    return None, ()


def _day(text: str) -> date | None:
    """Read a date as ids carry it: in no other form, so that an object has one id."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.isoformat() == text else None


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
