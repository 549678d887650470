"""OVERLAPPING_TRIALS: one ID with several trials of a product on the same day."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, func, literal, select

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
from gateway.regulation.codes import FeeCategory


def _is_trial(rows: FromClause) -> ColumnElement[bool]:
    return rows.c.fee_category == FeeCategory.TRIAL


def _raised(_: Rule, asked: Asked) -> Select[*tuple[Any, ...]]:
    one, reach_one = known(asked.scope, asked.as_of, "r")
    other, reach_other = known(asked.scope, asked.as_of, "beside")
    days = calendar(asked.months)
    begin = func.greatest(one.c.start_date, other.c.start_date, days.c.month)
    end = func.least(one.c.end_date, other.c.end_date, days.c.last_day)
    overlapping = (
        select(one.c.vendor_id, one.c.product_id, *days.c, one.c.user_id)
        .select_from(
            one.join(
                other, and_(*same(one, other, "user_id"), one.c.record_id < other.c.record_id)
            ).join(days, begin <= end)
        )
        .where(reach_one, reach_other, _is_trial(one), _is_trial(other))
        .distinct()
        .subquery("overlapping")
    )
    trial, reachable = known(asked.scope, asked.as_of, "trial")
    number = func.count()
    user = (overlapping.c.vendor_id, overlapping.c.product_id, overlapping.c.user_id)
    return (
        finding(
            overlapping,
            overlapping,
            subject=overlapping.c.user_id,
            observed=number,
            limit=literal(1),
        )
        .select_from(
            overlapping.join(
                trial,
                and_(*same(trial, overlapping, "user_id"), running(trial, overlapping)),
            )
        )
        .where(reachable, _is_trial(trial))
        .group_by(*user, overlapping.c.month, overlapping.c.last_day)
    )


def _evidence(_: Asked, rows: FromClause, found: FromClause) -> Iterator[ColumnElement[bool]]:
    yield in_service(rows, found)
    yield _is_trial(rows)
    yield rows.c.user_id == found.c.subject


def _listed(row: Mapping[str, Any]) -> UserFilter:
    trials = UserFilter(exactly=(("user_id", row["subject"]),), fee_categories=(FeeCategory.TRIAL,))
    return served_in(row, trials)


RULE = Rule(
    RuleCode.OVERLAPPING_TRIALS,
    Severity.LOW,
    "Overlapping trials",
    "试用期重叠",
    "One user ID has two or more TRIAL services of a product on the same day of the month.",
    "同一用户ID对同一产品在当月同一天有两项以上试用服务。",
    "优惠标记 试用用户 (一、1)",
    "User {subject} has {observed} trials of the product in {month}, some of them on the same day.",
    "用户{subject}在{month}对该产品有{observed}项试用，其中有重叠。",
    _raised,
    _evidence,
    _listed,
)
