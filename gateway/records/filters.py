"""UserFilter: the regulation's query conditions (一、1), all combined by AND."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from enum import Enum
from operator import attrgetter
from typing import Any, Literal, Self

from sqlalchemy import (
    ColumnElement,
    FromClause,
    and_,
    any_,
    case,
    func,
    or_,
)

from gateway.errors import BadInput
from gateway.kinds import BIG_INTEGER, DATE, INTEGER, INTEGERS, TEXT
from gateway.recording import Given, decide, derive, param
from gateway.records.counted import counted
from gateway.records.known import calendar_day
from gateway.records.movements import Movement, moved
from gateway.regulation.codes import FeeCategory, ServiceStatus, UsageMode, UserType
from gateway.regulation.months import Month
from gateway.tenancy.scope import AnyScope


class DateJoin(Enum):
    """How `startBefore` and `endAfter` combine: 或者 as the regulation writes, or AND."""

    OR = "OR"
    AND = "AND"


@dataclass(frozen=True, slots=True)
class TextMatch:
    """Conditions on a text, ASCII letters alike in both cases; all that are given hold."""

    equals: str | None = None
    starts_with: str | None = None
    contains: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether every text passes."""
        return all(getattr(self, name) is None for name in _MATCHES)


Exact = Literal["user_id", "user_name", "phone"]


@dataclass(frozen=True, slots=True)
class UserFilter:
    """The conditions of contract.md's UserFilter; None means no condition.

    `record_id` picks one record by its number within its vendor: what `node` asks. `exactly` are
    columns and their values, letters as they are: what the evidence of findings is found by. Of a
    filter that is not known yet, `spread` makes one whose conditions are given values.
    """

    search: str | None = None
    user_id: TextMatch | None = None
    user_name: TextMatch | None = None
    user_types: tuple[UserType, ...] | None = None
    fee_categories: tuple[FeeCategory, ...] | None = None
    service_statuses: tuple[ServiceStatus, ...] | None = None
    products: tuple[str, ...] | None = None
    usage_modes: tuple[UsageMode, ...] | None = None
    start_before: date | None = None
    end_after: date | None = None
    date_join: DateJoin = DateJoin.OR
    start_from: date | None = None
    start_to: date | None = None
    end_from: date | None = None
    end_to: date | None = None
    counted_in: Month | None = None
    counted_as: FeeCategory | None = None
    new_in: Month | None = None
    ended_in: Month | None = None
    cancelled_in: Month | None = None
    expired_in: Month | None = None
    record_id: int | None = None
    exactly: tuple[tuple[Exact, str], ...] | None = None

    def __post_init__(self) -> None:
        if self.counted_as is not None and self.counted_in is None:
            raise BadInput(
                "countedAs needs countedIn",
                "countedAs须与countedIn一起使用",
                argument="filter.countedAs",
                accepted="countedIn: a month, beside countedAs",
            )

    @property
    def is_empty(self) -> bool:
        """Whether every row passes."""
        return not self.names

    @property
    def names(self) -> list[str]:
        """The names of the conditions that there are; their values may be of persons."""
        return [name for name in _CONDITIONS if getattr(self, name) is not None]

    def moved_in(self, movement: Movement) -> Month | None:
        """Return the month in which the user moves so, None for any."""
        month: Month | None = getattr(self, movement.condition)
        return month

    def moving(self, movement: Movement, month: Month) -> Self:
        """Return the filter with one more condition: that the user moves so in a month."""
        condition: dict[str, Any] = {movement.condition: month}
        return replace(self, **condition)


_CONDITIONS = tuple(one.name for one in fields(UserFilter) if one.name != "date_join")
_MATCHES = tuple(one.name for one in fields(TextMatch))


def spread(wanted: Any) -> UserFilter:
    """Return a filter whose conditions can be looked at one by one, known or given as they are."""
    if not isinstance(wanted, Given):
        found: UserFilter = wanted
        return found
    there, date_join = decide(lambda one: (tuple(_there(one, _CONDITIONS)), one.date_join), wanted)
    conditions: dict[str, Any] = {
        name: derive(attrgetter(name), wanted) for name in there if name not in _TEXTS
    }
    for name in _TEXTS.intersection(there):
        match = derive(attrgetter(name), wanted)
        given = decide(lambda one: tuple(_there(one, _MATCHES)), match)
        parts: dict[str, Any] = {part: derive(attrgetter(part), match) for part in given}
        conditions[name] = TextMatch(**parts)
    return UserFilter(date_join=date_join, **conditions)


_TEXTS = frozenset({"user_id", "user_name"})


def _there(one: object, names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if getattr(one, name) is not None)


def ascii_lower(text: str) -> str:
    """Lower ASCII letters only, as PostgreSQL's lower() does under the "C" collation."""
    return "".join(c.lower() if c.isascii() else c for c in text)


def status_of(rows: FromClause, today: date) -> ColumnElement[int]:
    """Return the service status: as reported, or derived from the end date when read."""
    derived = case(
        (rows.c.end_date < param(today, DATE), int(ServiceStatus.EXPIRED)),
        else_=int(ServiceStatus.ACTIVE),
    )
    return func.coalesce(rows.c.service_status, derived, type_=INTEGER)


def conditions(
    wanted: UserFilter, rows: FromClause, scope: AnyScope, today: date, as_of: datetime | None
) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions on `rows`, which has the columns of `service_records`."""
    if wanted.search is not None and decide(bool, wanted.search):
        term = _lowered(wanted.search)
        yield or_(
            func.starts_with(func.lower(rows.c.user_id), term),
            func.strpos(func.lower(rows.c.user_name), term) > 0,
        )
    yield from _text(wanted.user_id, rows.c.user_id)
    yield from _text(wanted.user_name, rows.c.user_name)
    for column, codes in (
        (rows.c.user_type, wanted.user_types),
        (rows.c.fee_category, wanted.fee_categories),
        (rows.c.usage_mode, wanted.usage_modes),
    ):
        if codes is not None:
            yield _one_of(column, codes)
    if wanted.service_statuses is not None:
        yield _one_of(status_of(rows, today), wanted.service_statuses)
    if wanted.products is not None:
        held = scope.narrow(products=wanted.products, argument="filter.")
        yield _one_of(rows.c.product_id, held.ids("product_id"))
    yield from _dates(wanted, rows)
    yield from _months(wanted, rows, scope, as_of)
    if wanted.record_id is not None:
        yield rows.c.record_id == param(wanted.record_id, BIG_INTEGER)
    for name, value in wanted.exactly or ():
        yield rows.c[name] == param(value, TEXT)


def _months(
    wanted: UserFilter, rows: FromClause, scope: AnyScope, as_of: datetime | None
) -> Iterator[ColumnElement[bool]]:
    if wanted.counted_in is not None:
        yield counted(rows, *_days(wanted.counted_in), scope, as_of)
    if wanted.counted_as is not None:
        yield rows.c.fee_category == param(derive(int, wanted.counted_as), INTEGER)
    for movement in Movement:
        if (month := wanted.moved_in(movement)) is not None:
            yield moved(movement, rows, *_days(month), scope, as_of)


def _days(month: Month) -> tuple[ColumnElement[date], ColumnElement[date]]:
    first, last = (derive(attrgetter(name), month) for name in ("first", "last"))
    return calendar_day(first), calendar_day(last)


def _one_of(column: ColumnElement[Any], numbers: Iterable[int]) -> ColumnElement[bool]:
    """Compare with a list in one parameter: the statement is the same for any number of values."""
    return column == any_(param(derive(_whole, numbers), INTEGERS))


def _whole(numbers: Iterable[int]) -> list[int]:
    return [int(number) for number in numbers]


def _text(match: TextMatch | None, column: ColumnElement[str]) -> Iterator[ColumnElement[bool]]:
    if match is None:
        return
    lowered = func.lower(column)
    if match.equals is not None:
        yield lowered == _lowered(match.equals)
    if match.starts_with is not None:
        yield func.starts_with(lowered, _lowered(match.starts_with))
    if match.contains is not None:
        yield func.strpos(lowered, _lowered(match.contains)) > 0


def _lowered(text: str) -> ColumnElement[str]:
    return param(derive(ascii_lower, text), TEXT)


def _dates(wanted: UserFilter, rows: FromClause) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions on dates. An open end, `infinity`, is later than all (reading 7)."""
    either: list[ColumnElement[bool]] = []
    if wanted.start_before is not None:
        either.append(rows.c.start_date < calendar_day(wanted.start_before))
    if wanted.end_after is not None:
        either.append(rows.c.end_date > calendar_day(wanted.end_after))
    if either:
        yield or_(*either) if wanted.date_join is DateJoin.OR else and_(*either)
    if wanted.start_from is not None:
        yield rows.c.start_date >= calendar_day(wanted.start_from)
    if wanted.start_to is not None:
        yield rows.c.start_date <= calendar_day(wanted.start_to)
    if wanted.end_from is not None:
        yield rows.c.end_date >= calendar_day(wanted.end_from)
    if wanted.end_to is not None:
        yield rows.c.end_date <= calendar_day(wanted.end_to)
