"""The months that are looked at, as rows of a statement."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import ARRAY, Date, FromClause, Text, cast, func, select

from gateway.errors import BadInput
from gateway.recording import param
from gateway.regulation.months import Month

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


def calendar(months: Sequence[Month], name: str = "months") -> FromClause:
    """Return the months as rows: month (the first day) and last_day."""
    # as text, for asyncpg has its own idea of the last date
    firsts, lasts = (
        cast(param([day.isoformat() for day in days], ARRAY(Text)), ARRAY(Date))
        for days in ([one.first for one in months], [one.last for one in months])
    )
    days = (
        func.unnest(firsts, lasts).table_valued("month", "last_day", name="days").render_derived()
    )
    return select(
        cast(days.c.month, Date).label("month"), cast(days.c.last_day, Date).label("last_day")
    ).subquery(name)
