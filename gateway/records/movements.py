"""Who is new in a month and whose service ended (rule pack szse-2010), one record per user."""

from datetime import date, datetime
from enum import Enum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    and_,
    exists,
    func,
    literal_column,
    tuple_,
)

from gateway.kinds import INTEGER
from gateway.recording import Known
from gateway.records.counted import enclosing, same_user
from gateway.records.known import known
from gateway.regulation.codes import ServiceStatus
from gateway.tenancy.scope import AnyScope

_ONE_DAY = literal_column("1", INTEGER)


class Movement(Enum):
    """A monthly count of users who come or go."""

    NEW = "NEW"
    ENDED = "ENDED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"

    @property
    def condition(self) -> str:
        """The condition of `UserFilter` that asks for the users behind the count."""
        return f"{self.value.lower()}_in"


def is_cancelled(rows: FromClause) -> ColumnElement[bool]:
    """Return whether a record was reported as 用户注销."""
    return func.coalesce(rows.c.service_status == ServiceStatus.CANCELLED, False)


def moved(
    movement: Movement,
    rows: FromClause,
    first: ColumnElement[date],
    last: ColumnElement[date],
    scope: AnyScope,
    as_of: Known[datetime] | None,
) -> ColumnElement[bool]:
    """Return whether a record is the one by which its user moves in the month `first`..`last`.

    NEW: it begins the service, the day before being without; the earliest such record, on a tie
    the first usage mode. ENDED: it ends the service, the day after being without; the latest such
    record, on a tie one reported 用户注销, then the later start, then the last usage mode.
    CANCELLED are the ENDED that were reported so, EXPIRED the others. One record per user and
    product holds, so that a list of them is as long as the count.
    """
    edge, precedes = (_begins, _is_earlier) if movement is Movement.NEW else (_ends, _is_later)
    other, reachable = known(scope, as_of, "decisive")
    decisive = exists().where(
        reachable,
        same_user(other, rows),
        edge(other, first, last, scope, as_of),
        precedes(other, rows),
    )
    decides = ~decisive.correlate(rows, *enclosing(first, last))
    found = and_(edge(rows, first, last, scope, as_of), decides)
    if movement is Movement.CANCELLED:
        return and_(found, is_cancelled(rows))
    if movement is Movement.EXPIRED:
        return and_(found, ~is_cancelled(rows))
    return found


def _begins(
    rows: FromClause,
    first: ColumnElement[date],
    last: ColumnElement[date],
    scope: AnyScope,
    as_of: Known[datetime] | None,
) -> ColumnElement[bool]:
    """Return whether a record starts in the month, after a day without service."""
    other, reachable = known(scope, as_of, "before")
    served = exists().where(
        reachable,
        same_user(other, rows),
        other.c.start_date < rows.c.start_date,
        other.c.end_date >= rows.c.start_date - _ONE_DAY,
    )
    start = rows.c.start_date
    return and_(start >= first, start <= last, ~served.correlate(rows))


def _ends(
    rows: FromClause,
    first: ColumnElement[date],
    last: ColumnElement[date],
    scope: AnyScope,
    as_of: Known[datetime] | None,
) -> ColumnElement[bool]:
    """Return whether a record ends in the month, before a day without service."""
    other, reachable = known(scope, as_of, "after")
    served = exists().where(
        reachable,
        same_user(other, rows),
        other.c.end_date > rows.c.end_date,
        other.c.start_date <= rows.c.end_date + _ONE_DAY,
    )
    end = rows.c.end_date
    return and_(end >= first, end <= last, ~served.correlate(rows))


def _is_earlier(one: FromClause, other: FromClause) -> ColumnElement[bool]:
    return _begin(one) < _begin(other)


def _is_later(one: FromClause, other: FromClause) -> ColumnElement[bool]:
    return _end(one) > _end(other)


def _begin(rows: FromClause) -> ColumnElement[Any]:
    return tuple_(rows.c.start_date, rows.c.usage_mode)


def _end(rows: FromClause) -> ColumnElement[Any]:
    return tuple_(rows.c.end_date, is_cancelled(rows), rows.c.start_date, rows.c.usage_mode)
