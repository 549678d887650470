"""`users`: the user-detail list (一、1)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any

from gateway.config.clock import market_date, today
from gateway.exports.requests import UserExport
from gateway.recording import decide, derive, present
from gateway.records.filters import UserFilter, spread
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
from gateway.tenancy.scope import AnyScope


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
    asked = read_users(
        context.scope, today(), vendors, filter, order_by, first, after, last, before, as_of
    )
    selection = selected(info)
    fields, total = list_fields(selection), "totalCount" in selection.names()
    found = await context.ask(page(asked.listed, fields, asked.paging, total=total))
    return connection(found, asked.listed, asked.paging, asked.export())


@dataclass(frozen=True, slots=True)
class AskedUsers:
    """What is asked for: the list, the page, and the download of the whole list."""

    listed: UserList
    paging: Page
    export: Callable[[], UserExport]


def read_users(
    scope: AnyScope,
    day: date,
    vendors: list[str] | None = None,
    filter: UserFilterInput | None = None,  # noqa: A002 (contract)
    order_by: list[UserOrderInput] | None = None,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
    as_of: datetime | None = None,
) -> AskedUsers:
    """Read the arguments of `users`, known or given; `day` is the market's current date."""
    instant = present(derive(past_instant, as_of))
    whole = derive(_read_filter, filter)
    order = decide(read_order, order_by)
    listed = UserList(
        scope.narrow(vendors=vendors), day_at(instant, day), spread(whole), order, instant
    )
    export = partial(derive, _export, vendors, whole, instant, order)
    return AskedUsers(listed, Page.asked(first, after, last, before), export)


def day_at(instant: datetime | None, day: date) -> date:
    """Return the market's date at an instant, by default the current one."""
    found: date = day if instant is None else derive(market_date, instant)
    return found


def read_order(order_by: Sequence[UserOrderInput] | None) -> tuple[UserOrder, ...]:
    """Return the asked order, by default the user ID's."""
    return tuple(one.read() for one in order_by) if order_by else BY_USER_ID


def _read_filter(wanted: UserFilterInput | None) -> UserFilter:
    return UserFilter() if wanted is None else wanted.read()


def _export(
    vendors: Sequence[str] | None,
    wanted: UserFilter,
    instant: datetime | None,
    order: tuple[UserOrder, ...],
) -> UserExport:
    return UserExport(None if vendors is None else tuple(vendors), None, wanted, order, instant)


def connection(
    found: dict[str, Any], listed: UserList, paging: Page, export: UserExport
) -> UserConnection:
    """Return a statement's answer as a connection."""
    keys = user_keys(listed.order, CURRENT, lambda: CURRENT.c.user_id, listed.today)
    return UserConnection(part=Slice.of(found, order_names(keys), paging), export=export)
