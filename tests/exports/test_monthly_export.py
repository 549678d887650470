"""The monthly download, line by line, against the naive count."""

import random
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from market import BASIC, ENHANCED, PRICE, PRODUCTS, found, load, operator
from naive.counting import Figures, Service, count, monthly_line
from naive.strategies import months, random_roster

from gateway.app.house import House
from gateway.catalogue import registry
from gateway.config.clock import today
from gateway.delimited.encoding import TextEncoding
from gateway.delimited.writer import LineEnd
from gateway.exports.requests import MonthlyExport, run_export
from gateway.exports.stream import Form
from gateway.records.keyset import Direction
from gateway.regulation.layouts import MONTHLY
from gateway.regulation.months import Month
from gateway.statistics.grid import MonthlyStatOrder, MonthlyStatOrderField
from gateway.tenancy.operator import open_operator

TODAY = today()
OLDEST_FIRST = months(TODAY, 37)[::-1]
FIRST_USERS = 8
"""The place in the window of the first month that may have users."""


def first_day(place: int) -> date:
    """The first day of a month, by its place in the window."""
    return date(*OLDEST_FIRST[place], 1)


def middle(place: int) -> date:
    return first_day(place).replace(day=15)


# (from, until, price) of BASIC: none at first, then changes in the middle of a month and on the
# first of one, a gap, and an end with nothing after it.
PRICES = [
    (middle(4), None, Decimal("10.00")),
    (middle(12), None, Decimal("0.01")),
    (first_day(18), middle(22), Decimal("99999.99")),
    (first_day(25), first_day(30), Decimal("7.50")),
]


def price(year: int, month: int) -> Decimal | None:
    """BASIC's price in force on a month's first day: the latest begun, unless it is over."""
    begun = [one for one in PRICES if one[0] <= date(year, month, 1)]
    if not begun:
        return None
    _, until, amount = begun[-1]
    return amount if until is None or until >= date(year, month, 1) else None


def roster(seed: int) -> list[Service]:
    everyone = random_roster(random.Random(seed), TODAY, PRODUCTS, 1000)
    return [record for record in everyone if record.start >= first_day(FIRST_USERS)]


def line(vendor: str, records: list[Service], product: str, month: tuple[int, int]) -> str:
    amount = PRICE if product == ENHANCED else price(*month)
    company = f"{vendor}信息有限公司"
    return monthly_line(company, *month, count(records, product, *month), amount)


async def set_up(house: House, place: Path, **rosters: list[Service]) -> None:
    await found(house, *rosters)
    async with open_operator(house.operator, "test") as session:
        for start, until, amount in PRICES:
            await registry.set_price(session, BASIC, amount, start, until)
    for vendor, records in rosters.items():
        await load(
            house, vendor, [f"{one.line()}||{one.status or '正常使用'}" for one in records], place
        )


async def exported(house: House, wanted: MonthlyExport, form: Form | None = None) -> bytes:
    data = bytearray()

    async def sink(chunk: bytes) -> None:
        data.extend(chunk)

    receipt = await run_export(house.service, await operator(house), wanted, form or Form(), sink)
    assert receipt.rows == len(data.splitlines()) - (form is not None and form.header)
    return bytes(data)


def window(product: str, vendors: tuple[str, ...] | None = None) -> MonthlyExport:
    """The window's months; in which order they are asked for is of no account."""
    asked = random.Random(3).sample(OLDEST_FIRST, 37)
    return MonthlyExport(tuple(Month(*month) for month in asked), vendors, (product,))


@pytest.mark.parametrize("product", PRODUCTS)
async def test_thirty_seven_months_oldest_first(house: House, tmp_path: Path, product: str) -> None:
    records = roster(1)
    await set_up(house, tmp_path, A=records)
    lines = (await exported(house, window(product))).decode().splitlines()
    assert lines == [line("A", records, product, month) for month in OLDEST_FIRST]


async def test_every_kind_of_month_occurs(house: House, tmp_path: Path) -> None:
    """No price, so a fee of `0`; a price and no users, `0.00`; prices and users; a gap; an end."""
    await set_up(house, tmp_path, A=roster(1))
    lines = (await exported(house, window(BASIC))).decode().splitlines()
    counts = [one.split("||")[2:8] for one in lines]
    fees = [one.split("||")[8] for one in lines]
    assert counts[:FIRST_USERS] == [["0"] * 6] * FIRST_USERS
    assert fees[:5] == ["0"] * 5
    assert fees[5:FIRST_USERS] == ["0.00"] * (FIRST_USERS - 5)
    assert [place for place in range(FIRST_USERS, 37) if fees[place] == "0"] == [
        *(23, 24),
        *range(31, 37),
    ]
    for first, last in ((5, 12), (13, 17), (18, 22), (25, 30)):
        assert max(map(Decimal, fees[first : last + 1])) > 0


async def test_a_vendor_that_has_lost_its_users_shows_zeros(house: House, tmp_path: Path) -> None:
    gone = [
        one
        for one in roster(1)
        if one.product == ENHANCED and one.end is not None and one.end < first_day(30)
    ]
    await set_up(house, tmp_path, A=gone)
    lines = (await exported(house, window(ENHANCED))).decode().splitlines()
    nobody = Figures(0, 0, 0, 0, 0, 0, 0)
    assert lines[30:] == [
        monthly_line("A信息有限公司", *month, nobody, PRICE) for month in OLDEST_FIRST[30:]
    ]


async def test_vendors_stand_side_by_side_in_each_month(house: House, tmp_path: Path) -> None:
    rosters = {"B": roster(2), "A": roster(1), "C": roster(3)}
    await set_up(house, tmp_path, **rosters)
    lines = (await exported(house, window(ENHANCED, ("B", "A")))).decode().splitlines()
    assert lines == [
        line(vendor, rosters[vendor], ENHANCED, month)
        for month in OLDEST_FIRST
        for vendor in ("A", "B")
    ]


async def test_newest_first_on_request(house: House, tmp_path: Path) -> None:
    records = roster(1)
    await set_up(house, tmp_path, A=records)
    newest_first = (MonthlyStatOrder(MonthlyStatOrderField.MONTH, Direction.DESC),)
    wanted = MonthlyExport(window(BASIC).months, products=(BASIC,), order=newest_first)
    lines = (await exported(house, wanted)).decode().splitlines()
    assert lines == [line("A", records, BASIC, month) for month in OLDEST_FIRST[::-1]]


async def test_the_form_is_as_asked_for(house: House, tmp_path: Path) -> None:
    records = roster(1)
    await set_up(house, tmp_path, A=records)
    form = Form(TextEncoding.GB18030, header=True, line_end=LineEnd.CRLF)
    lines = [line("A", records, BASIC, month) for month in OLDEST_FIRST]
    assert await exported(house, window(BASIC), form) == "".join(
        f"{one}\r\n" for one in ["||".join(MONTHLY.headings), *lines]
    ).encode("gb18030")
