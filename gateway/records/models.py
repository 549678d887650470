"""Service records: what is known now, what was known before, and the batches that brought it.

Two clocks: valid (`start_date`, `end_date`) and recorded. The recorded clock ticks in batches:
`batch_no` is the one that brought a version, `closed_by` the one that replaced or superseded it;
`import_batches` says when each of a vendor's batches was recorded, and which number it has for its
licensor: `batch_no` itself counts over all licensors and never leaves the gateway.
The product and batch numbers carry no foreign keys: intake takes them from a join and from its own
transaction, and a check per row would cost more than the import itself.
"""

from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from gateway.catalogue.models import Licensor, Vendor
from gateway.db.base import SCOPED, Base, CodeType, Sortable
from gateway.regulation.codes import FeeCategory, ServiceStatus, UsageMode, UserType


class _Record:
    """The columns that a record has in both tables. An open end is PostgreSQL's `infinity`."""

    vendor_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    record_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    product_id: Mapped[int]
    batch_no: Mapped[int]
    start_date: Mapped[date]
    end_date: Mapped[date]
    user_type: Mapped[UserType] = mapped_column(CodeType(UserType))
    fee_category: Mapped[FeeCategory] = mapped_column(CodeType(FeeCategory))
    usage_mode: Mapped[UsageMode] = mapped_column(CodeType(UsageMode))
    service_status: Mapped[ServiceStatus | None] = mapped_column(CodeType(ServiceStatus))
    user_id: Mapped[str] = mapped_column(Sortable)
    user_name: Mapped[str] = mapped_column(Sortable)
    address: Mapped[str | None] = mapped_column(Sortable)
    contact: Mapped[str | None] = mapped_column(Sortable)
    phone: Mapped[str | None] = mapped_column(Sortable)


_INDEXES = {
    "user_id": ("user_id", "vendor_id", "record_id"),
    "user_name": ("user_name", "vendor_id", "record_id"),
    "start_date": ("start_date", "vendor_id", "record_id"),
    "end_date": ("end_date", "vendor_id", "record_id"),
    "vendor_user_name": ("vendor_id", "user_name", "record_id"),
    "vendor_start_date": ("vendor_id", "start_date", "record_id"),
    "vendor_end_date": ("vendor_id", "end_date", "record_id"),
    "user_type": ("user_type", "vendor_id", "record_id"),
    "fee_category": ("fee_category", "vendor_id", "record_id"),
    "product": ("product_id", "vendor_id", "record_id"),
    "batch": ("vendor_id", "batch_no", "record_id"),
    "vendor_phone": ("vendor_id", "phone", "record_id"),
}
"""Each sort within one vendor, and over all. A key of few values comes first in either case.

`vendor_phone` is no sort's: it finds the records of a phone number that many IDs have."""


class ServiceRecord(_Record, Base):
    """One user x product x usage mode x start date, as known now.

    Its number stays its own, also when it is superseded and comes back. It counts up within the
    vendor and the product's licensor (from `Licensor.record_base` on): it tells nothing of others.
    A missing status is derived from the dates when read: past its end EXPIRED, else ACTIVE.
    """

    __tablename__ = "service_records"
    __table_args__ = (
        UniqueConstraint(
            "vendor_id", "user_id", "product_id", "usage_mode", "start_date", name="natural_key"
        ),
        CheckConstraint("end_date >= start_date", name="dates"),
        *(Index(f"ix_service_records_{name}", *columns) for name, columns in _INDEXES.items()),
        Index(
            "ix_service_records_service_status",
            *("service_status", "vendor_id", "record_id"),
            postgresql_where=text("service_status IS NOT NULL"),
        ),
        Index("ix_service_records_user_id_lower", "vendor_id", text("lower(user_id)"), "record_id"),
        # ix_service_records_name_pieces, which only gateway_find uses, stands beside it: 0003
        {"info": {SCOPED: True}},
    )


class ServiceRecordVersion(_Record, Base):
    """What a record said from batch `batch_no` on until batch `closed_by`."""

    __tablename__ = "service_record_versions"
    __table_args__ = (
        Index(
            "ix_service_record_versions_natural_key",
            *("vendor_id", "user_id", "product_id", "usage_mode", "start_date"),
        ),
        Index("ix_service_record_versions_batch", "vendor_id", "batch_no", "record_id"),
        Index("ix_service_record_versions_closed", "vendor_id", "closed_by", "record_id"),
        {"info": {SCOPED: True}},
    )

    batch_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    closed_by: Mapped[int] = mapped_column(sort_order=1)


KEY = ("user_id", "product_id", "usage_mode", "start_date")
"""What a record is known by within its vendor."""
CONTENT = (
    "user_name",
    "user_type",
    "fee_category",
    "end_date",
    "address",
    "contact",
    "phone",
    "service_status",
)
"""What may change while a record stays the same record."""
COLUMNS = tuple(ServiceRecord.table().columns.keys())
"""The columns that both tables share: a version has `closed_by` besides."""


class Roster(Base):
    """A vendor's counters: for each licensor the last batch's `number` and the last record's.

    Under licensor number 0 stand the last `batch_no`, which counts over all licensors, and the
    instant of the last batch. Imports of one vendor queue up at that row's lock.
    """

    __tablename__ = "rosters"
    __table_args__ = ({"info": {SCOPED: True}},)

    vendor_id: Mapped[int] = mapped_column(ForeignKey(Vendor.vendor_id), primary_key=True)
    licensor_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last_batch: Mapped[int]
    last_record: Mapped[int] = mapped_column(BigInteger)
    recorded_at: Mapped[datetime]


class ImportBatch(Base):
    """Provenance of one committed import: who, when, from what, and what it changed.

    It is of the products of one licensor, and `number` counts for the vendor and that licensor.
    `recorded_at` rises with `batch_no`; it is read last before the commit. `format_digest` tells
    by which report format the file was read, and so what its values can be; null if that is not
    known.
    """

    __tablename__ = "import_batches"
    __table_args__ = (
        UniqueConstraint("vendor_id", "licensor_id", "number", name="number"),
        {"info": {SCOPED: True}},
    )

    vendor_id: Mapped[int] = mapped_column(ForeignKey(Vendor.vendor_id), primary_key=True)
    batch_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    licensor_id: Mapped[int] = mapped_column(ForeignKey(Licensor.licensor_id))
    number: Mapped[int]
    recorded_at: Mapped[datetime]
    actor: Mapped[str]
    source: Mapped[str]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    encoding: Mapped[str]
    format_digest: Mapped[str | None]
    mode: Mapped[str]
    lines: Mapped[int] = mapped_column(BigInteger)
    added: Mapped[int] = mapped_column(BigInteger)
    changed: Mapped[int] = mapped_column(BigInteger)
    superseded: Mapped[int] = mapped_column(BigInteger)
    unchanged: Mapped[int] = mapped_column(BigInteger)
