"""Thresholds that a licensor has set for its products, instead of the package's."""

from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from gateway.catalogue.models import Product
from gateway.db.base import SCOPED, Base, Sortable


class FindingThreshold(Base):
    """One threshold of a rule for one product. Without a value the package's holds again."""

    __tablename__ = "finding_thresholds"
    __table_args__ = (
        CheckConstraint("value >= 0", name="value"),
        {"info": {SCOPED: True}},
    )

    product_id: Mapped[int] = mapped_column(ForeignKey(Product.product_id), primary_key=True)
    rule: Mapped[str] = mapped_column(Sortable, primary_key=True)
    name: Mapped[str] = mapped_column(Sortable, primary_key=True)
    value: Mapped[Decimal | None] = mapped_column(Numeric(12, 4))
