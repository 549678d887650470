"""经营许可."""

from datetime import date
from typing import Any

import strawberry

from gateway.schema.enums import UsageMode
from gateway.schema.ids import GlobalId
from gateway.schema.needs import needs
from gateway.schema.node import Node
from gateway.schema.pages import PageInfo, Slice
from gateway.schema.product import Product
from gateway.schema.vendor import Vendor


@strawberry.type(
    description="经营许可: a vendor may deal in a product, in some usage modes, from a day on.",
    directives=needs(),
)
class Licence(Node):
    """A licence; `row` is as `records.licences` brings it."""

    row: strawberry.Private[dict[str, Any]]
    nested: strawberry.Private[int] = 1

    @strawberry.field
    def id(self) -> strawberry.ID:
        """Return the global id."""
        parts = (self.row[name] for name in ("vendor_code", "product_name", "valid_from"))
        return strawberry.ID(str(GlobalId("Licence", tuple(parts))))

    @strawberry.field
    def vendor(self) -> Vendor:
        """Return who holds it."""
        return Vendor(row=self.row, nested=self.nested)

    @strawberry.field
    def product(self) -> Product:
        """Return what it is for."""
        return Product(row=self.row)

    @strawberry.field(description="The first day.")
    def valid_from(self) -> date:
        """Return the first day."""
        return date.fromisoformat(self.row["valid_from"])

    @strawberry.field(description="The last day; null while it is open.")
    def valid_to(self) -> date | None:
        """Return the last day."""
        text: str | None = self.row["valid_to"]
        return None if text is None else date.fromisoformat(text)

    @strawberry.field(description="信息使用方式 in which the product may be provided.")
    def usage_modes(self) -> list[UsageMode]:
        """Return the allowed usage modes."""
        return [UsageMode(number) for number in self.row["usage_modes"]]


@strawberry.type(directives=needs())
class LicenceEdge:
    """Relay's edge."""

    cursor: str
    node: Licence


@strawberry.type(description="A page of licences.", directives=needs())
class LicenceConnection:
    """Relay's connection."""

    part: strawberry.Private[Slice]

    @strawberry.field
    def edges(self) -> list[LicenceEdge]:
        """Return nodes with their cursors."""
        return [
            LicenceEdge(cursor=self.part.cursor(row), node=Licence(row=row))
            for row in self.part.rows
        ]

    @strawberry.field
    def nodes(self) -> list[Licence]:
        """Return the nodes alone."""
        return [Licence(row=row) for row in self.part.rows]

    @strawberry.field
    def page_info(self) -> PageInfo:
        """Return the page information."""
        return self.part.info

    @strawberry.field(description="How many there are in all.")
    def total_count(self) -> int:
        """Return the number of all nodes in the list."""
        return self.part.total or 0
