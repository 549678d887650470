"""Inputs: how lists are filtered and sorted. Each reads itself into the domain's own value."""

from datetime import date
from typing import TypeVar

import strawberry

from gateway.records.filters import TextMatch, UserFilter
from gateway.records.order import UserOrder
from gateway.regulation.months import Month
from gateway.schema.enums import (
    DateJoin,
    Direction,
    FeeCategory,
    MonthlyStatOrderField,
    ServiceStatus,
    UsageMode,
    UserOrderField,
    UserType,
)
from gateway.statistics.grid import MonthlyStatOrder

T = TypeVar("T")


@strawberry.input(name="TextMatch", description="All given conditions hold; ASCII case is ignored.")
class TextMatchInput:
    """Conditions on a text."""

    equals: str | None = None
    starts_with: str | None = None
    contains: str | None = None

    def read(self) -> TextMatch:
        """Return the domain's value."""
        return TextMatch(self.equals, self.starts_with, self.contains)


@strawberry.input(name="UserFilter", description="All given conditions hold together.")
class UserFilterInput:
    """The regulation's query conditions (一、1)."""

    search: str | None = strawberry.field(
        default=None, description="Prefix of the user ID or any part of the name."
    )
    user_id: TextMatchInput | None = None
    user_name: TextMatchInput | None = None
    user_types: list[UserType] | None = None
    fee_categories: list[FeeCategory] | None = None
    service_statuses: list[ServiceStatus] | None = None
    products: list[str] | None = None
    usage_modes: list[UsageMode] | None = None
    start_before: date | None = None
    end_after: date | None = strawberry.field(
        default=None, description="An open end is later than every date."
    )
    date_join: DateJoin | None = strawberry.field(
        default=DateJoin.OR, description="How startBefore and endAfter combine."
    )
    start_from: date | None = None
    start_to: date | None = None
    end_from: date | None = None
    end_to: date | None = None
    counted_in: Month | None = strawberry.field(
        default=None,
        description="Counted in that month by the rule pack: the one line per user and product "
        "that decided the category.",
    )
    counted_as: FeeCategory | None = strawberry.field(
        default=None, description="Together with countedIn: counted in this category."
    )
    new_in: Month | None = strawberry.field(
        default=None,
        description="New in that month: the one line per user and product that begins the service.",
    )
    ended_in: Month | None = strawberry.field(
        default=None,
        description="Ended in that month: the one line per user and product that ends the service.",
    )
    cancelled_in: Month | None = strawberry.field(
        default=None, description="Of endedIn: the lines reported as 用户注销."
    )
    expired_in: Month | None = strawberry.field(
        default=None, description="Of endedIn: the others, 服务到期."
    )

    def read(self) -> UserFilter:
        """Return the domain's value."""
        return UserFilter(
            search=self.search,
            user_id=self.user_id.read() if self.user_id else None,
            user_name=self.user_name.read() if self.user_name else None,
            user_types=_tuple(self.user_types),
            fee_categories=_tuple(self.fee_categories),
            service_statuses=_tuple(self.service_statuses),
            products=_tuple(self.products),
            usage_modes=_tuple(self.usage_modes),
            start_before=self.start_before,
            end_after=self.end_after,
            date_join=self.date_join or DateJoin.OR,
            start_from=self.start_from,
            start_to=self.start_to,
            end_from=self.end_from,
            end_to=self.end_to,
            counted_in=self.counted_in,
            counted_as=self.counted_as,
            new_in=self.new_in,
            ended_in=self.ended_in,
            cancelled_in=self.cancelled_in,
            expired_in=self.expired_in,
        )


@strawberry.input(name="UserOrder", description="One sort key; ties are broken by a stable key.")
class UserOrderInput:
    """A sort key of users."""

    field: UserOrderField
    direction: Direction = Direction.ASC

    def read(self) -> UserOrder:
        """Return the domain's value."""
        return UserOrder(self.field, self.direction)


@strawberry.input(name="MonthlyStatOrder", description="One sort key.")
class MonthlyStatOrderInput:
    """A sort key of monthly figures."""

    field: MonthlyStatOrderField
    direction: Direction = Direction.ASC

    def read(self) -> MonthlyStatOrder:
        """Return the domain's value."""
        return MonthlyStatOrder(self.field, self.direction)


def _tuple(values: list[T] | None) -> tuple[T, ...] | None:
    return None if values is None else tuple(values)
