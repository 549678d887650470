"""Monthly figures by the rule packs that are asked for, or are in use: computed on demand."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Numeric,
    and_,
    cast,
    exists,
    func,
    literal,
    literal_column,
    select,
    union,
    union_all,
)

from gateway.catalogue.packs import named, pack_in_use
from gateway.kinds import DATE, INTEGER, NUMERIC, TEXT
from gateway.recording import derive, param
from gateway.records.movements import Movement
from gateway.regulation.codes import FeeCategory
from gateway.regulation.packs import SZSE_2010, Counted, Proration, RulePack
from gateway.statistics.counting import CATEGORIES, EVENTS, FIGURES
from gateway.statistics.grid import Packs, StatList, earlier
from gateway.statistics.pricing import Priced
from gateway.statistics.units import CELL, COUNTED, ENDED, NEW, ONE, ZERO, Tally, first_after, tally

QUANTITIES: Final = {name: f"{name}_quantity" for name in CATEGORIES}
"""What a category's count is called as an exact number of four decimals."""
PACKED: Final = (*QUANTITIES.values(), "billed", "unapproved", "rule_pack")
"""What is known of a month's figures by a rule pack, beside those that all packs have."""
_FIRST_DAY: Final[ColumnElement[Any]] = literal_column("'00010101'::date", DATE)
_DECIMALS: Final = literal_column("4", INTEGER)
_SHOWN = (*FIGURES, "expired")


class Packed:
    """The figures of one list. `behind` are the records that its own figures counted by."""

    def __init__(self, stats: StatList, name: str = "") -> None:
        """Take the list, which says by which packs; names in FROM begin with `name`."""
        assert stats.packs is not None  # noqa: S101 (the caller has looked)
        self._stats, self._packs, self._name = stats, stats.packs, name
        self._tallies: list[Tally] = []
        self._all: FromClause | None = None

    def beside(self, rows: FromClause, *, own: bool, before: Sequence[int]) -> FromClause:
        """Return rows of a grid with their figures, as `figures.beside` does, and PACKED."""
        mark = self._name + ("own" if own else "earlier")
        listed = select(*rows.c).cte(f"{mark}listed")
        distances = [*([0] if own else []), *before]
        counted, tallies = self._counted(self._cells(listed, distances, mark), mark)
        if own:
            self._tallies = tallies
        found: FromClause = listed
        columns: list[ColumnElement[Any]] = list(listed.c)
        for distance in distances:
            month = earlier(listed.c.month, distance) if distance else listed.c.month
            then = counted.alias(f"{mark}m{distance}m")
            same = and_(
                then.c.vendor_id == listed.c.vendor_id,
                then.c.product_id == listed.c.product_id,
                then.c.month == month,
            )
            found = found.join(then, same, isouter=True)
            names = (*_SHOWN, "fee")
            if distance:
                columns += [then.c[name].label(f"{name}_{distance}") for name in names]
            else:
                columns += [then.c[name] for name in (*names, "price", *PACKED)]
        return select(*columns).select_from(found).subquery("stat" if own else "compared")

    def among(
        self,
        row: FromClause,
        movement: Movement | None,
        category: FeeCategory | None,
        month: ColumnElement[Any] | None = None,
    ) -> Callable[[FromClause], ColumnElement[bool]]:
        """Return the condition that a record is one by which a row's figure counted.

        The month is the row's unless it is given.
        """
        behind = self._behind()
        event = {None: COUNTED, Movement.NEW: NEW}.get(movement, ENDED)
        where = [behind.c.event == literal_column(str(event), INTEGER)]
        if movement in {Movement.CANCELLED, Movement.EXPIRED}:
            gone = behind.c.cancelled
            where.append(gone if movement is Movement.CANCELLED else ~gone)
        if movement is None and category is not None:
            where.append(behind.c.category == param(derive(int, category), INTEGER))

        def condition(records: FromClause) -> ColumnElement[bool]:
            return (
                exists()
                .where(
                    *where,
                    behind.c.vendor_id == records.c.vendor_id,
                    behind.c.record_id == records.c.record_id,
                    behind.c.product_id == row.c.product_id,
                    behind.c.month == (row.c.month if month is None else month),
                )
                .correlate_except(behind)
            )

        return condition

    def _behind(self) -> FromClause:
        """Return the records behind the list's own figures, once for all conditions."""
        if self._all is None:
            parts = (select(*one.behind.c) for one in self._tallies)
            self._all = union_all(*parts).cte(f"{self._name}behind")
        return self._all

    def _cells(self, listed: FromClause, distances: Sequence[int], mark: str) -> FromClause:
        """Return the vendors, products and months that figures are needed of, and by which pack."""
        months = (
            (earlier(listed.c.month, distance) if distance else listed.c.month)
            for distance in distances
        )
        asked = union(
            *(
                select(listed.c.vendor_id, listed.c.product_id, month.label("month")).where(
                    month >= _FIRST_DAY
                )
                for month in months
            )
        ).subquery(f"{mark}asked")
        pack: ColumnElement[Any] = literal(str(self._packs.packs[0]), TEXT)
        if not self._packs.fixed:
            pack = func.coalesce(
                pack_in_use(self._stats.scope, asked.c.product_id, asked.c.month),
                literal(str(SZSE_2010), TEXT),
            )
        last_day = cast(first_after(asked.c.month) - ONE, DATE)
        return select(*asked.c, last_day.label("last_day"), pack.label("rule_pack")).cte(
            f"{mark}cells"
        )

    def _counted(self, cells: FromClause, mark: str) -> tuple[FromClause, list[Tally]]:
        parts, tallies = [], []
        for i, pack in enumerate(self._packs.packs):
            name = f"{mark}p{i}p"
            own = select(*cells.c)
            if not self._packs.fixed:
                own = own.where(cells.c.rule_pack == literal(str(pack), TEXT))
            kept = own.cte(f"{name}cells")
            found = tally(self._stats, kept, pack, name, unapproved=self._packs.unapproved)
            parts.append(self._figures(kept, found, pack, name))
            tallies.append(found)
        return union_all(*parts).cte(f"{mark}counted"), tallies

    def _figures(self, cells: FromClause, found: Tally, pack: RulePack, name: str) -> Any:
        """Return the figures of a pack's cells."""
        rows = found.rows
        value: dict[str, ColumnElement[Any]] = {
            one.name: func.coalesce(one, ZERO) for one in rows.c if one.name not in CELL
        }
        days = cast(cells.c.last_day - cells.c.month + ONE, INTEGER)

        def per_day(number: ColumnElement[Any], decimals: ColumnElement[Any]) -> Any:
            """Divide by the month's days. Of at most 31, no quotient is too close to a half."""
            return func.round(cast(number, Numeric(60, 20)) / days, decimals)

        exact: dict[str, ColumnElement[Any]] = {
            one: cast(value[one], NUMERIC) for one in CATEGORIES
        }
        counts = {one: value[one] for one in CATEGORIES}
        if pack.counted is Counted.AVERAGE:
            exact = {one: per_day(value[one], _DECIMALS) for one in CATEGORIES}
            counts = {one: per_day(value[one], ZERO) for one in CATEGORIES}
        billed = exact["full_price"]
        if pack.proration is Proration.DAILY:
            billed = per_day(value["prorated"], _DECIMALS)
        whole = {**counts, **{one: value[one] for one in EVENTS}}
        whole["expired"] = value["ended"] - value["cancelled"]
        priced = Priced(cells, self._stats.scope, name)
        same = and_(*(rows.c[key] == cells.c[key] for key in CELL))
        return select(
            *(cells.c[key] for key in CELL),
            *(cast(whole[one], INTEGER).label(one) for one in _SHOWN),
            *(exact[one].label(label) for one, label in QUANTITIES.items()),
            billed.label("billed"),
            cast(value["unapproved"], INTEGER).label("unapproved"),
            cells.c.rule_pack,
            priced.amount.label("price"),
            priced.fee(billed, pack.tiers).label("fee"),
        ).select_from(priced.beside(cells.join(rows, same, isouter=True)))


def chosen(
    asked: str | None,
    defined: Sequence[RulePack],
    used: Sequence[RulePack],
    *,
    unapproved: bool = False,
) -> Packs | None:
    """Return by which packs to count: by the one asked for, else those in use.

    None where that is the default pack alone, whose figures are stored; not if users with a free
    service not approved are to be counted too.
    """
    packs = used if asked is None else [named(asked, defined)]
    if not unapproved and list(packs) == [SZSE_2010]:
        return None
    return Packs(tuple(packs), fixed=asked is not None, unapproved=unapproved)


def packed_values(row: FromClause) -> Mapping[str, ColumnElement[Any]]:
    """Return what a row has by its rule pack, exact numbers as text."""
    return {
        **{name: cast(row.c[name], TEXT) for name in (*QUANTITIES.values(), "billed")},
        **{name: row.c[name] for name in ("unapproved", "rule_pack")},
    }
