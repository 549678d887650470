"""`users`: the user-detail list (一、1)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gateway.exports.requests import UserExport, day
from gateway.records.filters import UserFilter
from gateway.records.keyset import Page
from gateway.records.known import CURRENT
from gateway.records.order import BY_USER_ID, UserOrder, user_keys
from gateway.records.users import UserList, page
from gateway.resolvers.fields import list_fields
from gateway.schema.context import Context, Info
from gateway.schema.inputs import UserFilterInput, UserOrderInput
from gateway.schema.pages import Slice, order_names
from gateway.schema.scalars import past_instant
from gateway.schema.selection import selected
from gateway.schema.user import UserConnection
from gateway.tenancy.principal import Right


async def users(
    info: Info,
    vendors: list[str] | None = None,
    filter: UserFilterInput | None = None,  # noqa: A002 (contract)
    order_by: list[UserOrderInput] | None = None,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
    as_of: datetime | None = None,
) -> UserConnection:
    """Return a page of the users in scope, by one statement."""
    context: Context = info.context
    context.scope.require(Right.READ_USERS)
    instant = past_instant(as_of)
    wanted = filter.read() if filter else UserFilter()
    order = read_order(order_by)
    listed = UserList(context.scope.narrow(vendors=vendors), day(instant), wanted, order, instant)
    paging = Page(first, after, last, before)
    selection = selected(info)
    found = await context.ask(
        page(listed, list_fields(selection), paging, total="totalCount" in selection.names())
    )
    export = UserExport(_tuple(vendors), None, wanted, order, instant)
    return connection(found, listed, paging, export)


def read_order(order_by: Sequence[UserOrderInput] | None) -> tuple[UserOrder, ...]:
    """Return the asked order, by default the user ID's."""
    return tuple(one.read() for one in order_by) if order_by else BY_USER_ID


def connection(
    found: dict[str, Any], listed: UserList, paging: Page, export: UserExport
) -> UserConnection:
    """Return a statement's answer as a connection."""
    keys = user_keys(listed.order, CURRENT, CURRENT.c.user_id, listed.today)
    return UserConnection(part=Slice.of(found, order_names(keys), paging), export=export)


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)
