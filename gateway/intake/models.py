"""Import batches, and the per-vendor ledger that numbers and orders them."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from gateway.catalogue.models import Vendor
from gateway.db.base import SCOPED, Base


class Roster(Base):
    """A vendor's counters. Imports of one vendor queue up at its row lock."""

    __tablename__ = "rosters"
    __table_args__ = ({"info": {SCOPED: True}},)

    vendor_id: Mapped[int] = mapped_column(ForeignKey(Vendor.vendor_id), primary_key=True)
    last_batch: Mapped[int]
    last_record: Mapped[int] = mapped_column(BigInteger)
    recorded_at: Mapped[datetime]


class ImportBatch(Base):
    """Provenance of one committed import: who, when, from what, and what it changed."""

    __tablename__ = "import_batches"
    __table_args__ = ({"info": {SCOPED: True}},)

    vendor_id: Mapped[int] = mapped_column(ForeignKey(Vendor.vendor_id), primary_key=True)
    batch_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    recorded_at: Mapped[datetime]
    actor: Mapped[str]
    source: Mapped[str]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    encoding: Mapped[str]
    mode: Mapped[str]
    lines: Mapped[int] = mapped_column(BigInteger)
    added: Mapped[int] = mapped_column(BigInteger)
    changed: Mapped[int] = mapped_column(BigInteger)
    superseded: Mapped[int] = mapped_column(BigInteger)
    unchanged: Mapped[int] = mapped_column(BigInteger)
