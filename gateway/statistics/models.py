"""Monthly figures, stored where they change."""

from datetime import date

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from gateway.catalogue.models import Product, Vendor
from gateway.db.base import SCOPED, Base


class MonthlyDelta(Base):
    """How a month's counts differ from the month before, per vendor and product.

    The four categories add up over time: a month's count is the sum of all deltas up to it. It is
    kept beside them (`full_price_count` and so on) and holds until the next row, so that months
    without events need no rows and the turn of a month needs no work. `new`, `ended` and
    `cancelled` (a part of `ended`) are the month's own figures.
    """

    __tablename__ = "monthly_deltas"
    __table_args__ = ({"info": {SCOPED: True}},)

    vendor_id: Mapped[int] = mapped_column(ForeignKey(Vendor.vendor_id), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey(Product.product_id), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    full_price: Mapped[int]
    regulatory: Mapped[int]
    internal_free: Mapped[int]
    trial: Mapped[int]
    new: Mapped[int]
    ended: Mapped[int]
    cancelled: Mapped[int]
    full_price_count: Mapped[int]
    regulatory_count: Mapped[int]
    internal_free_count: Mapped[int]
    trial_count: Mapped[int]
