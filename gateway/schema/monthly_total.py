"""Sums over monthly figures."""

from datetime import date
from decimal import Decimal
from typing import Any

import strawberry

from gateway.regulation.months import Month
from gateway.schema.needs import needs
from gateway.schema.product import Product
from gateway.schema.vendor import Vendor
from gateway.tenancy.principal import Right


@strawberry.type(
    description="Sums over monthly figures. Keys that were not asked for are null. A user who is "
    "counted in two months, at two vendors or in two products counts twice.",
    directives=needs(Right.READ_STATISTICS),
)
class MonthlyTotal:
    """One group's sums."""

    year: int | None
    month: Month | None
    label: str | None = strawberry.field(description="The month as pages show it: yyyy年mm月.")
    vendor: Vendor | None
    product: Product | None
    full_price_count: int
    regulatory_count: int
    internal_free_count: int
    trial_count: int
    new_count: int
    ended_count: int
    cancelled_count: int
    expired_count: int
    fee: Decimal | None = strawberry.field(
        description="The sum, in yuan, of the fees that there are; null where there is none."
    )
    unpriced: int = strawberry.field(
        description="How many vendors' months of a product have full-price users but no price in "
        "force: their fees are missing from the sum."
    )
    provisional: bool = strawberry.field(description="Whether a month in it is not over yet.")

    @classmethod
    def of(cls, row: dict[str, Any], current: Month) -> "MonthlyTotal":
        """Read a row of `statistics.totals`."""
        month = _month(row.get("month"))
        year = _month(row.get("year"))
        return cls(
            year=None if year is None else year.year,
            month=month,
            label=None if month is None else month.label,
            vendor=Vendor(row=row) if "vendor_code" in row else None,
            product=Product(row=row) if "product_name" in row else None,
            full_price_count=row["full_price"],
            regulatory_count=row["regulatory"],
            internal_free_count=row["internal_free"],
            trial_count=row["trial"],
            new_count=row["new"],
            ended_count=row["ended"],
            cancelled_count=row["cancelled"],
            expired_count=row["expired"],
            fee=None if row["fee"] is None else Decimal(row["fee"]),
            unpriced=row["unpriced"],
            provisional=_month(row["last"]) == current,
        )


def _month(day: str | None) -> Month | None:
    return None if day is None else Month.of(date.fromisoformat(day))
