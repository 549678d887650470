"""The rows of a page in a statement, not yet written in any form."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from gateway.records.keyset import Key, Page, ordering


@dataclass(frozen=True, slots=True)
class Rows:
    """A page, and one row more where the list goes on: written as the executor's JSON or another.

    `keys`, `places` and `values` take the page or rows made of it: the order, a row's place in it
    as cursors carry it, and what can be said of a row by name. Where there is a vendor, it is each
    row's own.
    """

    page: FromClause
    paging: Page
    keys: Callable[[FromClause], list[Key]]
    places: Callable[[FromClause], list[ColumnElement[Any]]]
    values: Callable[[FromClause], Mapping[str, ColumnElement[Any]]]
    vendor: FromClause | None = None
    outer: Sequence[FromClause] = ()
    constant: Sequence[str] = ()
    """The names of keys that are the same in all rows."""

    def order(self, row: FromClause, *, backward: bool = False) -> list[ColumnElement[Any]]:
        """Return the ORDER BY; a key that is the same in all rows is left out."""
        keys = [key for key in self.keys(row) if key.name not in self.constant]
        return ordering(keys, backward=backward)

    def place(self, row: FromClause) -> ColumnElement[Any]:
        """Return a row's place as JSON."""
        return func.json_build_array(*self.places(row))

    def select(
        self, row: FromClause, *columns: ColumnElement[Any], joined: bool = True
    ) -> Select[*tuple[Any, ...]]:
        """Select from the page, or rows made of it; the vendor only where `joined`."""
        found = select(*columns).select_from(row)
        if joined and self.vendor is not None:
            found = found.select_from(self.vendor).where(self.vendor.c.vendor_id == row.c.vendor_id)
        return found.correlate(*self.outer) if self.outer else found


def json_array(document: ColumnElement[Any], *order: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return rows' documents as one JSON array."""
    ordered = aggregate_order_by(document, *order) if order else document
    return func.coalesce(func.json_agg(ordered), func.json_build_array())
