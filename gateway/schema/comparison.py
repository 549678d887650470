"""A month's figures beside those of an earlier month."""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

import strawberry

from gateway.regulation.months import Month
from gateway.schema.needs import needs
from gateway.tenancy.principal import Right

_HUNDREDTH = Decimal("0.01")
_PERCENT = "change / before × 100, rounded half up to two decimals; null where before is 0"


@strawberry.type(
    description="How a count differs from that of an earlier month.",
    directives=needs(Right.READ_STATISTICS),
)
class FigureChange:
    """A count's change."""

    before: int = strawberry.field(description="The count in the earlier month.")
    change: int = strawberry.field(description="This month's count less that one.")
    percent: Decimal | None = strawberry.field(description=f"{_PERCENT}.")

    @classmethod
    def of(cls, now: int, before: int) -> "FigureChange":
        """Compare two counts of users."""
        change = now - before
        return cls(before=before, change=change, percent=percent(Decimal(change), Decimal(before)))


@strawberry.type(
    description="How the fee differs from that of an earlier month, in yuan.",
    directives=needs(Right.READ_STATISTICS),
)
class FeeChange:
    """A fee's change."""

    before: Decimal | None = strawberry.field(
        description="The earlier month's fee, by the price in force then; null without a price."
    )
    change: Decimal | None = strawberry.field(
        description="This month's fee less that one; null where either is missing."
    )
    percent: Decimal | None = strawberry.field(description=f"{_PERCENT} or either fee is missing.")

    @classmethod
    def of(cls, now: str | None, before: str | None) -> "FeeChange":
        """Compare two fees in yuan, exact decimals."""
        then = None if before is None else Decimal(before)
        if now is None or then is None:
            return cls(before=then, change=None, percent=None)
        with localcontext(prec=100):
            change = Decimal(now) - then
        return cls(before=then, change=change, percent=percent(change, then))


def percent(change: Decimal, before: Decimal) -> Decimal | None:
    """Return change / before × 100, rounded half up to two decimals; None where before is 0."""
    if before == 0:
        return None
    with localcontext(prec=100):
        # adding 0 makes -0.00 zero
        return (change * 100 / before).quantize(_HUNDREDTH, ROUND_HALF_UP) + 0


@strawberry.type(
    description="A month's figures beside those of an earlier month.",
    directives=needs(Right.READ_STATISTICS),
)
class MonthlyComparison:
    """The changes of all figures."""

    month: Month = strawberry.field(description="The earlier month.")
    label: str = strawberry.field(description="The earlier month as pages show it: yyyy年mm月.")
    full_price_count: FigureChange
    regulatory_count: FigureChange
    internal_free_count: FigureChange
    trial_count: FigureChange
    new_count: FigureChange
    ended_count: FigureChange
    cancelled_count: FigureChange
    expired_count: FigureChange
    fee: FeeChange

    @classmethod
    def of(cls, row: dict[str, Any], distance: int) -> "MonthlyComparison | None":
        """Read a row's comparison with so many months before; None before the calendar's begin."""
        before = row[f"before:{distance}"]
        if before["full_price"] is None:
            return None
        month = Month.of(date.fromisoformat(row["month"])).plus(-distance)
        names = (
            "full_price",
            "regulatory",
            "internal_free",
            "trial",
            "new",
            "ended",
            "cancelled",
            "expired",
        )
        changes = {f"{name}_count": FigureChange.of(row[name], before[name]) for name in names}
        fee = FeeChange.of(row["fee"], before["fee"])
        return cls(month=month, label=month.label, fee=fee, **changes)
