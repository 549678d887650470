"""`changes`: what a vendor's imports changed between two instants."""

from datetime import datetime
from functools import partial
from typing import Annotated

import strawberry

from gateway.errors import BadInput
from gateway.recording import decide, derive, present
from gateway.records.changes import ChangeKind as Kind
from gateway.records.changes import ChangeList, change_keys, change_page
from gateway.records.keyset import Page
from gateway.records.known import CURRENT
from gateway.schema.change import ChangeConnection
from gateway.schema.context import Context, Info
from gateway.schema.enums import ChangeKind
from gateway.schema.pages import Slice, order_names
from gateway.schema.scalars import past_instant
from gateway.schema.selection import selected
from gateway.tenancy.principal import Right
from gateway.tenancy.scope import AnyScope


async def changes(
    info: Info,
    vendor: str,
    from_: Annotated[datetime, strawberry.argument(name="from")],
    to: datetime | None = None,
    products: list[str] | None = None,
    kinds: list[ChangeKind] | None = None,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> ChangeConnection:
    """Return a page of the changes that were recorded after `from` and not after `to`."""
    context: Context = info.context
    listed, paging = read_changes(
        context.scope, vendor, from_, to, products, kinds, first, after, last, before
    )
    counted = not {"totalCount", "counts"}.isdisjoint(selected(info).names())
    found = await context.ask(change_page(listed, paging, counted=counted))
    order = order_names(change_keys(CURRENT))
    return ChangeConnection(
        part=Slice.of({"total": None, **found}, order, paging), numbers=found["numbers"]
    )


def read_changes(
    scope: AnyScope,
    vendor: str,
    from_: datetime,
    to: datetime | None = None,
    products: list[str] | None = None,
    kinds: list[Kind] | None = None,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> tuple[ChangeList, Page]:
    """Read the arguments of `changes`, known or given."""
    scope.require(Right.READ_USERS)
    since = derive(partial(past_instant, argument="from"), from_)
    until = present(derive(partial(past_instant, argument="to"), to))
    asked = decide(_kinds, kinds)
    since = derive(_in_order, since, until)
    reach = scope.only(vendor)
    mine = reach.narrow(products=products)
    return ChangeList(mine, since, until, asked, reach), Page.asked(first, after, last, before)


def _kinds(kinds: list[Kind] | None) -> tuple[Kind, ...]:
    if kinds == []:
        raise BadInput(
            "no kind of change is asked for",
            "未指定变更种类",
            argument="kinds",
            accepted="ADDED, CHANGED, SUPERSEDED, or no kinds at all for all of them",
        )
    return tuple(Kind) if kinds is None else tuple(kinds)


def _in_order(since: datetime, until: datetime | None) -> datetime:
    if until is not None and until < since:
        raise BadInput(
            "to is before from",
            "to早于from",
            argument="to",
            accepted="an instant after from, or none: until now",
        )
    return since
