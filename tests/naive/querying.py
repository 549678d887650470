"""The user list, evaluated over plain Python records.

Slow and obvious on purpose.  Written from ``contract.md`` (UserFilter, UserOrder, the arguments of
``users``) and ``regulation.md`` (readings 6 to 9) only, sharing nothing with the production code.
A filter and an order are taken as the graph takes them: as JSON.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from .counting import (
    ACTIVE,
    CANCELLED,
    DATAFEED,
    EXPIRED,
    FULL_PRICE,
    INDIVIDUAL,
    INSTITUTION,
    INTERNAL_FREE,
    REGULATORY,
    TERMINAL,
    TRIAL,
    WEB,
    Service,
    deciding,
)

Condition = dict[str, Any]
Order = Sequence[tuple[str, str]]

# The graph's name of each code and the file's; they sort in the order of the regulation's lists.
USER_TYPES = {"INDIVIDUAL": INDIVIDUAL, "INSTITUTION": INSTITUTION}
FEE_CATEGORIES = {
    "FULL_PRICE": FULL_PRICE,
    "REGULATORY": REGULATORY,
    "INTERNAL_FREE": INTERNAL_FREE,
    "TRIAL": TRIAL,
}
SERVICE_STATUSES = {"ACTIVE": ACTIVE, "EXPIRED": EXPIRED, "CANCELLED": CANCELLED}
USAGE_MODES = {"WEB": WEB, "TERMINAL": TERMINAL, "DATAFEED": DATAFEED}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list: whose it is (vendors in the order of their numbers), and its number."""

    vendor: int
    number: int
    line: Service


def named(codes: dict[str, str], text: str) -> str:
    (name,) = (name for name, other in codes.items() if other == text)
    return name


def rank(codes: dict[str, str], text: str) -> int:
    return list(codes.values()).index(text)


# Conditions


def lower(text: str) -> str:
    """The 26 ASCII letters alike in both cases, and no other letter."""
    upper, small = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
    return "".join(small[upper.index(c)] if c in upper else c for c in text)


def searched(line: Service, term: str) -> bool:
    """Reading 6: the prefix of the user ID or any part of the name."""
    if lower(line.user_id)[: len(term)] == lower(term):
        return True
    return part_of(term, line.user_name)


def part_of(term: str, text: str) -> bool:
    places = range(len(text) - len(term) + 1)
    return any(lower(text[at : at + len(term)]) == lower(term) for at in places)


def text_matches(match: dict[str, str | None], text: str) -> bool:
    equals, start, part = (match.get(name) for name in ("equals", "startsWith", "contains"))
    if equals is not None and lower(text) != lower(equals):
        return False
    if start is not None and lower(text[: len(start)]) != lower(start):
        return False
    return part is None or part_of(part, text)


def status(line: Service, today: date) -> str:
    """As reported; else past its end EXPIRED, and ACTIVE on its last day still."""
    if line.status is not None:
        return line.status
    return EXPIRED if line.end is not None and line.end < today else ACTIVE


def starts_before(line: Service, day: date) -> bool:
    return line.start < day


def ends_after(line: Service, day: date) -> bool:
    """Reading 7: an open end is later than every date."""
    return line.end is None or line.end > day


def in_old_and_new(line: Service, condition: Condition) -> bool:
    """Reading 7: two conditions, each alone, or joined by OR unless AND is asked for."""
    answers = []
    if condition.get("startBefore") is not None:
        answers.append(starts_before(line, date.fromisoformat(condition["startBefore"])))
    if condition.get("endAfter") is not None:
        answers.append(ends_after(line, date.fromisoformat(condition["endAfter"])))
    if not answers:
        return True
    return all(answers) if condition.get("dateJoin") == "AND" else any(answers)


def in_ranges(line: Service, condition: Condition) -> bool:
    """Closed ranges on both dates; an open end is in none that has an upper bound."""
    bounds = {
        name: date.fromisoformat(condition[name])
        for name in ("startFrom", "startTo", "endFrom", "endTo")
        if condition.get(name) is not None
    }
    if "startFrom" in bounds and line.start < bounds["startFrom"]:
        return False
    if "startTo" in bounds and line.start > bounds["startTo"]:
        return False
    if line.end is None:
        return "endTo" not in bounds
    if "endFrom" in bounds and line.end < bounds["endFrom"]:
        return False
    return not ("endTo" in bounds and line.end > bounds["endTo"])


def counted(rows: Iterable[Row], month: str) -> set[Row]:
    """The one row of each user and product by which the user counts in the month."""
    year, number = int(month[:4]), int(month[5:])
    first, last = date(year, number, 1), date(year, number, calendar.monthrange(year, number)[1])
    candidates: dict[tuple[int, str, str], list[Row]] = {}
    for row in rows:
        line = row.line
        if line.start <= last and (line.end is None or line.end >= first):
            candidates.setdefault((row.vendor, line.user_id, line.product), []).append(row)
    found = set()
    for several in candidates.values():
        winner = deciding([row.line for row in several])
        found |= {row for row in several if row.line is winner}
    return found


def matches(row: Row, condition: Condition, today: date) -> bool:
    """All conditions but countedIn and countedAs; one that is null is none."""
    line = row.line
    if condition.get("search") is not None and not searched(line, condition["search"]):
        return False
    for name, text in (("userId", line.user_id), ("userName", line.user_name)):
        if condition.get(name) is not None and not text_matches(condition[name], text):
            return False
    for name, value in (
        ("userTypes", named(USER_TYPES, line.user_type)),
        ("feeCategories", named(FEE_CATEGORIES, line.category)),
        ("serviceStatuses", named(SERVICE_STATUSES, status(line, today))),
        ("products", line.product),
        ("usageModes", named(USAGE_MODES, line.mode)),
    ):
        if condition.get(name) is not None and value not in condition[name]:
            return False
    return in_old_and_new(line, condition) and in_ranges(line, condition)


def matching(rows: Sequence[Row], condition: Condition, today: date) -> list[Row]:
    """The rows, of all that are known, for which all the conditions hold together."""
    found = [row for row in rows if matches(row, condition, today)]
    if condition.get("countedIn") is not None:
        by_rule = counted(rows, condition["countedIn"])
        found = [row for row in found if row in by_rule]
    if condition.get("countedAs") is not None:
        found = [
            row for row in found if row.line.category == FEE_CATEGORIES[condition["countedAs"]]
        ]
    return found


# Order


def sort_values(today: date) -> dict[str, Callable[[Service], Any]]:
    return {
        "USER_ID": lambda line: line.user_id,
        "USER_NAME": lambda line: line.user_name,
        "USER_TYPE": lambda line: rank(USER_TYPES, line.user_type),
        "START_DATE": lambda line: line.start,
        "END_DATE": lambda line: (1, date.min) if line.end is None else (0, line.end),
        "PRODUCT": lambda line: line.product,
        "SERVICE_STATUS": lambda line: rank(SERVICE_STATUSES, status(line, today)),
        "FEE_CATEGORY": lambda line: rank(FEE_CATEGORIES, line.category),
    }


def in_order(rows: Iterable[Row], order: Order, today: date) -> list[Row]:
    """Reading 9: by the keys, then by vendor and number in the first key's direction.

    Without keys by user ID. Sorted from the last key to the first: Python's sort is stable,
    reversed or not.
    """
    order = order or [("USER_ID", "ASC")]
    backward = order[0][1] == "DESC"
    found = sorted(rows, key=lambda row: (row.vendor, row.number), reverse=backward)
    for field, direction in reversed(order):
        value = sort_values(today)[field]
        found = sorted(found, key=lambda row: value(row.line), reverse=direction == "DESC")
    return found


# Pages


@dataclass(frozen=True, slots=True)
class Shown:
    """What one page shows."""

    rows: list[Row]
    has_next: bool
    has_previous: bool
    total: int


def page(
    listed: Sequence[Row],
    places: Sequence[Row],
    *,
    first: int | None = None,
    last: int | None = None,
    after: Row | None = None,
    before: Row | None = None,
) -> Shown:
    """One page of a sorted list, as Relay's pagination algorithm gives it; 50 rows unless said.

    ``places`` is a sorted list that has the rows of ``listed`` and the cursors' rows, which may be
    rows that the filter leaves out: a cursor is a place in the order.
    """
    at = {row: place for place, row in enumerate(places)}
    inside = [
        row
        for row in listed
        if (after is None or at[row] > at[after]) and (before is None or at[row] < at[before])
    ]
    if last is not None:
        shown = inside[max(0, len(inside) - last) :]
        return Shown(shown, before is not None, len(inside) > last, len(listed))
    size = 50 if first is None else first
    return Shown(inside[:size], len(inside) > size, after is not None, len(listed))
