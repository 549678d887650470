"""UNLICENSED_USAGE_MODE: services by a usage mode that the vendor's licence does not cover."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    any_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
)

from gateway.catalogue.models import Licence
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
    rows, reachable = known(asked.scope, asked.as_of, "r")
    limited = _limited(asked)
    other = Licence.table().alias("other")
    covered = (
        exists()
        .where(
            asked.scope.covers(other),
            *same(other, limited),
            _in_force(other, limited),
            rows.c.usage_mode == any_(other.c.usage_modes),
        )
        .correlate(rows, limited)
    )
    mode = _name(rows)
    return (
        finding(limited, limited, subject=mode, observed=func.count(), limit=literal(0))
        .select_from(limited.join(rows, and_(*same(rows, limited), running(rows, limited))))
        .where(reachable, ~covered)
        .group_by(
            *(limited.c[name] for name in ("vendor_id", "product_id", "month", "last_day")), mode
        )
    )


def _limited(asked: Asked) -> FromClause:
    """Return the months in which a licence in force leaves a usage mode out."""
    licence, days = Licence.table().alias("licence"), calendar(asked.months)
    every = and_(*(literal(int(mode)) == any_(licence.c.usage_modes) for mode in UsageMode))
    return (
        select(licence.c.vendor_id, licence.c.product_id, days.c.month, days.c.last_day)
        .select_from(licence.join(days, _in_force(licence, days)))
        .where(asked.scope.covers(licence), ~every)
        .distinct()
        .subquery("limited")
    )


def _in_force(licence: FromClause, days: FromClause) -> ColumnElement[bool]:
    return and_(
        licence.c.valid_from <= days.c.last_day,
        or_(licence.c.valid_to.is_(None), licence.c.valid_to >= days.c.month),
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
    "What any licence in force in the month covers, is covered.",
    "信息商的许可限定了信息使用方式，而有用户以其他方式使用；当月任一有效许可所含方式均可。",
    "经营许可 (licence book); 信息使用方式 (一、1)",
    "{observed} service records are in service in {month} by usage mode {subject}, which the "
    "vendor's licence for the product does not cover.",
    "{month}有{observed}条服务记录以{subject}方式在用，不在信息商对该产品的许可之内。",
    _raised,
    _evidence,
    _listed,
)
