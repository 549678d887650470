"""`findings` and `findingRules`: what does not look right, and by which rules."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any

import strawberry

from gateway.config.clock import today
from gateway.exports.requests import UserExport
from gateway.findings.book import RULES, picked
from gateway.findings.calendar import months_asked
from gateway.findings.listing import (
    ORDER,
    EvidenceAsked,
    FindingList,
    finding_page,
    rule_list,
)
from gateway.findings.rule import Rule, RuleCode, Severity
from gateway.records.keyset import Page
from gateway.records.order import BY_USER_ID
from gateway.records.users import UserList
from gateway.regulation.months import Month
from gateway.resolvers.fields import list_fields
from gateway.resolvers.users import connection, day_at
from gateway.schema.context import Context, Info
from gateway.schema.enums import FindingRuleCode, FindingSeverity
from gateway.schema.finding import Finding, FindingConnection
from gateway.schema.finding_rule import FindingRule
from gateway.schema.pages import Slice
from gateway.schema.scalars import past_instant
from gateway.schema.selection import Selected, selected
from gateway.schema.user import UserConnection
from gateway.tenancy.principal import Right
from gateway.tenancy.scope import Scope

_ORDER = [f"{name} {direction.value}" for name, direction in ORDER.items()]


async def findings(
    info: Info,
    vendors: list[str] | None = None,
    products: list[str] | None = None,
    rules: list[FindingRuleCode] | None = None,
    severities: list[FindingSeverity] | None = None,
    from_: Annotated[Month | None, strawberry.argument(name="from")] = None,
    to: Month | None = None,
    first: int | None = None,
    after: str | None = None,
    as_of: datetime | None = None,
) -> FindingConnection:
    """Return a page of the findings in scope, evidence and all, by one statement."""
    context: Context = info.context
    listed = read_findings(
        context.scope, today(), vendors, products, rules, severities, from_, to, as_of
    )
    paging, selection = Page.asked(first, after), selected(info)
    of_rows = [*selection.under("nodes"), *selection.under("edges", "node")]
    wanted = {one.path: _evidence(one) for one in of_rows if one.name == "evidence"}
    total = "totalCount" in selection.names()
    found = await context.ask(finding_page(listed, paging, total=total, evidence=wanted))
    part = Slice.of(found, _ORDER, paging)
    by_number = {rule.number: rule for rule in listed.rules}
    return FindingConnection(
        part=part,
        findings=[
            Finding(
                raised_by=by_number[row["rule"]],
                row=row,
                nested={
                    key: _shown(by_number[row["rule"]], row, place, one, listed)
                    for place, (key, one) in enumerate(wanted.items())
                },
                set_for=found["overrides"],
            )
            for row in part.rows
        ],
    )


async def finding_rules(info: Info) -> list[FindingRule]:
    """Return all rules, with the thresholds that were set for products in scope."""
    context: Context = info.context
    context.scope.require(Right.READ_STATISTICS)
    found = await context.ask(rule_list(context.scope))
    return [FindingRule(rule=rule, set_for=found["overrides"]) for rule in RULES.values()]


def read_findings(
    scope: Scope,
    day: date,
    vendors: Sequence[str] | None = None,
    products: Sequence[str] | None = None,
    rules: Sequence[RuleCode] | None = None,
    severities: Sequence[Severity] | None = None,
    first: Month | None = None,
    last: Month | None = None,
    as_of: datetime | None = None,
) -> FindingList:
    """Read the arguments of `findings`; `day` is the current date."""
    scope.require(Right.READ_USERS)
    scope.require(Right.READ_STATISTICS)
    instant = past_instant(as_of)
    current = day_at(instant, day)
    return FindingList(
        scope.narrow(vendors=vendors, products=products),
        current,
        months_asked(current, first, last),
        picked(rules, severities),
        instant,
        scope.narrow(vendors=vendors),
    )


def _evidence(field: Selected) -> EvidenceAsked:
    arguments: Mapping[str, Any] = field.arguments
    return EvidenceAsked(
        fields=list_fields(field),
        paging=Page.asked(arguments.get("first"), arguments.get("after"), within="evidence."),
        total="totalCount" in field.names(),
    )


def _shown(
    rule: Rule, row: dict[str, Any], place: int, wanted: EvidenceAsked, listed: FindingList
) -> UserConnection:
    users = UserList(listed.scope, listed.today, as_of=listed.as_of, reach=listed.reach)
    export = UserExport(
        (str(row["vendor_code"]),),
        (str(row["product_name"]),),
        rule.listed(row),
        BY_USER_ID,
        listed.as_of,
    )
    return connection(row["evidence"][place], users, wanted.paging, export)
