"""Months: reading and writing their three forms, and counting with them."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadInput
from gateway.regulation.months import WINDOW, Month

MONTHS = st.builds(Month, st.integers(1, 9999), st.integers(1, 12))


@pytest.mark.parametrize("text", ["2026-11", "202611"])
def test_both_forms_are_read(text: str) -> None:
    assert Month.parse(text) == Month(2026, 11)


@pytest.mark.parametrize(
    "text",
    [
        *("", "2026", "2026-1", "20261", "2026-011", "2026-00", "2026-13", "202613"),
        *("0000-01", "000001", "2026/11", "2026年11月", "26-11", "12026-11", "-2026-11"),
        *(" 2026-11", "2026-11\n", "2026--11", "２０２６-11", "٢٠٢٦-١١", "2026-11-01"),
    ],
)
def test_anything_else_is_bad_input_that_says_what_is_accepted(text: str) -> None:
    with pytest.raises(BadInput) as raised:
        Month.parse(text, argument="month")
    error = raised.value
    assert error.message("en") == f"{text!r} is not a month"
    assert error.message("zh") == f"“{text}”不是月份"
    assert error.extensions == {
        "code": "BAD_USER_INPUT",
        "argument": "month",
        "accepted": "YYYY-MM or YYYYMM, for instance 2026-11",
    }


def test_without_an_argument_none_is_named() -> None:
    with pytest.raises(BadInput) as raised:
        Month.parse("x")
    assert "argument" not in raised.value.extensions


def test_the_three_forms() -> None:
    month = Month(2026, 3)
    assert (month.compact, month.label, str(month)) == ("202603", "2026年03月", "2026-03")
    early = Month(33, 3)
    assert (early.compact, early.label, str(early)) == ("003303", "0033年03月", "0033-03")


@given(MONTHS)
def test_written_forms_are_read_back(month: Month) -> None:
    assert Month.parse(month.compact) == Month.parse(str(month)) == month


@pytest.mark.parametrize(
    ("month", "last"),
    [
        (Month(2023, 2), 28),
        (Month(2024, 2), 29),
        (Month(2000, 2), 29),
        (Month(2100, 2), 28),
        (Month(2026, 4), 30),
        (Month(2026, 12), 31),
        (Month(1, 1), 31),
        (Month(9999, 12), 31),
    ],
)
def test_first_and_last_day(month: Month, last: int) -> None:
    assert month.first == date(month.year, month.number, 1)
    assert month.last == date(month.year, month.number, last)


@pytest.mark.parametrize(
    ("months", "found"),
    [
        (0, Month(2026, 1)),
        (-1, Month(2025, 12)),
        (11, Month(2026, 12)),
        (12, Month(2027, 1)),
        (-12, Month(2025, 1)),
        (-13, Month(2024, 12)),
        (1 - WINDOW, Month(2023, 1)),
    ],
)
def test_plus_goes_over_the_ends_of_years(months: int, found: Month) -> None:
    assert Month(2026, 1).plus(months) == found


@given(st.dates())
def test_a_day_lies_in_its_month(day: date) -> None:
    month = Month.of(day)
    assert month.first <= day <= month.last
    assert Month.of(month.last) == month


@given(st.dates(max_value=date(9999, 11, 30)))
def test_the_next_month_begins_the_day_after_the_last(day: date) -> None:
    month = Month.of(day)
    following = month.plus(1)
    assert following.first == month.last + timedelta(days=1)
    assert following > month
    assert following.plus(-1) == month
