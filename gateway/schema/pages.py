"""Relay connections: what all of them share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import strawberry

from gateway.records.keyset import Key, Page, encode
from gateway.schema.needs import needs


@strawberry.type(
    description="Whether a list goes on, and the cursors of this page's ends (Relay).",
    directives=needs(),
)
class PageInfo:
    """Relay's page information."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@dataclass(frozen=True, slots=True)
class Slice:
    """A page as it came from the database: rows in list order, and whether there are more."""

    rows: Sequence[dict[str, Any]]
    order: Sequence[str]
    page: Page
    more: bool
    total: int | None

    @classmethod
    def of(cls, found: dict[str, Any], order: Sequence[str], page: Page) -> "Slice":
        """Cut off the row beyond the page that shows whether the list goes on."""
        rows, more = found["rows"], len(found["rows"]) > page.size
        if more:
            rows = rows[1:] if page.backward else rows[: page.size]
        return cls(rows, order, page, more, found["total"])

    def cursor(self, row: dict[str, Any]) -> str:
        """Return a row's cursor."""
        return encode(self.order, row["place"])

    @property
    def info(self) -> PageInfo:
        """The page information. In the direction not asked for, a given cursor means more."""
        ahead, behind = self.more, self.page.after is not None
        if self.page.backward:
            ahead, behind = self.page.before is not None, self.more
        return PageInfo(
            has_next_page=ahead,
            has_previous_page=behind,
            start_cursor=self.cursor(self.rows[0]) if self.rows else None,
            end_cursor=self.cursor(self.rows[-1]) if self.rows else None,
        )


def order_names(keys: Sequence[Key]) -> list[str]:
    """Return the order as cursors carry it."""
    return [f"{key.name} {key.direction.value}" for key in keys]
