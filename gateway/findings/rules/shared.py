"""One value of a column under many IDs: what SHARED_PHONE and SHARED_NAME have in common."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, func, select

from gateway.findings.calendar import calendar
from gateway.findings.rule import (
    Asked,
    Rule,
    Threshold,
    finding,
    in_service,
    running,
    same,
    served_in,
)
from gateway.findings.thresholds import limits
from gateway.records.filters import Exact, UserFilter
from gateway.records.known import calendar_day, known
from gateway.regulation.layouts import MISSING

THRESHOLDS = (
    Threshold(
        "base", "IDs that may always share it", "可共用的用户ID数", Decimal(10**9), whole=True
    ),
    Threshold(
        "share",
        "Share of the users counted in the month that may share it besides",
        "相对当月用户总数的比例",
        Decimal(1),
    ),
)


def raised(column: Exact) -> Callable[[Rule, Asked], Select[*tuple[Any, ...]]]:
    """Return what finds values of a column that too many IDs in service in a month have."""

    def found(rule: Rule, asked: Asked) -> Select[*tuple[Any, ...]]:
        most = limits(rule, asked)
        used = _used(column, asked, limits(rule, asked, "least"))
        month = asked.counts
        limit = func.greatest(most.c.base, most.c.share * month.c.users)
        return (
            finding(used, used, subject=used.c.value, observed=used.c.number, limit=limit)
            .select_from(
                used.join(most, most.c.product_id == used.c.product_id).join(
                    month, and_(*same(month, used), month.c.month == used.c.month)
                )
            )
            .where(used.c.number > limit)
        )

    return found


def _used(column: Exact, asked: Asked, least: FromClause) -> FromClause:
    """Return how many IDs have a value in each month, of values that may have too many.

    A value with few records in all months has few IDs in each: most are done with at once.
    """
    rows, reachable = known(asked.scope, asked.as_of, "r")
    value = [rows.c.vendor_id, rows.c.product_id, rows.c[column]]
    within = [
        *(rows.c.start_date <= calendar_day(one.last) for one in asked.months[-1:]),
        *(rows.c.end_date >= calendar_day(one.first) for one in asked.months[:1]),
    ]
    often = (
        select(*value, func.count().label("records"))
        .where(reachable, *within, rows.c[column].is_not(None), rows.c[column] != MISSING)
        .group_by(*value)
        .having(func.min(rows.c.user_id) != func.max(rows.c.user_id))
        .subquery("often")
    )
    suspect = (
        select(often.c.vendor_id, often.c.product_id, often.c[column])
        .select_from(often.join(least, least.c.product_id == often.c.product_id))
        .where(often.c.records > least.c.base)
        .subquery("suspect")
    )
    them, reach = known(asked.scope, asked.as_of, "theirs")
    days = calendar(asked.months)
    each = (
        select(
            suspect.c.vendor_id, suspect.c.product_id, *days.c, suspect.c[column], them.c.user_id
        )
        .select_from(
            suspect.join(them, and_(*same(them, suspect, column))).join(days, running(them, days))
        )
        .where(reach)
        .distinct()
        .subquery("each_id")
    )
    of = [each.c.vendor_id, each.c.product_id, each.c.month, each.c.last_day]
    return (
        select(*of, each.c[column].label("value"), func.count().label("number"))
        .group_by(*of, each.c[column])
        .subquery("used")
    )


def evidence(
    column: Exact,
) -> Callable[[Asked, FromClause, FromClause], Iterable[ColumnElement[bool]]]:
    """Return the conditions on the service records that have the value."""

    def conditions(_: Asked, rows: FromClause, found: FromClause) -> Iterator[ColumnElement[bool]]:
        yield rows.c[column] == found.c.subject
        yield in_service(rows, found)

    return conditions


def listed(column: Exact) -> Callable[[Mapping[str, Any]], UserFilter]:
    """Return the same conditions for a list of its own."""

    def filtered(row: Mapping[str, Any]) -> UserFilter:
        return served_in(row, UserFilter(exactly=((column, row["subject"]),)))

    return filtered
