"""The append-only log: entries in chains, and signed checkpoints of the chains."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from gateway.db.base import SCOPED, Base

HOUSE = 0
"""The vendor number, and the chain, of what concerns no single tenant."""


class AuditEvent(Base):
    """One act or access: who did what, when. Written by `gateway_append` only, never changed.

    It belongs to the chain of a `holder`: a vendor's number, a licensor's number below zero, or 0
    for the house. `number` counts from 1 within the chain; `digest` is SHA-256 over the digest
    before and this entry (`audit.chain`).
    """

    __tablename__ = "audit_events"
    __table_args__ = (
        Index(None, "holder", "occurred_at"),
        {"info": {SCOPED: ("holder",)}, "implicit_returning": False},
    )

    holder: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    occurred_at: Mapped[datetime]
    vendor_id: Mapped[int]
    actor: Mapped[str]
    action: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)


class AuditCheckpoint(Base):
    """A chain's digest at a number, signed with a key that is not in the database."""

    __tablename__ = "audit_checkpoints"
    __table_args__ = ({"info": {SCOPED: ("holder",)}, "implicit_returning": False},)

    holder: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    signed_at: Mapped[datetime]
    key_id: Mapped[str]
    signature: Mapped[bytes] = mapped_column(LargeBinary)
