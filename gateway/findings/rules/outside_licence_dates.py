"""OUTSIDE_LICENCE_DATES: services on days on which no licence of the vendor is in force."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    FromClause,
    Integer,
    Select,
    and_,
    func,
    literal,
    literal_column,
    or_,
    select,
    union_all,
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
    same,
    served_in,
)
from gateway.records.filters import UserFilter
from gateway.records.known import OPEN_END, known
from gateway.tenancy.scope import AnyScope

_FIRST_DAY: ColumnElement[Any] = literal_column("'00010101'::date", Date)
_ONE = literal_column("1", Integer)
_ISO = "YYYY-MM-DD"


def gaps(scope: AnyScope) -> FromClause:
    """Return the days outside all licences of a vendor and product that has some: first, last."""
    licence = Licence.table().alias("licence")
    pair = (licence.c.vendor_id, licence.c.product_id)
    until = func.coalesce(licence.c.valid_to, OPEN_END)
    before = func.max(until).over(partition_by=pair, order_by=licence.c.valid_from, rows=(None, -1))
    edges = (
        select(*pair, licence.c.valid_from, before.label("before"))
        .where(scope.covers(licence))
        .subquery("edges")
    )
    between = select(
        edges.c.vendor_id,
        edges.c.product_id,
        func.coalesce(edges.c.before + _ONE, _FIRST_DAY).label("first"),
        (edges.c.valid_from - _ONE).label("last"),
    ).where(or_(edges.c.before.is_(None), edges.c.valid_from > edges.c.before + _ONE))
    behind = (
        select(*pair, (func.max(until) + _ONE).label("first"), OPEN_END.label("last"))
        .where(scope.covers(licence))
        .group_by(*pair)
        .having(func.max(until) < OPEN_END)
    )
    return union_all(between, behind).subquery("gaps")


def _raised(_: Rule, asked: Asked) -> Select[*tuple[Any, ...]]:
    gap, days = gaps(asked.scope), calendar(asked.months)
    first = func.greatest(gap.c.first, days.c.month)
    last = func.least(gap.c.last, days.c.last_day)
    outside = (
        select(
            gap.c.vendor_id,
            gap.c.product_id,
            *days.c,
            first.label("first_of"),
            last.label("last_of"),
        )
        .select_from(gap.join(days, first <= last))
        .subquery("outside")
    )
    rows, reachable = known(asked.scope, asked.as_of, "r")
    begin, end = outside.c.first_of, outside.c.last_of
    return (
        finding(
            outside,
            outside,
            first_day=begin,
            last_day=end,
            subject=func.concat(func.to_char(begin, _ISO), "/", func.to_char(end, _ISO)),
            observed=func.count(),
            limit=literal(0),
        )
        .select_from(
            outside.join(
                rows,
                and_(*same(rows, outside), rows.c.start_date <= end, rows.c.end_date >= begin),
            )
        )
        .where(reachable)
        .group_by(outside.c.vendor_id, outside.c.product_id, outside.c.month, begin, end)
    )


def _evidence(_: Asked, rows: FromClause, found: FromClause) -> Iterator[ColumnElement[bool]]:
    yield in_service(rows, found)


def _listed(row: Mapping[str, Any]) -> UserFilter:
    return served_in(row)


RULE = Rule(
    RuleCode.OUTSIDE_LICENCE_DATES,
    Severity.HIGH,
    "Service outside the licence's dates",
    "许可期限之外的服务",
    "Services run on days on which none of the vendor's licences for the product is in force. "
    "One finding for each unbroken run of such days in a month.",
    "在信息商对该产品的经营许可均未生效的日期有用户在用；一个月内每段连续日期一条。",
    "经营许可 (licence book)",
    "{observed} service records are in service from {first_day} to {last_day}, when no licence of "
    "the vendor for the product is in force.",
    "{first_day}至{last_day}有{observed}条服务记录在用，而信息商对该产品的许可未生效。",
    _raised,
    _evidence,
    _listed,
)
