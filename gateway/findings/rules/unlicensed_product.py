"""UNLICENSED_PRODUCT: users of a product that their vendor has never had a licence for."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, exists, func, literal, select

from gateway.catalogue.models import Licence, VendorProduct
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


def _raised(_: Rule, asked: Asked) -> Select[*tuple[Any, ...]]:
    held, licence = VendorProduct.table().alias("held"), Licence.table().alias("licence")
    licensed = exists().where(asked.scope.covers(licence), *same(licence, held)).correlate(held)
    pairs = (
        select(held.c.vendor_id, held.c.product_id)
        .where(asked.scope.covers(held), ~licensed)
        .subquery("pairs")
    )
    rows, reachable = known(asked.scope, asked.as_of, "r")
    days = calendar(asked.months)
    return (
        finding(pairs, days, observed=func.count(), limit=literal(0))
        .select_from(pairs.join(rows, and_(*same(rows, pairs))).join(days, running(rows, days)))
        .where(reachable)
        .group_by(pairs.c.vendor_id, pairs.c.product_id, days.c.month, days.c.last_day)
    )


def _evidence(_: Asked, rows: FromClause, found: FromClause) -> Iterator[ColumnElement[bool]]:
    yield in_service(rows, found)


def _listed(row: Mapping[str, Any]) -> UserFilter:
    return served_in(row)


RULE = Rule(
    RuleCode.UNLICENSED_PRODUCT,
    Severity.HIGH,
    "Users of a product without a licence",
    "无许可产品的用户",
    "The vendor reports services of a product for which it holds no licence of any date.",
    "信息商报送了从未获得经营许可的信息产品的用户。",
    "经营许可 (licence book)",
    "{observed} service records are in service in {month}, and the vendor has no licence for the "
    "product.",
    "{month}有{observed}条服务记录在用，而信息商没有该产品的经营许可。",
    _raised,
    _evidence,
    _listed,
)
