"""What a rule is, what it is asked about, and what it finds."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Numeric,
    Select,
    and_,
    case,
    cast,
    func,
    null,
    select,
)

from gateway.kinds import NUMERIC
from gateway.records.filters import UserFilter
from gateway.regulation.months import Month
from gateway.tenancy.scope import AnyScope

ANYONE: Final = UserFilter()


class Severity(IntEnum):
    """How much a finding matters. Its number is what lists sort by."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3


class RuleCode(Enum):
    """The rules, in the order in which lists name them."""

    UNLICENSED_PRODUCT = "UNLICENSED_PRODUCT"
    OUTSIDE_LICENCE_DATES = "OUTSIDE_LICENCE_DATES"
    UNLICENSED_USAGE_MODE = "UNLICENSED_USAGE_MODE"
    FREE_QUOTA_EXCEEDED = "FREE_QUOTA_EXCEEDED"
    OVERLAPPING_TRIALS = "OVERLAPPING_TRIALS"
    SHARED_PHONE = "SHARED_PHONE"
    SHARED_NAME = "SHARED_NAME"
    REUSED_ID = "REUSED_ID"
    TREND_JUMP = "TREND_JUMP"


@dataclass(frozen=True, slots=True)
class Threshold:
    """A number that a rule compares with, not negative; its value stands in thresholds.toml."""

    name: str
    title: str
    title_zh: str
    most: Decimal
    """The greatest value that makes sense."""
    whole: bool = False
    """Whether it is a number of things, not a share."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked at: the rows of the scope, in months from the earliest to the latest."""

    scope: AnyScope
    today: date
    months: tuple[Month, ...]
    thresholds: Mapping[tuple[str, str], Decimal]
    """The package's, by rule and name."""
    counts: FromClause
    """The users counted in these months and some before: see `findings.counts`."""
    as_of: datetime | None = None


COLUMNS: Final = (
    "vendor_id",
    "product_id",
    "month",
    "first_day",
    "last_day",
    "subject",
    "observed",
    "limit",
    "expected",
)
"""What a finding is: whose, of which month, on which days its evidence lies, what it is about (a
phone number, an ID, a usage mode; null where it is about all), what was observed, the most or the
least that would have passed, and what was expected."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what it says in words, what it finds, and which service records show it."""

    code: RuleCode
    severity: Severity
    title: str
    title_zh: str
    meaning: str
    meaning_zh: str
    source: str
    """The article of the regulation, or the reason, that the rule follows."""
    message: str
    message_zh: str
    """Texts with {subject}, {observed}, {limit}, {expected}, {first_day} and {last_day}."""
    raised: Callable[["Rule", Asked], Select[*tuple[Any, ...]]]
    """Returns the findings: COLUMNS, each vendor, product, month and subject once."""
    evidence: Callable[[Asked, FromClause, FromClause], Iterable[ColumnElement[bool]]]
    """Returns the conditions on service records, given these and a finding's row of COLUMNS; that
    they are of the finding's vendor and product holds already."""
    listed: Callable[[Mapping[str, Any]], UserFilter]
    """Returns the same conditions for a list of its own, given a finding's values by name."""
    thresholds: Sequence[Threshold] = ()
    personal: bool = False
    """Whether a finding is about personal data: a phone number, a name."""

    @property
    def number(self) -> int:
        """The rule's place among all rules, from 0."""
        return tuple(RuleCode).index(self.code)


def finding(
    owner: FromClause, days: FromClause, **values: ColumnElement[Any]
) -> Select[*tuple[Any, ...]]:
    """Select COLUMNS: whose they are from `owner`, the month from `days`, and the rest as given.

    `days` has month and last_day, which are the finding's days unless others are given. Numbers
    become exact decimals of two places; a limit is rounded away from what was observed, so that it
    never looks as if it was kept.
    """
    if "limit" in values:
        values["limit"] = _apart(values["limit"], values["observed"])
    given: dict[str, ColumnElement[Any]] = {
        "vendor_id": owner.c.vendor_id,
        "product_id": owner.c.product_id,
        "month": days.c.month,
        "first_day": days.c.month,
        "last_day": days.c.last_day,
        "subject": null(),
        **{name: _number(values.get(name, null())) for name in ("observed", "limit", "expected")},
        **{name: values[name] for name in ("first_day", "last_day", "subject") if name in values},
    }
    return select(*(given[name].label(name) for name in COLUMNS))


def _apart(limit: ColumnElement[Any], observed: ColumnElement[Any]) -> ColumnElement[Any]:
    exact = cast(limit, NUMERIC) * 100
    return case((observed > limit, func.floor(exact)), else_=func.ceil(exact)) / 100


def _number(value: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(value, Numeric(20, 2))


def in_service(rows: FromClause, days: FromClause) -> ColumnElement[bool]:
    """Return whether a record is in service on one of a finding's days."""
    return and_(rows.c.start_date <= days.c.last_day, rows.c.end_date >= days.c.first_day)


def running(rows: FromClause, days: FromClause) -> ColumnElement[bool]:
    """Return whether a record is in service on some day of a month of the calendar."""
    return and_(rows.c.start_date <= days.c.last_day, rows.c.end_date >= days.c.month)


def same(one: FromClause, other: FromClause, *names: str) -> Iterator[ColumnElement[bool]]:
    """Yield that two rows are of one vendor and product, and alike in these columns."""
    return (one.c[name] == other.c[name] for name in ("vendor_id", "product_id", *names))


def served_in(row: Mapping[str, Any], wanted: UserFilter = ANYONE) -> UserFilter:
    """Return a filter with the condition of `in_service` too, for a list of its own."""
    first, last = (date.fromisoformat(row[name]) for name in ("first_day", "last_day"))
    return replace(wanted, start_to=last, end_from=first)
