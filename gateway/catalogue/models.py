"""Licensors, exchanges, interfaces, products, prices, packs; vendors, licences and approvals."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Numeric,
    SmallInteger,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from gateway.catalogue.codes import ExchangeKind, Purpose
from gateway.db.base import SCOPED, Base, CodeType, Sortable
from gateway.regulation.codes import FeeCategory
from gateway.regulation.formats.reading import DEFAULT


class Licensor(Base):
    """信息公司: a data company that grants licences.

    At each vendor the records of its products are numbered from `record_base` + 1 on. The base is
    random, so that it tells nothing, and no two licensors' numbers meet. `report_format` is the
    code of its files' format.
    """

    __tablename__ = "licensors"
    __table_args__ = ({"info": {SCOPED: ()}},)

    licensor_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(Sortable, unique=True)
    name: Mapped[str] = mapped_column(Sortable)
    record_base: Mapped[int] = mapped_column(BigInteger, unique=True)
    report_format: Mapped[str] = mapped_column(Sortable, server_default=DEFAULT)


class StoredFormat(Base):
    """A version of a report format, as its file stands. Rows are inserted, never changed."""

    __tablename__ = "report_formats"

    code: Mapped[str] = mapped_column(Sortable, primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[str]
    added_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Exchange(Base):
    """An exchange or data company that publishes interface specifications: nobody's secret."""

    __tablename__ = "exchanges"

    exchange_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(Sortable, unique=True)
    name: Mapped[str] = mapped_column(Sortable)
    short_name: Mapped[str | None] = mapped_column(Sortable)
    kind: Mapped[ExchangeKind] = mapped_column(CodeType(ExchangeKind), server_default="1")


class ExchangePage(Base):
    """A page of an exchange that is no specification: notices, an index of interfaces."""

    __tablename__ = "exchange_pages"

    exchange_id: Mapped[int] = mapped_column(ForeignKey(Exchange.exchange_id), primary_key=True)
    title: Mapped[str] = mapped_column(Sortable, primary_key=True)
    address: Mapped[str]


class InterfaceSpec(Base):
    """One edition of an interface specification. Editions of one specification share `series`.

    `code` is the publisher's own number, `key` the edition's name in this catalogue; `series` is
    the key of the first edition. An edition that no other supersedes is current.
    """

    __tablename__ = "interface_specs"
    __table_args__ = (
        CheckConstraint("supersedes_id <> spec_id", name="supersedes"),
        UniqueConstraint("supersedes_id", deferrable=True, initially="DEFERRED"),
    )

    spec_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    key: Mapped[str] = mapped_column(Sortable, unique=True)
    series: Mapped[str] = mapped_column(Sortable, index=True)
    exchange_id: Mapped[int] = mapped_column(ForeignKey(Exchange.exchange_id))
    code: Mapped[str | None] = mapped_column(Sortable)
    title: Mapped[str] = mapped_column(Sortable)
    protocols: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    purpose: Mapped[Purpose] = mapped_column(CodeType(Purpose))
    version: Mapped[str | None] = mapped_column(Sortable)
    published_on: Mapped[date | None]
    address: Mapped[str]
    supersedes_id: Mapped[int | None] = mapped_column(ForeignKey("interface_specs.spec_id"))


class Product(Base):
    """信息产品, of one licensor."""

    __tablename__ = "products"
    __table_args__ = ({"info": {SCOPED: ("product_id",)}},)

    product_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    licensor_id: Mapped[int] = mapped_column(ForeignKey(Licensor.licensor_id))
    exchange_id: Mapped[int | None] = mapped_column(ForeignKey(Exchange.exchange_id))
    name: Mapped[str] = mapped_column(Sortable, unique=True)


class ProductInterface(Base):
    """An interface by which a product is delivered: an edition, and with it its whole series."""

    __tablename__ = "product_interfaces"
    __table_args__ = ({"info": {SCOPED: True}},)

    product_id: Mapped[int] = mapped_column(ForeignKey(Product.product_id), primary_key=True)
    spec_id: Mapped[int] = mapped_column(ForeignKey(InterfaceSpec.spec_id), primary_key=True)


class Price(Base):
    """The price of a product per full-price user and month, in yuan, from a date on.

    In force until the product's next price begins, or until `valid_to` (inclusive). A month in
    which anything is billed costs the `minimum` at least.
    """

    __tablename__ = "prices"
    __table_args__ = (
        CheckConstraint("amount >= 0", name="amount"),
        CheckConstraint("minimum >= 0", name="minimum"),
        CheckConstraint("valid_to >= valid_from", name="validity"),
        {"info": {SCOPED: True}},
    )

    product_id: Mapped[int] = mapped_column(ForeignKey(Product.product_id), primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    valid_to: Mapped[date | None]
    amount: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    minimum: Mapped[Decimal | None] = mapped_column(Numeric(14, 2))


class PriceTier(Base):
    """What a unit costs from the so-many-th on; the price itself is of the first."""

    __tablename__ = "price_tiers"
    __table_args__ = (
        ForeignKeyConstraint(
            ["product_id", "valid_from"],
            ["prices.product_id", "prices.valid_from"],
            name="fk_price_tiers_price",
        ),
        CheckConstraint("from_unit > 1", name="from_unit"),
        CheckConstraint("amount >= 0", name="amount"),
        {"info": {SCOPED: True}},
    )

    product_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    from_unit: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    amount: Mapped[Decimal] = mapped_column(Numeric(14, 2))


class RulePackDefinition(Base):
    """A rule pack beside the built-in one. It never changes: another version takes its place."""

    __tablename__ = "rule_packs"

    name: Mapped[str] = mapped_column(Sortable, primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    summary: Mapped[str]
    options: Mapped[dict[str, Any]] = mapped_column(JSONB)


class ProductPack(Base):
    """By which rule pack a product's users count from a month on.

    What was said of the product itself (`own`) goes before what was said of all its licensor's.
    """

    __tablename__ = "product_packs"
    __table_args__ = ({"info": {SCOPED: True}},)

    product_id: Mapped[int] = mapped_column(ForeignKey(Product.product_id), primary_key=True)
    own: Mapped[bool] = mapped_column(primary_key=True, autoincrement=False)
    from_month: Mapped[date] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Sortable)
    version: Mapped[int]


class Vendor(Base):
    """信息商: a licensed company, the tenant. Its number is random, so that it tells nothing."""

    __tablename__ = "vendors"
    __table_args__ = ({"info": {SCOPED: True}},)

    vendor_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    code: Mapped[str] = mapped_column(Sortable, unique=True)
    name: Mapped[str] = mapped_column(Sortable)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Licence(Base):
    """经营许可: a vendor may deal in a product from a date, until a date (inclusive) if given.

    `usage_modes` are the numbers of the 信息使用方式 in which it may provide the product.
    """

    __tablename__ = "licences"
    __table_args__ = (
        CheckConstraint("valid_to >= valid_from", name="validity"),
        CheckConstraint(
            "usage_modes <@ '{1,2,3}' AND cardinality(usage_modes) > 0", name="usage_modes"
        ),
        {"info": {SCOPED: True}},
    )

    vendor_id: Mapped[int] = mapped_column(ForeignKey(Vendor.vendor_id), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey(Product.product_id), primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    valid_to: Mapped[date | None]
    usage_modes: Mapped[list[int]] = mapped_column(
        ARRAY(SmallInteger), server_default=text("'{1,2,3}'")
    )


class VendorProduct(Base):
    """A product that a vendor has held a licence for or has reported users of."""

    __tablename__ = "vendor_products"
    __table_args__ = ({"info": {SCOPED: True}},)

    vendor_id: Mapped[int] = mapped_column(ForeignKey(Vendor.vendor_id), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey(Product.product_id), primary_key=True)


class Approval(Base):
    """书面认可: a vendor's user may have a product free of charge, as one category, for a time.

    Until `valid_to` (inclusive); without it, for good.
    """

    __tablename__ = "approvals"
    __table_args__ = (
        CheckConstraint("valid_to >= valid_from", name="validity"),
        {"info": {SCOPED: True}},
    )

    vendor_id: Mapped[int] = mapped_column(ForeignKey(Vendor.vendor_id), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey(Product.product_id), primary_key=True)
    user_id: Mapped[str] = mapped_column(Sortable, primary_key=True)
    fee_category: Mapped[FeeCategory] = mapped_column(CodeType(FeeCategory), primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    valid_to: Mapped[date | None]
    reference: Mapped[str] = mapped_column(Sortable)
