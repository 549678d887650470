"""FREE_QUOTA_EXCEEDED: more users counted in a free category than its quota allows."""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, case, func, literal, select, union_all

from gateway.findings.rule import Asked, Rule, RuleCode, Severity, Threshold, finding
from gateway.findings.thresholds import limits
from gateway.records.counted import counted
from gateway.records.filters import UserFilter
from gateway.records.known import calendar_day
from gateway.regulation.codes import FeeCategory
from gateway.regulation.months import Month

FREE = (FeeCategory.REGULATORY, FeeCategory.INTERNAL_FREE, FeeCategory.TRIAL)
_MOST = Decimal(1_000_000_000)


def _raised(rule: Rule, asked: Asked) -> Select[*tuple[Any, ...]]:
    count = asked.counts
    first = [count.c.month >= calendar_day(one.first) for one in asked.months[:1]]
    most = limits(rule, asked)
    parts = []
    for category in FREE:
        name = category.name.lower()
        quota = func.greatest(most.c[f"{name}_base"], most.c[f"{name}_share"] * count.c.full_price)
        found = count.c[name]
        parts.append(
            finding(count, count, subject=literal(category.name), observed=found, limit=quota)
            .select_from(count.join(most, most.c.product_id == count.c.product_id))
            .where(found > quota, *first)
        )
    whole = union_all(*parts).subquery("over_quota")
    return select(*whole.c)


def _evidence(asked: Asked, rows: FromClause, found: FromClause) -> Iterator[ColumnElement[bool]]:
    yield counted(rows, found.c.first_day, found.c.last_day, asked.scope, asked.as_of)
    names = ((rows.c.fee_category == category, category.name) for category in FREE)
    yield case(*names) == found.c.subject


def _listed(row: Mapping[str, Any]) -> UserFilter:
    month = Month.of(date.fromisoformat(row["month"]))
    return UserFilter(counted_in=month, counted_as=FeeCategory[row["subject"]])


RULE = Rule(
    RuleCode.FREE_QUOTA_EXCEEDED,
    Severity.MEDIUM,
    "Free category beyond its quota",
    "免费类用户超出额度",
    "More users are counted in a free category in the month than the greater of a fixed number and "
    "a share of the users counted FULL_PRICE.",
    "当月计入某免费类别的用户多于额度；额度为固定人数与全价用户数一定比例中的较大者。",
    "优惠标记 (一、1); counts (一、2)",
    "{observed} users are counted {subject} in {month}, where {limit} may be free.",
    "{month}计入{subject}的用户有{observed}个，额度为{limit}。",
    _raised,
    _evidence,
    _listed,
    tuple(
        threshold
        for category in FREE
        for threshold in (
            Threshold(
                f"{category.name.lower()}_base",
                f"Users who may always be {category.name}",
                f"{category.text}的固定额度",
                _MOST,
                whole=True,
            ),
            Threshold(
                f"{category.name.lower()}_share",
                f"Share of the FULL_PRICE users that may be {category.name} besides",
                f"{category.text}相对全价用户的比例",
                _MOST,
            ),
        )
    ),
)
