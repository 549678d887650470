"""Who counts in a month, and by which record (rule pack szse-2010)."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnClause, ColumnElement, FromClause, and_, case, exists, tuple_

from gateway.recording import Known
from gateway.records.known import known
from gateway.regulation.codes import FeeCategory
from gateway.tenancy.scope import AnyScope


def rank(rows: FromClause) -> tuple[ColumnElement[Any], ...]:
    """Return what decides, among a user's records in service in a month, which one counts.

    Rule pack szse-2010: FULL_PRICE first; else the one that starts last; on a tie TRIAL, then
    INTERNAL_FREE, then REGULATORY. What is still level differs in usage mode: the later one.
    """
    return (
        case((rows.c.fee_category == FeeCategory.FULL_PRICE, 1), else_=0),
        rows.c.start_date,
        rows.c.fee_category,
        rows.c.usage_mode,
    )


def counted(
    rows: FromClause,
    first: ColumnElement[date],
    last: ColumnElement[date],
    scope: AnyScope,
    as_of: Known[datetime] | None,
) -> ColumnElement[bool]:
    """Return whether a record is the one by which its user counts in the month `first`..`last`.

    One record per counted user and product holds, so that a list of them is as long as the count.
    """
    other, reachable = known(scope, as_of, "stronger")
    stronger = exists().where(
        reachable,
        same_user(other, rows),
        other.c.start_date <= last,
        other.c.end_date >= first,
        tuple_(*rank(other)) > tuple_(*rank(rows)),
    )
    stronger = stronger.correlate(rows, *enclosing(first, last))
    return and_(rows.c.start_date <= last, rows.c.end_date >= first, ~stronger)


def same_user(one: FromClause, other: FromClause) -> ColumnElement[bool]:
    """Return whether two records are of one user of one vendor's product."""
    return and_(*(one.c[name] == other.c[name] for name in ("vendor_id", "product_id", "user_id")))


def enclosing(*days: ColumnElement[date]) -> list[FromClause]:
    """Return the rows of the enclosing statement that days come from, for subqueries to see."""
    tables = (day.table for day in days if isinstance(day, ColumnClause))
    return [table for table in tables if table is not None]
