"""Scalars beyond GraphQL's own: Date, DateTime and Decimal are Strawberry's, Month is ours."""

from datetime import UTC, datetime
from typing import Any

import strawberry
from strawberry.types.scalar import ScalarDefinition

from gateway.config.clock import now
from gateway.errors import BadInput
from gateway.regulation.months import Month


def _parse_month(value: Any) -> Month:
    if not isinstance(value, str):
        raise BadInput(f"{value!r} is not a month", f"{value!r}不是月份", accepted="YYYY-MM")
    return Month.parse(value)


MONTH: ScalarDefinition = strawberry.scalar(
    name="Month",
    description="A calendar month (报告期) as YYYY-MM.",
    serialize=str,
    parse_value=_parse_month,
)


def past_instant(value: datetime | None, argument: str = "asOf") -> datetime | None:
    """Return an argument's instant; BadInput for one without an offset or in the future."""
    if value is None:
        return None
    try:
        past = value.tzinfo is not None and value.astimezone(UTC) <= now()
    except OverflowError:
        past = False
    if not past:
        raise BadInput(
            f"{value.isoformat()} is not a past instant",
            f"{value.isoformat()}不是过去的时刻",
            argument=argument,
            accepted="a past date and time with its offset, such as 2026-11-21T16:00:00+08:00",
        )
    return value
