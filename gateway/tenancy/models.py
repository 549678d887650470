"""API keys. The key itself is never stored; who holds a key is found by its digest."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, LargeBinary, false, func
from sqlalchemy.orm import Mapped, mapped_column

from gateway.db.base import Base, Sortable


class ApiKey(Base):
    """A credential of a vendor or of a licensor. Only the operator's role can read this table."""

    __tablename__ = "api_keys"
    __table_args__ = (CheckConstraint("num_nonnulls(vendor_id, licensor_id) = 1", name="holder"),)

    prefix: Mapped[str] = mapped_column(Sortable, primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    vendor_id: Mapped[int | None]
    licensor_id: Mapped[int | None]
    role: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    trusted_only: Mapped[bool] = mapped_column(server_default=false())
    """Whether it runs the vendor's registered documents and nothing else."""


class VendorOrigin(Base):
    """A web page's origin from which a vendor's callers may ask. Only the operator's role sees it.

    Like keys, it decides who may ask what, and is no row of the vendor's own.
    """

    __tablename__ = "vendor_origins"

    vendor_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    origin: Mapped[str] = mapped_column(Sortable, primary_key=True, index=True)


class TrustedDocument(Base):
    """A document that a vendor registered, by the SHA-256 of its text, in hexadecimal digits."""

    __tablename__ = "trusted_documents"

    vendor_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(Sortable, primary_key=True)
    name: Mapped[str]
    body: Mapped[str]
    registered_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ReachClock(Base):
    """Counts what changes the reach of keys: a vendor's products under its number, 0 the rest.

    Triggers tick it; `gateway_admits` compares. Only the operator's role sees it.
    """

    __tablename__ = "reach_clock"

    holder: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    ticks: Mapped[int] = mapped_column(BigInteger)
