"""Findings: what in a vendor's month does not look right, with the service records that show it."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import strawberry

from gateway.findings.messages import message
from gateway.findings.rule import Rule
from gateway.regulation.months import Month
from gateway.schema.context import Info
from gateway.schema.enums import FindingSeverity
from gateway.schema.finding_rule import FindingRule, plain
from gateway.schema.needs import needs
from gateway.schema.pages import PageInfo, Slice
from gateway.schema.product import Product
from gateway.schema.selection import response_path
from gateway.schema.user import UserConnection
from gateway.schema.vendor import Vendor
from gateway.tenancy.principal import Right


@strawberry.type(
    description="What a rule has found of one vendor's users of one product in one month.",
    directives=needs(Right.READ_USERS, Right.READ_STATISTICS),
)
class Finding:
    """A finding; `row` is its JSON, `nested` the evidence by response key."""

    raised_by: strawberry.Private[Rule]
    row: strawberry.Private[dict[str, Any]]
    nested: strawberry.Private[dict[str, UserConnection]]
    set_for: strawberry.Private[Sequence[Mapping[str, Any]]]

    @strawberry.field
    def rule(self) -> FindingRule:
        """Return the rule that raised it."""
        return FindingRule(rule=self.raised_by, set_for=self.set_for)

    @strawberry.field
    def severity(self) -> FindingSeverity:
        """Return how much it matters."""
        return self.raised_by.severity

    @strawberry.field
    def vendor(self) -> Vendor:
        """Return whose users it is about."""
        return Vendor(row=self.row)

    @strawberry.field
    def product(self) -> Product:
        """Return users of which product it is about."""
        return Product(row=self.row)

    @strawberry.field
    def month(self) -> Month:
        """Return the month."""
        return Month.of(date.fromisoformat(self.row["month"]))

    @strawberry.field(description="The first of the days that the evidence is of.")
    def first_day(self) -> date:
        """Return the first day."""
        return date.fromisoformat(self.row["first_day"])

    @strawberry.field(description="The last of the days that the evidence is of.")
    def last_day(self) -> date:
        """Return the last day."""
        return date.fromisoformat(self.row["last_day"])

    @strawberry.field(
        description="What it is about: a phone number, a name, a user ID, a usage mode, a fee "
        "category, a run of days, ABOVE or BELOW; null where it is about all users."
    )
    def subject(self) -> str | None:
        """Return the subject."""
        return self.row["subject"]  # type: ignore[no-any-return]

    @strawberry.field(description="What was counted, as the rule's meaning says.")
    def observed(self) -> Decimal:
        """Return the figure that was found."""
        return plain(self.row["observed"])

    @strawberry.field(description="The furthest value that would have passed: a quota, a bound.")
    def limit(self) -> Decimal:
        """Return the figure that it was compared with."""
        return plain(self.row["limit"])

    @strawberry.field(description="Of a trend: where it leads to.")
    def expected(self) -> Decimal | None:
        """Return the expected figure, null where nothing was expected."""
        return None if self.row["expected"] is None else plain(self.row["expected"])

    @strawberry.field(description="The finding in a sentence.")
    def message(self) -> str:
        """Return the message in English."""
        return message(self.raised_by, self.row, "en")

    @strawberry.field
    def message_zh(self) -> str:
        """Return the message in Chinese."""
        return message(self.raised_by, self.row, "zh")

    @strawberry.field(description="The service records that show it, by user ID.")
    def evidence(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> UserConnection:
        """Return the list that was read together with the finding."""
        return self.nested[response_path(info)]


@strawberry.type(directives=needs(Right.READ_USERS, Right.READ_STATISTICS))
class FindingEdge:
    """Relay's edge."""

    cursor: str
    node: Finding


@strawberry.type(
    description="A page of findings.", directives=needs(Right.READ_USERS, Right.READ_STATISTICS)
)
class FindingConnection:
    """Relay's connection."""

    part: strawberry.Private[Slice]
    findings: strawberry.Private[list[Finding]]

    @strawberry.field
    def edges(self) -> list[FindingEdge]:
        """Return nodes with their cursors."""
        return [FindingEdge(cursor=self.part.cursor(one.row), node=one) for one in self.findings]

    @strawberry.field
    def nodes(self) -> list[Finding]:
        """Return the nodes alone."""
        return self.findings

    @strawberry.field
    def page_info(self) -> PageInfo:
        """Return the page information."""
        return self.part.info

    @strawberry.field(
        description="How many findings the whole list has. Only computed if selected."
    )
    def total_count(self) -> int:
        """Return the number of all nodes in the list."""
        return self.part.total or 0
