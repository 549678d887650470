"""The users counted in each month: looked up once for all rules of a statement."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import FromClause, select

from gateway.regulation.months import Month
from gateway.statistics.counting import CATEGORIES
from gateway.statistics.figures import figures
from gateway.statistics.grid import StatList
from gateway.tenancy.scope import AnyScope

BEFORE: Final = 6
"""How many months before those that are looked at are counted too, for a trend."""


def month_counts(
    scope: AnyScope, today: date, months: Sequence[Month], as_of: datetime | None
) -> FromClause:
    """Return vendor_id, product_id, month, last_day, the four counts, and all users.

    The months are those given and the BEFORE ones, as far as the calendar has them.
    """
    ahead = 0
    if months:
        ahead = min(BEFORE, (months[0].year - 1) * 12 + months[0].number - 1)
    whole = (*(months[0].plus(back) for back in range(-ahead, 0)), *months)
    found = figures(StatList(scope, today, whole, as_of=as_of))
    users: Any = sum((found.c[name] for name in CATEGORIES[1:]), found.c[CATEGORIES[0]])
    names = ("vendor_id", "product_id", "month", "last_day", *CATEGORIES)
    return select(*(found.c[name] for name in names), users.label("users")).cte("month_counts")
