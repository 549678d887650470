"""One line of the regulation's user-detail list (一、1)."""

from datetime import date, datetime
from typing import Any

import strawberry

from gateway.exports.requests import UserExport
from gateway.schema.context import Info
from gateway.schema.download import (
    Asked,
    Download,
    Encoding,
    End,
    Format,
    Header,
    format_of,
    link,
    page_text,
)
from gateway.schema.enums import FeeCategory, ServiceStatus, UsageMode, UserType
from gateway.schema.ids import GlobalId
from gateway.schema.needs import MASKED, needs
from gateway.schema.node import Node
from gateway.schema.pages import PageInfo, Slice
from gateway.schema.product import Product
from gateway.schema.selection import response_path
from gateway.schema.user_state import HEADINGS, UserState, day_of
from gateway.schema.vendor import Vendor
from gateway.tenancy.principal import Right


@strawberry.type(
    description="What was recorded of a user's service in one recorded interval.",
    directives=needs(Right.READ_USERS),
)
class UserVersion(UserState):
    """A version; `row` is its JSON."""

    @strawberry.field(description="Since when the gateway knew it.")
    def recorded_from(self) -> datetime:
        """Return the start of the recorded interval."""
        return datetime.fromisoformat(self.row["recorded_from"])

    @strawberry.field(description="Until when it was so; null for what is known now.")
    def recorded_to(self) -> datetime | None:
        """Return the end of the recorded interval."""
        until = self.row["recorded_to"]
        return None if until is None else datetime.fromisoformat(until)

    @strawberry.field(description="The number of the import that brought it.")
    def batch(self) -> int:
        """Return the import batch's number within the vendor and licensor."""
        return int(self.row["batch_no"])


@strawberry.type(
    description="One line of the user-detail list: a user's service of one product, by one usage "
    "mode, from one start date.",
    directives=needs(Right.READ_USERS),
)
class User(Node):
    """A service record; `row` has the selected columns (see `records.users`)."""

    row: strawberry.Private[dict[str, Any]]

    @strawberry.field
    def id(self) -> strawberry.ID:
        """Return the global id."""
        parts = (self.row["vendor_code"], self.row["record_id"])
        return strawberry.ID(str(GlobalId("User", parts)))

    @strawberry.field
    def vendor(self) -> Vendor:
        """Return whose user it is."""
        return Vendor(row=self.row)

    @strawberry.field(description=HEADINGS["user_id"])
    def user_id(self) -> str:
        """Return the login ID."""
        return str(self.row["user_id"])

    @strawberry.field(description=HEADINGS["user_name"], directives=MASKED)
    def user_name(self) -> str:
        """Return the registered name."""
        return str(self.row["user_name"])

    @strawberry.field(description=HEADINGS["user_type"])
    def user_type(self) -> UserType:
        """Return the user type."""
        return UserType(self.row["user_type"])

    @strawberry.field(description=HEADINGS["start_date"])
    def start_date(self) -> date:
        """Return the start date."""
        return date.fromisoformat(self.row["start_date"])

    @strawberry.field(description=f"{HEADINGS['end_date']} Null where open.")
    def end_date(self) -> date | None:
        """Return the end date, null where open."""
        return day_of(self.row["end_date"])

    @strawberry.field(description=HEADINGS["product"])
    def product(self) -> Product:
        """Return the product."""
        return Product(row=self.row)

    @strawberry.field(description="信息使用方式.")
    def usage_mode(self) -> UsageMode:
        """Return the usage mode."""
        return UsageMode(self.row["usage_mode"])

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

    @strawberry.field(
        description="服务状态: as reported, or by the end date: past EXPIRED, else ACTIVE."
    )
    def service_status(self) -> ServiceStatus:
        """Return the service status."""
        return ServiceStatus(self.row["service_status"])

    @strawberry.field(
        description="The same user ID's other lines at this vendor, of the products that the "
        "list is for, oldest first."
    )
    def other_services(self, info: Info) -> list["User"]:
        """Return the user's other records."""
        return [
            User(row=row) for row in self.row["nested"][f"other_services:{response_path(info)}"]
        ]

    @strawberry.field(
        description="All that was recorded of this line, oldest first; the last is current."
    )
    def history(self, info: Info) -> list[UserVersion]:
        """Return the versions, the current one last."""
        return [
            UserVersion(row=row) for row in self.row["nested"][f"history:{response_path(info)}"]
        ]


@strawberry.type(directives=needs(Right.READ_USERS))
class UserEdge:
    """Relay's edge."""

    cursor: str
    node: User


@strawberry.type(description="A page of the user list.", directives=needs(Right.READ_USERS))
class UserConnection:
    """Relay's connection."""

    part: strawberry.Private[Slice]
    export: strawberry.Private[UserExport]

    @strawberry.field
    def edges(self) -> list[UserEdge]:
        """Return nodes with their cursors."""
        return [
            UserEdge(cursor=self.part.cursor(row), node=User(row=row)) for row in self.part.rows
        ]

    @strawberry.field
    def nodes(self) -> list[User]:
        """Return the nodes alone."""
        return [User(row=row) for row in self.part.rows]

    @strawberry.field
    def page_info(self) -> PageInfo:
        """Return the page information."""
        return self.part.info

    @strawberry.field(description="How many lines the whole list has. Only computed if selected.")
    def total_count(self) -> int:
        """Return the number of all nodes in the list."""
        return self.part.total or 0

    @strawberry.field(
        description="This very page as lines of a report format: the regulation's || lines "
        "(一、1).",
        directives=MASKED,
    )
    async def delimited(self, info: Info, format: Format = None) -> str:  # noqa: A002
        """Return the page as lines of the format."""
        found = await format_of(info, self.export, format)
        return page_text(found, found.users, map(_cells, self.part.rows))

    @strawberry.field(
        description="A link to the whole filtered, sorted list as such lines (一、1), streamed."
    )
    async def download(
        self,
        info: Info,
        encoding: Encoding = None,
        header: Header = None,
        line_end: End = None,
        format: Format = None,  # noqa: A002
    ) -> Download:
        """Return a sealed link."""
        return await link(info, self.export, Asked(encoding, header, line_end, format))


def _cells(row: dict[str, Any]) -> dict[str, object]:
    return {**row, "product": row["product_name"]}
