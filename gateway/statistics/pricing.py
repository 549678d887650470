"""What a month costs, in SQL: the price in force on its first day, its tiers and its minimum."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    ScalarSelect,
    and_,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
    true,
    union_all,
)

from gateway.catalogue.models import Price, PriceTier
from gateway.kinds import INTEGER, NUMERIC, TEXT
from gateway.records.rows import json_array
from gateway.regulation.packs import Tiers
from gateway.tenancy.scope import AnyScope

_ONE = literal_column("1", INTEGER)
_ZERO = literal_column("0", INTEGER)


def in_force(
    row: FromClause,
    month: ColumnElement[Any],
    scope: AnyScope,
    value: Callable[[FromClause], ColumnElement[Any]],
) -> ScalarSelect[Any]:
    """Return something of the price in force on a month's first day; null where there is none.

    In force is the latest begun, unless it is over.
    """
    price = Price.aliased("price")
    holds = or_(price.c.valid_to.is_(None), price.c.valid_to >= month)
    return (
        select(case((holds, value(price))))
        .where(
            scope.covers(price),
            price.c.product_id == row.c.product_id,
            price.c.valid_from <= month,
        )
        .order_by(price.c.valid_from.desc())
        .limit(1)
        .correlate_except(price)
        .scalar_subquery()
    )


def at_least(
    due: ColumnElement[Any], billed: ColumnElement[Any], minimum: ColumnElement[Any]
) -> ColumnElement[Any]:
    """Return what is due, but not less than the minimum, if there is one and anything is billed."""
    return func.greatest(due, case((billed > _ZERO, minimum)))


def tiers_in_force(row: FromClause, scope: AnyScope) -> ScalarSelect[Any]:
    """Return the tiers above the first of the price in force in a row's month, as JSON pairs."""
    tier = PriceTier.aliased("tier_in_force")
    pair = func.json_build_array(tier.c.from_unit, cast(tier.c.amount, TEXT))
    begun = in_force(row, row.c.month, scope, lambda price: price.c.valid_from)
    return (
        select(json_array(pair, tier.c.from_unit))
        .where(
            scope.covers(tier),
            tier.c.product_id == row.c.product_id,
            tier.c.valid_from == begun,
        )
        .correlate_except(tier)
        .scalar_subquery()
    )


class Priced:
    """Cells (product_id, month) beside the price in force on the month's first day."""

    def __init__(self, cells: FromClause, scope: AnyScope, name: str) -> None:
        """Take the cells; names of what is built begin with `name`."""
        price = Price.aliased(f"{name}price")
        found = (
            select(price.c.valid_from, price.c.valid_to, price.c.amount, price.c.minimum)
            .where(
                scope.covers(price),
                price.c.product_id == cells.c.product_id,
                price.c.valid_from <= cells.c.month,
            )
            .order_by(price.c.valid_from.desc())
            .limit(1)
            .correlate(cells)
            .lateral(f"{name}begun")
        )
        self._cells, self._scope, self._name, self._price = cells, scope, name, found
        holds = or_(found.c.valid_to.is_(None), found.c.valid_to >= cells.c.month)
        self.amount = case((holds, found.c.amount))
        self._minimum = case((holds, found.c.minimum))

    def beside(self, rows: FromClause) -> FromClause:
        """Join the price in force to what has the cells."""
        return rows.join(self._price, true(), isouter=True)

    def fee(self, billed: ColumnElement[Any], tiers: Tiers) -> ColumnElement[Any]:
        """Return the fee of so many units, in whole fen; null without a price.

        `billed` is exact with four decimals at most; half a fen is rounded up.
        """
        due = billed * self.amount
        if tiers is not Tiers.NONE:
            due = case((self.amount.is_not(None), self._tiered(billed, tiers)))
        due = at_least(due, billed, self._minimum)
        return func.round(
            cast(case((self.amount.is_not(None), due)), NUMERIC), literal_column("2", INTEGER)
        )

    def _tiered(self, billed: ColumnElement[Any], tiers: Tiers) -> ColumnElement[Any]:
        """Return what so many units cost by the price's tiers."""
        bands = self._bands()
        own = and_(
            bands.c.product_id == self._cells.c.product_id,
            bands.c.valid_from == self._price.c.valid_from,
        )
        if tiers is Tiers.WHOLE_VOLUME:
            reached = (
                select(bands.c.amount)
                .where(own, bands.c.from_unit <= func.greatest(billed, _ONE))
                .order_by(bands.c.from_unit.desc())
                .limit(1)
                .correlate_except(bands)
                .scalar_subquery()
            )
            return billed * reached
        below = bands.c.from_unit - _ONE
        within = func.least(billed, bands.c.until) - below
        parts = (
            select(func.sum(within * bands.c.amount))
            .where(own, below < billed)
            .correlate_except(bands)
            .scalar_subquery()
        )
        return func.coalesce(parts, _ZERO)

    def _bands(self) -> FromClause:
        """Return all prices' tiers, the first too: from_unit, until (null: the last), amount."""
        price = Price.aliased(f"{self._name}first")
        tier = PriceTier.aliased(f"{self._name}later")
        every = union_all(
            select(
                price.c.product_id, price.c.valid_from, _ONE.label("from_unit"), price.c.amount
            ).where(self._scope.covers(price)),
            select(tier.c.product_id, tier.c.valid_from, tier.c.from_unit, tier.c.amount).where(
                self._scope.covers(tier)
            ),
        ).subquery(f"{self._name}tiers")
        following = func.lead(every.c.from_unit).over(
            partition_by=[every.c.product_id, every.c.valid_from], order_by=every.c.from_unit
        )
        return select(every, (following - _ONE).label("until")).cte(f"{self._name}bands")
