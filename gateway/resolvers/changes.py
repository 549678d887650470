"""`changes`: what a vendor's imports changed between two instants."""

from datetime import datetime
from typing import Annotated

import strawberry

from gateway.errors import BadInput, NotFound
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
from gateway.tenancy.scope import Scope


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
    context.scope.require(Right.READ_USERS)
    since, until = past_instant(from_, "from"), past_instant(to, "to")
    if kinds == []:
        raise BadInput(
            "no kind of change is asked for",
            "未指定变更种类",
            argument="kinds",
            accepted="ADDED, CHANGED, SUPERSEDED, or no kinds at all for all of them",
        )
    if since is None or (until is not None and until < since):
        raise BadInput(
            "to is before from",
            "to早于from",
            argument="to",
            accepted="an instant after from, or none: until now",
        )
    asked = tuple(Kind) if kinds is None else tuple(kinds)
    listed = ChangeList(_narrow(context.scope, vendor, products), since, until, asked)
    paging = Page(first, after, last, before)
    counted = not {"totalCount", "counts"}.isdisjoint(selected(info).names())
    found = await context.ask(change_page(listed, paging, counted=counted))
    order = order_names(change_keys(CURRENT))
    return ChangeConnection(
        part=Slice.of({"total": None, **found}, order, paging), numbers=found["numbers"]
    )


def _narrow(scope: Scope, vendor: str, products: list[str] | None) -> Scope:
    try:
        mine = scope.narrow(vendors=[vendor])
    except NotFound as error:
        error.argument = "vendor"
        raise
    return mine.narrow(products=products)
