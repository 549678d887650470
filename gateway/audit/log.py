"""Logging acts: entries in the transaction of the act, one for each tenant that it concerns."""

from typing import Any

from gateway.audit.access import origin
from gateway.audit.chain import text_of
from gateway.audit.models import HOUSE
from gateway.config.clock import now
from gateway.tenancy.appending import Entry
from gateway.tenancy.operator import OperatorSession
from gateway.tenancy.session import ScopedSession


async def record(session: ScopedSession, action: str, **detail: Any) -> None:
    """Log an act for every vendor in the session's scope, and for the licensor that did it."""
    principal = session.scope.principal
    holders = session.scope.ids("vendor_id")
    if principal.holder < 0:
        holders = [*holders, principal.holder]
    text = text_of(now(), principal.name, action, detail | origin())
    for holder in holders:
        session.log(Entry(holder, text))


def record_operators(
    session: OperatorSession, action: str, detail: dict[str, Any], holder: int = HOUSE
) -> None:
    """Log an act of the operator for a vendor, a licensor (below zero) or the house."""
    session.log(Entry(holder, text_of(now(), session.actor, action, detail)))
