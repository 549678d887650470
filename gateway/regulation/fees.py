"""A month's fee explained: lines whose amounts add up to it, exactly.

The amounts of the lines before ROUNDING are exact, with up to six decimals; the sum of all lines is
the fee in whole fen. How each option enters is defined in docs/rule-packs.md.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext
from enum import Enum

from gateway.regulation.packs import Proration, RulePack, Tiers

_FEN = Decimal("0.01")
_ZERO = Decimal(0)
_DIGITS = 100


class FeeLineKind(Enum):
    """What a line of a fee is."""

    USERS = "USERS"
    PRORATION = "PRORATION"
    MINIMUM = "MINIMUM"
    ROUNDING = "ROUNDING"


@dataclass(frozen=True, slots=True)
class Tier:
    """From the `start`-th unit on, a unit costs so many yuan."""

    start: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Line:
    """One line: the units it is about, from the first to the last of them, and its amount."""

    kind: FeeLineKind
    amount: Decimal
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Basis:
    """What a fee is made of: units counted FULL_PRICE, the same prorated, and the price in force.

    `tiers` begin with the price's own, from the first unit on, and rise.
    """

    counted: Decimal
    billed: Decimal
    tiers: Sequence[Tier]
    minimum: Decimal | None


def fee_lines(pack: RulePack, basis: Basis) -> list[Line]:
    """Return the lines of a fee under a rule pack, in order; of no price there are none."""
    if not basis.tiers:
        return []
    with localcontext(prec=_DIGITS):
        lines = list(_of_units(pack, basis.counted, basis.tiers))
        if pack.proration is Proration.DAILY and basis.billed != basis.counted:
            full = _sum(lines)
            due = _sum(_of_units(pack, basis.billed, basis.tiers))
            quantity = basis.billed - basis.counted
            lines.append(Line(FeeLineKind.PRORATION, due - full, quantity))
        due = _sum(lines)
        if basis.minimum is not None and basis.billed > 0 and due < basis.minimum:
            lines.append(Line(FeeLineKind.MINIMUM, basis.minimum - due))
        due = _sum(lines)
        rounded = due.quantize(_FEN, ROUND_HALF_UP)
        if rounded != due:
            lines.append(Line(FeeLineKind.ROUNDING, rounded - due))
    return lines


def _sum(lines: Sequence[Line] | Iterator[Line]) -> Decimal:
    return sum((line.amount for line in lines), _ZERO)


def _of_units(pack: RulePack, quantity: Decimal, tiers: Sequence[Tier]) -> Iterator[Line]:
    """Yield what so many units cost: one line, or one per tier that they reach into."""
    if pack.tiers is not Tiers.GRADUATED:
        chosen, last = tiers[0], None
        if pack.tiers is Tiers.WHOLE_VOLUME:
            reached = [i for i, tier in enumerate(tiers) if tier.start <= max(quantity, Decimal(1))]
            chosen = tiers[reached[-1]]
            last = tiers[reached[-1] + 1].start - 1 if reached[-1] + 1 < len(tiers) else None
        yield _line(quantity, chosen, last)
        return
    for i, tier in enumerate(tiers):
        last = tiers[i + 1].start - 1 if i + 1 < len(tiers) else None
        within = (quantity if last is None else min(quantity, Decimal(last))) - (tier.start - 1)
        if within > 0 or i == 0:
            yield _line(within, tier, last)


def _line(quantity: Decimal, tier: Tier, last: int | None) -> Line:
    amount = quantity * tier.amount
    return Line(FeeLineKind.USERS, amount, quantity, tier.amount, tier.start, last)
