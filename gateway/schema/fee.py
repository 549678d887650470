"""A fee explained: exact quantities, the lines that add up to it, and other packs' fees."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import strawberry

from gateway.errors import Language
from gateway.regulation.fees import Basis, Line, Tier, fee_lines
from gateway.regulation.packs import RulePack
from gateway.schema.enums import FeeCategory, FeeLineKind
from gateway.schema.needs import needs
from gateway.tenancy.principal import Right

_LABELS = {
    FeeLineKind.USERS: ("users at full price", "全价用户"),
    FeeLineKind.PRORATION: ("less the days without service", "按日折算"),
    FeeLineKind.MINIMUM: ("up to the minimum fee", "补足最低收费"),
    FeeLineKind.ROUNDING: ("rounded to whole fen", "四舍五入到分"),
}


@strawberry.type(
    description="How many counted in a category, exactly.", directives=needs(Right.READ_STATISTICS)
)
class CategoryQuantity:
    """One category's count."""

    category: FeeCategory
    quantity: Decimal = strawberry.field(
        description="A whole number, or, where the rule pack counts the average of the days, that "
        "average, rounded half up to four decimals."
    )


@strawberry.type(description="A line of a fee.", directives=needs(Right.READ_STATISTICS))
class FeeLine:
    """One line."""

    kind: FeeLineKind
    label: str = strawberry.field(description="What the line is, in the language of the request.")
    from_: int | None = strawberry.field(
        name="from", description="The first unit that the line's price is for."
    )
    to: int | None = strawberry.field(
        description="The last unit that the line's price is for; null where there is no last."
    )
    quantity: Decimal | None
    unit_price: Decimal | None = strawberry.field(description="In yuan.")
    amount: Decimal = strawberry.field(
        description="In yuan, exact: to six decimals, before the line that rounds."
    )

    @classmethod
    def of(cls, line: Line, language: Language) -> "FeeLine":
        """Show a line."""
        return cls(
            kind=line.kind,
            label=_LABELS[line.kind][language == "zh"],
            from_=line.first,
            to=line.last,
            quantity=line.quantity,
            unit_price=line.unit_price,
            amount=line.amount,
        )


@strawberry.type(
    description="The fee that a rule pack would have.", directives=needs(Right.READ_STATISTICS)
)
class PackFee:
    """A rule pack's fee."""

    rule_pack: str = strawberry.field(description="The rule pack's name and version.")
    fee: Decimal | None = strawberry.field(description="In yuan; null where no price is in force.")


def lines_of(row: Mapping[str, Any], pack: RulePack, language: Language) -> list[FeeLine]:
    """Return the lines of a row's fee; without a price none."""
    if row["price"] is None:
        return []
    counted = Decimal(row.get("full_price_quantity", row["full_price"]))
    tiers = [Tier(1, Decimal(row["price"]))]
    tiers += [Tier(first, Decimal(amount)) for first, amount in row["tiers"]]
    minimum = None if row["minimum"] is None else Decimal(row["minimum"])
    basis = Basis(counted, Decimal(row.get("billed", counted)), tiers, minimum)
    return [FeeLine.of(line, language) for line in fee_lines(pack, basis)]
