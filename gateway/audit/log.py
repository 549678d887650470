"""Writing the log: one line per act, in the transaction of the act where there is one."""

from typing import Any

from sqlalchemy import insert

from gateway.audit.models import AuditEvent
from gateway.tenancy.scope import NO_LICENSOR
from gateway.tenancy.session import ScopedSession


async def record(session: ScopedSession, action: str, **detail: Any) -> None:
    """Log an act for every vendor in the session's scope, and the licensor if there is only one.

    What concerns products of several licensors is for none of them to read.
    """
    vendors, licensors = session.scope.ids("vendor_id"), list(session.scope.licensors)
    if not vendors:
        return
    await session.execute(
        insert(AuditEvent.table()).values(
            [
                {
                    "vendor_id": vendor,
                    "licensor_id": licensors[0] if len(licensors) == 1 else NO_LICENSOR,
                    "actor": session.scope.principal.name,
                    "action": action,
                    "detail": detail,
                }
                for vendor in vendors
            ]
        )
    )
