"""Counting by rule pack szse-2010, as one SQL statement over any set of service records.

The result is what changes from month to month (see `MonthlyDelta`). It adds up over users, so that
a change of some users' records is counted as their deltas after it minus those before it.

Most users have one record per product: those are grouped by what they contribute. The others go
through day-exact continuity (islands of adjacent or overlapping records) and the precedence of
categories, which can change only where a record's first or following-its-last month begins.
"""

from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Select,
    and_,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
    union,
    union_all,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by, distinct_on

from gateway.kinds import DATE, INTEGER, WALL_CLOCK
from gateway.records.counted import rank
from gateway.records.known import OPEN_END
from gateway.records.movements import is_cancelled
from gateway.regulation.codes import FeeCategory

FIGURES = ("full_price", "regulatory", "internal_free", "trial", "new", "ended", "cancelled")
CATEGORIES = FIGURES[: len(FeeCategory)]
EVENTS = FIGURES[len(FeeCategory) :]
COUNTS = {name: f"{name}_count" for name in CATEGORIES}
"""What a month's count is called where its change has the category's name."""
_MONTH: ColumnElement[str] = literal_column("'month'")
_ZERO = literal_column("0", INTEGER)
_ONE = literal_column("1", INTEGER)
_ONE_MONTH: ColumnElement[Any] = literal_column("interval '1 month'")
_OWNER = ("vendor_id", "product_id")
_USER = (*_OWNER, "user_id")


def _month(day: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the first day of a day's month; of `infinity`, itself. No time zone takes part."""
    return cast(func.date_trunc(_MONTH, cast(day, WALL_CLOCK)), DATE)


def _after(month: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(month + _ONE_MONTH, DATE)


def deltas(
    rows: FromClause, where: ColumnElement[bool], *, sign: int = 1
) -> Select[*tuple[Any, ...]]:
    """Return (vendor_id, product_id, month, FIGURES...) of the rows that meet the condition."""
    users = _users(rows, where)
    parts = union_all(_single(users), *_several(rows, where, users)).subquery("parts")
    return select(
        *(parts.c[name] for name in (*_OWNER, "month")),
        *(
            cast(func.sum(parts.c[name]) * literal_column(str(sign), INTEGER), INTEGER).label(name)
            for name in FIGURES
        ),
    ).group_by(*(parts.c[name] for name in (*_OWNER, "month")))


def _users(rows: FromClause, where: ColumnElement[bool]) -> CTE:
    return (
        select(
            *(rows.c[name] for name in _USER),
            func.count().label("records"),
            func.min(rows.c.start_date).label("start_date"),
            func.max(rows.c.end_date).label("end_date"),
            func.min(rows.c.fee_category).label("fee_category"),
            func.bool_or(is_cancelled(rows)).label("cancelled"),
        )
        .where(where)
        .group_by(*(rows.c[name] for name in _USER))
        .cte()
    )


def _part(
    source: FromClause, month: ColumnElement[Any], **figures: ColumnElement[Any]
) -> Select[*tuple[Any, ...]]:
    """Return rows of one kind of contribution; figures not given are zero."""
    return select(
        *(source.c[name] for name in _OWNER),
        month.label("month"),
        *(
            cast(figures[name], INTEGER).label(name) if name in figures else _ZERO.label(name)
            for name in FIGURES
        ),
    )


def _in_category(
    category: ColumnElement[Any], number: ColumnElement[Any]
) -> dict[str, ColumnElement[Any]]:
    names = zip(FIGURES, FeeCategory, strict=False)
    return {
        name: case((category == literal_column(str(int(code))), number), else_=_ZERO)
        for name, code in names
    }


def _single(users: CTE) -> Select[*tuple[Any, ...]]:
    """Count users of one record, grouped first: a million users are some thousand groups."""
    shape = (
        *(users.c[name] for name in _OWNER),
        users.c.fee_category,
        _month(users.c.start_date).label("first"),
        _month(users.c.end_date).label("last"),
        users.c.cancelled,
    )
    groups = (
        select(*shape, func.count().label("number"))
        .where(users.c.records == 1)
        .group_by(*shape)
        .cte()
    )
    number = groups.c.number
    finite = groups.c.last < OPEN_END
    cancelled = case((groups.c.cancelled, number), else_=_ZERO)
    parts = union_all(
        _part(groups, groups.c.first, new=number, **_in_category(groups.c.fee_category, number)),
        _part(groups, groups.c.last, ended=number, cancelled=cancelled).where(finite),
        _part(groups, _after(groups.c.last), **_in_category(groups.c.fee_category, -number)).where(
            finite
        ),
    ).subquery("single")
    return select(parts)


def _several(
    rows: FromClause, where: ColumnElement[bool], users: CTE
) -> list[Select[*tuple[Any, ...]]]:
    """Count users of more than one record."""
    same = and_(*(users.c[name] == rows.c[name] for name in _USER))
    records = (
        select(
            *(rows.c[name] for name in _USER),
            *(rows.c[name] for name in ("start_date", "end_date", "fee_category", "usage_mode")),
            is_cancelled(rows).label("cancelled"),
            _month(rows.c.start_date).label("first"),
            _month(rows.c.end_date).label("last"),
        )
        .where(where, same, users.c.records > 1)
        .cte()
    )
    return [*_continuity(records), *_categories(records)]


def _continuity(records: CTE) -> list[Select[*tuple[Any, ...]]]:
    """Return the new and the ended: starts and ends of islands, each once per user and month."""
    user = [records.c[name] for name in _USER]
    before = func.max(records.c.end_date).over(
        partition_by=user,
        order_by=[records.c.start_date, records.c.usage_mode],
        rows=(None, -1),
    )
    marked = select(
        *user,
        records.c.start_date,
        records.c.usage_mode,
        records.c.end_date,
        records.c.cancelled,
        case(
            (or_(before.is_(None), records.c.start_date > before + _ONE), _ONE), else_=_ZERO
        ).label("begins"),
    ).subquery("marked")
    same = [marked.c[name] for name in _USER]
    numbered = select(
        marked,
        func.sum(marked.c.begins)
        .over(
            partition_by=same,
            order_by=[marked.c.start_date, marked.c.usage_mode],
            rows=(None, 0),
        )
        .label("island"),
    ).subquery("numbered")
    island = [*(numbered.c[name] for name in _USER), numbered.c.island]
    end = func.max(numbered.c.end_date)
    islands = (
        select(
            *island,
            func.min(numbered.c.start_date).label("start_date"),
            end.label("end_date"),
            func.coalesce(
                func.max(numbered.c.end_date).filter(numbered.c.cancelled) == end,
                False,
            ).label("cancelled"),
        )
        .group_by(*island)
        .cte()
    )
    of_user = [islands.c[name] for name in _USER]
    starts = (
        select(*of_user, _month(islands.c.start_date).label("month")).distinct().subquery("starts")
    )
    last = func.array_agg(aggregate_order_by(islands.c.cancelled, islands.c.end_date.desc()))
    ends = (
        select(
            *of_user,
            _month(islands.c.end_date).label("month"),
            case((last[1], _ONE), else_=_ZERO).label("cancelled"),
        )
        .where(islands.c.end_date < OPEN_END)
        .group_by(*of_user, _month(islands.c.end_date))
        .subquery("ends")
    )
    return [
        _part(starts, starts.c.month, new=_ONE),
        _part(ends, ends.c.month, ended=_ONE, cancelled=ends.c.cancelled),
    ]


def _categories(records: CTE) -> list[Select[*tuple[Any, ...]]]:
    """Return where a user's category changes: at months in which a record begins or is over."""
    user = [records.c[name] for name in _USER]
    turns = union(
        select(*user, records.c.first.label("month")),
        select(*user, _after(records.c.last)).where(records.c.last < OPEN_END),
    ).subquery("turns")
    of_turn = [turns.c[name] for name in (*_USER, "month")]
    decided = (
        select(*of_turn, records.c.fee_category)
        .select_from(
            turns.outerjoin(
                records,
                and_(
                    *(turns.c[name] == records.c[name] for name in _USER),
                    records.c.first <= turns.c.month,
                    records.c.last >= turns.c.month,
                ),
            )
        )
        .ext(distinct_on(*of_turn))
        .order_by(*of_turn, *(key.desc() for key in rank(records)))
        .subquery("decided")
    )
    previous = func.lag(decided.c.fee_category).over(
        partition_by=[decided.c[name] for name in _USER], order_by=decided.c.month
    )
    steps = select(decided, previous.label("previous")).subquery("steps")
    changes = and_(steps.c.fee_category.is_distinct_from(steps.c.previous))
    return [
        _part(steps, steps.c.month, **_in_category(steps.c.fee_category, _ONE)).where(changes),
        _part(steps, steps.c.month, **_in_category(steps.c.previous, -_ONE)).where(changes),
    ]
