"""Monthly figures beside those of earlier months."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date
from functools import partial

from sqlalchemy import FromClause, Integer, func, literal_column, select

from gateway.recording import derive
from gateway.records.known import calendar_day
from gateway.regulation.months import Month
from gateway.statistics.figures import SHOWN, StatList, figures

PREVIOUS_MONTH, SAME_MONTH_LAST_YEAR = 1, 12
COMPARED = (*SHOWN, "fee")


def compared(stats: StatList, distances: Collection[int]) -> FromClause:
    """Return the rows of `figures`, each with the figures of so many months before.

    More columns, per distance in months: COMPARED, named as in `full_price_12`. They are null
    where the calendar has no such month, and the fee also where no price was in force then.
    """
    if not distances:
        return figures(stats)
    # the grid is dense: so many rows before is so many months before
    grid = figures(replace(stats, months=derive(partial(_longer, max(distances)), stats.months)))
    beside = select(
        *grid.c,
        *(
            func.lag(grid.c[name], literal_column(str(distance), Integer))
            .over(partition_by=[grid.c.vendor_id, grid.c.product_id], order_by=grid.c.month)
            .label(f"{name}_{distance}")
            for distance in sorted(distances)
            for name in COMPARED
        ),
    ).subquery("beside")
    asked = beside.c.month >= calendar_day(derive(_first_day, stats.months))
    return select(*beside.c).where(asked).subquery("compared")


def _longer(by: int, months: Sequence[Month]) -> tuple[Month, ...]:
    """Return the months, and before them so many more as the calendar has."""
    first = _first(months)
    there_are = (first.year - 1) * 12 + first.number - 1
    return *(first.plus(-i) for i in range(min(by, there_are), 0, -1)), *months


def _first_day(months: Sequence[Month]) -> date:
    return _first(months).first


def _first(months: Sequence[Month]) -> Month:
    return min(months, default=Month(1, 1))
