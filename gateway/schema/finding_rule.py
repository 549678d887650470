"""The rules by which findings are raised, and their thresholds."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import strawberry

from gateway.findings.book import default_of
from gateway.findings.rule import Rule, Threshold
from gateway.schema.enums import FindingRuleCode, FindingSeverity
from gateway.schema.needs import needs
from gateway.tenancy.principal import Right


def plain(value: str | Decimal) -> Decimal:
    """Return a number without zeros behind its decimals."""
    number = Decimal(value)
    whole = number.to_integral_value()
    return whole if number == whole else number.normalize()


@strawberry.type(
    description="What a licensor has set for a product instead of the default.",
    directives=needs(Right.READ_STATISTICS),
)
class FindingThresholdOverride:
    """A product's own value of a threshold."""

    product: str = strawberry.field(description="The product's name.")
    value: Decimal


@strawberry.type(
    description="A number that a rule compares with. Shares are of one: 0.02 is 2 %.",
    directives=needs(Right.READ_STATISTICS),
)
class FindingThreshold:
    """A threshold; `own` has the products' own values."""

    threshold: strawberry.Private[Threshold]
    default: strawberry.Private[Decimal]
    own: strawberry.Private[Sequence[Mapping[str, Any]]]

    @strawberry.field
    def name(self) -> str:
        """Return the name within the rule."""
        return self.threshold.name

    @strawberry.field
    def title(self) -> str:
        """Return what it is, in English."""
        return self.threshold.title

    @strawberry.field
    def title_zh(self) -> str:
        """Return what it is, in Chinese."""
        return self.threshold.title_zh

    @strawberry.field(description="What holds where a licensor has set nothing else.")
    def value(self) -> Decimal:
        """Return the package's value."""
        return plain(self.default)

    @strawberry.field(description="What licensors have set for products in scope, by name.")
    def overrides(self) -> list[FindingThresholdOverride]:
        """Return the products' own values."""
        return [
            FindingThresholdOverride(product=one["product_name"], value=plain(one["value"]))
            for one in self.own
        ]


@strawberry.type(
    description="A rule by which findings are raised.", directives=needs(Right.READ_STATISTICS)
)
class FindingRule:
    """A rule; `overrides` are all thresholds that were set for products in scope."""

    rule: strawberry.Private[Rule]
    set_for: strawberry.Private[Sequence[Mapping[str, Any]]]

    @strawberry.field
    def code(self) -> FindingRuleCode:
        """Return the code."""
        return self.rule.code

    @strawberry.field
    def severity(self) -> FindingSeverity:
        """Return how much its findings matter."""
        return self.rule.severity

    @strawberry.field
    def title(self) -> str:
        """Return the title in English."""
        return self.rule.title

    @strawberry.field
    def title_zh(self) -> str:
        """Return the title in Chinese."""
        return self.rule.title_zh

    @strawberry.field(description="What it finds, exactly.")
    def meaning(self) -> str:
        """Return the definition in English."""
        return self.rule.meaning

    @strawberry.field
    def meaning_zh(self) -> str:
        """Return the definition in Chinese."""
        return self.rule.meaning_zh

    @strawberry.field(description="What it follows: an article of the regulation, the licences.")
    def source(self) -> str:
        """Return the source."""
        return self.rule.source

    @strawberry.field
    def thresholds(self) -> list[FindingThreshold]:
        """Return the thresholds."""
        return [
            FindingThreshold(
                threshold=one,
                default=default_of(self.rule, one.name),
                own=[
                    row
                    for row in self.set_for
                    if (row["rule"], row["name"]) == (self.rule.code.value, one.name)
                ],
            )
            for one in self.rule.thresholds
        ]
