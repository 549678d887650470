"""Service records: what is known now, and what was known before.

Two clocks: valid (`start_date`, `end_date`) and recorded (`recorded_from`, `recorded_to`).
The product and batch numbers carry no foreign keys: intake takes them from a join and from its own
transaction, and a check per row would cost more than the import itself.
"""

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

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


class ServiceRecord(_Record, Base):
    """One user x product x usage mode x start date, as known now.

    Its number counts up within the vendor, never across vendors: a number tells nothing of others.
    A missing status is derived from the dates when read: past its end EXPIRED, else ACTIVE.
    """

    __tablename__ = "service_records"
    __table_args__ = (
        UniqueConstraint(
            "vendor_id", "user_id", "product_id", "usage_mode", "start_date", name="natural_key"
        ),
        CheckConstraint("end_date >= start_date", name="dates"),
        {"info": {SCOPED: True}},
    )

    recorded_from: Mapped[datetime] = mapped_column(sort_order=1)


class ServiceRecordVersion(_Record, Base):
    """What a record said in a past recorded interval `[recorded_from, recorded_to)`."""

    __tablename__ = "service_record_versions"
    __table_args__ = ({"info": {SCOPED: True}},)

    recorded_from: Mapped[datetime] = mapped_column(primary_key=True, sort_order=1)
    recorded_to: Mapped[datetime] = mapped_column(sort_order=1)
    closed_by: Mapped[int] = mapped_column(sort_order=1)


COLUMNS = tuple(
    column.name for column in ServiceRecord.table().columns if column.name != "recorded_from"
)
"""The columns that both tables share, apart from the recorded interval."""
