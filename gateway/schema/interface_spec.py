"""Interface specifications, edition by edition."""

from datetime import date
from typing import Any, Optional

import strawberry

from gateway.schema.context import Info
from gateway.schema.enums import Protocol, Purpose
from gateway.schema.exchange import Exchange
from gateway.schema.ids import GlobalId
from gateway.schema.needs import needs
from gateway.schema.node import Node
from gateway.schema.pages import PageInfo, Slice


@strawberry.type(
    description="One edition of an interface specification (技术接口). Public reference data: the "
    "same for every caller.",
    directives=needs(),
)
class InterfaceSpec(Node):
    """An edition; `row` is as `records.interface_specs` brings it."""

    row: strawberry.Private[dict[str, Any]]

    @strawberry.field
    def id(self) -> strawberry.ID:
        """Return the global id."""
        return strawberry.ID(str(GlobalId("InterfaceSpec", (self.row["key"],))))

    @strawberry.field(description="The edition's name in this catalogue, unique.")
    def key(self) -> str:
        """Return the key."""
        return str(self.row["key"])

    @strawberry.field(
        description="The publisher's own code, IS101; several specifications may share one. Null "
        "where the publisher gives none."
    )
    def code(self) -> str | None:
        """Return the code."""
        code: str | None = self.row["code"]
        return code

    @strawberry.field
    def title(self) -> str:
        """Return the title."""
        return str(self.row["title"])

    @strawberry.field(description="Who publishes it.")
    def exchange(self) -> Exchange:
        """Return the exchange or data company."""
        return Exchange(row=self.row["exchange"])

    @strawberry.field(
        description="How its messages or files travel, the layers of one stack together; empty "
        "where the listing does not say."
    )
    def protocols(self) -> list[Protocol]:
        """Return the protocols."""
        return [Protocol(number) for number in self.row["protocols"]]

    @strawberry.field
    def purpose(self) -> Purpose:
        """Return what it is for."""
        return Purpose(self.row["purpose"])

    @strawberry.field(description="As the publisher writes it; null where there is none.")
    def version(self) -> str | None:
        """Return the version."""
        version: str | None = self.row["version"]
        return version

    @strawberry.field(description="The edition's date; null where there is none.")
    def date(self) -> date | None:
        """Return the date."""
        text: str | None = self.row["published_on"]
        return None if text is None else date.fromisoformat(text)

    @strawberry.field(description="Where it is published.")
    def address(self) -> str:
        """Return the web address."""
        return str(self.row["address"])

    @strawberry.field(description="Whether no later edition supersedes it.")
    def is_current(self) -> bool:
        """Return whether it is the newest edition."""
        return self.row["superseded_by"] is None

    @strawberry.field(description="The edition before; null for the first.")
    async def supersedes(self, info: Info) -> Optional["InterfaceSpec"]:
        """Return the earlier edition."""
        return await _edition(info, self.row["supersedes"])

    @strawberry.field(description="The edition after; null for the current one.")
    async def superseded_by(self, info: Info) -> Optional["InterfaceSpec"]:
        """Return the later edition."""
        return await _edition(info, self.row["superseded_by"])


async def _edition(info: Info, key: str | None) -> InterfaceSpec | None:
    row = None if key is None else await info.context.loaders.specs.load(key)
    return None if row is None else InterfaceSpec(row=row)


@strawberry.type(directives=needs())
class InterfaceSpecEdge:
    """Relay's edge."""

    cursor: str
    node: InterfaceSpec


@strawberry.type(description="A page of interface specifications.", directives=needs())
class InterfaceSpecConnection:
    """Relay's connection."""

    part: strawberry.Private[Slice]

    @strawberry.field
    def edges(self) -> list[InterfaceSpecEdge]:
        """Return nodes with their cursors."""
        return [
            InterfaceSpecEdge(cursor=self.part.cursor(row), node=InterfaceSpec(row=row))
            for row in self.part.rows
        ]

    @strawberry.field
    def nodes(self) -> list[InterfaceSpec]:
        """Return the nodes alone."""
        return [InterfaceSpec(row=row) for row in self.part.rows]

    @strawberry.field
    def page_info(self) -> PageInfo:
        """Return the page information."""
        return self.part.info

    @strawberry.field(description="How many there are in all.")
    def total_count(self) -> int:
        """Return the number of all nodes in the list."""
        return self.part.total or 0
