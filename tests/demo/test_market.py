"""The fictitious market: fixed by code and day, within the regulation's limits, and lifelike."""

import hashlib
from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from gateway.demo import VENDORS, DemoVendor, prices, roster

TODAY = date(2026, 5, 15)
FIRST = date(2022, 11, 1)
NOW = f"{TODAY:%Y%m%d}"
MAIN, SECOND = "深交所网络版增强行情", "深交所网络版基本行情"
CATEGORIES = {"全价用户", "监管用户", "内部免费用户", "试用用户"}
MODES = ("Web", "终端", "datafeed")
STATUSES = {"正常使用", "服务到期", "用户注销"}
LIMITS = {0: 32, 1: 64, 2: 8, 3: 8, 6: 32, 8: 128, 9: 64, 10: 15}
BY_CODE = {vendor.code: vendor for vendor in VENDORS}

Rows = list[list[str]]


def read(vendor: DemoVendor, today: date = TODAY, scale: float = 1.0) -> Rows:
    return [line.split("||") for line in roster(vendor, today, scale=scale)]


def day(text: str) -> date:
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


@pytest.fixture(scope="module")
def market() -> dict[str, Rows]:
    return {vendor.code: read(vendor) for vendor in VENDORS}


@pytest.fixture(scope="module")
def medium(market: dict[str, Rows]) -> Rows:
    return market["MZCJ"]


def services(rows: Rows) -> dict[tuple[str, str, str], Rows]:
    """Rows by user, product and mode, each in order of start."""
    found: dict[tuple[str, str, str], Rows] = defaultdict(list)
    for row in rows:
        found[row[0], row[6], row[7]].append(row)
    return found


def check(rows: Rows, today: date) -> None:
    """Every constraint that holds for each line or between lines."""
    now = f"{today:%Y%m%d}"
    for row in rows:
        assert len(row) == 12, row
        assert all(value and value.isprintable() and value == value.strip("| ") for value in row)
        assert all(len(row[at]) < limit for at, limit in LIMITS.items()), row
        assert row[2] in {"个人", "机构"}
        assert row[3] in CATEGORIES
        assert row[7] in MODES
        start, end = row[4], row[5]
        assert f"{day(start):%Y%m%d}" == start
        assert day(start) <= today + timedelta(days=31)
        if end == "0" or end >= now:
            assert row[11] == "正常使用", row
        else:
            assert row[11] in {"服务到期", "用户注销"}, row
        if end != "0":
            assert day(start) <= day(end), row
    keys = [(row[0], row[6], MODES.index(row[7]), row[4]) for row in rows]
    assert all(one < next_one for one, next_one in pairwise(keys))  # sorted, and none twice


def test_vendors_are_twelve_with_short_codes() -> None:
    assert len(VENDORS) == len(BY_CODE) == len({vendor.name for vendor in VENDORS}) == 12
    assert all(v.code.isascii() and v.code.isalpha() and v.code.isupper() for v in VENDORS)
    assert all(len(v.code) <= 6 and len(v.name) < 64 for v in VENDORS)
    assert {vendor.products for vendor in VENDORS} == {(MAIN, SECOND), (MAIN,), (SECOND,)}
    assert sorted(v.size >= 40_000 for v in VENDORS)[-3:] == [False, True, True]
    assert min(vendor.size for vendor in VENDORS) < 1000


def test_market_has_the_announced_size(market: dict[str, Rows]) -> None:
    assert 180_000 <= sum(map(len, market.values())) <= 220_000
    for vendor in VENDORS:
        assert len(market[vendor.code]) == pytest.approx(vendor.size, rel=0.06)


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.code)
def test_every_line_is_within_the_rules(vendor: DemoVendor, market: dict[str, Rows]) -> None:
    rows = market[vendor.code]
    check(rows, TODAY)
    assert {row[6] for row in rows} == set(vendor.products)


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.code)
def test_every_word_occurs_at_every_vendor(vendor: DemoVendor, market: dict[str, Rows]) -> None:
    rows = market[vendor.code]
    assert {row[2] for row in rows} == {"个人", "机构"}
    assert {row[3] for row in rows} == CATEGORIES
    assert {row[7] for row in rows} == set(MODES)
    assert {row[11] for row in rows} == STATUSES


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.code)
def test_history_reaches_back_42_months(vendor: DemoVendor, market: dict[str, Rows]) -> None:
    assert min(row[4] for row in market[vendor.code]) == f"{FIRST:%Y%m%d}"


@pytest.mark.parametrize(
    "today",
    [date(2024, 2, 29), date(2025, 12, 31), date(2026, 1, 1), date(2027, 3, 31)],
    ids=str,
)
def test_rules_hold_on_awkward_days(today: date) -> None:
    for code in ("BCWL", "NTXX"):
        rows = read(BY_CODE[code], today, 0.5)
        check(rows, today)
        months = (today.year - int(rows[0][4][:4])) * 12
        assert months < 60
        first = day(min(row[4] for row in rows))
        assert (today.year - first.year) * 12 + today.month - first.month == 42
        assert first.day == 1


def test_same_day_gives_the_same_lines() -> None:
    vendor = BY_CODE["JHRJ"]
    other_day = list(roster(vendor, TODAY + timedelta(days=1)))
    lines = list(roster(vendor, TODAY))
    assert lines == list(roster(vendor, TODAY))
    assert lines != other_day
    assert not set(lines) & set(roster(BY_CODE["MZCJ"], TODAY))


def test_lines_do_not_depend_on_interpreter_or_hash_seed() -> None:
    text = "\n".join(roster(BY_CODE["NTXX"], TODAY))
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest == "e3dfde142a657168451c200b3fc079f9cda7e067b79b84cea03eb6fdeb068ec2"


def test_lines_are_bare_text() -> None:
    for line in roster(BY_CODE["FLZX"], TODAY):
        assert line.count("||") == 11
        assert "|||" not in line
        assert " ||" not in line
        assert "|| " not in line
        assert line.encode("gb18030").decode("gb18030") == line


@pytest.mark.parametrize("scale", [0.001, 0.1, 3.0])
def test_scale_multiplies_the_size(scale: float) -> None:
    vendor = BY_CODE["FLZX"]
    rows = read(vendor, TODAY, scale)
    assert 0 <= len(rows) - round(vendor.size * scale) < 40
    check(rows, TODAY)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan")])
def test_scale_must_be_positive(scale: float) -> None:
    with pytest.raises(ValueError, match="scale"):
        roster(VENDORS[0], TODAY, scale=scale)


def test_unlisted_vendor_gets_a_roster() -> None:
    vendor = DemoVendor("TEST", "试验信息有限公司", ("产品甲", "产品乙", "产品丙"), 800)
    rows = read(vendor)
    check(rows, TODAY)
    assert {row[6] for row in rows} == set(vendor.products)


def test_one_user_keeps_name_type_and_address(medium: Rows) -> None:
    seen: dict[str, tuple[str, ...]] = {}
    for row in medium:
        person = (row[1], row[2], row[8], row[9], row[10])
        assert seen.setdefault(row[0], person) == person


def test_missing_values_are_zero(medium: Rows) -> None:
    for at in (8, 9, 10):
        share = sum(row[at] == "0" for row in medium) / len(medium)
        assert 0.01 < share < 0.6


def test_user_id_styles_differ(market: dict[str, Rows]) -> None:
    def share(code: str, start: str = "", inside: str = "") -> float:
        ids = {row[0] for row in market[code]}
        return sum(uid.startswith(start) and inside in uid for uid in ids) / len(ids)

    assert share("MZCJ", start="szse") > 0.7
    assert share("LYSX", start="szse") == 0
    assert share("YTJR", inside="@") > 0.7
    assert share("QHXX", start="1") > 0.7
    assert share("BCWL", start="88") > 0.7


def test_mix_of_categories_is_lifelike(medium: Rows) -> None:
    count = Counter(row[3] for row in medium)
    assert count["全价用户"] > 0.8 * len(medium)
    assert count["试用用户"] > 0.05 * len(medium)
    assert 1 <= len({row[0] for row in medium if row[3] == "监管用户"}) <= 10
    assert 3 <= len({row[0] for row in medium if row[3] == "内部免费用户"}) <= 100
    assert {row[2] for row in medium if row[7] == "datafeed"} == {"机构"}


def test_renewals_gaps_and_overlaps_occur(medium: Rows) -> None:
    gaps = Counter[str]()
    for rows in services(medium).values():
        for one, after in pairwise(rows):
            if one[5] != "0":
                free = (day(after[4]) - day(one[5])).days - 1
                gaps["none" if free == 0 else "some" if free > 0 else "overlap"] += 1
    assert gaps["none"] > 5000
    assert gaps["some"] > 300
    assert gaps["overlap"] > 20
    lengths = Counter((day(r[5]) - day(r[4])).days + 1 for r in medium if r[5] != "0")
    assert lengths[365] > 1000
    assert lengths[90] + lengths[91] + lengths[92] > 1000
    assert lengths[1] > 20


def test_trials_last_30_days_and_convert_within_a_month(medium: Rows) -> None:
    ended = [row for row in medium if row[3] == "试用用户" and row[11] == "服务到期"]
    lengths = Counter((day(row[5]) - day(row[4])).days + 1 for row in ended)
    assert set(lengths) == {1, 30}
    assert lengths[30] > 50 * lengths[1]
    converted = sum(
        one[3] == "试用用户"
        and after[3] == "全价用户"
        and day(after[4]) - day(one[5]) == timedelta(days=1)
        and not after[4].endswith("01")
        for rows in services(medium).values()
        for one, after in pairwise(rows)
    )
    assert converted > 300


def test_some_users_have_several_modes_at_once(medium: Rows) -> None:
    by_user: dict[tuple[str, str], Rows] = defaultdict(list)
    for row in medium:
        by_user[row[0], row[6]].append(row)
    both = sum(
        any(
            one[7] != other[7] and one[4] <= other[4] and (one[5] == "0" or other[4] <= one[5])
            for one in rows
            for other in rows
        )
        for rows in by_user.values()
    )
    assert 0.03 < both / len(by_user) < 0.3
    per_user: dict[str, set[str]] = defaultdict(set)
    for row in medium:
        per_user[row[0]].add(row[6])
    assert Counter(map(len, per_user.values()))[2] > 100


def test_near_future_is_on_file(medium: Rows) -> None:
    soon = f"{TODAY + timedelta(days=31):%Y%m%d}"
    assert 10 < sum(row[4] > NOW for row in medium) < 0.03 * len(medium)
    assert sum(NOW <= row[5] <= soon for row in medium) > 50
    assert sum(row[5] == "0" for row in medium) > 100


def test_monthly_counts_rise_and_fall(market: dict[str, Rows]) -> None:
    for code in ("LYSX", "QHXX", "MZCJ", "SYWL"):
        counts = []
        for month in range(43):
            year, at = divmod(FIRST.year * 12 + FIRST.month - 1 + month, 12)
            period = f"{year:04d}{at + 1:02d}"
            counts.append(
                len(
                    {
                        row[0]
                        for row in market[code]
                        if row[4][:6] <= period and (row[5] == "0" or row[5][:6] >= period)
                    }
                )
            )
        steps = [after - one for one, after in pairwise(counts)]
        assert sum(step > 0 for step in steps) >= 8
        assert sum(step < 0 for step in steps) >= 8
        assert all(abs(step) < 0.35 * one for step, one in zip(steps, counts, strict=False))
        assert min(counts) > 0.25 * max(counts)


def test_prices_change_once_within_the_window() -> None:
    book = prices(TODAY)
    assert book == prices(TODAY)
    for product in (MAIN, SECOND):
        mine = [price for price in book if price.product == product]
        assert [price.valid_from <= FIRST for price in mine] == [True, False]
        assert mine[0].amount != mine[1].amount
        assert mine[1].valid_from < TODAY
        assert mine[1].valid_from.day == 1
    assert {price.product for price in book} == {MAIN, SECOND}
    assert all(price.amount > 0 for price in book)
    assert all(price.amount == price.amount.quantize(Decimal("0.01")) for price in book)
