"""Rosters full of corner values that change from import to import, and random questions to them.

Everything is drawn from one ``random.Random``, so that a seed says it all.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from .counting import Service
from .querying import (
    FEE_CATEGORIES,
    SERVICE_STATUSES,
    USAGE_MODES,
    USER_TYPES,
    Condition,
    Order,
    Row,
    named,
    sort_values,
    status,
)
from .strategies import FAMILY, FULL_WIDTH, RARE, RAREST, plus

# Prefixes of one another, cases of one another, wildcards of LIKE and of regular expressions.
# U+FF21 sorts before RARE by code point, and after it by UTF-16 unit.
IDS = (
    *("s", "S", "szse", "SZSE", "SzSe", "szse0", "szse01", "SZSE01", "szse01x", "zse"),
    *("深", "深圳", "深圳01", "圳", "用户1", "用户10", "用户2", "szse深圳", "SZSE深圳"),
    *("a%", "a_", "a_b%", "aXb", "a.b", "a\\b", "a\\", "a'b", 'a"b', "'", '"', "%", "_", "\\"),
    *(RARE, f"{RARE}1", RARE * 31, RAREST, FULL_WIDTH, "\uff21", "\uff41", "A", "a", "i" * 31),
    *("é", "É", "e\u0301", "\u212a", "k", "K", "ß", "00", "000", "1", "10", "a|b", "null", "a b"),
)
NAMES = (
    *("李", "张", "张三", "张三丰", "三", "三张", "A", "a", "0", "é", "É", "\u212a", "ſ", "İ", "ı"),
    *("深圳某某证券有限公司", "深圳证券", "证券", "某某证券SZSE", "szse证券", "Szse 证券 Co"),
    *("50%", "50%_", "5_%", "_", "%", "\\", "\\%", "\\\\", "a'b", "O'Neil", 'q"q', "''", "--"),
    *(RARE, f"{RARE}野家", f"{RAREST}{RARE}", f"甲{RARE}乙", RARE * 63, "名" * 63, FAMILY),
    *(
        FULL_WIDTH,
        f"上海{FULL_WIDTH}公司",
        "ABC12公司",
        "\uff21",
        "張三",
        "e\u0301",
        "<b>x</b>",
        "a|b",
    ),
    *("Smith & Sons, Ltd.", "SMITH", "smithers", "\u200bx", "张\u3000三", "张 三"),
)
FIRST_DAY, LAST_DAY = date.min, date(9999, 12, 30)


def roster(rng: random.Random, today: date, products: Sequence[str], users: int) -> list[Service]:
    """That many users, most of them with few records, some with many; none has a status."""
    ids = rng.sample(IDS, min(users, len(IDS) * 2 // 3))
    ids += [f"{rng.choice(IDS)[:20]}{number}" for number in range(1, users)]
    found: dict[tuple[str, str, str, date], Service] = {}
    for user_id in list(dict.fromkeys(ids))[:users]:
        for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 6))):
            one = line(rng, today, products, user_id)
            found[one.key()] = one
    return list(found.values())


def line(rng: random.Random, today: date, products: Sequence[str], user_id: str) -> Service:
    start = some_day(rng, today)
    return Service(
        user_id=user_id,
        user_name=rng.choice(NAMES),
        user_type=rng.choice(list(USER_TYPES.values())),
        category=rng.choice(list(FEE_CATEGORIES.values())),
        start=start,
        end=some_end(rng, today, start),
        product=rng.choice(products),
        mode=rng.choice(list(USAGE_MODES.values())),
        address=rng.choice(("0", "深圳市深南大道2012号", f"{RARE}路1号")),
        contact=rng.choice(("0", "李", "O'Neil")),
        phone=rng.choice(("0", "0755-88668888")),
    )


def some_day(rng: random.Random, today: date) -> date:
    """Few different days, so that many records tie; now and then the calendar's edges."""
    kind = rng.randrange(20)
    if kind == 0:
        return rng.choice((FIRST_DAY, plus(FIRST_DAY, 1), date(1582, 10, 10), LAST_DAY))
    if kind < 5:
        return plus(today, rng.randint(-2, 2))
    month = plus(today.replace(day=1), -30 * rng.randrange(40)).replace(day=1)
    return rng.choice((month, plus(month, -1), plus(month, 14)))


def some_end(rng: random.Random, today: date, start: date) -> date | None:
    kind = rng.randrange(10)
    if kind < 3:
        return None
    if kind < 5:
        return start
    if kind == 5:
        return LAST_DAY
    if kind < 8:
        return max(start, plus(today, rng.randint(-2, 2)))
    return max(start, some_day(rng, today))


# Imports


@dataclass(frozen=True, slots=True)
class Import:
    """A file, and the vendor's roster after it. Either all its lines carry a status or none."""

    lines: list[Service]
    snapshot: bool
    after: list[Service]


def imports(
    rng: random.Random, today: date, products: Sequence[str], users: int, number: int
) -> list[Import]:
    """Files that follow one another: snapshots and deltas, with the status and without it.

    A delta with the other number of columns leaves reported and derived statuses side by side.
    """
    known: list[Service] = []
    found = []
    with_status = rng.random() < 0.5
    for turn in range(number):
        snapshot = turn % 2 == 0
        if not known:
            file = roster(rng, today, products, users)
        else:
            kept = [one for one in known if rng.random() < (0.85 if snapshot else 0.45)]
            file = [
                changed(rng, today, one) if rng.random() < 0.2 else one
                for one in [*kept, *roster(rng, today, products, users // 8)]
            ]
        file = [
            replace(one, status=some_status(rng) if with_status else None)
            for one in {one.key(): one for one in file}.values()
        ]
        rng.shuffle(file)
        left = {} if snapshot else {one.key(): one for one in known}
        known = list((left | {one.key(): one for one in file}).values())
        found.append(Import(file, snapshot, known))
        with_status = not with_status
    return found


def some_status(rng: random.Random) -> str:
    return rng.choice(list(SERVICE_STATUSES.values()))


def changed(rng: random.Random, today: date, one: Service) -> Service:
    """The same record with other contents, sort keys among them."""
    kind = rng.randrange(4)
    if kind == 0:
        return replace(one, user_name=rng.choice(NAMES))
    if kind == 1:
        return replace(one, end=some_end(rng, today, one.start))
    if kind == 2:
        return replace(one, category=rng.choice(list(FEE_CATEGORIES.values())))
    other = rng.choice(list(USER_TYPES.values()))
    return replace(one, user_type=other, phone=rng.choice(("0", "110")))


# Questions


def some_filter(rng: random.Random, rows: Sequence[Row], products: Sequence[str], today: date) -> Condition:  # fmt: skip
    """Up to four conditions that one row, drawn beforehand, mostly fulfils."""
    line = rng.choice(rows).line
    kinds: list[Callable[[], Condition]] = [
        lambda: {"search": some_search(rng, line)},
        lambda: {"userId": some_match(rng, line.user_id)},
        lambda: {"userName": some_match(rng, line.user_name)},
        lambda: {"userTypes": some_of(rng, USER_TYPES, named(USER_TYPES, line.user_type))},
        lambda: {"feeCategories": some_of(rng, FEE_CATEGORIES, named(FEE_CATEGORIES, line.category))},
        lambda: {
            "serviceStatuses": some_of(
                rng, SERVICE_STATUSES, named(SERVICE_STATUSES, status(line, today))
            )
        },
        lambda: {"products": some_of(rng, products, line.product)},
        lambda: {"usageModes": some_of(rng, USAGE_MODES, named(USAGE_MODES, line.mode))},
        lambda: some_dates(rng, line, today),
        lambda: some_dates(rng, line, today),
        lambda: some_ranges(rng, line, today),
        lambda: some_counted(rng, line, today),
    ]  # fmt: skip
    found: Condition = {}
    for kind in rng.sample(kinds, rng.choice((0, 1, 1, 1, 2, 2, 2, 3, 4))):
        found |= kind()
    if rng.random() < 0.1:
        found |= {name: None for name in ("search", "userId", "products") if name not in found}
    return found


def swapped(rng: random.Random, text: str) -> str:
    """Other cases of ASCII letters, half of the time."""
    if rng.random() < 0.5:
        return text
    return "".join(c.swapcase() if c.isascii() and rng.random() < 0.7 else c for c in text)


def fragment(rng: random.Random, text: str) -> str:
    """Mostly one or two characters."""
    length = min(len(text), rng.choice((1, 1, 2, 2, 3, 5, 99)))
    at = rng.randrange(len(text) - length + 1)
    return text[at : at + length]


def some_search(rng: random.Random, line: Service) -> str:
    text = rng.choice((line.user_id[: rng.randint(1, 6)], *(fragment(rng, line.user_name),) * 3))
    if rng.random() < 0.1:
        text = rng.choice((fragment(rng, line.user_id), line.user_id + "1", "", "没有", "%%", "__"))
    return swapped(rng, text)


def some_match(rng: random.Random, text: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for kind in rng.sample(("equals", "startsWith", "contains"), rng.choice((1, 1, 1, 1, 2))):
        if kind == "equals":
            found[kind] = swapped(rng, text)
        elif kind == "startsWith":
            found[kind] = swapped(rng, text[: rng.randint(0, 3)])
        else:
            found[kind] = swapped(rng, fragment(rng, text))
    return found | ({"equals": None} if rng.random() < 0.1 and "equals" not in found else {})


def some_of(rng: random.Random, values: Any, own: str) -> list[str]:
    chosen = {one for one in values if rng.random() < 0.4}
    if rng.random() < 0.9:
        chosen.add(own)
    return sorted(chosen) + ([own] if rng.random() < 0.05 else [])


def near(rng: random.Random, day: date | None, today: date) -> str:
    day = day or rng.choice((today, date.max, LAST_DAY))
    step = timedelta(days=rng.choice((0, 0, 1, -1, 30, -30, 365, -365)))
    low, high = day - date.min, date.max - day
    return (day + max(-low, min(high, step))).isoformat()


def some_dates(rng: random.Random, line: Service, today: date) -> Condition:
    found: Condition = {}
    if rng.random() < 0.7:
        found["startBefore"] = near(rng, line.start, today)
    if rng.random() < 0.7:
        found["endAfter"] = near(rng, line.end, today)
    if rng.random() < 0.7:
        found["dateJoin"] = rng.choice(("OR", "AND", "AND", None))
    return found


def some_ranges(rng: random.Random, line: Service, today: date) -> Condition:
    names = rng.sample(("startFrom", "startTo", "endFrom", "endTo"), rng.choice((1, 1, 2, 2, 4)))
    return {
        name: near(rng, line.start if name.startswith("start") else line.end, today)
        for name in names
    }


def some_counted(rng: random.Random, line: Service, today: date) -> Condition:
    day = rng.choice((line.start, line.end or today, today, plus(today, -31)))
    found: Condition = {"countedIn": f"{day.year:04d}-{day.month:02d}"}
    if rng.random() < 0.5:
        found["countedAs"] = rng.choice(list(FEE_CATEGORIES))
    return found


def some_order(rng: random.Random, today: date) -> Order:
    """None to four keys; now and then one of them twice, where the second says nothing."""
    fields = rng.sample(list(sort_values(today)), rng.choice((0, 1, 1, 1, 2, 2, 3, 4)))
    if fields and rng.random() < 0.1:
        fields.append(rng.choice(fields))
    return [(field, rng.choice(("ASC", "DESC"))) for field in fields]
