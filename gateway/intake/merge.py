"""Merging staged lines into the roster: set-based, old versions kept, figures moved along."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    FromClause,
    Integer,
    Table,
    and_,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    union,
    update,
)
from sqlalchemy.dialects import postgresql

from gateway.catalogue.models import VendorProduct
from gateway.intake import staging
from gateway.records.known import CURRENT, VERSIONS
from gateway.records.models import COLUMNS, CONTENT, KEY
from gateway.regulation.fields import Layout
from gateway.statistics.upkeep import add_deltas, settle
from gateway.tenancy.session import ScopedSession


@dataclass(frozen=True, slots=True)
class Change:
    """How many records an import adds, changes, supersedes and leaves as they are."""

    added: int
    changed: int
    superseded: int
    unchanged: int

    @property
    def nothing(self) -> bool:
        """Whether everything stays as it is."""
        return not (self.added or self.changed or self.superseded)


class Merge:
    """One import's way into one vendor's roster, step by step in one transaction."""

    def __init__(
        self, session: ScopedSession, vendor_id: int, lines: Table, layout: Layout
    ) -> None:
        """Take the session of that one vendor, and the filled `incoming` table of a layout."""
        self._session, self._vendor, self._lines = session, vendor_id, lines
        self._layout = layout
        self._difference = staging.difference()
        self._superseded = staging.superseded()
        self._touched = staging.touched()
        self._counted = staging.counted()
        self._fresh = False

    async def compare(self, *, snapshot: bool, lines: int) -> Change:
        """Find out what differs; in a snapshot, what the file does not have is superseded."""
        for table in (self._difference, self._superseded, self._touched):
            await self._session.create(table)
        here = self._session.scope.covers(CURRENT)
        self._fresh = not await self._session.scalar(select(exists().where(here)))
        typed = staging.typed(self._lines, self._layout, self._session.scope).cte("typed")
        columns = [*KEY, *CONTENT]
        if self._fresh:
            never = literal(value=False, type_=Boolean)
            await self._session.execute(
                insert(self._difference).from_select(
                    ["present", *columns],
                    select(never, *(typed.c[name] for name in columns)),
                )
            )
        else:
            await self._session.analyze(self._lines)
            await self._compare_with_present(typed, columns, here, snapshot=snapshot)
        await self._session.analyze(self._difference)
        present = self._difference.c.present
        number = select(func.count())
        added = await self._session.scalar(number.select_from(self._difference).where(~present))
        changed = await self._session.scalar(number.select_from(self._difference).where(present))
        gone = await self._session.scalar(number.select_from(self._superseded))
        return Change(added, changed, gone, lines - added - changed)

    async def _compare_with_present(
        self,
        typed: Any,
        columns: list[str],
        here: ColumnElement[bool],
        *,
        snapshot: bool,
    ) -> None:
        same = and_(*(CURRENT.c[name] == typed.c[name] for name in KEY))
        differs = or_(*(CURRENT.c[name].is_distinct_from(typed.c[name]) for name in CONTENT))
        number = func.coalesce(CURRENT.c.record_id, self._former_number(typed))
        await self._session.execute(
            insert(self._difference).from_select(
                ["record_id", "present", *columns],
                select(
                    number,
                    CURRENT.c.record_id.is_not(None),
                    *(typed.c[name] for name in columns),
                )
                .select_from(typed.outerjoin(CURRENT, and_(here, same)))
                .where(or_(CURRENT.c.record_id.is_(None), differs)),
            )
        )
        if snapshot:
            kept = exists().where(here, same).correlate(CURRENT)
            await self._session.execute(
                insert(self._superseded).from_select(
                    ["record_id", "user_id", "product_id"],
                    select(CURRENT.c.record_id, CURRENT.c.user_id, CURRENT.c.product_id).where(
                        here, ~kept
                    ),
                )
            )
        await self._session.execute(
            insert(self._touched).from_select(
                ["user_id", "product_id"],
                union(
                    *(
                        select(table.c.user_id, table.c.product_id)
                        for table in (self._difference, self._superseded)
                    )
                ),
            )
        )
        await self._session.analyze(self._superseded)
        await self._session.analyze(self._touched)

    def _former_number(self, typed: Any) -> ColumnElement[Any]:
        """Return the number of a record that was superseded: back again, it is the same one."""
        return (
            select(func.max(VERSIONS.c.record_id))
            .where(
                self._session.scope.covers(VERSIONS),
                *(VERSIONS.c[name] == typed.c[name] for name in KEY),
            )
            .correlate(typed)
            .scalar_subquery()
        )

    async def carry_out(self, *, batch: int, last_record: int) -> None:
        """Make the change: move old versions to history, write the new, move the figures along."""
        if self._fresh:
            await self._add(batch, last_record)
            await add_deltas(self._session, self._as_records(), sign=1)
            await settle(self._session)
            return
        await self._session.create(self._counted)
        await self._count(sign=-1)
        await self._close_versions(batch)
        await self._change(batch)
        await self._add(batch, last_record)
        await self._count(sign=1)
        await settle(self._session)

    def _as_records(self) -> FromClause:
        """Return the staged lines as if they were records: what the first import counts."""
        return select(
            literal(self._vendor, Integer).label("vendor_id"),
            *(self._difference.c[name] for name in (*KEY, *CONTENT)),
        ).subquery("r")

    async def _count(self, *, sign: int) -> None:
        """Count the touched users' records as they are at this moment."""
        table = self._counted
        await self._session.execute(delete(table))
        await self._session.execute(
            insert(table).from_select(
                table.c.keys(),
                select(*(CURRENT.c[name] for name in table.c.keys())).where(  # noqa: SIM118
                    self._session.scope.covers(CURRENT),
                    CURRENT.c.user_id == self._touched.c.user_id,
                    CURRENT.c.product_id == self._touched.c.product_id,
                ),
            )
        )
        await self._session.analyze(table)
        await add_deltas(self._session, table, sign=sign)

    async def _close_versions(self, batch: int) -> None:
        closing = union(
            select(self._difference.c.record_id).where(self._difference.c.present),
            select(self._superseded.c.record_id),
        ).subquery("closing")
        await self._session.execute(
            insert(VERSIONS).from_select(
                [*COLUMNS, "closed_by"],
                select(*(CURRENT.c[name] for name in COLUMNS), literal(batch, Integer)).where(
                    self._session.scope.covers(CURRENT),
                    CURRENT.c.record_id == closing.c.record_id,
                ),
            )
        )

    async def _change(self, batch: int) -> None:
        here = self._session.scope.covers(CURRENT)
        await self._session.execute(
            update(CURRENT)
            .values({name: self._difference.c[name] for name in CONTENT} | {"batch_no": batch})
            .where(
                here,
                CURRENT.c.record_id == self._difference.c.record_id,
                self._difference.c.present,
            )
        )
        await self._session.execute(
            delete(CURRENT).where(here, CURRENT.c.record_id == self._superseded.c.record_id)
        )

    async def _add(self, batch: int, last_record: int) -> None:
        """Insert and number in the order of the key, whose index then grows at its end."""
        table = self._difference
        order = [table.c[name] for name in KEY]
        number = func.coalesce(
            table.c.record_id,
            last_record
            + func.row_number().over(partition_by=table.c.record_id.is_(None), order_by=order),
        )
        columns = [*KEY, *CONTENT]
        await self._session.execute(
            insert(CURRENT).from_select(
                ["vendor_id", "record_id", "batch_no", *columns],
                select(
                    literal(self._vendor, Integer),
                    cast(number, BigInteger),
                    literal(batch, Integer),
                    *(table.c[name] for name in columns),
                )
                .where(self._session.scope.covers(table), ~table.c.present)
                .order_by(*order),
            )
        )
        held = VendorProduct.table()
        products = await self._session.rows(
            select(table.c.product_id).where(~table.c.present).distinct()
        )
        if products:
            await self._session.execute(
                postgresql.insert(held)
                .values([{"vendor_id": self._vendor, "product_id": one} for (one,) in products])
                .on_conflict_do_nothing()
            )
