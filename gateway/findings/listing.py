"""The list of findings as one SQL statement, evidence and all, in JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    FromClause,
    ScalarSelect,
    and_,
    case,
    cast,
    func,
    literal_column,
    null,
    select,
    union_all,
)
from sqlalchemy.types import TypeEngine

from gateway.catalogue.licensors import licensor_text
from gateway.findings.book import THRESHOLDS
from gateway.findings.counts import month_counts
from gateway.findings.rule import COLUMNS, Asked, Rule, same
from gateway.findings.thresholds import overrides
from gateway.kinds import DATE, INTEGER, TEXT
from gateway.records.keyset import Direction, Key, Page, beyond, bounds, ordering, places
from gateway.records.personal import masked
from gateway.records.rows import json_array
from gateway.records.users import Fields, UserList
from gateway.records.users import page as user_page
from gateway.regulation.months import Month
from gateway.statistics.grid import StatList, grid
from gateway.tenancy.scope import AnyScope

ORDER: Final = {
    "MONTH": Direction.DESC,
    "SEVERITY": Direction.DESC,
    "VENDOR": Direction.ASC,
    "PRODUCT": Direction.ASC,
    "RULE": Direction.ASC,
    "SUBJECT": Direction.ASC,
}
"""The keys of the list, all of them in each cursor."""
_NAMED = ("vendor_code", "vendor_name", "product_name")
_DAYS = ("month", "first_day", "last_day")


@dataclass(frozen=True, slots=True)
class FindingList:
    """Which findings: of the scope's vendors and products, in months, by some rules."""

    scope: AnyScope
    today: date
    months: tuple[Month, ...]
    rules: tuple[Rule, ...]
    as_of: datetime | None = None
    reach: AnyScope | None = None
    """The scope before products were picked from it: where a user has other lines."""

    def __post_init__(self) -> None:
        about = [rule.code.value for rule in self.rules if rule.personal]
        if about and not self.scope.reveals:
            raise masked(" and ".join(about), "rules")

    def asked(self) -> Asked:
        """Return what the rules look at: one for all of a statement."""
        counts = month_counts(self.scope, self.today, self.months, self.as_of)
        return Asked(self.scope, self.today, self.months, THRESHOLDS, counts, self.as_of)


@dataclass(frozen=True, slots=True)
class EvidenceAsked:
    """The service records behind a finding, as asked for."""

    fields: Fields
    paging: Page
    total: bool


@dataclass(frozen=True, slots=True)
class _Evidence:
    """The list of a finding's evidence, for `records.users`; see its `Figure`."""

    rule: Rule
    asked: Asked
    finding: FromClause

    @property
    def vendor_id(self) -> ColumnElement[int]:
        """The finding's vendor."""
        return self.finding.c.vendor_id

    @property
    def count(self) -> None:
        """No figure is as long as the list, without looking."""

    def picks(self, rows: FromClause, _: UserList) -> Iterator[ColumnElement[bool]]:
        """Yield the conditions on service records."""
        yield from same(rows, self.finding)
        yield from self.rule.evidence(self.asked, rows, self.finding)


def finding_keys(row: FromClause) -> list[Key]:
    """Return the order: newest month first, then the gravest; rule and subject leave no tie."""
    values: tuple[tuple[ColumnElement[Any], TypeEngine[Any]], ...] = (
        (row.c.month, DATE),
        (row.c.severity, INTEGER),
        (row.c.vendor_code, TEXT),
        (row.c.product_name, TEXT),
        (row.c.rule, INTEGER),
        (func.coalesce(row.c.subject, ""), TEXT),
    )
    return [
        Key(name, value, kind, direction)
        for (name, direction), (value, kind) in zip(ORDER.items(), values, strict=True)
    ]


def finding_page(
    findings: FindingList,
    paging: Page,
    *,
    total: bool,
    evidence: Mapping[str, EvidenceAsked],
) -> ScalarSelect[Any]:
    """Return one page as JSON, like `records.users.page`, and the licensors' own thresholds.

    A row has its rule by number. `evidence` are lists of service records
    nested in each row, by the key that they answer under, given as arrays in that order.
    """
    if not findings.rules:
        return _answer(literal_column("0", INTEGER), func.json_build_array(), findings.scope)
    asked = findings.asked()
    every = _every(findings, asked)
    named = _named(findings, every)
    keys = finding_keys(named)
    page = (
        select(*named.c)
        .where(*beyond(keys, bounds(keys, paging, findings.scope)))
        .order_by(*ordering(keys))
        .limit(paging.limit)
        .subquery("findings")
    )
    shown = finding_keys(page)
    values: dict[str, ColumnElement[Any]] = {
        "place": func.json_build_array(*places(shown)),
        **{name: page.c[name] for name in (*_NAMED, "rule", *_DAYS, "subject")},
        **{name: cast(page.c[name], TEXT) for name in ("observed", "limit", "expected")},
        "licensor_code": licensor_text(page, "code"),
        "licensor_name": licensor_text(page, "name"),
        "evidence": func.json_build_array(
            *(_listed(findings, asked, one, page) for one in evidence.values())
        ),
    }
    document = func.json_build_object(*(part for pair in values.items() for part in pair))
    rows = select(json_array(document, *ordering(shown))).select_from(page).scalar_subquery()
    number: Any = null()
    if total:
        number = select(func.count()).select_from(every).scalar_subquery()
    return _answer(number, rows, findings.scope)


def _answer(
    total: ColumnElement[Any], rows: ColumnElement[Any], scope: AnyScope
) -> ScalarSelect[Any]:
    parts = ("total", total, "rows", rows, "overrides", overrides(scope))
    return select(func.json_build_object(*parts)).scalar_subquery()


def _every(findings: FindingList, asked: Asked) -> FromClause:
    """Return the findings of all rules: COLUMNS, the rule's number and its severity."""
    parts = []
    for rule in findings.rules:
        raised = rule.raised(rule, asked).subquery("raised")
        parts.append(
            select(
                *(raised.c[name] for name in COLUMNS),
                _whole(rule.number).label("rule"),
                _whole(rule.severity).label("severity"),
            )
        )
    return union_all(*parts).cte("every_finding")


def _whole(number: int) -> ColumnElement[int]:
    return literal_column(str(int(number)), INTEGER)


def _named(findings: FindingList, every: FromClause) -> FromClause:
    """Return findings with the names of their vendors and products."""
    names = grid(StatList(findings.scope, findings.today, findings.months))
    same_month = and_(*same(names, every), names.c.month == every.c.month)
    return (
        select(*every.c, *(names.c[name] for name in _NAMED))
        .select_from(every.join(names, same_month))
        .subquery("named")
    )


def _listed(
    findings: FindingList, asked: Asked, wanted: EvidenceAsked, page: FromClause
) -> ColumnElement[Any]:
    """Return a finding's evidence. Each rule's is a list of its own, so that an index serves it."""
    users = UserList(findings.scope, findings.today, as_of=findings.as_of, reach=findings.reach)
    lists: list[tuple[ColumnElement[bool], ColumnElement[Any]]] = [
        (
            page.c.rule == _whole(rule.number),
            user_page(
                users,
                wanted.fields,
                wanted.paging,
                total=wanted.total,
                figure=_Evidence(rule, asked, page),
            ),
        )
        for rule in findings.rules
    ]
    return case(*lists)


def rule_list(scope: AnyScope) -> ScalarSelect[Any]:
    """Return what licensors have set for the products in scope, as JSON."""
    return select(func.json_build_object("overrides", overrides(scope))).scalar_subquery()
