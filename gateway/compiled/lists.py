"""Relay connections in JSON text: nodes, edges, page information, and what else they have."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    ScalarSelect,
    and_,
    func,
    literal,
    or_,
    select,
)

from gateway.compiled.objects import Row, written
from gateway.compiled.text import (
    NULL,
    Json,
    boolean,
    constant,
    encoded,
    gathered,
    joined,
    mapping,
    raw,
    scalar,
)
from gateway.kinds import INTEGER, TEXT
from gateway.recording import decide
from gateway.records.keyset import Page
from gateway.records.rows import Rows
from gateway.records.users import VENDOR
from gateway.schema.pages import order_names
from gateway.schema.selection import Selected

_OF_VENDOR = frozenset({"vendor_code", "vendor_name"})


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection: its type, the node's, how a row is written, and the fields only it has."""

    kind: str
    node: str
    row_of: Callable[[FromClause], Row]
    fields: Mapping[str, Callable[["Listed", Selected], Json]]


def paged(paging: Page, selected: Selected) -> Page:
    """Return the page, which peeks at the next row only if it is asked whether there is one."""
    side = "hasPreviousPage" if paging.backward else "hasNextPage"
    asked = any(one.name == side for one in selected.under("pageInfo"))
    return paging if asked else replace(paging, peeks=False)


def connection(what: Connection, selected: Selected, rows: Rows) -> ScalarSelect[str]:
    """Return a connection's JSON text, by one aggregate over its page, if that is asked for."""
    listed = Listed(what, selected, rows)
    json = mapping((one.key, listed.field(one)) for one in selected.below)
    if not listed.aggregated:
        return select(json.text).correlate(*rows.outer).scalar_subquery()
    return rows.select(listed.rows, json.long_text, joined=listed.joined).scalar_subquery()


class Listed:
    """The rows of one connection, and how its fields are aggregated from them."""

    def __init__(self, what: Connection, selected: Selected, rows: Rows) -> None:
        """Take the rows; number them, if it matters which is first, last or one too many."""
        self._what, self._paging, self.aggregated = what, rows.paging, False
        names = {one.name for one in selected.under("pageInfo")}
        self.rows: FromClause = rows.page
        self._kept: ColumnElement[bool] | None = None
        if rows.paging.peeks or names & {"startCursor", "endCursor"}:
            back = rows.paging.backward
            run = rows.order(rows.page, backward=back)
            self.rows = select(
                *rows.page.c,
                func.row_number().over(order_by=run).label("n"),
                func.lead(literal(1, INTEGER)).over(order_by=run).label("more"),
            ).subquery(f"numbered_{what.node.lower()}")
            self._kept = self.rows.c.n <= self._size
        self._source, self._order = rows, rows.order(self.rows)
        self._row = what.row_of(self.rows)

    @property
    def joined(self) -> bool:
        """Whether the vendor is needed."""
        return bool(self._row.used & _OF_VENDOR)

    @property
    def _size(self) -> ColumnElement[int]:
        return literal(decide(int, self._paging.size), INTEGER)

    def field(self, one: Selected) -> Json:
        """Return a field of the connection."""
        match one.name:
            case "__typename":
                return constant(self._what.kind)
            case "nodes":
                return self._array(written(self._what.node, one.below, self._row))
            case "edges":
                return self._array(mapping((part.key, self._edge(part)) for part in one.below))
            case "pageInfo":
                return mapping((part.key, self._info(part)) for part in one.below)
        return self._what.fields[one.name](self, one)

    def lines(self, cells: Sequence[ColumnElement[str]], separator: str) -> Json:
        """Return the page as lines of cells, a line feed after each."""
        self.aggregated = True
        parts: list[Any] = []
        for cell in cells:
            parts += [cell, literal(separator, TEXT)]
        line = func.concat(*parts[:-1], literal("\n", TEXT), type_=TEXT)
        return scalar(joined(line, "", *self._order, where=self._kept))

    def _array(self, item: Json) -> Json:
        self.aggregated = True
        return gathered(item, *self._order, where=self._kept)

    def _edge(self, one: Selected) -> Json:
        if one.name == "__typename":
            return constant(f"{self._what.node}Edge")
        if one.name == "cursor":
            return self._cursor()
        return written(self._what.node, one.below, self._row)

    def _cursor(self) -> Json:
        places = self._source.places(self.rows)
        if any(place is VENDOR.c.code for place in places):
            self._row.used.add("vendor_code")
        return encoded([order_names(self._source.keys(self.rows)), places])

    def _info(self, one: Selected) -> Json:
        back = self._paging.backward
        match one.name:
            case "__typename":
                return constant("PageInfo")
            case "hasNextPage" if back:
                return constant(self._paging.before is not None)
            case "hasPreviousPage" if not back:
                return constant(self._paging.after is not None)
            case "hasNextPage" | "hasPreviousPage":
                self.aggregated = True
                return boolean(func.bool_or(self.rows.c.n > self._size))
        self.aggregated = True
        outermost = (one.name == "startCursor") is back
        here = self.rows.c.n == literal(1, INTEGER)
        if outermost:
            here = or_(self.rows.c.n == self._size, self.rows.c.more.is_(None))
        here = and_(here, self.rows.c.n <= self._size)
        cursor = func.max(self._cursor().text, type_=TEXT).filter(here)
        return raw(func.coalesce(cursor, NULL.text))
