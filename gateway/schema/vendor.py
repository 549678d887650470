"""信息商."""

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Final

import strawberry

from gateway.errors import BadInput
from gateway.schema.context import Info
from gateway.schema.ids import GlobalId
from gateway.schema.needs import needs
from gateway.schema.node import Node
from gateway.schema.pages import PageInfo, Slice

MOST_NESTED: Final = 1

if TYPE_CHECKING:
    from gateway.schema.licence import Licence


@strawberry.type(description="信息商: a licensed vendor.", directives=needs())
class Vendor(Node):
    """A vendor; `row` has vendor_code and vendor_name."""

    row: strawberry.Private[dict[str, Any]]
    nested: strawberry.Private[int] = 0
    """In how many lists of licences it stands: each one more multiplies the answer."""

    @strawberry.field
    def id(self) -> strawberry.ID:
        """Return the global id."""
        return strawberry.ID(str(GlobalId("Vendor", (self.row["vendor_code"],))))

    @strawberry.field(description="The vendor's code: short, ASCII, unique.")
    def code(self) -> str:
        """Return the code."""
        return str(self.row["vendor_code"])

    @strawberry.field(description="公司名字.")
    def name(self) -> str:
        """Return the company's name."""
        return str(self.row["vendor_name"])

    @strawberry.field(
        description="经营许可: its licences of the products in scope; with `validOn`, those in "
        "force on that day."
    )
    async def licences(
        self, info: Info, valid_on: date | None = None
    ) -> list[Annotated["Licence", strawberry.lazy("gateway.schema.licence")]]:
        """Return the licences, by product and first day."""
        from gateway.schema.licence import Licence  # noqa: PLC0415 (a licence has its vendor)

        if self.nested > MOST_NESTED:
            raise BadInput(
                "licences of the holder of a licence of the holder of a licence",
                "经营许可逐层嵌套过深",
                argument="licences",
                accepted="licences in the vendor of a licence, and none in theirs",
            )
        found = await info.context.loaders.licences(valid_on).load(self.row["vendor_code"])
        return [Licence(row=row, nested=self.nested + 1) for row in found]


@strawberry.type(directives=needs())
class VendorEdge:
    """Relay's edge."""

    cursor: str
    node: Vendor


@strawberry.type(description="A page of vendors.", directives=needs())
class VendorConnection:
    """Relay's connection."""

    part: strawberry.Private[Slice]

    @strawberry.field
    def edges(self) -> list[VendorEdge]:
        """Return nodes with their cursors."""
        return [
            VendorEdge(cursor=self.part.cursor(row), node=Vendor(row=row)) for row in self.part.rows
        ]

    @strawberry.field
    def nodes(self) -> list[Vendor]:
        """Return the nodes alone."""
        return [Vendor(row=row) for row in self.part.rows]

    @strawberry.field
    def page_info(self) -> PageInfo:
        """Return the page information."""
        return self.part.info

    @strawberry.field(description="How many there are in all.")
    def total_count(self) -> int:
        """Return the number of all nodes in the list."""
        return self.part.total or 0
