"""Logging acts: entries in the transaction of the act, one for each tenant that it concerns."""

from collections.abc import Mapping
from typing import Any

from gateway.audit.access import origin
from gateway.audit.chain import text_of
from gateway.audit.models import HOUSE
from gateway.config.clock import now
from gateway.tenancy.appending import Entry
from gateway.tenancy.operator import OperatorSession
from gateway.tenancy.scope import NO_LICENSOR
from gateway.tenancy.session import ScopedSession


async def record(
    session: ScopedSession,
    action: str,
    *,
    licensor_id: int = NO_LICENSOR,
    own: Mapping[str, Any] | None = None,
    **detail: Any,
) -> None:
    """Log an act for every vendor in the session's scope, and for the licensor that did it.

    `own` is for the log of the tenant that did it alone: of a file over several vendors, its size
    would tell each of them about the others. With `licensor_id` the act is that licensor's to read
    too, of whose products alone it is. Whether others are would tell that there are other
    licensors.
    """
    principal = session.scope.principal
    holders = session.scope.ids("vendor_id")
    if principal.holder < 0:
        holders = [*holders, principal.holder]
    at = now()
    text = text_of(at, principal.name, action, detail | origin())
    for holder in holders:
        if own and holder == principal.holder:
            whole = text_of(at, principal.name, action, {**detail, **own, **origin()})
            session.log(Entry(holder, whole))
        else:
            session.log(Entry(holder, text))
    if licensor_id and -licensor_id not in holders:
        detail = {"vendor": session.scope.only_code} | detail
        session.log(Entry(-licensor_id, text_of(at, principal.name, action, detail)))


def record_operators(
    session: OperatorSession, action: str, detail: dict[str, Any], holder: int = HOUSE
) -> None:
    """Log an act of the operator for a vendor, a licensor (below zero) or the house."""
    session.log(Entry(holder, text_of(now(), session.actor, action, detail)))
