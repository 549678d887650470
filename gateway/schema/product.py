"""信息产品, and its licensor."""

from typing import Any

import strawberry

from gateway.schema.context import Info
from gateway.schema.exchange import Exchange
from gateway.schema.ids import GlobalId
from gateway.schema.interface_spec import InterfaceSpec
from gateway.schema.needs import needs
from gateway.schema.node import Node
from gateway.schema.pages import PageInfo, Slice


@strawberry.type(
    description="信息公司: the data owner's company that grants licences.", directives=needs()
)
class Licensor:
    """A licensor."""

    code: str
    name: str


@strawberry.type(description="信息产品, e.g. 深交所网络版增强行情.", directives=needs())
class Product(Node):
    """A product; `row` has product_name, licensor_code and licensor_name."""

    row: strawberry.Private[dict[str, Any]]

    @strawberry.field
    def id(self) -> strawberry.ID:
        """Return the global id."""
        return strawberry.ID(str(GlobalId("Product", (self.row["product_name"],))))

    @strawberry.field(description="产品名称, unique.")
    def name(self) -> str:
        """Return the name."""
        return str(self.row["product_name"])

    @strawberry.field
    def licensor(self) -> Licensor:
        """Return whose product it is."""
        return Licensor(code=self.row["licensor_code"], name=self.row["licensor_name"])

    @strawberry.field(description="The exchange whose data it carries; null where that is not set.")
    async def exchange(self, info: Info) -> Exchange | None:
        """Return the exchange."""
        row = await info.context.loaders.exchanges.load(self.row["product_name"])
        return None if row is None else Exchange(row=row)

    @strawberry.field(
        description="The interfaces by which it is delivered, all their editions; with `current`, "
        "only the current ones (true) or only the earlier ones (false)."
    )
    async def interface_specs(self, info: Info, current: bool | None = None) -> list[InterfaceSpec]:
        """Return the editions, by key."""
        found = await info.context.loaders.interfaces(current).load(self.row["product_name"])
        return [InterfaceSpec(row=row) for row in found]


@strawberry.type(directives=needs())
class ProductEdge:
    """Relay's edge."""

    cursor: str
    node: Product


@strawberry.type(description="A page of products.", directives=needs())
class ProductConnection:
    """Relay's connection."""

    part: strawberry.Private[Slice]

    @strawberry.field
    def edges(self) -> list[ProductEdge]:
        """Return nodes with their cursors."""
        return [
            ProductEdge(cursor=self.part.cursor(row), node=Product(row=row))
            for row in self.part.rows
        ]

    @strawberry.field
    def nodes(self) -> list[Product]:
        """Return the nodes alone."""
        return [Product(row=row) for row in self.part.rows]

    @strawberry.field
    def page_info(self) -> PageInfo:
        """Return the page information."""
        return self.part.info

    @strawberry.field(description="How many there are in all.")
    def total_count(self) -> int:
        """Return the number of all nodes in the list."""
        return self.part.total or 0
