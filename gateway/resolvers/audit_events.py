"""`auditEvents`: the audit log of the caller's own side, for its auditors."""

from datetime import datetime
from typing import Annotated

import strawberry

from gateway.errors import BadInput
from gateway.records.audit_events import EventList, event_keys, event_page
from gateway.records.keyset import Page
from gateway.schema.audit_event import AuditCheckpoint, AuditEventConnection
from gateway.schema.context import Context, Info
from gateway.schema.pages import Slice, order_names
from gateway.schema.selection import selected
from gateway.tenancy.principal import Principal, Right


async def audit_events(
    info: Info,
    from_: Annotated[datetime | None, strawberry.argument(name="from")] = None,
    to: datetime | None = None,
    actor: str | None = None,
    actions: list[str] | None = None,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> AuditEventConnection:
    """Return a page of the entries from `from` on and before `to`, the newest first."""
    context: Context = info.context
    scope = context.scope
    scope.require(Right.READ_AUDIT)
    for name, given in (("from", from_), ("to", to)):
        _check(given, name)
    paging = Page.asked(first, after, last, before)
    names = selected(info).names()
    listed = EventList(scope, from_, to, actor, actions)
    found = await context.ask(
        event_page(listed, paging, total="totalCount" in names, signed="checkpoint" in names)
    )
    signed = found["checkpoint"]
    chain = chain_of(scope.principal)
    return AuditEventConnection(
        part=Slice.of(found, order_names(event_keys()), paging),
        checkpoint=None if signed is None else AuditCheckpoint(row=signed, chain=chain),
    )


def chain_of(principal: Principal) -> str:
    """Return the name of a principal's own chain."""
    if principal.vendor is not None:
        return f"vendor {principal.vendor}"
    return "house" if principal.licensor is None else f"licensor {principal.licensor}"


def _check(value: datetime | None, argument: str) -> None:
    """Refuse an instant without an offset."""
    if value is not None and value.tzinfo is None:
        raise BadInput(
            f"{value.isoformat()} has no offset",
            f"{value.isoformat()}没有时区偏移",
            argument=argument,
            accepted="a date and time with its offset, such as 2026-11-21T16:00:00+08:00",
        )
