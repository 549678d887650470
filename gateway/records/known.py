"""What is known of the service records, now or at an earlier instant."""

from datetime import date, datetime

from sqlalchemy import (
    ColumnElement,
    Date,
    FromClause,
    Text,
    cast,
    literal,
    literal_column,
    select,
    true,
    union_all,
)

from gateway.records.models import COLUMNS, ServiceRecord, ServiceRecordVersion
from gateway.tenancy.scope import Scope

OPEN_END = literal_column("'infinity'::date", Date)
"""How an open end is stored: later than every date."""


def calendar_day(day: date) -> ColumnElement[date]:
    """Return a date as a parameter.

    It goes as text: asyncpg would send the calendar's first and last dates as infinities.
    """
    return cast(literal(day.isoformat(), Text), Date)


CURRENT = ServiceRecord.table()
VERSIONS = ServiceRecordVersion.table()


def known(
    scope: Scope, as_of: datetime | None = None, name: str = "r"
) -> tuple[FromClause, ColumnElement[bool]]:
    """Return the rows known at an instant (default now), and the condition to select them by.

    The rows have the columns of `service_records`. Both together keep to the scope.
    """
    if as_of is None:
        rows = CURRENT.alias(name)
        return rows, scope.covers(rows)
    return (
        union_all(
            select(*(CURRENT.c[column] for column in COLUMNS)).where(
                scope.covers(CURRENT), CURRENT.c.recorded_from <= as_of
            ),
            select(*(VERSIONS.c[column] for column in COLUMNS)).where(
                scope.covers(VERSIONS),
                VERSIONS.c.recorded_from <= as_of,
                VERSIONS.c.recorded_to > as_of,
            ),
        ).subquery(name),
        true(),
    )
