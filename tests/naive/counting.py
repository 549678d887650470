"""Rule pack ``szse-2010``, counted by looking at every single day.

Slow and obvious on purpose.  Written from ``regulation.md`` only and sharing nothing with the
production code, so that the two can be compared.  A user is on or off on each day of the month
(and on the day before it and the day after it); every figure is read off those days.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext

FULL_PRICE = "全价用户"
REGULATORY = "监管用户"
INTERNAL_FREE = "内部免费用户"
TRIAL = "试用用户"

INDIVIDUAL = "个人"
INSTITUTION = "机构"

WEB = "Web"
TERMINAL = "终端"
DATAFEED = "datafeed"

ACTIVE = "正常使用"
EXPIRED = "服务到期"
CANCELLED = "用户注销"

# On a tie the entry further to the right wins.
CATEGORY_ON_TIE = [REGULATORY, INTERNAL_FREE, TRIAL]
MODE_ON_TIE = [WEB, TERMINAL, DATAFEED]

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Service:
    """One line of the roster; strings exactly as in the file."""

    user_id: str
    user_name: str
    user_type: str
    category: str
    start: date
    end: date | None
    product: str
    mode: str
    address: str
    contact: str
    phone: str
    status: str | None = None

    def line(self) -> str:
        """The eleven columns of the download, without a line end; an open end date is 0."""
        return "||".join(
            [
                self.user_id,
                self.user_name,
                self.user_type,
                self.category,
                yyyymmdd(self.start),
                "0" if self.end is None else yyyymmdd(self.end),
                self.product,
                self.mode,
                self.address,
                self.contact,
                self.phone,
            ]
        )

    def key(self) -> tuple[str, str, str, date]:
        return (self.user_id, self.product, self.mode, self.start)


@dataclass(frozen=True, slots=True)
class Figures:
    full: int
    regulatory: int
    internal: int
    trial: int
    new: int
    ended: int
    cancelled: int


def yyyymmdd(day: date) -> str:
    # Not strftime: its %Y does not pad years below 1000 everywhere.
    return f"{day.year:04d}{day.month:02d}{day.day:02d}"


def days_of_month(year: int, month: int) -> list[date]:
    days = []
    day = date(year, month, 1)
    while day.month == month:
        days.append(day)
        day = day + ONE_DAY
    return days


def in_service(record: Service, day: date) -> bool:
    if day < record.start:
        return False
    if record.end is None:
        return True
    return day <= record.end


def any_in_service(records: list[Service], day: date) -> bool:
    return any(in_service(record, day) for record in records)


def in_service_in_month(record: Service, days: list[date]) -> bool:
    return any(in_service(record, day) for day in days)


def records_by_user(services: Iterable[Service], product: str) -> dict[str, list[Service]]:
    users: dict[str, list[Service]] = {}
    for record in services:
        if record.product == product:
            users.setdefault(record.user_id, []).append(record)
    return users


def deciding(candidates: list[Service]) -> Service:
    """Of one user's records in service in the month, the one that decides its category."""
    full = [record for record in candidates if record.category == FULL_PRICE]
    if full:
        candidates = full
    last_start = max(record.start for record in candidates)
    candidates = [record for record in candidates if record.start == last_start]
    if not full:
        rank = max(CATEGORY_ON_TIE.index(record.category) for record in candidates)
        candidates = [
            record for record in candidates if CATEGORY_ON_TIE.index(record.category) == rank
        ]
    mode = max(MODE_ON_TIE.index(record.mode) for record in candidates)
    candidates = [record for record in candidates if MODE_ON_TIE.index(record.mode) == mode]
    if len(candidates) != 1:
        raise ValueError(f"two records with one key: {candidates}")
    return candidates[0]


def counting_record(
    services: Iterable[Service], product: str, year: int, month: int
) -> dict[str, Service]:
    """user ID -> the record that decides its category, for every user that counts."""
    days = days_of_month(year, month)
    result: dict[str, Service] = {}
    for user_id, records in records_by_user(services, product).items():
        candidates = [record for record in records if in_service_in_month(record, days)]
        if candidates:
            result[user_id] = deciding(candidates)
    return result


def counted_users(
    services: Iterable[Service], product: str, year: int, month: int
) -> dict[str, str]:
    """user ID -> the one category it counts in, for every user that counts."""
    records = counting_record(services, product, year, month)
    return {user_id: record.category for user_id, record in records.items()}


MOVEMENTS = ["NEW", "ENDED", "CANCELLED", "EXPIRED"]


def moving_record(
    services: Iterable[Service], product: str, year: int, month: int, movement: str
) -> dict[str, Service]:
    """user ID -> the record that begins or ends its service, for every user that moves so."""
    days = days_of_month(year, month)
    result: dict[str, Service] = {}
    for user_id, records in records_by_user(services, product).items():
        if movement == "NEW":
            record = beginning(records, days)
        else:
            record = ending(records, days)
            if record is not None and movement != "ENDED":
                is_cancelled = record.status == CANCELLED
                if is_cancelled != (movement == "CANCELLED"):
                    record = None
        if record is not None:
            result[user_id] = record
    return result


def beginning(records: list[Service], days: list[date]) -> Service | None:
    """The record that starts on the first day on, after a day off; the first mode."""
    for day in days:
        if any_in_service(records, day) and not any_in_service(records, day - ONE_DAY):
            starting = [record for record in records if record.start == day]
            return min(starting, key=lambda record: MODE_ON_TIE.index(record.mode))
    return None


def ending(records: list[Service], days: list[date]) -> Service | None:
    """The record that ends on the last day on, before a day off: a cancelled one, the later start,
    the last mode."""
    for day in reversed(days):
        if any_in_service(records, day) and not any_in_service(records, day + ONE_DAY):
            over = [record for record in records if record.end == day]
            cancelled = [record for record in over if record.status == CANCELLED]
            return max(
                cancelled or over,
                key=lambda record: (record.start, MODE_ON_TIE.index(record.mode)),
            )
    return None


def count(services: Iterable[Service], product: str, year: int, month: int) -> Figures:
    services = list(services)
    categories = list(counted_users(services, product, year, month).values())
    days = days_of_month(year, month)

    new = 0
    ended = 0
    cancelled = 0
    for records in records_by_user(services, product).values():
        on = {}
        for day in [days[0] - ONE_DAY, *days, days[-1] + ONE_DAY]:
            on[day] = any_in_service(records, day)
        new_days = [day for day in days if on[day] and not on[day - ONE_DAY]]
        end_days = [day for day in days if on[day] and not on[day + ONE_DAY]]
        if new_days:
            new += 1
        if end_days:
            ended += 1
            last = end_days[-1]
            if any(record.end == last and record.status == CANCELLED for record in records):
                cancelled += 1

    return Figures(
        full=categories.count(FULL_PRICE),
        regulatory=categories.count(REGULATORY),
        internal=categories.count(INTERNAL_FREE),
        trial=categories.count(TRIAL),
        new=new,
        ended=ended,
        cancelled=cancelled,
    )


def monthly_line(
    company: str, year: int, month: int, figures: Figures, price: Decimal | None
) -> str:
    """The nine fields of the monthly download, without a line end."""
    if price is None:
        fee = "0"
    else:
        with localcontext() as context:
            context.prec = 100
            exact = figures.full * price
            fee = format(exact.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP), "f")
    return "||".join(
        [
            company,
            f"{year:04d}{month:02d}",
            str(figures.full),
            str(figures.regulatory),
            str(figures.internal),
            str(figures.trial),
            str(figures.new),
            str(figures.ended),
            fee,
        ]
    )
