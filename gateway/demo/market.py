"""Fictitious vendors of SZSE market data, and their service records as text.

Everything follows from the vendor's code and the given day: only ``random.Random(int).random()``
is drawn, which gives the same numbers on every run and Python version.
"""

import calendar
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache, partial
from math import fsum
from random import Random
from typing import Final

from gateway.demo import names

ENHANCED: Final = "深交所网络版增强行情"
BASIC: Final = "深交所网络版基本行情"
HISTORY_MONTHS: Final = 42

_CATEGORIES: Final = ("全价用户", "监管用户", "内部免费用户", "试用用户")
_FULL, _REGULATORY, _INTERNAL, _TRIAL = range(4)
_MODES: Final = ("Web", "终端", "datafeed")
_WEB, _TERMINAL, _DATAFEED = range(3)
_STATUSES: Final = ("正常使用", "服务到期", "用户注销")
_ACTIVE, _EXPIRED, _CANCELLED = range(3)
_OPEN: Final = -1  # day number of an end that is not set
_MISSING: Final = "0"

_AHEAD_DAYS: Final = 31  # a start lies at most so far after today
_PREPAID_DAYS: Final = 21  # a renewal may be on file so long before it begins
_TRIAL_DAYS: Final = 30

# Shares of users.
_P_STAFF: Final = 0.006
_P_ONE_DAY: Final = 0.012
_P_INSTITUTION: Final = 0.05
_P_FUTURE: Final = 0.008  # begins after today
_P_TRIAL: Final = 0.38  # begins with a trial
_P_CONVERT: Final = 0.68  # of trials
_P_TERMINAL: Final = 0.58  # of individuals
_P_TWO_MODES: Final = 0.09
_P_TWO_MODES_INSTITUTION: Final = 0.3
_P_FEED: Final = 0.75  # of institutions
_P_MAIN_ONLY: Final = 0.66  # where the vendor has several products
_P_BOTH: Final = 0.14
_P_ADDRESS: Final = 0.6
_P_MOBILE: Final = 0.9
_P_LANDLINE: Final = 0.05
_P_WHOLE_NAME: Final = 0.002
# Chances at one moment of a service.
_P_RETURN: Final = 0.25  # after an end, some time later
_P_SWITCH: Final = 0.04  # another mode at renewal
_P_PREPAID: Final = 0.35
_P_LEAVE: Final = 0.4  # an open service has been cancelled
_P_TRIAL_QUIT: Final = 0.05
_P_HALF: Final = 0.5
_P_FEW: Final = 0.1

# (months, chance to renew, chance to cancel within the term)
_TERMS: Final = ((12, 0.76, 0.07), (3, 0.9, 0.025), (6, 0.84, 0.04))
_YEAR, _QUARTER, _HALF_YEAR = range(3)
# One of these per user; None is an open service.
_PLANS: Final = (*(_YEAR,) * 9, *(_QUARTER,) * 8, _HALF_YEAR, None, None)
_PLANS_INSTITUTION: Final = (*(_YEAR,) * 6, _QUARTER, None, None, None)

# Openings by calendar month (January first): fewer round the long holidays.
_SEASON: Final = (0.9, 0.55, 1.3, 1.15, 0.9, 0.85, 1.15, 1.0, 0.9, 0.65, 1.25, 1.0)
# Mood of the market by month of the history: (peak month, months to each side, height).
_MOODS: Final = ((9, 4, 1.3), (17, 5, -0.55), (29, 5, 1.7), (38, 4, -0.5))

# product, mode, first day, last day (or _OPEN), category, status
_Row = tuple[int, int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class DemoVendor:
    """A licensed company; ``size`` is its approximate number of service records at scale 1."""

    code: str
    name: str
    products: tuple[str, ...]
    size: int


@dataclass(frozen=True, slots=True)
class DemoPrice:
    """Yuan per user and month, in force from a day on."""

    product: str
    amount: Decimal
    valid_from: date


VENDORS: Final[tuple[DemoVendor, ...]] = (
    DemoVendor("LYSX", "澜屿数讯股份有限公司", (ENHANCED, BASIC), 58_000),
    DemoVendor("QHXX", "启珩信息技术股份有限公司", (ENHANCED, BASIC), 46_000),
    DemoVendor("MZCJ", "墨舟财经科技有限公司", (ENHANCED, BASIC), 17_000),
    DemoVendor("YTJR", "云汀金融信息服务有限公司", (ENHANCED,), 15_000),
    DemoVendor("BCWL", "柏辰网络技术有限公司", (ENHANCED, BASIC), 13_000),
    DemoVendor("HLTX", "鹤泷通信科技有限公司", (ENHANCED,), 12_000),
    DemoVendor("ZQKJ", "竹栖科技发展有限公司", (ENHANCED, BASIC), 11_000),
    DemoVendor("XJSJ", "汐境数据服务有限公司", (ENHANCED,), 9_500),
    DemoVendor("SYWL", "朔岩网络信息有限公司", (BASIC,), 8_000),
    DemoVendor("JHRJ", "霁禾软件有限公司", (ENHANCED, BASIC), 6_500),
    DemoVendor("FLZX", "枫岭资讯有限公司", (ENHANCED,), 3_400),
    DemoVendor("NTXX", "楠亭信息咨询有限公司", (ENHANCED,), 600),
)


@dataclass(frozen=True, slots=True)
class _Profile:
    """Taste of a vendor: two styles of user ID (nine to one), trend, share from the beginning."""

    style: str
    other: str
    trend: float  # openings at the end of the history against those at its beginning
    base: float  # share of users that came with the licence's first weeks


_PROFILES: Final = {
    "LYSX": _Profile("pinyin", "phone", 1.5, 0.22),
    "QHXX": _Profile("phone", "mail", 1.1, 0.28),
    "MZCJ": _Profile("szse", "pinyin", 1.4, 0.2),
    "YTJR": _Profile("mail", "pinyin", 2.0, 0.12),
    "BCWL": _Profile("account", "pinyin", 0.5, 0.35),
    "HLTX": _Profile("phone", "pinyin", 0.9, 0.3),
    "ZQKJ": _Profile("pinyin", "szse", 1.7, 0.15),
    "XJSJ": _Profile("szse", "mail", 1.2, 0.2),
    "SYWL": _Profile("account", "phone", 0.35, 0.4),
    "JHRJ": _Profile("mail", "account", 1.3, 0.18),
    "FLZX": _Profile("pinyin", "mail", 2.4, 0.08),
    "NTXX": _Profile("szse", "account", 1.0, 0.25),
}
_PLAIN: Final = _Profile("pinyin", "account", 1.2, 0.2)


def _shift(day: date, months: int) -> date:
    """Give the same day so many months on, or that month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _first_day(today: date) -> date:
    """Day 0 of the history."""
    return _shift(today.replace(day=1), -HISTORY_MONTHS)


def prices(today: date) -> tuple[DemoPrice, ...]:
    """Invented prices: two per product, the second within the three years before ``today``."""
    first = _first_day(today)
    return (
        DemoPrice(ENHANCED, Decimal("11.11"), first),
        DemoPrice(ENHANCED, Decimal("12.34"), _shift(first, 24)),
        DemoPrice(BASIC, Decimal("2.22"), first),
        DemoPrice(BASIC, Decimal("3.21"), _shift(first, 30)),
    )


@dataclass(frozen=True, slots=True)
class _Days:
    """The history as day numbers from 0; lists are indexed by them."""

    text: list[str]  # yyyymmdd; the last entry, which _OPEN picks, is "0"
    now: int
    month: list[int]  # month of the history, from 0
    openings: list[float]  # relative number of openings, without the vendor's trend
    stay: list[float]  # factor on the chance to renew
    ends: tuple[list[int], ...]  # for each of _TERMS: last day of a term by its first


def _mood(month: int) -> float:
    """Mood of the market, about 0; ``fsum`` because ``sum`` rounds differently since 3.12."""
    return fsum(high * max(0.0, 1 - abs(month - peak) / half) for peak, half, high in _MOODS)


@lru_cache(maxsize=4)
def _days(today: date) -> _Days:
    first = _first_day(today)
    now = (today - first).days
    starts = now + _AHEAD_DAYS + 1
    dates = [first + timedelta(days=n) for n in range(starts + 400)]
    months = [(d.year - first.year) * 12 + d.month - first.month for d in dates]
    moods = [_mood(month) for month in range(months[-1] + 1)]
    return _Days(
        text=[*(f"{d.year:04d}{d.month:02d}{d.day:02d}" for d in dates), "0"],
        now=now,
        month=months,
        openings=[
            _SEASON[d.month - 1] * (1 + moods[month]) * (1.0 if d.isoweekday() <= 5 else 0.4)
            for d, month in zip(dates, months, strict=True)
        ],
        stay=[1 + moods[month] / 16 if moods[month] > 0 else 1 + moods[month] / 4
              for month in months],
        ends=tuple(
            [(_shift(d, term) - first).days - 1 for d in dates[:starts]] for term, _, _ in _TERMS
        ),
    )  # fmt: skip


def _first_starts(days: _Days, trend: float) -> list[int]:
    """Days up to today, each as often as openings fall on it (some 20,000 entries)."""
    now = days.now
    weight = [days.openings[n] * (1 + (trend - 1) * n / now) for n in range(now + 1)]
    unit = fsum(weight) / 20_000
    found: list[int] = []
    due = 0.0
    for n, much in enumerate(weight):
        due += much / unit
        whole = int(due)
        due -= whole
        found += [n] * whole
    return found


class _Book:
    """Fills one vendor's roster, user by user."""

    def __init__(self, vendor: DemoVendor, today: date) -> None:
        self._r: Callable[[], float] = Random(int.from_bytes(vendor.code.encode(), "big")).random  # noqa: S311
        self._days = _days(today)
        self._now = self._days.now
        profile = _PROFILES.get(vendor.code, _PLAIN)
        self._base = profile.base
        self._starts = _first_starts(self._days, profile.trend)
        styles = {
            "pinyin": self._pinyin_id,
            "szse": self._szse_id,
            "phone": self._phone_id,
            "mail": self._mail_id,
            "account": self._account_id,
        }
        self._style = styles[profile.style]
        self._other = styles[profile.other]
        self._special = "szse_" if profile.style == "szse" else ""
        self._serial = 10_000
        self._desks = 0
        ordered = sorted(vendor.products)
        self._main = ordered.index(vendor.products[0])
        self._many = len(ordered)
        self._offers = [[f"{product}||{mode}" for mode in _MODES] for product in ordered]
        self._vendor = vendor.name
        self._home = self._address(names.OFFICES)[0]
        self.users: dict[str, list[str]] = {}
        self.count = 0

    # -- words -----------------------------------------------------------------------------

    def _person(self) -> tuple[str, str, str]:
        """Name, pinyin (at most 19), short form (at most 11)."""
        r = self._r
        if r() < _P_WHOLE_NAME:
            return names.WHOLE_NAMES[int(r() * len(names.WHOLE_NAMES))]
        family, latin = names.SURNAMES[int(r() * len(names.SURNAMES))]
        own, sound, initials = names.GIVEN[int(r() * len(names.GIVEN))]
        return family + own, latin + sound, latin + initials

    def _address(self, ends: tuple[str, ...]) -> tuple[str, str]:
        """Address and the place's area code."""
        r = self._r
        area, code = names.AREAS[int(r() * len(names.AREAS))]
        road = names.ROADS[int(r() * len(names.ROADS))]
        return f"{area}{road}{1 + int(r() * 398)}号{ends[int(r() * len(ends))]}", code

    def _mobile(self) -> str:
        r = self._r
        prefix = names.MOBILE_PREFIXES[int(r() * len(names.MOBILE_PREFIXES))]
        return f"{prefix}{int(r() * 100_000_000):08d}"

    def _landline(self, code: str) -> str:
        return f"{code}-{names.LANDLINE_LEAD}{int(self._r() * 10_000_000):07d}"

    # -- user IDs --------------------------------------------------------------------------

    def _pinyin_id(self, latin: str, short: str) -> str:
        r = self._r
        if r() < _P_HALF:
            return f"{latin}{int(r() * 1000)}"
        return f"{short}{1955 + int(r() * 50)}{int(r() * 100):02d}"

    def _szse_id(self, latin: str, _short: str) -> str:
        r = self._r
        if r() < _P_HALF:
            self._serial += 1 + int(r() * 3)
            return f"szse{self._serial:07d}"
        return f"szse_{latin}{int(r() * 10_000)}"

    def _phone_id(self, _latin: str, _short: str) -> str:
        return self._mobile()

    def _mail_id(self, _latin: str, short: str) -> str:
        r = self._r
        domain = names.MAIL_DOMAINS[int(r() * len(names.MAIL_DOMAINS))]
        return f"{short}{int(r() * 10_000)}@{domain}"

    def _account_id(self, _latin: str, _short: str) -> str:
        self._serial += 1 + int(self._r() * 4)
        return f"88{self._serial:08d}"

    def _user_id(self, latin: str, short: str) -> str:
        while True:
            make = self._other if self._r() < _P_FEW else self._style
            found = make(latin, short)
            if found not in self.users:
                return found

    def _desk_id(self, stem: str) -> str:
        self._desks += 1
        return f"{self._special}{stem}{self._desks:03d}"

    # -- services --------------------------------------------------------------------------

    def _start(self) -> int:
        r = self._r
        x = r()
        if x < self._base:
            return int(r() * r() * 70)
        if x > 1 - _P_FUTURE:
            return self._now + 1 + int(r() * _AHEAD_DAYS)
        return self._starts[int(r() * len(self._starts))]

    def _status(self, end: int) -> int:
        return _ACTIVE if end == _OPEN or end >= self._now else _EXPIRED

    def _offer(self) -> int:
        r = self._r
        if self._many == 1 or r() < _P_MAIN_ONLY:
            return self._main
        return int(r() * self._many)

    def _return(self, end: int) -> int:
        """First day of a later service after ``end``, or -1."""
        r = self._r
        if r() >= _P_RETURN:
            return -1
        start = end + 2 + int(r() * r() * 320)
        return start if start <= self._now else -1

    def _open_run(self, rows: list[_Row], product: int, mode: int, start: int) -> None:
        """One service without an end, perhaps cancelled since and taken up again."""
        r, now = self._r, self._now
        while start >= 0:
            if start >= now or r() >= _P_LEAVE:
                rows.append((product, mode, start, _OPEN, _FULL, _ACTIVE))
                return
            end = start + int(r() * (now - start))
            rows.append((product, mode, start, end, _FULL, _CANCELLED))
            start = self._return(end)

    def _term_run(self, rows: list[_Row], product: int, mode: int, start: int, term: int) -> None:
        """Renewals, gaps and returns from ``start`` on."""
        r, now = self._r, self._now
        stay = self._days.stay
        ends = self._days.ends[term]
        _, renew, leave = _TERMS[term]
        while start >= 0:
            end = ends[start]
            if r() < leave:
                cut = start + int(r() * (end - start))
                if cut < now:
                    rows.append((product, mode, start, cut, _FULL, _CANCELLED))
                    start = self._return(cut)
                    continue
            if end >= now:
                rows.append((product, mode, start, end, _FULL, _ACTIVE))
                if end >= now + _PREPAID_DAYS or start > now or r() >= _P_PREPAID:
                    return
                start = end + 1
                continue
            rows.append((product, mode, start, end, _FULL, _EXPIRED))
            if r() < renew * stay[end]:
                start = end + 1
                if mode != _DATAFEED and r() < _P_SWITCH:
                    mode = _TERMINAL - mode
            else:
                start = self._return(end)

    def _run(self, rows: list[_Row], product: int, mode: int, start: int, plan: int | None) -> None:
        if plan is None:
            self._open_run(rows, product, mode, start)
        else:
            self._term_run(rows, product, mode, start, plan)

    def _trial(self, rows: list[_Row], product: int, mode: int, start: int) -> int:
        """Add a trial of 30 days; give the first day of the full service after it, or -1."""
        r, now = self._r, self._now
        end = start + _TRIAL_DAYS - 1
        if r() < _P_TRIAL_QUIT:
            cut = start + int(r() * _TRIAL_DAYS)
            if cut < now:
                rows.append((product, mode, start, cut, _TRIAL, _CANCELLED))
                return self._return(cut)
        rows.append((product, mode, start, end, _TRIAL, self._status(end)))
        if r() >= _P_CONVERT:
            return self._return(end)
        x = r()
        if x < _P_FEW:  # pays before the trial is over
            begin = end - int(r() * 10)
        elif x < 3 * _P_FEW:
            begin = end + 2 + int(r() * r() * 60)
        else:
            begin = end + 1
        return begin if begin <= now else -1

    def _services(
        self, rows: list[_Row], product: int, modes: tuple[int, int], start: int, plan: int | None
    ) -> None:
        """One product: perhaps a trial first, and a second mode that begins later."""
        first, second = modes
        if self._r() < _P_TRIAL:
            start = self._trial(rows, product, first, start)
            if start < 0:
                return
        self._run(rows, product, first, start, plan)
        if second >= 0:
            later = start + int(self._r() * 150)
            if later <= self._now:
                self._run(rows, product, second, later, plan)

    # -- users -----------------------------------------------------------------------------

    def _write(self, head: str, tail: str, uid: str, rows: list[_Row]) -> None:
        """Rows of one user as lines, in order, one per product, mode and start."""
        rows.sort()
        text, offers = self._days.text, self._offers
        lines: list[str] = []
        last: tuple[int, int, int] | None = None
        for product, mode, start, end, category, status in rows:
            key = (product, mode, start)
            if key != last:
                last = key
                lines.append(
                    f"{uid}||{head}||{_CATEGORIES[category]}||{text[start]}||{text[end]}||"
                    f"{offers[product][mode]}||{tail}||{_STATUSES[status]}"
                )
        self.users[uid] = lines
        self.count += len(lines)

    def _individual_tail(self, uid: str, name: str) -> str:
        r = self._r
        address, code = (
            self._address(names.HOMES) if r() < _P_ADDRESS else (_MISSING, names.AREAS[0][1])
        )
        x = r()
        contact = name if x < _P_HALF else _MISSING
        if x > 1 - _P_FEW:
            contact = self._person()[0]
        x = r()
        if x < _P_MOBILE:
            phone = uid if uid.isdecimal() and uid[0] == "1" else self._mobile()
        elif x < _P_MOBILE + _P_LANDLINE:
            phone = self._landline(code)
        else:
            phone = _MISSING
        return f"{address}||{contact}||{phone}"

    def individual(self) -> None:
        """Add a paying person, or one that only tried."""
        r = self._r
        name, latin, short = self._person()
        uid = self._user_id(latin, short)
        rows: list[_Row] = []
        mode = _TERMINAL if r() < _P_TERMINAL else _WEB
        modes = (mode, _TERMINAL - mode if r() < _P_TWO_MODES else -1)
        plan = _PLANS[int(r() * len(_PLANS))]
        start = self._start()
        product = self._offer()
        self._services(rows, product, modes, start, plan)
        if self._many > 1 and r() < _P_BOTH:
            start += int(r() * r() * 400)
            if start <= self._now:
                self._services(rows, (product + 1) % self._many, modes, start, plan)
        self._write(f"{name}||个人", self._individual_tail(uid, name), uid, rows)

    def one_day(self) -> None:
        """Add a person who uses the service on single days."""
        r = self._r
        name, latin, short = self._person()
        uid = self._user_id(latin, short)
        product = self._offer()
        rows: list[_Row] = []
        start = self._start()
        for _ in range(1 + int(r() * 3)):
            category = _TRIAL if r() < _P_FEW else _FULL
            rows.append((product, _WEB, start, start, category, self._status(start)))
            start += 1 + int(r() * r() * 90)
            if start > self._now:
                break
        self._write(f"{name}||个人", self._individual_tail(uid, name), uid, rows)

    def institution(self) -> None:
        """Add a firm, mostly with a data feed."""
        r = self._r
        brand, latin = names.BRANDS[int(r() * len(names.BRANDS))]
        name = brand + names.TRADES[int(r() * len(names.TRADES))]
        if r() < _P_HALF:
            name += names.BRANCHES[int(r() * len(names.BRANCHES))]
        uid = self._desk_id(f"{latin}_")
        rows: list[_Row] = []
        mode = _DATAFEED if r() < _P_FEED else _TERMINAL
        second = -1
        if r() < _P_TWO_MODES_INSTITUTION:
            second = _TERMINAL if mode == _DATAFEED else _WEB
        plan = _PLANS_INSTITUTION[int(r() * len(_PLANS_INSTITUTION))]
        start = self._start()
        self._services(rows, self._offer(), (mode, second), start, plan)
        if second == _TERMINAL and r() < _P_TWO_MODES_INSTITUTION and start <= self._now:
            self._run(rows, self._main, _WEB, start, plan)
        address, code = self._address(names.OFFICES)
        tail = f"{address}||{self._person()[0]}||{self._landline(code)}"
        self._write(f"{name}||机构", tail, uid, rows)

    def regulator(self, number: int) -> None:
        """Add a regulator's desk; ``number`` counts from 0, and the first begins on day 0."""
        r = self._r
        name = names.REGULATORS[(int(r() * 9) + 9 * number) % len(names.REGULATORS)]
        rows: list[_Row] = []
        start = 0 if number == 0 else self._starts[int(r() * len(self._starts) / 2)]
        mode = _WEB if number % 2 else _TERMINAL
        if r() < _P_HALF:
            rows.append((self._main, mode, start, _OPEN, _REGULATORY, _ACTIVE))
        else:
            ends = self._days.ends[_YEAR]
            while start <= self._now:
                end = ends[start]
                rows.append((self._main, mode, start, end, _REGULATORY, self._status(end)))
                start = end + 1
        address, code = self._address(names.OFFICES)
        tail = f"{address}||{self._person()[0]}||{self._landline(code)}"
        self._write(f"{name}||机构", tail, self._desk_id("jg"), rows)

    def staff(self) -> None:
        """Add one of the vendor's own people or desks; some have left, and a few then pay."""
        r, now = self._r, self._now
        name, _, latin = self._person()
        contact, kind = name, "个人"
        if r() < _P_FEW:
            name = self._vendor[:4] + names.OWN_DESKS[int(r() * len(names.OWN_DESKS))]
            latin, kind = "desk", "机构"
        rows: list[_Row] = []
        product = self._offer()
        mode = _TERMINAL if r() < _P_TERMINAL else _WEB
        start = min(self._start(), now)
        if start < now and r() < _P_LEAVE:
            end = start + int(r() * (now - start))
            rows.append((product, mode, start, end, _INTERNAL, _CANCELLED))
            if r() < _P_FEW:
                self._term_run(rows, product, mode, end + 1, _YEAR)
        else:
            rows.append((product, mode, start, _OPEN, _INTERNAL, _ACTIVE))
            if r() < _P_TWO_MODES:
                rows.append((product, _TERMINAL - mode, start, _OPEN, _INTERNAL, _ACTIVE))
        tail = f"{self._home}||{contact}||{self._mobile()}"
        self._write(f"{name}||{kind}", tail, self._desk_id(f"nb.{latin}"), rows)

    def fill(self, target: int, desks: int) -> None:
        """Add users, ``desks`` of them regulators, up to ``target`` lines or a few more."""
        r = self._r
        cast: list[Callable[[], None]] = [
            partial(self.regulator, 0),
            self.individual,
            self.staff,
            self.institution,
            self.one_day,
            *(partial(self.regulator, number) for number in range(1, desks)),
        ]
        for add in cast:
            if self.count < target:
                add()
        while self.count < target:
            x = r()
            if x > _P_STAFF + _P_ONE_DAY + _P_INSTITUTION:
                self.individual()
            elif x < _P_STAFF:
                self.staff()
            elif x < _P_STAFF + _P_ONE_DAY:
                self.one_day()
            else:
                self.institution()


def roster(vendor: DemoVendor, today: date, *, scale: float = 1.0) -> Iterator[str]:
    """Service records of a vendor as ``||`` lines of 12 columns, about ``size * scale`` of them.

    Columns: user ID, name, type, category, start, end, product, mode, address, contact, phone,
    status. Sorted by user ID, product, mode (Web, 终端, datafeed) and start.
    """
    if not scale > 0:
        message = f"scale must be positive, not {scale}"
        raise ValueError(message)
    book = _Book(vendor, today)
    desks = round((3 + len(vendor.products)) * min(scale, 1.0))
    book.fill(round(vendor.size * scale), desks)
    users = book.users
    return (line for uid in sorted(users) for line in users[uid])
