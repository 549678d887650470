"""Exchanges and data companies."""

from typing import Any

import strawberry

from gateway.schema.enums import ExchangeKind
from gateway.schema.ids import GlobalId
from gateway.schema.needs import needs
from gateway.schema.node import Node
from gateway.schema.pages import PageInfo, Slice


@strawberry.type(
    description="A page that is no specification: notices, an index of interfaces.",
    directives=needs(),
)
class ExchangePage:
    """A page."""

    title: str
    address: str


@strawberry.type(
    description="An exchange or data company (信息公司) that publishes interface specifications. "
    "Public reference data: the same for every caller.",
    directives=needs(),
)
class Exchange(Node):
    """An exchange; `row` has code, name, short_name, kind and pages."""

    row: strawberry.Private[dict[str, Any]]

    @strawberry.field
    def id(self) -> strawberry.ID:
        """Return the global id."""
        return strawberry.ID(str(GlobalId("Exchange", (self.row["code"],))))

    @strawberry.field(description="Short, ASCII, unique: SZSE.")
    def code(self) -> str:
        """Return the code."""
        return str(self.row["code"])

    @strawberry.field(description="The full name: 深圳证券交易所.")
    def name(self) -> str:
        """Return the name."""
        return str(self.row["name"])

    @strawberry.field(description="The usual short name: 深交所.")
    def short_name(self) -> str | None:
        """Return the short name."""
        short: str | None = self.row["short_name"]
        return short

    @strawberry.field
    def kind(self) -> ExchangeKind:
        """Return whether it runs a market or distributes its data."""
        return ExchangeKind(self.row["kind"])

    @strawberry.field(description="Its pages of notices and interfaces, by title.")
    def pages(self) -> list[ExchangePage]:
        """Return the pages."""
        return [ExchangePage(**page) for page in self.row["pages"]]


@strawberry.type(directives=needs())
class ExchangeEdge:
    """Relay's edge."""

    cursor: str
    node: Exchange


@strawberry.type(description="A page of exchanges.", directives=needs())
class ExchangeConnection:
    """Relay's connection."""

    part: strawberry.Private[Slice]

    @strawberry.field
    def edges(self) -> list[ExchangeEdge]:
        """Return nodes with their cursors."""
        return [
            ExchangeEdge(cursor=self.part.cursor(row), node=Exchange(row=row))
            for row in self.part.rows
        ]

    @strawberry.field
    def nodes(self) -> list[Exchange]:
        """Return the nodes alone."""
        return [Exchange(row=row) for row in self.part.rows]

    @strawberry.field
    def page_info(self) -> PageInfo:
        """Return the page information."""
        return self.part.info

    @strawberry.field(description="How many there are in all.")
    def total_count(self) -> int:
        """Return the number of all nodes in the list."""
        return self.part.total or 0
