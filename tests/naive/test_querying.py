"""Pins the naive evaluation of lists: hand-worked examples of the readings that it carries out."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from .counting import CANCELLED, Service
from .querying import Condition, Order, Row, in_order, matching, page

P = "深交所网络版增强行情"
TODAY = date(2026, 3, 17)


def row(number: int, user_id: str, name: str = "甲", *, vendor: int = 0, **changed: Any) -> Row:
    values: dict[str, Any] = {
        "user_type": "个人",
        "category": "全价用户",
        "start": date(2026, 1, 1),
        "end": None,
        "product": P,
        "mode": "Web",
        "address": "0",
        "contact": "0",
        "phone": "0",
    }
    return Row(vendor, number, Service(user_id=user_id, user_name=name, **values | changed))


def numbers(rows: list[Row]) -> list[int]:
    return [one.number for one in rows]


PEOPLE = [
    row(1, "szse01", "张三"),
    row(2, "SZSE02", "李四"),
    row(3, "xszse", "Szse 公司"),
    row(4, "a%", "50%_\\"),
    row(5, "aXb", "\U00020bb7野家"),
    row(6, "É", "\uff21\u212a"),
]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"search": "szse"}, [1, 2, 3]),
        ({"search": "SZSE0"}, [1, 2]),
        ({"search": "三"}, [1]),
        ({"search": "%"}, [4]),
        ({"search": "_"}, [4]),
        ({"search": "a%"}, [4]),
        ({"search": "\\"}, [4]),
        ({"search": "野"}, [5]),
        ({"search": "é"}, []),
        ({"search": "\uff41"}, []),
        ({"search": "k"}, []),
        ({"search": ""}, [1, 2, 3, 4, 5, 6]),
        ({"search": None}, [1, 2, 3, 4, 5, 6]),
        ({"userId": {"contains": "szse"}}, [1, 2, 3]),
        ({"userId": {"startsWith": "szse"}}, [1, 2]),
        ({"userId": {"equals": "szse02"}}, [2]),
        ({"userId": {"startsWith": "szse", "contains": "1"}}, [1]),
        ({"userName": {"equals": "szse 公司", "startsWith": None}}, [3]),
        ({"userName": {}}, [1, 2, 3, 4, 5, 6]),
    ],
    ids=str,
)
def test_texts(condition: Condition, expected: list[int]) -> None:
    """6. [...] one search box matches the **prefix of the user ID** or **any part of the name**.
    Case-insensitive for ASCII."""
    assert numbers(matching(PEOPLE, condition, TODAY)) == expected


DATED = [
    row(1, "old", start=date(2024, 1, 1), end=date(2024, 12, 31)),
    row(2, "open", start=date(2025, 1, 1)),
    row(3, "today", start=date(2025, 6, 1), end=TODAY),
    row(4, "yesterday", start=date(2025, 6, 2), end=date(2026, 3, 16), category="试用用户"),
    row(5, "told", start=date(2026, 1, 1), end=date(2026, 1, 31), status=CANCELLED),
]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"startBefore": "2025-01-01"}, [1]),
        ({"startBefore": "2025-01-02"}, [1, 2]),
        ({"endAfter": "2026-03-16"}, [2, 3]),
        ({"endAfter": "9999-12-31"}, [2]),
        ({"startBefore": "2025-01-01", "endAfter": "2026-03-16"}, [1, 2, 3]),
        ({"startBefore": "2025-06-01", "endAfter": "2026-03-16", "dateJoin": "AND"}, [2]),
        ({"startBefore": "2025-06-01", "dateJoin": "AND"}, [1, 2]),
        ({"dateJoin": "AND"}, [1, 2, 3, 4, 5]),
        ({"startFrom": "2025-06-01", "startTo": "2025-06-02"}, [3, 4]),
        ({"endFrom": "2026-03-16"}, [2, 3, 4]),
        ({"endTo": "2026-03-16"}, [1, 4, 5]),
        ({"serviceStatuses": ["ACTIVE"]}, [2, 3]),
        ({"serviceStatuses": ["EXPIRED"]}, [1, 4]),
        ({"serviceStatuses": ["CANCELLED"]}, [5]),
        ({"serviceStatuses": []}, []),
        ({"countedIn": "2026-03"}, [2, 3, 4]),
        ({"countedIn": "2026-03", "countedAs": "TRIAL"}, [4]),
    ],
    ids=str,
)
def test_dates_and_statuses(condition: Condition, expected: list[int]) -> None:
    """7. [...] start before X, end after Y, each alone, joined by OR as written, or joined by AND
    on request. An open end is later than every date. Closed ranges [...] exist as well."""
    assert numbers(matching(DATED, condition, TODAY)) == expected


def test_one_row_of_a_user_counts_whatever_else_is_asked() -> None:
    """The rule decides among all of the user's records, before the other conditions are looked at."""
    rows = [row(1, "u", category="试用用户"), row(2, "u", mode="终端"), row(3, "u", vendor=1)]
    assert numbers(matching(rows, {"countedIn": "2026-02"}, TODAY)) == [2, 3]
    assert matching(rows, {"countedIn": "2026-02", "feeCategories": ["TRIAL"]}, TODAY) == []


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ([], [1, 2, 4, 3]),
        ([("START_DATE", "ASC")], [1, 2, 3, 4]),
        ([("START_DATE", "DESC")], [4, 3, 2, 1]),
        ([("START_DATE", "DESC"), ("USER_TYPE", "ASC")], [4, 2, 1, 3]),
        ([("START_DATE", "ASC"), ("USER_TYPE", "DESC")], [3, 1, 2, 4]),
        ([("END_DATE", "ASC")], [2, 1, 3, 4]),
        ([("END_DATE", "DESC"), ("END_DATE", "ASC")], [4, 3, 1, 2]),
    ],
    ids=str,
)
def test_order(order: Order, expected: list[int]) -> None:
    """9. Sort, both directions [...]. Ties break by a stable key [...]."""
    rows = [
        row(3, "c", user_type="机构"),
        row(1, "a"),
        row(4, "b", vendor=1),
        row(2, "b", end=date(2026, 2, 1)),
    ]
    assert numbers(in_order(rows, order, TODAY)) == expected


def test_pages() -> None:
    rows = [row(number, "u") for number in range(10)]
    odd = rows[1::2]
    for wanted, expected in (
        ({}, ([1, 3, 5, 7, 9], False, False)),
        ({"first": 2}, ([1, 3], True, False)),
        ({"first": 2, "after": rows[3]}, ([5, 7], True, True)),
        ({"first": 2, "after": rows[4]}, ([5, 7], True, True)),
        ({"first": 2, "after": rows[6]}, ([7, 9], False, True)),
        ({"last": 2}, ([7, 9], False, True)),
        ({"last": 2, "before": rows[6]}, ([3, 5], True, True)),
        ({"last": 0}, ([], False, True)),
        ({"last": 9, "after": rows[1], "before": rows[7]}, ([3, 5], True, False)),
        ({"after": rows[7], "before": rows[1]}, ([], False, True)),
    ):
        shown = page(odd, rows, **wanted)
        assert (numbers(shown.rows), shown.has_next, shown.has_previous) == expected, wanted
        assert shown.total == 5
