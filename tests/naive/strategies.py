"""Rosters in nasty shapes: as Hypothesis strategies, and as one plain seeded generator.

Both draw through the small interface ``Pick``, so that they have the same shapes.  Every roster
satisfies the import rules (limits, no control characters, no ``||``, unique keys, end >= start).
A user's name and type are the same on all of its records.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

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
)

T = TypeVar("T")

CATEGORIES = (FULL_PRICE, TRIAL, INTERNAL_FREE, REGULATORY)
MODES = (WEB, TERMINAL, DATAFEED)
USER_TYPES = (INDIVIDUAL, INSTITUTION)
MONTHS = 48

# A limit is strict: a value has fewer characters than this.
LIMITS = {
    "user_id": 32,
    "user_name": 64,
    "product": 32,
    "address": 128,
    "contact": 64,
    "phone": 15,
}

RARE = "\U00020bb7"  # a rare form of 吉, supplementary plane
RAREST = "\U0002a6a5"  # four dragons, supplementary plane
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"  # emoji with zero-width joiners
FULL_WIDTH = "\uff21\uff22\uff23\uff11\uff12"  # full-width ABC12
FULL_BAR = "\uff5c"  # full-width vertical bar: no separator
WIDE_SPACE = "\u3000"

USER_IDS = (
    "u1",
    "U1",
    "szse001",
    "SZSE001",
    "Szse001",
    "szse",
    "szse01|a",
    "a|b|c",
    "x|0",
    "00",
    "0001",
    "1",
    "20240229",
    "用户001",
    "张三",
    FULL_WIDTH,
    "abc12",
    "ABC12",
    "\u00e9t\u00e9",  # composed
    "e\u0301te\u0301",  # decomposed: another ID
    f"{RARE}1",
    RARE * 31,
    "i" * 31,
    "a b",
    "a_b%",
    "a\\b",
    "=1+1",
    "q\"q,'",
    "null",
)
USER_NAMES = (
    "李",
    "王五",
    "张三",
    "张三丰",
    f"张{WIDE_SPACE}三",
    "深圳某某证券有限公司",
    f"上海{FULL_WIDTH}公司",
    "Smith & Sons, Ltd.",
    "SMITH",
    "\U0001f600",
    FAMILY,
    f"{RARE}野家",
    RAREST,
    "䶮",
    RARE * 63,
    "名" * 63,
    f"甲{FULL_BAR}{FULL_BAR}乙",
    "甲|乙",
    "<b>x</b>",
    "\u200bx",
    "50%_",
)
ADDRESSES = (
    "0",
    "深圳市福田区深南大道2012号",
    "北京",
    f"{RARE}路1号",
    "址" * 127,
    "Level 8, \u201cTwo\u201d | IFC",
    f"上海市{WIDE_SPACE}浦东",
)
CONTACTS = ("0", "李", "王五", "O'Neil", f"{RARE}{RAREST}", "人" * 63, "\U0001f600")
PHONES = ("0", "13800138000", "0755-88668888", "+8675588668888", "110", "\uff11\uff12\uff13")

ALPHABET = st.characters(
    # Co and Cn: GB18030 has no stable place for them; Zl and Zp: U+2028 and U+2029.
    exclude_categories=("Cc", "Cs", "Cn", "Co", "Zl", "Zp"),
    # A byte-order mark at the start of a file would be taken off.
    exclude_characters="\ufeff",
)


def repaired(text: str, limit: int) -> str:
    """The text made importable; never '0', which would mean a missing value."""
    text = text[: limit - 1]
    while "||" in text:
        text = text.replace("||", "|")
    before = None
    while text != before:
        before = text
        text = text.strip().strip("|")
    return "x" if text in ("", "0") else text


def acceptable(text: str, limit: int) -> bool:
    """The import rules of one value, said once more in another way (used by the tests)."""
    if not 0 < len(text) < limit:
        return False
    if "||" in text or text[0] == "|" or text[-1] == "|":
        return False
    if text[0].isspace() or text[-1].isspace():
        return False
    return not any(
        unicodedata.category(char) in ("Cc", "Cs") or char in "\u2028\u2029" for char in text
    )


class Pick(Protocol):
    def integer(self, low: int, high: int) -> int: ...

    def choice(self, options: Sequence[T]) -> T: ...

    def text(self, field: str, pool: Sequence[str]) -> str: ...


class HypothesisPick:
    def __init__(self, draw: DrawFn) -> None:
        self._draw = draw

    def integer(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def choice(self, options: Sequence[T]) -> T:
        # By index: the options stay out of the strategy, and shrinking goes to the first one.
        return options[self._draw(st.integers(0, len(options) - 1))]

    def text(self, field: str, pool: Sequence[str]) -> str:
        if self.integer(0, 3) < 3:
            return self.choice(pool)
        return self._draw(_TEXTS[field])


def _texts(limit: int) -> SearchStrategy[str]:
    return st.text(ALPHABET, max_size=limit - 1).map(lambda text: repaired(text, limit))


_TEXTS = {field: _texts(limit) for field, limit in LIMITS.items()}


class RandomPick:
    def __init__(self, rng: random.Random) -> None:
        self._random = rng.random

    def integer(self, low: int, high: int) -> int:
        return low + int(self._random() * (high - low + 1))

    def choice(self, options: Sequence[T]) -> T:
        return options[int(self._random() * len(options))]

    def text(self, field: str, pool: Sequence[str]) -> str:
        return self.choice(pool)


# Days


def first_of(day: date) -> date:
    return day.replace(day=1)


def first_of_next(day: date) -> date:
    return first_of(first_of(day) + timedelta(days=31))


def last_of(day: date) -> date:
    return first_of_next(day) - timedelta(days=1)


def plus(day: date, days: int) -> date:
    return day + timedelta(days=days)


def months(today: date, how_many: int = MONTHS) -> list[tuple[int, int]]:
    """(year, month) of the month of ``today`` and of those before it, newest first."""
    result = []
    day = first_of(today)
    for _ in range(how_many):
        result.append((day.year, day.month))
        day = first_of(plus(day, -1))
    return result


def eventful_months(roster: Sequence[Service], today: date) -> list[tuple[int, int]]:
    """The months, up to that of ``today``, in which a record of the roster starts or ends.

    And the month of ``today`` itself.  To compare two countings in these finds far more than to
    compare them in a month drawn from the window.
    """
    days = [today, *(record.start for record in roster)]
    days += [record.end for record in roster if record.end is not None]
    return sorted({(day.year, day.month) for day in days if day <= last_of(today)}, reverse=True)


@dataclass(frozen=True, slots=True)
class Window:
    today: date
    firsts: tuple[date, ...]  # first days of months, newest first
    leap: tuple[date, ...]  # around 29 February, if the window has one

    @classmethod
    def ending(cls, today: date) -> Window:
        firsts = tuple(date(year, month, 1) for year, month in months(today))
        leap: list[date] = []
        for first in firsts:
            if first.month == 2 and last_of(first).day == 29:
                leap += [plus(first, 28), plus(first, 27), plus(first, 29), first]
        return cls(today, firsts, tuple(leap))


ANCHORS = (
    "first",
    "last",
    "second",
    "last but one",
    "middle",
    "middle",
    "any",
    "leap",
    "today",
    "future",
)


def anchor(pick: Pick, window: Window) -> date:
    """A day where a service may start; half of them recent, the rest anywhere in the window."""
    recent = pick.integer(0, 1) == 0
    first = pick.choice(window.firsts[:4] if recent else window.firsts)
    kind = pick.choice(ANCHORS)
    if kind == "first":
        return first
    if kind == "last":
        return last_of(first)
    if kind == "second":
        return plus(first, 1)
    if kind == "last but one":
        return plus(last_of(first), -1)
    if kind == "middle":
        return plus(first, pick.integer(9, 19))
    if kind == "leap" and window.leap:
        return pick.choice(window.leap)
    if kind == "today":
        return plus(window.today, pick.integer(-1, 1))
    if kind == "future":
        return plus(window.today, pick.integer(1, 60))
    return plus(first, pick.integer(0, 27))


LENGTHS = (
    "one day",
    "month end",
    "month end less one",
    "next first",
    "days",
    "months",
    "open",
    "open",
    "today",
    "leap",
)


def end_of(pick: Pick, window: Window, start: date, lengths: Sequence[str]) -> date | None:
    kind = pick.choice(lengths)
    if kind == "open":
        return None
    if kind == "month end":
        return last_of(start)
    if kind == "month end less one":
        return max(start, plus(last_of(start), -1))
    if kind == "next first":
        return first_of_next(start)
    if kind == "days":
        return plus(start, pick.integer(1, 5))
    if kind == "months":
        return plus(start, pick.integer(28, 400))
    if kind == "today":
        return max(start, plus(window.today, pick.integer(-1, 1)))
    if kind == "leap" and window.leap:
        return max(start, pick.choice(window.leap))
    return start


RELATIONS = (
    "adjacent",
    "gap",
    "touching",
    "overlapping",
    "nested",
    "same start",
    "days later",
    "next month",
    "elsewhere",
)

# How one user's records follow one another: relations, lengths, whether the category changes
# every time.
Shape = tuple[Sequence[str], Sequence[str], bool]
SHAPES: tuple[Shape, ...] = (
    (RELATIONS, LENGTHS, False),
    (RELATIONS, LENGTHS, False),
    # Re-opening within a month.
    (("adjacent", "gap", "gap", "days later"), ("one day", "one day", "days"), False),
    # Category change, mostly in the middle of a month.
    (
        ("adjacent", "adjacent", "overlapping", "touching", "gap"),
        ("days", "month end", "months", "open", "one day"),
        True,
    ),
    # Same start, hence different modes; categories the same or not.
    (("same start", "same start", "same start", "adjacent"), LENGTHS, False),
)


def next_span(
    pick: Pick, window: Window, start: date, end: date | None, shape: Shape
) -> tuple[date, date | None]:
    """The span of the record after one that has the given span."""
    relations, lengths, _ = shape
    until = max(start, window.today) if end is None else end
    relation = pick.choice(relations)
    if relation == "nested" and (until - start).days >= 2:
        inner = plus(start, pick.integer(1, (until - start).days - 1))
        return inner, plus(inner, pick.integer(0, (until - inner).days - 1))
    if relation == "adjacent":
        begin = plus(until, 1)
    elif relation == "gap":
        begin = plus(until, 2)
    elif relation == "touching":
        begin = until
    elif relation == "overlapping":
        begin = plus(start, pick.integer(0, (until - start).days))
    elif relation == "same start":
        begin = start
    elif relation == "days later":
        begin = plus(until, pick.integer(3, 40))
    elif relation == "next month":
        begin = first_of_next(until)
    else:
        begin = anchor(pick, window)
    if begin > plus(window.today, 120):
        begin = anchor(pick, window)
    return begin, end_of(pick, window, begin, lengths)


def status_of(pick: Pick, window: Window, end: date | None) -> str | None:
    """A status; dates decide the count, so a past end may carry a status not yet brought up."""
    if end is None:
        return pick.choice((ACTIVE, None))
    if end >= window.today:
        return pick.choice((ACTIVE, None, CANCELLED))
    return pick.choice((EXPIRED, CANCELLED, CANCELLED, None, ACTIVE))


def user_records(
    pick: Pick, window: Window, products: Sequence[str], user_id: str, max_records: int
) -> list[Service]:
    """One user's records, at least one, unique by key."""
    name = pick.text("user_name", USER_NAMES)
    user_type = pick.choice(USER_TYPES)
    address = pick.text("address", ADDRESSES)
    contact = pick.text("contact", CONTACTS)
    phone = pick.choice(PHONES)
    shape = pick.choice(SHAPES)
    product = pick.choice(products)
    several_products = len(products) > 1 and pick.integer(0, 2) == 2
    # FULL_PRICE hides the other rules, so many users never have it.
    categories = pick.choice((CATEGORIES, CATEGORIES[1:]))
    category = pick.choice(categories)
    mode = pick.choice(MODES)
    start = anchor(pick, window)
    end = end_of(pick, window, start, shape[1])

    records: list[Service] = []
    keys: set[tuple[str, str, str, date]] = set()
    for number in range(pick.integer(1, max_records)):
        if number:
            start, end = next_span(pick, window, start, end, shape)
            if shape[2]:
                category = pick.choice([other for other in categories if other != category])
            elif pick.integer(0, 1):
                category = pick.choice(categories)
            if pick.integer(0, 2) == 2:
                mode = pick.choice(MODES)
            if several_products:
                product = pick.choice(products)
            if pick.integer(0, 3) == 3:
                address = pick.choice(ADDRESSES)
                contact = pick.choice(CONTACTS)
                phone = pick.choice(PHONES)
        free = [other for other in MODES if (user_id, product, other, start) not in keys]
        if not free:
            continue
        if mode not in free:
            mode = pick.choice(free)
        record = Service(
            user_id=user_id,
            user_name=name,
            user_type=user_type,
            category=category,
            start=start,
            end=end,
            product=product,
            mode=mode,
            address=address,
            contact=contact,
            phone=phone,
            status=status_of(pick, window, end),
        )
        keys.add(record.key())
        records.append(record)
    return records


@st.composite
def _users(
    draw: DrawFn, window: Window, products: tuple[str, ...], max_records: int
) -> list[Service]:
    pick = HypothesisPick(draw)
    return user_records(
        pick, window, products, pick.text("user_id", USER_IDS), max_records=max_records
    )


def _by_start(record: Service) -> tuple[str, date, str]:
    return (record.mode, record.start, record.user_id)


def _flat(users: list[list[Service]]) -> list[Service]:
    return [record for records in users for record in records]


ORDERS: tuple[Callable[[list[Service]], list[Service]], ...] = (
    lambda records: records,
    lambda records: records[::-1],
    lambda records: sorted(records, key=_by_start),
)


def rosters(
    today: date, products: tuple[str, ...], *, max_users: int = 8, max_records: int = 6
) -> SearchStrategy[list[Service]]:
    """Rosters of up to ``max_users`` users (perhaps none), each with 1 to ``max_records``."""
    users = st.lists(
        _users(Window.ending(today), products, max_records),
        max_size=max_users,
        unique_by=lambda records: records[0].user_id,
    )
    return st.builds(lambda drawn, order: order(_flat(drawn)), users, st.sampled_from(ORDERS))


def _random_id(pick: Pick, number: int) -> str:
    """Unique for each number: the number stands at the end, after something not a digit."""
    kind = pick.integer(0, 9)
    if kind == 0:
        return f"用户{number}"
    if kind == 1:
        return f"a|{number}"
    if kind == 2:
        return f"{RARE}{number}"
    if kind == 3:
        return f"{number + 1:09d}"
    if kind == 4:
        return f"x|{number}|{FULL_WIDTH}"
    if kind == 5:
        return f"{'i' * 22}-{number:08d}"
    # Neighbours that differ only in case.
    return f"{'SZSE' if number % 2 else 'szse'}-{number // 2:06d}"


def random_roster(
    rng: random.Random, today: date, products: Sequence[str], users: int
) -> list[Service]:
    """Exactly ``users`` users with 1 to 6 records each, shuffled; the same for the same seed."""
    pick = RandomPick(rng)
    window = Window.ending(today)
    roster: list[Service] = []
    for number in range(users):
        roster += user_records(pick, window, products, _random_id(pick, number), max_records=6)
    rng.shuffle(roster)
    return roster
