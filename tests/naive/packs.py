"""Any rule pack, counted by looking at every single day.

Written from ``docs/rule-packs.md`` only and sharing nothing with the production code: a pack here
is a dictionary of its options, as its definition has them. Quantities are fractions until the text
says that they are rounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from .counting import (
    CANCELLED,
    FULL_PRICE,
    INTERNAL_FREE,
    MODE_ON_TIE,
    REGULATORY,
    TRIAL,
    Service,
    days_of_month,
)

ONE_DAY = timedelta(days=1)
CATEGORIES = [FULL_PRICE, REGULATORY, INTERNAL_FREE, TRIAL]
RANK = {REGULATORY: 2, INTERNAL_FREE: 3, TRIAL: 4, FULL_PRICE: 1}
DEFAULTS = {
    "counted": "any-day",
    "end-date": "inclusive",
    "unit": "id",
    "category-on-change": "fee-liable",
    "proration": "none",
    "tiers": "none",
    "unapproved": "stays-free",
}


@dataclass(frozen=True)
class Approved:
    """A written approval."""

    user: str
    product: str
    category: str
    start: date
    end: date | None


@dataclass(frozen=True)
class Priced:
    """The price in force: yuan from the so-many-th unit on, and the minimum."""

    tiers: Mapping[int, Decimal]
    minimum: Decimal | None


@dataclass
class Counted:
    """One product's month."""

    quantities: dict[str, Decimal]
    whole: dict[str, int]
    new: int
    ended: int
    cancelled: int
    billed: Decimal
    fee: Decimal | None
    unapproved: int
    lists: dict[str, list[tuple[str, str, str, date]]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Line:
    """A unit that counts as a category: by which record, and on which days."""

    category: str
    record: Service
    days: frozenset[date]
    own_days: frozenset[date]


class Recount:
    """One vendor's roster under a pack."""

    def __init__(
        self,
        roster: Sequence[Service],
        options: Mapping[str, str],
        licensor_of: Mapping[str, str],
        approvals: Sequence[Approved] = (),
    ) -> None:
        self.roster = list(roster)
        self.options = {**DEFAULTS, **options}
        self.licensor_of = licensor_of
        self.approvals = approvals

    # A service

    def runs(self, record: Service, day: date) -> bool:
        if day < record.start:
            return False
        if record.end is None:
            return True
        if self.options["end-date"] == "exclusive":
            return day < record.end
        return day <= record.end

    def days_in(self, record: Service, month: tuple[int, int]) -> list[date]:
        return [day for day in days_of_month(*month) if self.runs(record, day)]

    def has_approval(self, record: Service, day: date) -> bool:
        return any(
            one.user == record.user_id
            and one.product == record.product
            and one.category == record.category
            and one.start <= day
            and (one.end is None or day <= one.end)
            for one in self.approvals
        )

    def is_bare(self, record: Service, month: tuple[int, int]) -> bool:
        if record.category == FULL_PRICE:
            return False
        return not all(self.has_approval(record, day) for day in self.days_in(record, month))

    def is_taken(self, record: Service, month: tuple[int, int]) -> bool:
        return self.options["unapproved"] != "rejected" or not self.is_bare(record, month)

    def category(self, record: Service, month: tuple[int, int]) -> str:
        if self.options["unapproved"] == "full-price" and self.is_bare(record, month):
            return FULL_PRICE
        return record.category

    def on(self, records: Sequence[Service], day: date) -> list[Service]:
        return [
            record
            for record in records
            if self.runs(record, day) and self.is_taken(record, (day.year, day.month))
        ]

    # Units

    def unit(self, record: Service) -> tuple[str, ...]:
        match self.options["unit"]:
            case "id-and-mode":
                return (record.product, record.user_id, record.mode)
            case "id-across-products":
                return (self.licensor_of[record.product], record.user_id)
        return (record.product, record.user_id)

    def units(self) -> dict[tuple[str, ...], list[Service]]:
        found: dict[tuple[str, ...], list[Service]] = {}
        for record in self.roster:
            found.setdefault(self.unit(record), []).append(record)
        return found

    def lines(self, records: list[Service], month: tuple[int, int]) -> list[_Line]:
        days = days_of_month(*month)
        present = [
            record
            for record in records
            if self.days_in(record, month) and self.is_taken(record, month)
        ]
        if not present:
            return []
        served = {day for day in days if self.on(present, day)}
        by_category = {
            category: frozenset(
                day
                for day in days
                for record in present
                if self.runs(record, day) and self.category(record, month) == category
            )
            for category in CATEGORIES
        }

        def strength(record: Service) -> tuple[int, date, int, int, str]:
            category = self.category(record, month)
            return (
                1 if category == FULL_PRICE else 0,
                record.start,
                RANK[category],
                MODE_ON_TIE.index(record.mode),
                record.product,
            )

        def of(category: str) -> Service:
            fit = [one for one in present if self.category(one, month) == category]
            return max(fit, key=strength)

        def line(record: Service) -> _Line:
            category = self.category(record, month)
            return _Line(category, record, frozenset(served), by_category[category])

        match self.options["category-on-change"]:
            case "last":
                return [line(max(self.on(present, max(served)), key=strength))]
            case "longest":
                most = max(len(found) for found in by_category.values())
                tied = [one for one in CATEGORIES if len(by_category[one]) == most]
                if FULL_PRICE in tied:
                    return [line(of(FULL_PRICE))]
                return [line(of(max(tied, key=lambda one: RANK[one])))]
            case "each":
                return [
                    _Line(one, of(one), by_category[one], by_category[one])
                    for one in CATEGORIES
                    if by_category[one]
                ]
        return [line(max(present, key=strength))]

    # A product's month

    def month(self, product: str, month: tuple[int, int], price: Priced | None) -> Counted:
        days = days_of_month(*month)
        units = self.units()
        lines = [
            line
            for records in units.values()
            for line in self.lines(records, month)
            if line.record.product == product
        ]
        match self.options["counted"]:
            case "last-day":
                lines = [line for line in lines if days[-1] in line.days]
            case "peak-day":
                peak = self._peak(lines, days)
                lines = [line for line in lines if peak in line.days]
        numbers = {one: [line for line in lines if line.category == one] for one in CATEGORIES}
        if self.options["counted"] == "average":
            averages = {
                one: Fraction(sum(len(line.days) for line in found), len(days))
                for one, found in numbers.items()
            }
            quantities = {one: _rounded(value, 4) for one, value in averages.items()}
            whole = {one: int(_rounded(value, 0)) for one, value in averages.items()}
        else:
            whole = {one: len(found) for one, found in numbers.items()}
            quantities = {one: Decimal(number) for one, number in whole.items()}
        billed = quantities[FULL_PRICE]
        if self.options["proration"] == "daily":
            own = sum(len(line.own_days) for line in numbers[FULL_PRICE])
            billed = _rounded(Fraction(own, len(days)), 4)
        lists = {one: sorted(line.record.key() for line in found) for one, found in numbers.items()}
        new, ended = self._moves(units, product, month)
        lists["NEW"] = sorted(record.key() for record in new)
        lists["ENDED"] = sorted(record.key() for record, _ in ended)
        lists["CANCELLED"] = sorted(record.key() for record, gone in ended if gone)
        lists["EXPIRED"] = sorted(record.key() for record, gone in ended if not gone)
        bare = {
            self.unit(record)
            for record in self.roster
            if record.product == product
            and self.days_in(record, month)
            and self.is_bare(record, month)
        }
        return Counted(
            quantities,
            whole,
            len(new),
            len(ended),
            len(lists["CANCELLED"]),
            billed,
            None if price is None else fee(self.options["tiers"], billed, price),
            len(bare),
            lists,
        )

    def _peak(self, lines: list[_Line], days: list[date]) -> date:
        def height(day: date) -> tuple[int, int, int]:
            on = [line for line in lines if day in line.days]
            full = sum(line.category == FULL_PRICE for line in on)
            return (full, len(on), -days.index(day))

        return max(days, key=height)

    def _moves(
        self,
        units: Mapping[tuple[str, ...], list[Service]],
        product: str,
        month: tuple[int, int],
    ) -> tuple[list[Service], list[tuple[Service, bool]]]:
        days = days_of_month(*month)
        new, ended = [], []
        for records in units.values():
            starts = [d for d in days if self.on(records, d) and not self.on(records, d - ONE_DAY)]
            ends = [d for d in days if self.on(records, d) and not self.on(records, d + ONE_DAY)]
            if starts:
                first = min(
                    self.on(records, starts[0]),
                    key=lambda one: (MODE_ON_TIE.index(one.mode), one.start, one.product),
                )
                if first.product == product:
                    new.append(first)
            if ends:
                day = ends[-1]

                def gone(one: Service, day: date = day) -> bool:
                    over = not self.runs(one, day + ONE_DAY)
                    return one.status == CANCELLED and over

                last = max(
                    self.on(records, day),
                    key=lambda one: (
                        gone(one), one.start, MODE_ON_TIE.index(one.mode), one.product,
                    ),
                )  # fmt: skip
                if last.product == product:
                    ended.append((last, gone(last)))
        return new, ended


def fee(tiers: str, billed: Decimal, price: Priced) -> Decimal:
    """The fee in fen, by walking along the units a ten-thousandth at a time, but for speed."""
    quantity = Fraction(billed)
    starts = sorted(price.tiers)
    due = Fraction(0)
    if tiers == "none":
        due = quantity * Fraction(price.tiers[1])
    elif tiers == "whole-volume":
        reached = [start for start in starts if start <= max(quantity, 1)]
        due = quantity * Fraction(price.tiers[reached[-1]])
    else:
        unit = 1
        while quantity > unit - 1:
            part = min(Fraction(1), quantity - (unit - 1))
            own = [start for start in starts if start <= unit][-1]
            due += part * Fraction(price.tiers[own])
            unit += 1
    if price.minimum is not None and quantity > 0:
        due = max(due, Fraction(price.minimum))
    return _rounded(due, 2)


def _rounded(value: Fraction, decimals: int) -> Decimal:
    """Half up; nothing here is negative."""
    scaled = value * 10**decimals
    whole = scaled.numerator // scaled.denominator
    if scaled - whole >= Fraction(1, 2):
        whole += 1
    return Decimal(whole).scaleb(-decimals)
