"""Monthly figures in JSON text: the list, comparisons, sums, and the users behind each count."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Numeric,
    case,
    cast,
    func,
    literal,
    literal_column,
)

from gateway.catalogue.packs import others_in_use
from gateway.compiled.lists import Connection, Listed, connection, paged
from gateway.compiled.objects import Row, written
from gateway.compiled.request import Request, Uncompiled
from gateway.compiled.text import (
    LABEL,
    NULL,
    REFUSAL,
    Json,
    boolean,
    constant,
    gathered,
    number,
    optional,
    plain,
    plain_nullable,
    raw,
)
from gateway.compiled.users import listed_users
from gateway.exports.columns import cells
from gateway.exports.requests import UserExport
from gateway.kinds import INTEGER, INTERVAL, TEXT, WALL_CLOCK
from gateway.recording import decide, derive
from gateway.records.filters import UserFilter
from gateway.records.known import calendar_day
from gateway.records.movements import Movement
from gateway.records.order import UserOrder
from gateway.regulation.codes import FeeCategory
from gateway.regulation.formats.format import ReportFormat
from gateway.regulation.months import Month
from gateway.regulation.packs import SZSE_2010
from gateway.resolvers.monthly_stats import DISTANCES, behind, drill_down, read_stats
from gateway.schema.selection import Selected
from gateway.statistics.figures import SHOWN
from gateway.statistics.grid import StatList
from gateway.statistics.stats import drilled, stats_of
from gateway.statistics.totals import TotalKey, totals_of

_BY_PACK: Final = frozenset({"quantities", "feeLines", "feesByPack", "unapprovedCount"})
"""Fields that only the executor has."""
_COUNTS: Final = {
    "fullPriceCount": "full_price",
    "regulatoryCount": "regulatory",
    "internalFreeCount": "internal_free",
    "trialCount": "trial",
    "newCount": "new",
    "endedCount": "ended",
    "cancelledCount": "cancelled",
    "expiredCount": "expired",
}


def monthly_stats(request: Request, selected: Selected) -> Json:
    """Return the root field `monthlyStats` by the default rule pack; others are the executor's."""
    of_rows = [*selected.under("nodes"), *selected.under("edges", "node")]
    if "rule_pack" in selected.arguments or any(one.name in _BY_PACK for one in of_rows):
        raise Uncompiled("rulePack")
    asked = read_stats(request.scope, request.today, **selected.arguments)
    request.unless.append(others_in_use(asked.stats.scope))
    stats, paging = asked.stats, paged(asked.paging, selected)
    if stats.as_of is not None:
        request.by_values = True
    distances = sorted({DISTANCES[one.name] for one in of_rows if one.name in DISTANCES})
    beside = {"totals", "totalCount"}.intersection(selected.names())
    found = stats_of(stats, paging, distances, summed="totals" in beside)

    def row_of(row: FromClause) -> Row:
        return _row(request, stats, found.rows.values(row), row)

    def total(_: Listed, __: Selected) -> Json:
        return number(found.total)

    def totals(_: Listed, one: Selected) -> Json:
        return _totals(found.every, one, stats)

    def delimited(listed: Listed, one: Selected) -> Json:
        columns: dict[str, ColumnElement[Any]] = {c.name: c for c in listed.rows.c}
        for name in SHOWN:
            columns[f"{name}_count"] = columns[name]
        found = request.format_of(asked.export(), one)
        return listed.lines(cells(found, found.monthly, columns, REFUSAL), found.separator)

    what = Connection(
        "MonthlyStatConnection",
        "MonthlyStat",
        row_of,
        {
            "totalCount": total,
            "totals": totals,
            "delimited": delimited,
            "download": lambda _, one: request.download(asked.export(), one),
        },
    )
    return raw(connection(what, selected, found.rows))


def _row(
    request: Request, stats: StatList, values: Mapping[str, ColumnElement[Any]], row: FromClause
) -> Row:
    return Row(
        values,
        {
            "provisional": lambda _: boolean(row.c.month == _current(stats)),
            "rulePack": lambda _: constant(str(SZSE_2010)),
            "users": lambda one: _users(request, stats, one, row),
            **{name: partial(_comparison, row, distance) for name, distance in DISTANCES.items()},
        },
    )


def _current(stats: StatList) -> ColumnElement[Any]:
    return calendar_day(derive(_month_of, stats.today))


def _month_of(day: date) -> date:
    return Month.of(day).first


def _users(request: Request, stats: StatList, selected: Selected, row: Any) -> Json:
    request.by_values = True
    wanted = drill_down(selected, request.scope, stats.scope)
    listed, figure = drilled(stats, wanted, row)
    export = derive(
        partial(_export, wanted.movement, tuple(wanted.order)),
        wanted.whole,
        wanted.category,
        stats.as_of,
    )

    def download(one: Selected) -> Json:
        columns = (row.c.vendor_code, row.c.product_name, row.c.month)
        return request.download_of_row(export, one, *columns)

    def format_of(one: Selected) -> ReportFormat:
        return request.format_of_rows(stats.scope, one)

    return listed_users(listed, wanted.paging, selected, download, format_of, figure)


def _export(
    movement: Movement | None,
    order: tuple[UserOrder, ...],
    wanted: UserFilter,
    category: FeeCategory | None,
    as_of: datetime | None,
) -> Callable[..., UserExport]:
    return partial(behind, wanted, category, as_of, movement, order)


def _comparison(row: FromClause, distance: int, selected: Selected) -> Json:
    """Return the figures beside those so many months before; null before the calendar's begin."""
    ago: ColumnElement[Any] = literal_column(f"interval '{distance} months'", INTERVAL)
    month = cast(row.c.month, WALL_CLOCK) - ago
    before = Row({"month": month})
    there = row.c[f"full_price_{distance}"].is_not(None)
    values: dict[str, Callable[[Selected], Json]] = {
        "month": lambda _: plain(func.to_char(month, literal("YYYY-MM", TEXT))),
        "label": lambda _: plain(func.to_char(month, literal(LABEL, TEXT))),
        "fee": partial(_change, "FeeChange", row.c.fee, row.c[f"fee_{distance}"]),
        **{
            name: partial(_change, "FigureChange", row.c[column], row.c[f"{column}_{distance}"])
            for name, column in _COUNTS.items()
        },
    }
    before.fields.update(values)
    return optional(there, written("MonthlyComparison", selected.below, before))


def _change(
    kind: str, now: ColumnElement[Any], before: ColumnElement[Any], selected: Selected
) -> Json:
    """Return how a figure differs from an earlier one."""
    change = now - before
    percent = case((before != 0, _percent(change, before)))
    fee = kind == "FeeChange"
    return written(
        kind,
        selected.below,
        Row(
            {},
            {
                "before": lambda _: plain_nullable(cast(before, TEXT)) if fee else number(before),
                "change": lambda _: plain_nullable(cast(change, TEXT)) if fee else number(change),
                "percent": lambda _: plain_nullable(cast(percent, TEXT)),
            },
        ),
    )


def _percent(change: ColumnElement[Any], before: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return change / before x 100, rounded half up to two decimals.

    The dividend has forty decimals, and so has the quotient: enough to tell a half from less.
    """
    dividend = cast(change * literal(100, INTEGER), Numeric(120, 40))
    return func.round(dividend / before, literal(2, INTEGER))


def _totals(every: FromClause, selected: Selected, stats: StatList) -> Json:
    found = totals_of(every, decide(tuple, selected.arguments.get("by", (TotalKey.MONTH,))))
    latest = found.values["last"]
    row = Row(found.values, {"provisional": lambda _: boolean(latest == _current(stats))})
    asked = {"year": ("year",), "month": ("month", "label"), "vendor_code": ("vendor",)}
    asked["product_name"] = ("product",)
    for key, names in asked.items():
        if key not in found.values:
            row.fields.update(dict.fromkeys(names, lambda _: NULL))
    item = written("MonthlyTotal", selected.below, row)
    return raw(found.select(item.text, lambda text, *order: gathered(Json((text,)), *order).text))
