"""The audit log of the caller's own side: entries, each linked to the one before."""

from datetime import datetime
from typing import Any

import strawberry

from gateway.audit.chain import text_of
from gateway.schema.needs import needs
from gateway.schema.pages import PageInfo, Slice
from gateway.tenancy.principal import Right


@strawberry.type(
    description="One act or access, as it stands in the audit log.",
    directives=needs(Right.READ_AUDIT),
)
class AuditEvent:
    """An entry; `row` is its JSON."""

    row: strawberry.Private[dict[str, Any]]

    @strawberry.field(description="Counts from 1 within the chain, without gaps.")
    def number(self) -> strawberry.ID:
        """Return the number."""
        return strawberry.ID(str(self.row["number"]))

    @strawberry.field(description="When; of an access, when the request came.")
    def occurred_at(self) -> datetime:
        """Return the instant."""
        return datetime.fromisoformat(self.row["occurred_at"])

    @strawberry.field(
        description="Who: `key:…` by its prefix, `account:…`, `oidc:…`; at the "
        "command line `operator:…`, `security:…` or `auditor:…`; `anonymous`."
    )
    def actor(self) -> str:
        """Return the actor."""
        return str(self.row["actor"])

    @strawberry.field(
        description="What: `query`, `scope`, `import.users`, `export.users.complete`, …"
    )
    def action(self) -> str:
        """Return the action."""
        return str(self.row["action"])

    @strawberry.field(
        description="Of an access: `OK`, the codes of its errors, or `GONE`: its client left "
        "before the answer. Of an export that was cut: why."
    )
    def outcome(self) -> str | None:
        """Return the outcome."""
        return self._text("outcome")

    @strawberry.field(description="From where: the caller's address.")
    def address(self) -> str | None:
        """Return the address."""
        return self._text("from")

    @strawberry.field(description="For what purpose, as the header Gateway-Purpose said.")
    def purpose(self) -> str | None:
        """Return the purpose."""
        return self._text("purpose")

    @strawberry.field(
        description="What the caller could reach: a digest, which the entry `scope` spells out."
    )
    def scope(self) -> str | None:
        """Return the scope's digest."""
        return self._text("scope")

    @strawberry.field(description="The operation's name, if it had one.")
    def operation(self) -> str | None:
        """Return the operation's name."""
        return self._text("operation")

    @strawberry.field(description="SHA-256 of the document, hexadecimal.")
    def document(self) -> str | None:
        """Return the document's digest."""
        return self._text("document")

    @strawberry.field(
        description="Keyed digest of the variables: the same for the same variables, and no more."
    )
    def variables(self) -> str | None:
        """Return the variables' digest."""
        return self._text("variables")

    @strawberry.field(description="How many rows were returned, or exported.")
    def rows(self) -> int | None:
        """Return the rows."""
        return self._number("rows")

    @strawberry.field(description="The personal-data fields that were returned.")
    def personal_fields(self) -> list[str]:
        """Return the fields' names."""
        return [str(name) for name in self.row["detail"].get("personal") or ()]

    @strawberry.field(description="SHA-256 of the file that was imported or exported.")
    def file(self) -> str | None:
        """Return the file's digest."""
        return self._text("sha256")

    @strawberry.field(
        description="How long it took, in microseconds: an access until its answer began, an "
        "export until it was done."
    )
    def duration_micros(self) -> int | None:
        """Return the duration."""
        return self._number("micros")

    @strawberry.field(description="The whole entry as it is hashed (docs/audit.md).")
    def text(self) -> str:
        """Return the entry's text."""
        row = self.row
        return text_of(self.occurred_at(), row["actor"], row["action"], row["detail"])

    @strawberry.field(description="SHA-256 over the digest before and this entry, hexadecimal.")
    def digest(self) -> str:
        """Return the digest."""
        return str(self.row["digest"])

    def _text(self, name: str) -> str | None:
        value = self.row["detail"].get(name)
        return value if isinstance(value, str) else None

    def _number(self, name: str) -> int | None:
        value = self.row["detail"].get(name)
        return value if isinstance(value, int) and value < 2**31 else None


@strawberry.type(
    description="The signed end of the caller's chain.", directives=needs(Right.READ_AUDIT)
)
class AuditCheckpoint:
    """A checkpoint; `row` is its JSON."""

    row: strawberry.Private[dict[str, Any]]
    chain: str = strawberry.field(description="The chain's name: `vendor CODE`, `licensor CODE`.")

    @strawberry.field(description="The number of the last entry that is signed.")
    def number(self) -> strawberry.ID:
        """Return the number."""
        return strawberry.ID(str(self.row["number"]))

    @strawberry.field(description="That entry's digest.")
    def digest(self) -> str:
        """Return the digest."""
        return str(self.row["digest"])

    @strawberry.field
    def signed_at(self) -> datetime:
        """Return when it was signed."""
        return datetime.fromisoformat(self.row["signed_at"])

    @strawberry.field(description="Which key signed it.")
    def key(self) -> str:
        """Return the key's id."""
        return str(self.row["key_id"])

    @strawberry.field(description="Ed25519, hexadecimal (docs/audit.md says of which text).")
    def signature(self) -> str:
        """Return the signature."""
        return str(self.row["signature"])


@strawberry.type(directives=needs(Right.READ_AUDIT))
class AuditEventEdge:
    """Relay's edge."""

    cursor: str
    node: AuditEvent


@strawberry.type(description="A page of the audit log.", directives=needs(Right.READ_AUDIT))
class AuditEventConnection:
    """Relay's connection."""

    part: strawberry.Private[Slice]
    checkpoint: AuditCheckpoint | None = strawberry.field(
        description="The last checkpoint of the caller's chain."
    )

    @strawberry.field
    def edges(self) -> list[AuditEventEdge]:
        """Return nodes with their cursors."""
        return [
            AuditEventEdge(cursor=self.part.cursor(row), node=AuditEvent(row=row))
            for row in self.part.rows
        ]

    @strawberry.field
    def nodes(self) -> list[AuditEvent]:
        """Return the nodes alone."""
        return [AuditEvent(row=row) for row in self.part.rows]

    @strawberry.field
    def page_info(self) -> PageInfo:
        """Return the page information."""
        return self.part.info

    @strawberry.field(description="How many there are in all.")
    def total_count(self) -> int:
        """Return the number of all nodes in the list."""
        return self.part.total or 0
