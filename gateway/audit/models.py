"""The append-only log."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from gateway.db.base import SCOPED, Base

HOUSE = 0
"""The vendor number of acts that concern no single vendor."""


class AuditEvent(Base):
    """One act: who did what, when, for which vendor. Rows are inserted, never changed.

    A licensor reads those that concern its own products and no others; the rest are under licensor
    number 0.
    """

    __tablename__ = "audit_events"
    __table_args__ = ({"info": {SCOPED: True}, "implicit_returning": False},)

    vendor_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    event_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, server_default=func.gen_random_uuid()
    )
    occurred_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    actor: Mapped[str]
    action: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)
    licensor_id: Mapped[int] = mapped_column(server_default="0")
