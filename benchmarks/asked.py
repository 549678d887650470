"""What the answering benchmark asks: the cases, each a list of requests that differ in values.

A request says what is wanted in no server's words. Its answer, whichever server gave it, is
compared as plain rows: the eleven fields of a user in order, or a month's figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks import market
from gateway.config.clock import today
from gateway.regulation.months import Month

EVERYONE = "everyone"
"""Who asks for all vendors: the licensor."""
VENDORS = tuple(market.code(number) for number in range(24))
"""The vendors that ask: the largest, T020 and others between them and below."""
MONTHS = 36
_DEPTHS = 24

_MIDDLE = """
SELECT user_id, record_id
FROM (
    SELECT user_id, record_id, row_number() OVER (ORDER BY user_id, record_id) AS place,
        count(*) OVER () AS size
    FROM service_records WHERE vendor_id = (SELECT vendor_id FROM vendors WHERE code = $1)
) listed
WHERE place >= size / 2 AND (place - size / 2) % greatest(size / 200, 1) = 0
ORDER BY place LIMIT $2
"""

USER_FIELDS = (
    *("userId", "userName", "userType", "startDate", "endDate", "product"),
    *("usageMode", "contact", "address", "phone", "feeCategory"),
)
FIGURE_FIELDS = (
    *("vendor", "product", "month", "fullPriceCount", "regulatoryCount", "internalFreeCount"),
    *("trialCount", "newCount", "endedCount"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a vendor's list: its user ID, and its number."""

    user: str
    record: int


@dataclass(frozen=True, slots=True)
class Users:
    """A page of the list by user ID, one vendor's or everyone's; after a line, or from the top."""

    who: str
    first: int
    after: Place | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """The first thousand of the figures of each month of a range, newest first."""

    who: str
    since: Month
    until: Month


Asked = Users | Figures


@dataclass(frozen=True, slots=True)
class Case:
    """Requests of one kind, sent in rotation."""

    name: str
    text: str
    requests: Sequence[Asked]


@dataclass(frozen=True, slots=True)
class Answer:
    """A page as all servers give it: its rows, and whether the list goes on."""

    rows: list[list[Any]] = field(repr=False)
    more: bool


def cases(deep: Sequence[Place]) -> list[Case]:
    """Return the cases. `deep` are lines in the middle of the largest vendor's list."""
    ends = [Month.of(today()).plus(-number) for number in range(12)]
    ranges = [(end.plus(1 - MONTHS), end) for end in ends]
    largest = VENDORS[0]
    return [
        Case("page", "50 users of one vendor", [Users(one, 50) for one in VENDORS]),
        Case("everyone", "50 users of all vendors", [Users(EVERYONE, 50)]),
        Case("thousand", "1000 users of one vendor", [Users(one, 1000) for one in VENDORS]),
        Case(
            "deep",
            "50 users from the middle of the largest list",
            [Users(largest, 50, after) for after in deep],
        ),
        Case(
            "figures",
            f"{MONTHS} months of one vendor",
            [Figures(one, *ranges[at % len(ranges)]) for at, one in enumerate(VENDORS)],
        ),
        Case(
            "all-figures",
            f"{MONTHS} months of all vendors, 1000 rows",
            [Figures(EVERYONE, since, until) for since, until in ranges],
        ),
    ]


async def middle(postgres: Any) -> list[Place]:
    """Return lines around the middle of the largest vendor's list, some way apart."""
    rows = await postgres.fetch(_MIDDLE, VENDORS[0], _DEPTHS)
    return [Place(*row) for row in rows]
