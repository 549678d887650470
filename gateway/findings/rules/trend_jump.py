"""TREND_JUMP: a month's users far from where the six months before it lead."""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Numeric,
    Select,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    over,
    select,
)

from gateway.findings.counts import BEFORE
from gateway.findings.rule import Asked, Rule, RuleCode, Severity, Threshold, finding
from gateway.findings.thresholds import limits
from gateway.records.filters import UserFilter
from gateway.records.known import calendar_day
from gateway.records.movements import Movement, moved
from gateway.regulation.months import Month

WEIGHTS = (10, 7, 4, 1, -2, -5)
"""Fifteenths by which the six months before, the last one first, make up the month that follows:
the value there of the straight line through them by least squares."""
ABOVE, BELOW = "ABOVE", "BELOW"
_ONE = literal_column("1", Integer)


def _whole(number: int) -> ColumnElement[int]:
    return literal_column(str(number), Integer)


def _series(asked: Asked) -> FromClause:
    """Return the users counted in each month, and in the months before it: before1 and so on."""
    month = asked.counts
    along = partial(
        over, partition_by=(month.c.vendor_id, month.c.product_id), order_by=month.c.month
    )
    return select(
        *(month.c[name] for name in ("vendor_id", "product_id", "month", "last_day")),
        month.c.users,
        along(func.lag(month.c.month)).label("month_before"),
        *(
            along(func.lag(month.c.users, _whole(back))).label(f"before{back}")
            for back in range(1, BEFORE + 1)
        ),
    ).subquery("series")


def _raised(rule: Rule, asked: Asked) -> Select[*tuple[Any, ...]]:
    series, most = _series(asked), limits(rule, asked)
    before = [series.c[f"before{back}"] for back in range(1, BEFORE + 1)]
    parts = (one * _whole(weight) for one, weight in zip(before, WEIGHTS, strict=True))
    trend: Any = sum(parts, _whole(0))
    expected = func.greatest(cast(trend, Numeric) / _whole(sum(WEIGHTS)), _whole(0))
    allowed = func.greatest(most.c.base, most.c.share * expected)
    users, month = series.c.users, series.c.month
    above = users > expected + allowed
    first, current = (calendar_day(one.first) for one in _ends(asked))
    below = and_(users < expected - allowed, month < current)
    return (
        finding(
            series,
            series,
            # who was lost was there in the month before, to its end at the most
            first_day=case((above, month), else_=series.c.month_before),
            last_day=case((above, series.c.last_day), else_=month - _ONE),
            subject=case((above, literal(ABOVE)), else_=literal(BELOW)),
            observed=users,
            limit=case((above, expected + allowed), else_=expected - allowed),
            expected=expected,
        )
        .select_from(series.join(most, most.c.product_id == series.c.product_id))
        .where(month >= first, or_(above, below), *(one > _whole(0) for one in before))
    )


def _ends(asked: Asked) -> tuple[Month, Month]:
    """Return the first month asked for, and the current one."""
    current = Month.of(asked.today)
    return (asked.months[0] if asked.months else current), current


def _evidence(asked: Asked, rows: FromClause, found: FromClause) -> Iterator[ColumnElement[bool]]:
    month = (rows, found.c.first_day, found.c.last_day, asked.scope, asked.as_of)
    yield or_(
        and_(found.c.subject == literal(ABOVE), moved(Movement.NEW, *month)),
        and_(found.c.subject == literal(BELOW), moved(Movement.ENDED, *month)),
    )


def _listed(row: Mapping[str, Any]) -> UserFilter:
    month = Month.of(date.fromisoformat(row["first_day"]))
    movement = Movement.NEW if row["subject"] == ABOVE else Movement.ENDED
    return UserFilter().moving(movement, month)


RULE = Rule(
    RuleCode.TREND_JUMP,
    Severity.LOW,
    "Implausible jump against the trend",
    "用户数偏离趋势",
    "The users counted in the month lie further from the straight line through the six months "
    "before than the greater of a fixed number and a share of what it leads to. Each of the six "
    "months has users. The current month, which is not over, is only judged above the line. The "
    "evidence of a rise are the users new in the month, of a fall those whose service ended in the "
    "month before.",
    "当月用户数偏离前六个月的线性趋势过多：偏差大于固定人数与预期一定比例中的较大者；前六个月均须有用户，当月未结束时只判断上升。"
    "上升的依据为当月新增用户，下降的依据为上月终止服务的用户。",
    "counts (一、2)",
    "{observed} users are counted in {month}, where the six months before lead to {expected}; up "
    "to {limit} would have passed.",
    "{month}计数用户{observed}个，按前六个月趋势预期{expected}个，界限为{limit}个。",
    _raised,
    _evidence,
    _listed,
    (
        Threshold(
            "base",
            "Users by which a month may always differ",
            "可偏离的固定人数",
            Decimal(10**9),
            whole=True,
        ),
        Threshold("share", "Share of the expected users besides", "相对预期的比例", Decimal(1000)),
    ),
)
