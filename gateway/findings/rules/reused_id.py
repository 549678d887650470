"""REUSED_ID: one ID that clearly different people have had, one after the other."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    func,
    literal,
    select,
)

from gateway.findings.calendar import calendar
from gateway.findings.rule import Asked, Rule, RuleCode, Severity, finding, same
from gateway.records.filters import UserFilter
from gateway.records.known import known
from gateway.regulation.layouts import MISSING


def _differ(one: FromClause, other: FromClause) -> ColumnElement[bool]:
    """Return whether two records are clearly of different people: no missing value counts."""
    return and_(
        one.c.user_name != other.c.user_name,
        one.c.user_name != MISSING,
        other.c.user_name != MISSING,
        one.c.phone != other.c.phone,
    )


def _raised(_: Rule, asked: Asked) -> Select[*tuple[Any, ...]]:
    later, reach_later = known(asked.scope, asked.as_of, "r")
    earlier, reach_earlier = known(asked.scope, asked.as_of, "earlier")
    days = calendar(asked.months)
    again = (
        select(later.c.vendor_id, later.c.product_id, *days.c, later.c.user_id)
        .select_from(
            days.join(
                later,
                and_(later.c.start_date >= days.c.month, later.c.start_date <= days.c.last_day),
            ).join(
                earlier,
                and_(
                    *same(earlier, later, "user_id"),
                    earlier.c.start_date < later.c.start_date,
                    _differ(earlier, later),
                ),
            )
        )
        .where(reach_later, reach_earlier)
        .distinct()
        .subquery("again")
    )
    all_of, reachable = known(asked.scope, asked.as_of, "all_of")
    names = func.count(all_of.c.user_name.distinct())
    return (
        finding(again, again, subject=again.c.user_id, observed=names, limit=literal(1))
        .select_from(
            again.join(
                all_of,
                and_(*same(all_of, again, "user_id"), all_of.c.start_date <= again.c.last_day),
            )
        )
        .where(reachable, all_of.c.user_name != MISSING)
        .group_by(
            *(again.c.vendor_id, again.c.product_id, again.c.user_id),
            *(again.c.month, again.c.last_day),
        )
    )


def _evidence(_: Asked, rows: FromClause, found: FromClause) -> Iterator[ColumnElement[bool]]:
    yield rows.c.user_id == found.c.subject
    yield rows.c.start_date <= found.c.last_day


def _listed(row: Mapping[str, Any]) -> UserFilter:
    return UserFilter(
        exactly=(("user_id", row["subject"]),), start_to=date.fromisoformat(row["last_day"])
    )


RULE = Rule(
    RuleCode.REUSED_ID,
    Severity.MEDIUM,
    "One ID, different people",
    "用户ID被不同的人先后使用",
    "A service that starts in the month is of a clearly different person than an earlier service "
    "of the same user ID and product: both name and phone number differ, and all four are known.",
    "当月开始的服务与同一用户ID、同一产品更早的服务明显不属于同一人：名称与电话均不同，且均未缺失。",
    "用户ID: unique within the vendor (一、1)",
    "User ID {subject} has been used under {observed} names up to {month}; a service of another "
    "person starts in it.",
    "用户ID{subject}截至{month}先后用于{observed}个名称，当月开始了另一人的服务。",
    _raised,
    _evidence,
    _listed,
)
