"""What imports changed: one line of the log of a vendor's roster."""

from datetime import date, datetime
from typing import Any

import strawberry
from pydantic.alias_generators import to_camel

from gateway.records.changes import ChangeKind as Kind
from gateway.records.models import CONTENT
from gateway.regulation.codes import FeeCategory, ServiceStatus, UserType
from gateway.regulation.layouts import QUERY
from gateway.schema.enums import ChangeKind, UsageMode
from gateway.schema.needs import MASKED, needs
from gateway.schema.pages import PageInfo, Slice
from gateway.schema.product import Product
from gateway.schema.user_state import HEADINGS, UserState
from gateway.schema.vendor import Vendor
from gateway.tenancy.principal import Right

HEADING = {field.name: field.heading for field in QUERY.fields}
CODES = {"user_type": UserType, "fee_category": FeeCategory, "service_status": ServiceStatus}


@strawberry.type(
    description="An import that changed something: who brought what, and when.",
    directives=needs(Right.READ_USERS),
)
class ImportBatch:
    """A batch; `row` is the change's JSON."""

    row: strawberry.Private[dict[str, Any]]

    @strawberry.field(description="Counts up within the vendor and the product's licensor.")
    def number(self) -> int:
        """Return the batch's number."""
        return int(self.row["number"])

    @strawberry.field(description="Since when the gateway knows it.")
    def recorded_at(self) -> datetime:
        """Return the recorded instant."""
        return datetime.fromisoformat(self.row["recorded_at"])

    @strawberry.field(description="Who imported it, as the audit log calls them.")
    def actor(self) -> str:
        """Return the actor."""
        return str(self.row["actor"])

    @strawberry.field(description="The file's name.")
    def source(self) -> str:
        """Return the source."""
        return str(self.row["source"])

    @strawberry.field(description="snapshot or delta.")
    def mode(self) -> str:
        """Return the mode."""
        return str(self.row["mode"])


@strawberry.type(
    description="One field of a line, before and after; codes by their names here.",
    directives=needs(Right.READ_USERS),
)
class FieldChange:
    """A field that changed."""

    field: str = strawberry.field(description="The field's name in User.")
    heading: str = strawberry.field(description="The field's name in the regulation.")
    before: str | None = strawberry.field(directives=MASKED)
    after: str | None = strawberry.field(directives=MASKED)


@strawberry.type(description="What one import did to one line.", directives=needs(Right.READ_USERS))
class Change:
    """A change; `row` is its JSON."""

    row: strawberry.Private[dict[str, Any]]

    @strawberry.field
    def kind(self) -> ChangeKind:
        """Return what happened."""
        return Kind(self.row["kind"])

    @strawberry.field
    def vendor(self) -> Vendor:
        """Return whose line it is."""
        return Vendor(row=self.row)

    @strawberry.field(description=HEADINGS["user_id"])
    def user_id(self) -> str:
        """Return the login ID."""
        return str(self.row["user_id"])

    @strawberry.field(description=HEADINGS["product"])
    def product(self) -> Product:
        """Return the product."""
        return Product(row=self.row)

    @strawberry.field(description="信息使用方式.")
    def usage_mode(self) -> UsageMode:
        """Return the usage mode."""
        return UsageMode(self.row["usage_mode"])

    @strawberry.field(description=HEADINGS["start_date"])
    def start_date(self) -> date:
        """Return the start date."""
        return date.fromisoformat(self.row["start_date"])

    @strawberry.field(description="The import that did it.")
    def batch(self) -> ImportBatch:
        """Return the import batch."""
        return ImportBatch(row=self.row)

    @strawberry.field(description="What the line said before; null if it was added.")
    def before(self) -> UserState | None:
        """Return the state before."""
        return _state(self.row["before"])

    @strawberry.field(description="What the line says after; null if it was superseded.")
    def after(self) -> UserState | None:
        """Return the state after."""
        return _state(self.row["after"])

    @strawberry.field(description="Of a CHANGED line: the fields that changed, and they only.")
    def fields(self) -> list[FieldChange]:
        """Return the changed fields."""
        before, after = self.row["before"], self.row["after"]
        if before is None or after is None:
            return []
        return [
            FieldChange(
                field=to_camel(name),
                heading=HEADING[name],
                before=_text(name, before[name]),
                after=_text(name, after[name]),
            )
            for name in CONTENT
            if self.row["changed"][name]
        ]


def _state(row: dict[str, Any] | None) -> UserState | None:
    return None if row is None else UserState(row=row)


def _text(name: str, value: Any) -> str | None:
    codes = CODES.get(name)
    return value if codes is None or value is None else codes(value).name


@strawberry.type(
    description="How many changes there are of each kind.", directives=needs(Right.READ_USERS)
)
class ChangeCounts:
    """Numbers by kind."""

    added: int
    changed: int
    superseded: int


@strawberry.type(directives=needs(Right.READ_USERS))
class ChangeEdge:
    """Relay's edge."""

    cursor: str
    node: Change


@strawberry.type(
    description="A page of changes, in the order in which they were recorded.",
    directives=needs(Right.READ_USERS),
)
class ChangeConnection:
    """Relay's connection."""

    part: strawberry.Private[Slice]
    numbers: strawberry.Private[dict[str, int] | None]

    @strawberry.field
    def edges(self) -> list[ChangeEdge]:
        """Return nodes with their cursors."""
        return [
            ChangeEdge(cursor=self.part.cursor(row), node=Change(row=row)) for row in self.part.rows
        ]

    @strawberry.field
    def nodes(self) -> list[Change]:
        """Return the nodes alone."""
        return [Change(row=row) for row in self.part.rows]

    @strawberry.field
    def page_info(self) -> PageInfo:
        """Return the page information."""
        return self.part.info

    @strawberry.field(description="How many changes the whole list has. Only computed if selected.")
    def total_count(self) -> int:
        """Return the number of all nodes in the list."""
        return sum((self.numbers or {}).values())

    @strawberry.field(description="The same by kind. Only computed if selected.")
    def counts(self) -> ChangeCounts:
        """Return the numbers by kind."""
        numbers = self.numbers or {}
        return ChangeCounts(**{kind.name.lower(): numbers[kind.name] for kind in Kind})
