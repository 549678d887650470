"""The months that are looked at, as rows of a statement."""

from datetime import date

from sqlalchemy import FromClause

from gateway.errors import BadInput
from gateway.regulation.months import Month
from gateway.statistics.grid import month_rows

DEFAULT_MONTHS = 3
MOST_MONTHS = 13
"""A year and the month beside it. Each month is a look at all records that are in service in it."""


def months_asked(today: date, first: Month | None, last: Month | None) -> tuple[Month, ...]:
    """Return the months asked for, none in the future; by default the current and two before."""
    current = Month.of(today)
    last = min(last or current, current)
    first = first or last.plus(1 - DEFAULT_MONTHS)
    number = (last.year - first.year) * 12 + last.number - first.number + 1
    if number > MOST_MONTHS:
        raise BadInput(
            f"{number} months are more than can be looked at at once",
            f"一次最多检查{MOST_MONTHS}个月",
            argument="from",
            accepted=f"at most {MOST_MONTHS} months",
        )
    return tuple(first.plus(i) for i in range(max(number, 0)))


def calendar(months: tuple[Month, ...]) -> FromClause:
    """Return the months as rows: month (the first day) and last_day."""
    return month_rows(months).subquery("months")
