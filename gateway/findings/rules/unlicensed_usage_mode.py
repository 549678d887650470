"""UNLICENSED_USAGE_MODE: services by a usage mode that the vendor's licence does not cover."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, any_, case, func, literal

from gateway.catalogue.models import LicenceTerms
from gateway.findings.calendar import calendar
from gateway.findings.rule import (
    Asked,
    Rule,
    RuleCode,
    Severity,
    finding,
    in_service,
    running,
    same,
    served_in,
)
from gateway.records.filters import UserFilter
from gateway.records.known import known
from gateway.regulation.codes import UsageMode


def _name(rows: FromClause) -> ColumnElement[str]:
    return case(*((rows.c.usage_mode == mode, mode.name) for mode in UsageMode))


def _raised(_: Rule, asked: Asked) -> Select[*tuple[Any, ...]]:
    terms, days = LicenceTerms.table().alias("terms"), calendar(asked.months)
    rows, reachable = known(asked.scope, asked.as_of, "r")
    covered = rows.c.usage_mode == any_(terms.c.usage_modes)
    mode = _name(rows)
    return (
        finding(terms, days, subject=mode, observed=func.count(), limit=literal(0))
        .select_from(terms.join(rows, and_(*same(rows, terms))).join(days, running(rows, days)))
        .where(asked.scope.covers(terms), reachable, ~covered)
        .group_by(terms.c.vendor_id, terms.c.product_id, days.c.month, days.c.last_day, mode)
    )


def _evidence(_: Asked, rows: FromClause, found: FromClause) -> Iterator[ColumnElement[bool]]:
    yield in_service(rows, found)
    yield _name(rows) == found.c.subject


def _listed(row: Mapping[str, Any]) -> UserFilter:
    return served_in(row, UserFilter(usage_modes=(UsageMode[row["subject"]],)))


RULE = Rule(
    RuleCode.UNLICENSED_USAGE_MODE,
    Severity.HIGH,
    "Usage mode outside the licence",
    "许可之外的信息使用方式",
    "The vendor's licence for the product names usage modes, and services run by another one. "
    "A licence that names none covers all.",
    "信息商的许可限定了信息使用方式，而有用户以其他方式使用；未限定者不限。",
    "经营许可 (licence book); 信息使用方式 (一、1)",
    "{observed} service records are in service in {month} by usage mode {subject}, which the "
    "vendor's licence for the product does not cover.",
    "{month}有{observed}条服务记录以{subject}方式在用，不在信息商对该产品的许可之内。",
    _raised,
    _evidence,
    _listed,
)
