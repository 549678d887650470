"""What a line of the user-detail list says, apart from its key: what a version has of it."""

from datetime import date
from typing import Any

import strawberry

from gateway.regulation.layouts import QUERY
from gateway.schema.enums import FeeCategory, ServiceStatus, UserType
from gateway.schema.needs import MASKED, needs
from gateway.tenancy.principal import Right

HEADINGS = {field.name: f"{field.heading}." for field in QUERY.fields}


def day_of(text: str | None) -> date | None:
    """Read a date as the database writes it; None where open."""
    return None if text is None else date.fromisoformat(text)


@strawberry.type(
    description="What a line of the user-detail list says, apart from its key.",
    directives=needs(Right.READ_USERS),
)
class UserState:
    """What may change of a line; `row` is its JSON."""

    row: strawberry.Private[dict[str, Any]]

    @strawberry.field(description=HEADINGS["user_name"], directives=MASKED)
    def user_name(self) -> str:
        """Return the registered name."""
        return str(self.row["user_name"])

    @strawberry.field(description=HEADINGS["user_type"])
    def user_type(self) -> UserType:
        """Return the user type."""
        return UserType(self.row["user_type"])

    @strawberry.field(description=HEADINGS["end_date"])
    def end_date(self) -> date | None:
        """Return the end date, null where open."""
        return day_of(self.row["end_date"])

    @strawberry.field(description=HEADINGS["contact"], directives=MASKED)
    def contact(self) -> str | None:
        """Return the contact."""
        return self.row["contact"]  # type: ignore[no-any-return]

    @strawberry.field(description=HEADINGS["address"], directives=MASKED)
    def address(self) -> str | None:
        """Return the address."""
        return self.row["address"]  # type: ignore[no-any-return]

    @strawberry.field(description=HEADINGS["phone"], directives=MASKED)
    def phone(self) -> str | None:
        """Return the phone number."""
        return self.row["phone"]  # type: ignore[no-any-return]

    @strawberry.field(description=HEADINGS["fee_category"])
    def fee_category(self) -> FeeCategory:
        """Return the fee category."""
        return FeeCategory(self.row["fee_category"])

    @strawberry.field(description="服务状态 as reported; null where it was left to the dates.")
    def service_status(self) -> ServiceStatus | None:
        """Return the reported status."""
        status = self.row["service_status"]
        return None if status is None else ServiceStatus(status)
