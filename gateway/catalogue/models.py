"""Licensors, exchanges, products, prices; vendors, their licences and products."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Numeric, func
from sqlalchemy.orm import Mapped, mapped_column

from gateway.db.base import SCOPED, Base, Sortable
from gateway.regulation.formats.reading import DEFAULT


class Licensor(Base):
    """信息公司: a data company that grants licences; `report_format` is the code of its files'."""

    __tablename__ = "licensors"

    licensor_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(Sortable, unique=True)
    name: Mapped[str] = mapped_column(Sortable)
    report_format: Mapped[str] = mapped_column(Sortable, server_default=DEFAULT)


class StoredFormat(Base):
    """A version of a report format, as its file stands. Rows are inserted, never changed."""

    __tablename__ = "report_formats"

    code: Mapped[str] = mapped_column(Sortable, primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[str]
    added_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Exchange(Base):
    """An exchange whose data products carry."""

    __tablename__ = "exchanges"

    exchange_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(Sortable, unique=True)
    name: Mapped[str] = mapped_column(Sortable)


class Product(Base):
    """信息产品, of one licensor."""

    __tablename__ = "products"
    __table_args__ = ({"info": {SCOPED: True}},)

    product_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    licensor_id: Mapped[int] = mapped_column(ForeignKey(Licensor.licensor_id))
    exchange_id: Mapped[int | None] = mapped_column(ForeignKey(Exchange.exchange_id))
    name: Mapped[str] = mapped_column(Sortable, unique=True)


class Price(Base):
    """The price of a product per full-price user and month, in yuan, from a date on.

    In force until the product's next price begins, or until `valid_to` (inclusive).
    """

    __tablename__ = "prices"
    __table_args__ = (
        CheckConstraint("amount >= 0", name="amount"),
        CheckConstraint("valid_to >= valid_from", name="validity"),
        {"info": {SCOPED: True}},
    )

    product_id: Mapped[int] = mapped_column(ForeignKey(Product.product_id), primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    valid_to: Mapped[date | None]
    amount: Mapped[Decimal] = mapped_column(Numeric(14, 2))


class Vendor(Base):
    """信息商: a licensed company, the tenant. Its number is random, so that it tells nothing."""

    __tablename__ = "vendors"
    __table_args__ = ({"info": {SCOPED: True}},)

    vendor_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    code: Mapped[str] = mapped_column(Sortable, unique=True)
    name: Mapped[str] = mapped_column(Sortable)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Licence(Base):
    """经营许可: a vendor may deal in a product from a date, until a date (inclusive) if given."""

    __tablename__ = "licences"
    __table_args__ = (
        CheckConstraint("valid_to >= valid_from", name="validity"),
        {"info": {SCOPED: True}},
    )

    vendor_id: Mapped[int] = mapped_column(ForeignKey(Vendor.vendor_id), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey(Product.product_id), primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    valid_to: Mapped[date | None]


class VendorProduct(Base):
    """A product that a vendor has held a licence for or has reported users of."""

    __tablename__ = "vendor_products"
    __table_args__ = ({"info": {SCOPED: True}},)

    vendor_id: Mapped[int] = mapped_column(ForeignKey(Vendor.vendor_id), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey(Product.product_id), primary_key=True)
