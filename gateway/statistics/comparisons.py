"""Monthly figures beside those of earlier months."""

from collections.abc import Collection
from dataclasses import replace

from sqlalchemy import FromClause, Integer, func, literal_column, select

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
    first = min(stats.months, default=Month(1, 1))
    there_are = (first.year - 1) * 12 + first.number - 1
    earlier = (first.plus(-i) for i in range(min(max(distances), there_are), 0, -1))
    # the grid is dense: so many rows before is so many months before
    grid = figures(replace(stats, months=(*earlier, *stats.months)))
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
    asked = beside.c.month >= calendar_day(first.first)
    return select(*beside.c).where(asked).subquery("compared")
