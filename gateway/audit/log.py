"""Writing the log: one line per act, in the transaction of the act where there is one."""

from typing import Any

from sqlalchemy import insert

from gateway.audit.models import AuditEvent
from gateway.tenancy.scope import NO_LICENSOR
from gateway.tenancy.session import ScopedSession


async def record(
    session: ScopedSession, action: str, *, licensor_id: int | None = None, **detail: Any
) -> None:
    """Log an act for every vendor in the session's scope.

    It is the given licensor's to read, or else the acting licensor's, if one acts. All others are
    for no licensor to read: whether they are of its products alone would tell of others'.
    """
    vendors = session.scope.ids("vendor_id")
    if licensor_id is None:
        acting = session.scope.principal.licensor is not None
        licensor_id = session.scope.ids("licensor_id")[-1] if acting and vendors else NO_LICENSOR
    if not vendors:
        return
    await session.execute(
        insert(AuditEvent.table()).values(
            [
                {
                    "vendor_id": vendor,
                    "licensor_id": licensor_id,
                    "actor": session.scope.principal.name,
                    "action": action,
                    "detail": detail,
                }
                for vendor in vendors
            ]
        )
    )
