"""What is known of the service records, now or at an earlier instant."""

from datetime import date, datetime

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    cast,
    exists,
    func,
    literal_column,
    or_,
    select,
    true,
    union_all,
)

from gateway.kinds import DATE, INSTANT, TEXT
from gateway.recording import Known, derive, param
from gateway.records.models import COLUMNS, ImportBatch, ServiceRecord, ServiceRecordVersion
from gateway.regulation.codes import UserType
from gateway.tenancy.scope import AnyScope

OPEN_END = literal_column("'infinity'::date", DATE)
"""How an open end is stored: later than every date."""


def calendar_day(day: Known[date]) -> ColumnElement[date]:
    """Return a date as a parameter.

    It goes as text: asyncpg would send the calendar's first and last dates as infinities.
    """
    return cast(param(derive(date.isoformat, day), TEXT), DATE)


def instant(at: Known[datetime]) -> ColumnElement[datetime]:
    """Return an instant as a parameter."""
    return param(at, INSTANT)


CURRENT = ServiceRecord.table()
VERSIONS = ServiceRecordVersion.table()
BATCHES = ImportBatch.table()


def horizon(scope: AnyScope, as_of: Known[datetime]) -> CTE:
    """Return the last batch that each vendor had had recorded at an instant, where there is one."""
    return (
        select(BATCHES.c.vendor_id, func.max(BATCHES.c.batch_no).label("batch_no"))
        .where(scope.covers(BATCHES), BATCHES.c.recorded_at <= instant(as_of))
        .group_by(BATCHES.c.vendor_id)
        .cte()
    )


def known(
    scope: AnyScope, as_of: Known[datetime] | None = None, name: str = "r"
) -> tuple[FromClause, ColumnElement[bool]]:
    """Return the rows known at an instant (default now), and the condition to select them by.

    The rows have the columns of `service_records`. Both together keep to the scope.
    """
    if as_of is None:
        rows = ServiceRecord.aliased(name)
        return rows, scope.covers(rows)
    last = horizon(scope, as_of)
    return (
        union_all(
            select(*(CURRENT.c[column] for column in COLUMNS)).where(
                scope.covers(CURRENT),
                CURRENT.c.vendor_id == last.c.vendor_id,
                CURRENT.c.batch_no <= last.c.batch_no,
            ),
            select(*(VERSIONS.c[column] for column in COLUMNS)).where(
                scope.covers(VERSIONS),
                VERSIONS.c.vendor_id == last.c.vendor_id,
                VERSIONS.c.batch_no <= last.c.batch_no,
                VERSIONS.c.closed_by > last.c.batch_no,
            ),
        ).subquery(name),
        true(),
    )


def once_individual(scope: AnyScope, row: FromClause) -> ColumnElement[bool]:
    """Return whether any line of a row's user ever had an individual, for the row's statement."""
    lines = (CURRENT.alias("now"), VERSIONS.alias("then"))
    return or_(
        *(
            exists()
            .where(
                scope.covers(line),
                line.c.vendor_id == row.c.vendor_id,
                line.c.user_id == row.c.user_id,
                line.c.user_type == int(UserType.INDIVIDUAL),
            )
            .correlate(row)
            for line in lines
        )
    )
