"""Counting by any rule pack, as SQL over any cells (vendor, product, month): on demand.

Each service in a cell's month, or on the day before or after it, is looked at once. Days are never
enumerated: a unit's days are the length of the union of its services, and a day's count is what has
begun less what is over. docs/rule-packs.md defines what each option means.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import distinct_on

from gateway.catalogue.models import Approval, Product
from gateway.kinds import DATE, INTEGER, NUMERIC, WALL_CLOCK
from gateway.records.known import known
from gateway.records.movements import is_cancelled
from gateway.regulation.codes import FeeCategory
from gateway.regulation.packs import Counted, EndDate, OnChange, RulePack, Unapproved, Unit
from gateway.statistics.counting import CATEGORIES, EVENTS
from gateway.statistics.grid import StatList
from gateway.tenancy.scope import AnyScope

ZERO: Final = literal_column("0", INTEGER)
ONE: Final = literal_column("1", INTEGER)
_MONTH: Final[ColumnElement[Any]] = literal_column("interval '1 month'")
_FULL_PRICE: Final = literal_column(str(int(FeeCategory.FULL_PRICE)), INTEGER)
TALLIED: Final = (*CATEGORIES, "prorated", *EVENTS, "unapproved")
"""What is tallied of a cell: of the four categories, units or (on average) their days; the days on
which those counted FULL_PRICE were so; the events; units with a free service not approved."""
CELL: Final = ("vendor_id", "product_id", "month")
COUNTED, NEW, ENDED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Tally:
    """A rule pack's counting: rows by CELL with TALLIED, and the records that it counted by.

    `behind` has vendor_id, product_id, month, record_id, category (null of an event), event (null
    of a count) and cancelled: a row for each unit in a count or event.
    """

    rows: FromClause
    behind: FromClause


def first_after(month: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the first day of the month after one."""
    return cast(cast(month, WALL_CLOCK) + _MONTH, DATE)


def tally(
    stats: StatList, cells: FromClause, pack: RulePack, name: str, *, unapproved: bool
) -> Tally:
    """Count the units of cells by a rule pack; names in FROM begin with `name`.

    `unapproved` says that units with a free service not approved are counted too.
    """
    return _Counting(stats, cells, pack, name, unapproved).tally()


class _Counting:
    """One pack's counting."""

    def __init__(
        self, stats: StatList, cells: FromClause, pack: RulePack, name: str, unapproved: bool
    ) -> None:
        self._stats, self._cells, self._pack, self._name = stats, cells, pack, name
        self._across = pack.unit is Unit.ID_ACROSS_PRODUCTS
        self._scope: AnyScope = (stats.reach or stats.scope) if self._across else stats.scope
        self._rejects = pack.unapproved is Unapproved.REJECTED
        self._asks = unapproved or pack.unapproved is not Unapproved.STAYS_FREE
        self._unapproved = unapproved
        self._unit: tuple[str, ...] = ("vendor_id", "owner", "user_id", "month")
        if pack.unit is Unit.ID_AND_MODE:
            self._unit = (*self._unit, "usage_mode")
        self._part = self._unit
        if pack.on_change is OnChange.EACH:
            self._part = (*self._unit, "category")

    def tally(self) -> Tally:
        near = self._near()
        counted = self._counted(self._served(near))
        new, ended = self._moves(near)
        parts = [self._tallied(counted), self._moved(new, new=ONE)]
        parts.append(
            self._moved(ended, ended=ONE, cancelled=case((ended.c.cancelled, ONE), else_=ZERO))
        )
        if self._unapproved:
            parts.append(self._tallied_unapproved(near))
        every = union_all(*parts).subquery(f"{self._name}parts")
        rows = (
            select(
                *(every.c[key] for key in CELL),
                *(func.sum(every.c[one]).label(one) for one in TALLIED),
            )
            .group_by(*(every.c[key] for key in CELL))
            .subquery(f"{self._name}tally")
        )
        columns = (*CELL, "record_id")
        behind = union_all(
            *(
                select(
                    *(source.c[one] for one in columns),
                    (source.c.category if event == COUNTED else ZERO).label("category"),
                    literal_column(str(event), INTEGER).label("event"),
                    (source.c.cancelled if event == ENDED else false()).label("cancelled"),
                )
                for event, source in ((COUNTED, counted), (NEW, new), (ENDED, ended))
            )
        ).subquery(f"{self._name}behind")
        return Tally(rows, behind)

    # Services

    def _near(self) -> CTE:
        """Return the services in each cell's month, or on the day before or after it.

        Whether each is (`within`, `on_eve`, `on_morrow`), and as which category it is taken.
        """
        base = self._base()
        first, last = base.c.month, base.c.last_day
        eve, morrow = first - ONE, last + ONE
        runs = {
            "within": and_(base.c.start_date <= last, base.c.ends >= first),
            "on_eve": and_(base.c.start_date <= eve, base.c.ends >= eve),
            "on_morrow": and_(base.c.start_date <= morrow, base.c.ends >= morrow),
        }
        category: ColumnElement[Any] = base.c.category
        free = category != _FULL_PRICE
        bare: ColumnElement[bool] = false()
        if self._asks:
            begins, ends = func.greatest(base.c.start_date, first), func.least(base.c.ends, last)
            bare = and_(runs["within"], free, not_(self._approved(base, begins, ends, "m")))
        taken = dict(runs)
        if self._pack.unapproved is Unapproved.FULL_PRICE:
            category = case((bare, _FULL_PRICE), else_=category)
        elif self._rejects:
            before = func.greatest(base.c.start_date, _month_before(first))
            after = func.least(base.c.ends, first_after(first_after(first)) - ONE)
            taken["within"] = and_(runs["within"], not_(bare))
            for name, since, until in (("on_eve", before, eve), ("on_morrow", morrow, after)):
                approved = self._approved(base, since, until, name[3])
                taken[name] = and_(runs[name], or_(not_(free), approved))
        return select(
            *(column for column in base.c if column.name != "category"),
            category.label("category"),
            bare.label("bare"),
            *(condition.label(name) for name, condition in taken.items()),
        ).cte(f"{self._name}near")

    def _base(self) -> FromClause:
        """Return the services of the cells' vendors and owners of units, as the records say."""
        rows, reachable = known(self._scope, self._stats.as_of, f"{self._name}r")
        cells = self._cells
        ends: ColumnElement[Any] = rows.c.end_date
        if self._pack.end_date is EndDate.EXCLUSIVE:
            ends = ends - ONE
        frames, tied = cells, [rows.c.product_id == cells.c.product_id]
        owner: ColumnElement[Any] = rows.c.product_id
        product: ColumnElement[Any] = rows.c.product_id
        if self._across:
            frames = self._frames()
            its = Product.aliased(f"{self._name}its")
            owner, product = its.c.licensor_id, its.c.name
            tied = [
                self._scope.covers(its),
                its.c.product_id == rows.c.product_id,
                its.c.licensor_id == frames.c.licensor_id,
            ]
        return (
            select(
                rows.c.vendor_id,
                rows.c.product_id,
                owner.label("owner"),
                rows.c.user_id,
                frames.c.month,
                frames.c.last_day,
                rows.c.record_id,
                rows.c.usage_mode,
                rows.c.start_date,
                rows.c.fee_category.label("category"),
                is_cancelled(rows).label("cancelled"),
                ends.label("ends"),
                product.label("product"),
            )
            .where(
                reachable,
                rows.c.vendor_id == frames.c.vendor_id,
                *tied,
                rows.c.start_date <= frames.c.last_day + ONE,
                ends >= frames.c.month - ONE,
                ends >= rows.c.start_date,
            )
            .subquery(f"{self._name}base")
        )

    def _frames(self) -> FromClause:
        """Return the licensors and months of the cells, each once."""
        its, cells = Product.aliased(f"{self._name}asked"), self._cells
        return (
            select(cells.c.vendor_id, its.c.licensor_id, cells.c.month, cells.c.last_day)
            .where(self._scope.covers(its), its.c.product_id == cells.c.product_id)
            .distinct()
            .subquery(f"{self._name}frames")
        )

    def _approved(
        self, service: FromClause, first: ColumnElement[Any], last: ColumnElement[Any], mark: str
    ) -> ColumnElement[bool]:
        """Return whether on each day some approval is valid: no day is the first without."""

        def of(name: str) -> tuple[FromClause, list[ColumnElement[bool]]]:
            one = Approval.aliased(f"{self._name}{mark}{name}")
            same = [one.c[key] == service.c[key] for key in ("vendor_id", "product_id", "user_id")]
            category = one.c.fee_category == service.c.category
            return one, [self._scope.covers(one), *same, category]

        begun, of_begun = of("begun")
        gone, of_gone = of("gone")
        next_, of_next = of("next")
        day_after = gone.c.valid_to + ONE
        goes_on = exists().where(*of_next, _valid(next_, day_after)).correlate_except(next_)
        gap = (
            exists()
            .where(*of_gone, gone.c.valid_to >= first, gone.c.valid_to < last, not_(goes_on))
            .correlate_except(gone)
        )
        covered = exists().where(*of_begun, _valid(begun, first)).correlate_except(begun)
        return and_(covered, not_(gap))

    # Counts

    def _served(self, near: CTE) -> FromClause:
        """Return the services within their month, cut to it, with the days each adds to its unit's.

        `begins`, `ends`; `fresh`, the first day that no service sorted before it has (later than
        `ends` where there is none); the same within the category, as `own_fresh`.
        """
        begins = func.greatest(near.c.start_date, near.c.month)
        ends = func.least(near.c.ends, near.c.last_day)
        cut = (
            select(
                *(c for c in near.c if c.name not in {"ends", "within", "on_eve", "on_morrow"}),
                begins.label("begins"),
                ends.label("ends"),
            )
            .where(near.c.within)
            .subquery(f"{self._name}cut")
        )

        def fresh(*keys: str) -> ColumnElement[Any]:
            until = func.max(cut.c.ends).over(
                partition_by=[cut.c[key] for key in dict.fromkeys(keys)],
                order_by=[cut.c.begins, cut.c.record_id],
                rows=(None, -1),
            )
            return func.greatest(cut.c.begins, until + ONE)

        return select(
            cut,
            fresh(*self._part).label("fresh"),
            fresh(*self._unit, "category").label("own_fresh"),
        ).subquery(f"{self._name}served")

    def _counted(self, served: FromClause) -> FromClause:
        """Return what counts: of each unit (and category, if it counts in each) one line.

        With the record that decides, the unit's days, and those on which it was of its category.
        """
        part = [served.c[key] for key in self._part]
        own = [served.c[key] for key in dict.fromkeys((*self._unit, "category"))]

        def days(since: ColumnElement[Any], by: list[Any]) -> ColumnElement[Any]:
            added = func.greatest(cast(served.c.ends - since + ONE, INTEGER), ZERO)
            return func.sum(added).over(partition_by=by)

        summed = select(
            served,
            days(served.c.fresh, part).label("days"),
            days(served.c.own_fresh, own).label("own_days"),
            func.bool_or(served.c.ends == served.c.last_day)
            .over(partition_by=part)
            .label("on_last"),
        ).subquery(f"{self._name}summed")
        if self._pack.counted is Counted.PEAK_DAY:
            return self._on_peak(summed)
        lines = (
            select(summed)
            .ext(distinct_on(*(summed.c[key] for key in self._part)))
            .order_by(
                *(summed.c[key] for key in self._part),
                *(key.desc() for key in self._deciding(summed)),
            )
            .cte(f"{self._name}lines")
        )
        if self._pack.counted is Counted.LAST_DAY:
            return select(lines).where(lines.c.on_last).subquery(f"{self._name}last")
        return lines

    def _deciding(self, rows: FromClause) -> Sequence[ColumnElement[Any]]:
        """Return what decides as what a unit counts, the highest first."""
        full = case((rows.c.category == _FULL_PRICE, ONE), else_=ZERO)
        stronger = (full, rows.c.start_date, rows.c.category, rows.c.usage_mode)
        keys: tuple[ColumnElement[Any], ...] = (*stronger, rows.c["product"])
        match self._pack.on_change:
            case OnChange.LAST:
                return (rows.c.ends, *keys)
            case OnChange.LONGEST:
                return (rows.c.own_days, full, rows.c.category, *keys)
        return keys

    def _on_peak(self, summed: FromClause) -> FromClause:
        """Return the lines that are in service on the peak day of their vendor's product.

        That is the day with the most of FULL_PRICE, then the most of all, then the first such. A
        unit's days are spans that do not overlap, so that one at most has the peak day. No joins:
        how many rows there are is not known beforehand.
        """
        order = [key.desc() for key in self._deciding(summed)]
        part = [summed.c[key] for key in self._part]

        def decided(name: str) -> ColumnElement[Any]:
            first = func.first_value(summed.c[name])
            return first.over(partition_by=part, order_by=order).label(name)

        told = select(
            *(summed.c[name] for name in ("vendor_id", "month", "last_day", "days", "ends")),
            *(decided(name) for name in ("product_id", "category", "record_id", "own_days")),
            summed.c.fresh.label("since"),
        ).subquery(f"{self._name}told")
        spans = (
            select(told, case((told.c.category == _FULL_PRICE, ONE), else_=ZERO).label("full"))
            .where(told.c.since <= told.c.ends)
            .cte(f"{self._name}spans")
        )
        names = (*_OF_LINES, "since", "ends")
        turns = union_all(
            select(
                *(spans.c[name] for name in names),
                spans.c.since.label("day"),
                spans.c.full.label("full"),
                ONE.label("every"),
            ),
            select(
                *(spans.c[name] for name in names), spans.c.ends + ONE, -spans.c.full, -ONE
            ).where(spans.c.ends < spans.c.last_day),
        ).subquery(f"{self._name}turns")
        cell = [turns.c[key] for key in CELL]
        levels = select(
            *(turns.c[name] for name in (*names, "day")),
            turns.c.every.label("step"),
            *(
                func.sum(turns.c[one]).over(partition_by=cell, order_by=turns.c.day).label(one)
                for one in ("full", "every")
            ),
        ).subquery(f"{self._name}levels")
        highest = func.first_value(levels.c.day).over(
            partition_by=[levels.c[key] for key in CELL],
            order_by=[levels.c.full.desc(), levels.c.every.desc(), levels.c.day.asc()],
        )
        peaks = select(levels, highest.label("peak")).subquery(f"{self._name}peaks")
        return (
            select(*(peaks.c[name] for name in _OF_LINES))
            .where(peaks.c.step == ONE, peaks.c.since <= peaks.c.peak, peaks.c.ends >= peaks.c.peak)
            .subquery(f"{self._name}onpeak")
        )

    # Comings and goings

    def _moves(self, near: CTE) -> tuple[FromClause, FromClause]:
        """Return who is new and whose service ended: of each unit one record, if any."""
        first, last = near.c.month, near.c.last_day
        begins, ends = func.greatest(near.c.start_date, first), func.least(near.c.ends, last)
        cancelled = and_(near.c.cancelled, near.c.ends <= last)
        spans = (
            (near.c.within, ZERO, begins, ends, cancelled),
            (near.c.on_eve, -ONE, first - ONE, first - ONE, false()),
            (near.c.on_morrow, ONE, last + ONE, last + ONE, false()),
        )
        names = ("vendor_id", "product_id", "owner", "user_id", "month", "usage_mode")
        shown = (*names, "record_id", "start_date", "product")
        pieces = union_all(
            *(
                select(
                    *(near.c[name] for name in shown),
                    side.label("side"),
                    since.label("begins"),
                    until.label("ends"),
                    gone.label("cancelled"),
                ).where(there)
                for there, side, since, until, gone in spans
            )
        ).cte(f"{self._name}pieces")
        unit = [pieces.c[key] for key in self._unit]
        ties = [pieces.c[key] for key in ("usage_mode", "start_date", "product", "record_id")]
        forward = [pieces.c.begins, *ties]
        backward = [
            key.desc()
            for key in (
                pieces.c.ends, pieces.c.cancelled, pieces.c.start_date,
                pieces.c.usage_mode, pieces.c["product"], pieces.c.record_id,
            )
        ]  # fmt: skip
        before = func.max(pieces.c.ends).over(partition_by=unit, order_by=forward, rows=(None, -1))
        behind = func.min(pieces.c.begins).over(
            partition_by=unit, order_by=backward, rows=(None, -1)
        )
        edges = select(pieces, before.label("before"), behind.label("behind")).cte(
            f"{self._name}edges"
        )
        same = [edges.c[key] for key in self._unit]
        begun = or_(edges.c.before.is_(None), edges.c.before < edges.c.begins - ONE)
        over = or_(edges.c.behind.is_(None), edges.c.behind > edges.c.ends + ONE)
        found = []
        for name, condition, order in (
            ("new", begun, [edges.c[one.name] for one in forward]),
            (
                "ended",
                over,
                [
                    edges.c[one].desc()
                    for one in (
                        "ends", "cancelled", "start_date", "usage_mode", "product", "record_id",
                    )
                ],
            ),
        ):  # fmt: skip
            found.append(
                select(edges)
                .where(edges.c.side == ZERO, condition)
                .ext(distinct_on(*same))
                .order_by(*same, *order)
                .cte(f"{self._name}{name}")
            )
        new, ended = found
        return new, ended

    # Tallies

    def _tallied(self, counted: FromClause) -> Any:
        number = counted.c.days if self._pack.counted is Counted.AVERAGE else ONE
        values: dict[str, ColumnElement[Any]] = {
            name: case((counted.c.category == literal_column(str(int(code)), INTEGER), number))
            for name, code in zip(CATEGORIES, FeeCategory, strict=True)
        }
        values["prorated"] = case((counted.c.category == _FULL_PRICE, counted.c.own_days))
        return self._contributed(counted, values)

    def _moved(self, source: FromClause, **values: ColumnElement[Any]) -> Any:
        return self._contributed(source, values)

    def _tallied_unapproved(self, near: CTE) -> Any:
        """Return the units with a free service that is not approved, in each product of it."""
        keys = [near.c[key] for key in dict.fromkeys((*self._unit, *CELL))]
        units = select(*keys).where(near.c.bare).distinct().subquery(f"{self._name}bare")
        return self._contributed(units, {"unapproved": ONE})

    def _contributed(self, source: FromClause, values: dict[str, ColumnElement[Any]]) -> Any:
        return select(
            *(source.c[key] for key in CELL),
            *(
                cast(func.coalesce(values.get(name, ZERO), ZERO), NUMERIC).label(name)
                for name in TALLIED
            ),
        )


_OF_LINES = (*CELL, "last_day", "category", "record_id", "days", "own_days")


def _valid(approval: FromClause, day: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return whether an approval is valid on a day."""
    return and_(
        approval.c.valid_from <= day,
        or_(approval.c.valid_to.is_(None), approval.c.valid_to >= day),
    )


def _month_before(month: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(cast(month, WALL_CLOCK) - _MONTH, DATE)
