"""Pins the naive reference of rule packs: the examples of docs/rule-packs.md, worked by hand.

The month is June 2024 (30 days) and the price 30.00, as there.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from gateway.regulation.fees import Basis, Tier, fee_lines
from gateway.regulation.packs import RulePack

from .counting import DATAFEED, FULL_PRICE, REGULATORY, TRIAL, WEB, Service
from .packs import Approved, Counted, Priced, Recount, fee

P, Q = "P", "Q"
JUNE = (2024, 6)
PRICE = Priced({1: Decimal("30.00"), 11: Decimal("20.00")}, None)


def service(
    user: str,
    first: int,
    last: int,
    category: str = FULL_PRICE,
    mode: str = WEB,
    product: str = P,
) -> Service:
    start, end = date(2024, 6, first), date(2024, 6, last)
    return Service(user, "甲", "个人", category, start, end, product, mode, "0", "0", "0")


def june(
    *roster: Service, product: str = P, approvals: tuple[Approved, ...] = (), **options: str
) -> Counted:
    named = {name.replace("_", "-"): value for name, value in options.items()}
    recount = Recount(roster, named, {P: "L", Q: "L"}, approvals)
    return recount.month(product, JUNE, PRICE)


def counts(one: Counted) -> tuple[int, ...]:
    return tuple(one.whole.values())


def test_end_date() -> None:
    one = service("a", 1, 10)
    assert june(one, proration="daily").billed == Decimal("0.3333")
    assert june(one, proration="daily", end_date="exclusive").billed == Decimal("0.3000")
    assert counts(june(service("a", 5, 5), end_date="exclusive")) == (0, 0, 0, 0)


def test_unit() -> None:
    modes = (service("a", 1, 30), service("a", 1, 30, mode=DATAFEED))
    assert counts(june(*modes)) == (1, 0, 0, 0)
    assert counts(june(*modes, unit="id-and-mode")) == (2, 0, 0, 0)
    both = (service("a", 1, 30), service("a", 2, 30, product=Q))
    assert [counts(june(*both, product=one))[0] for one in (P, Q)] == [1, 1]
    across = [june(*both, product=one, unit="id-across-products") for one in (P, Q)]
    assert [counts(one)[0] for one in across] == [0, 1]
    assert [one.new for one in across] == [1, 0]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("fee-liable", (1, 0, 0, 0)),
        ("last", (0, 0, 0, 1)),
        ("longest", (0, 0, 0, 1)),
        ("each", (1, 0, 0, 1)),
    ],
)
def test_category_on_change(rule: str, expected: tuple[int, ...]) -> None:
    roster = (service("a", 1, 10), service("a", 11, 30, TRIAL))
    assert counts(june(*roster, category_on_change=rule)) == expected


@pytest.mark.parametrize(
    ("rule", "whole", "exact"),
    [("any-day", 3, "3"), ("last-day", 1, "1"), ("peak-day", 2, "2"), ("average", 1, "0.8667")],
)
def test_counted(rule: str, whole: int, exact: str) -> None:
    found = june(service("a", 1, 10), service("b", 6, 20), service("c", 30, 30), counted=rule)
    assert (found.whole[FULL_PRICE], found.quantities[FULL_PRICE]) == (whole, Decimal(exact))


def test_proration() -> None:
    found = june(service("a", 1, 10), proration="daily")
    assert (found.billed, found.fee) == (Decimal("0.3333"), Decimal("10.00"))
    assert june(service("a", 1, 10)).fee == Decimal("30.00")


@pytest.mark.parametrize(
    ("tiers", "of_10", "of_10_5", "of_11", "of_12"),
    [
        ("none", "300.00", "315.00", "330.00", "360.00"),
        ("graduated", "300.00", "310.00", "320.00", "340.00"),
        ("whole-volume", "300.00", "315.00", "220.00", "240.00"),
    ],
)
def test_tiers(tiers: str, of_10: str, of_10_5: str, of_11: str, of_12: str) -> None:
    """The second tier begins with the eleventh unit: with the whole of it."""
    pack = RulePack.read({"name": "a", "version": 1, "options": {"tiers": tiers}})
    steps = [Tier(start, amount) for start, amount in PRICE.tiers.items()]
    asked = {"10": of_10, "10.5": of_10_5, "11": of_11, "12": of_12}
    for text, expected in asked.items():
        quantity = Decimal(text)
        assert fee(tiers, quantity, PRICE) == Decimal(expected)
        lines = fee_lines(pack, Basis(quantity, quantity, steps, None))
        assert sum(line.amount for line in lines) == Decimal(expected)


def test_unapproved() -> None:
    free = service("a", 1, 20, REGULATORY)
    whole = (Approved("a", P, REGULATORY, date(2024, 6, 1), date(2024, 6, 20)),)
    parts = (
        Approved("a", P, REGULATORY, date(2024, 1, 1), date(2024, 6, 9)),
        Approved("a", P, REGULATORY, date(2024, 6, 10), None),
    )
    gap = (parts[0], Approved("a", P, REGULATORY, date(2024, 6, 11), None))
    other = (Approved("a", P, TRIAL, date(2024, 1, 1), None),)
    for approvals, approved in (
        (whole, True),
        (parts, True),
        (gap, False),
        (other, False),
        ((), False),
    ):
        stays = june(free, approvals=approvals)
        assert (counts(stays), stays.unapproved) == ((0, 1, 0, 0), 0 if approved else 1)
        charged = june(free, approvals=approvals, unapproved="full-price")
        assert counts(charged) == ((0, 1, 0, 0) if approved else (1, 0, 0, 0))
        rejected = june(free, approvals=approvals, unapproved="rejected")
        assert counts(rejected) == ((0, 1, 0, 0) if approved else (0, 0, 0, 0))
        assert (rejected.new, rejected.ended) == ((1, 1) if approved else (0, 0))


def test_the_lines_of_a_fee() -> None:
    """12 users, 9.5161 billed, 20.00 from the 11th on, graduated, a minimum of 290.00."""
    options = {"tiers": "graduated", "proration": "daily"}
    pack = RulePack.read({"name": "a", "version": 1, "options": options})
    steps = [Tier(start, amount) for start, amount in PRICE.tiers.items()]
    basis = Basis(Decimal(12), Decimal("9.5161"), steps, Decimal("290.00"))
    lines = [(line.kind.value, str(line.amount)) for line in fee_lines(pack, basis)]
    assert lines == [
        ("USERS", "300.00"),
        ("USERS", "40.00"),
        ("PRORATION", "-54.517000"),
        ("MINIMUM", "4.517000"),
    ]
    without = Basis(Decimal(12), Decimal("9.5161"), steps, None)
    assert [str(line.amount) for line in fee_lines(pack, without)][2:] == [
        "-54.517000",
        "-0.003000",
    ]
