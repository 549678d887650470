"""Totals and comparisons, added up and set side by side from the day-by-day counts.

Slow and obvious on purpose, and sharing nothing with the production code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from .counting import Service, count

COUNTS = [
    "fullPriceCount",
    "regulatoryCount",
    "internalFreeCount",
    "trialCount",
    "newCount",
    "endedCount",
    "cancelledCount",
    "expiredCount",
]
# product -> (first day, last day or None, yuan)
Book = dict[str, list[tuple[date, date | None, Decimal]]]


@dataclass(frozen=True)
class Cell:
    """One vendor's figures for one product in one month."""

    vendor: str
    product: str
    month: tuple[int, int]
    counts: dict[str, int]
    price: Decimal | None

    @property
    def fee(self) -> Decimal | None:
        return None if self.price is None else self.counts["fullPriceCount"] * self.price

    @property
    def text(self) -> str:
        return f"{self.month[0]:04d}-{self.month[1]:02d}"


def price_in_force(book: Book, product: str, month: tuple[int, int]) -> Decimal | None:
    """The latest begun price, unless it is over."""
    first = date(*month, 1)
    begun = [price for price in book.get(product, []) if price[0] <= first]
    if not begun:
        return None
    _, last, amount = max(begun)
    return amount if last is None or last >= first else None


def cell(
    roster: Sequence[Service], vendor: str, product: str, month: tuple[int, int], book: Book
) -> Cell:
    figures = count(roster, product, *month)
    numbers = [
        figures.full,
        figures.regulatory,
        figures.internal,
        figures.trial,
        figures.new,
        figures.ended,
        figures.cancelled,
        figures.ended - figures.cancelled,
    ]
    price = price_in_force(book, product, month)
    return Cell(vendor, product, month, dict(zip(COUNTS, numbers, strict=True)), price)


def key_of(one: Cell, key: str) -> str | int:
    return {
        "YEAR": one.month[0],
        "MONTH": one.text,
        "VENDOR": one.vendor,
        "PRODUCT": one.product,
    }[key]


def totals(cells: Iterable[Cell], by: Sequence[str], today: date) -> list[dict[str, object]]:
    """The sums as the graph shows them, sorted by the keys in the order given."""
    groups: dict[tuple[str | int, ...], list[Cell]] = {} if by else {(): []}
    for one in cells:
        groups.setdefault(tuple(key_of(one, key) for key in by), []).append(one)
    shown = []
    for place in sorted(groups):
        group = groups[place]
        named = dict(zip(by, place, strict=True))
        month = named.get("MONTH")
        fees = [one.fee for one in group if one.fee is not None]
        missing = [one for one in group if one.price is None and one.counts["fullPriceCount"]]
        shown.append(
            {
                "year": named.get("YEAR"),
                "month": month,
                "label": str(month).replace("-", "年") + "月" if month else None,
                "vendor": {"code": named["VENDOR"]} if "VENDOR" in named else None,
                "product": {"name": named["PRODUCT"]} if "PRODUCT" in named else None,
                **{name: sum(one.counts[name] for one in group) for name in COUNTS},
                "fee": str(sum(fees, Decimal("0.00"))) if fees else None,
                "unpriced": len(missing),
                "provisional": any(one.month == (today.year, today.month) for one in group),
            }
        )
    return shown


def comparison(now: Cell, then: Cell) -> dict[str, object]:
    """The changes as the graph shows them."""
    shown: dict[str, object] = {
        "month": then.text,
        "label": then.text.replace("-", "年") + "月",
    }
    for name in COUNTS:
        before, change = then.counts[name], now.counts[name] - then.counts[name]
        shown[name] = {
            "before": before,
            "change": change,
            "percent": per_cent(Fraction(change), Fraction(before)),
        }
    fees: dict[str, str | None] = {"before": None, "change": None, "percent": None}
    if then.fee is not None:
        fees["before"] = str(then.fee)
        if now.fee is not None:
            fees["change"] = str(now.fee - then.fee)
            fees["percent"] = per_cent(Fraction(now.fee - then.fee), Fraction(then.fee))
    shown["fee"] = fees
    return shown


def per_cent(change: Fraction, before: Fraction) -> str | None:
    """By long division: the hundredths of a per cent, and one up where half or more is left."""
    if before == 0:
        return None
    hundredths = abs(change) * 10_000 / before
    whole = hundredths.numerator // hundredths.denominator
    if hundredths - whole >= Fraction(1, 2):
        whole += 1
    sign = "-" if change < 0 and whole else ""
    return f"{sign}{whole // 100}.{whole % 100:02d}"
