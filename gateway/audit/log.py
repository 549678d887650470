"""Writing the log: one line per act, in the transaction of the act where there is one."""

from typing import Any

from sqlalchemy import insert

from gateway.audit.models import AuditEvent
from gateway.tenancy.session import ScopedSession


async def record(session: ScopedSession, action: str, **detail: Any) -> None:
    """Log an act for every vendor in the session's scope."""
    vendors = session.scope.ids("vendor_id")
    if not vendors:
        return
    await session.execute(
        insert(AuditEvent.table()).values(
            [
                {
                    "vendor_id": vendor,
                    "actor": session.scope.principal.name,
                    "action": action,
                    "detail": detail,
                }
                for vendor in vendors
            ]
        )
    )
