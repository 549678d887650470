"""Pins the naive reference: hand-worked examples of each sentence of the rule pack szse-2010.

Each docstring quotes the sentence of ``regulation.md`` that its examples are about.  The month is
M = February 2024 (29 days, 1 to 29) unless a test says otherwise; the product is P.
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .counting import (
    ACTIVE,
    CANCELLED,
    DATAFEED,
    EXPIRED,
    FULL_PRICE,
    INTERNAL_FREE,
    MOVEMENTS,
    REGULATORY,
    TERMINAL,
    TRIAL,
    WEB,
    Figures,
    Service,
    count,
    counted_users,
    counting_record,
    monthly_line,
    moving_record,
)
from .strategies import (
    ADDRESSES,
    CONTACTS,
    LIMITS,
    PHONES,
    USER_IDS,
    USER_NAMES,
    acceptable,
    eventful_months,
    months,
    random_roster,
    repaired,
    rosters,
)

P = "深交所网络版增强行情"
Q = "another product"
TODAY = date(2026, 3, 17)


def day(text: str) -> date:
    """'0215' is in 2024; '20230215' is itself."""
    if len(text) == 4:
        text = "2024" + text
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def service(
    start: str,
    end: str | None,
    category: str = FULL_PRICE,
    *,
    user: str = "u1",
    mode: str = WEB,
    product: str = P,
    status: str | None = None,
) -> Service:
    return Service(
        user_id=user,
        user_name="张三",
        user_type="个人",
        category=category,
        start=day(start),
        end=None if end is None else day(end),
        product=product,
        mode=mode,
        address="深圳",
        contact="0",
        phone="0",
        status=status,
    )


def february(*services: Service) -> Figures:
    return count(services, P, 2024, 2)


def counts(*services: Service) -> bool:
    return "u1" in counted_users(services, P, 2024, 2)


def category(*services: Service) -> str:
    return counted_users(services, P, 2024, 2)["u1"]


def new_ended(*services: Service) -> tuple[int, int]:
    figures = february(*services)
    return figures.new, figures.ended


def test_in_service_both_days_inclusive() -> None:
    """A service record is *in service* on each day from its start date to its end date, both
    inclusive; [...]"""
    assert counts(service("0201", "0201"))
    assert counts(service("0229", "0229"))
    assert counts(service("0110", "0201"))
    assert counts(service("0229", "0310"))
    assert counts(service("0101", "1231"))
    assert not counts(service("0110", "0131"))
    assert not counts(service("0301", "0310"))


def test_open_end_never_ends() -> None:
    """[...] an open end never ends."""
    forever = service("20210101", None)
    assert counts(forever)
    assert "u1" in counted_users([forever], P, 2099, 12)
    assert new_ended(forever) == (0, 0)
    assert new_ended(service("0229", None)) == (1, 0)
    assert not counts(service("0301", None))


@pytest.mark.parametrize("status", [None, ACTIVE, EXPIRED, CANCELLED])
def test_status_does_not_enter_the_count(status: str | None) -> None:
    """Service status does not enter the count: dates do."""
    figures = february(service("0105", "0210", status=status))
    assert (figures.full, figures.new, figures.ended) == (1, 0, 1)
    figures = february(service("0205", None, TRIAL, status=status))
    assert (figures.trial, figures.new, figures.ended) == (1, 1, 0)
    assert february(service("0101", "0131", status=status)) == Figures(0, 0, 0, 0, 0, 0, 0)


def test_unit_is_user_per_product() -> None:
    """The unit of count is the user ID per product."""
    roster = [
        service("0201", None, user="a"),
        service("0201", None, user="A"),
        service("0201", None, user="a", product=Q),
        service("0101", "0131", TRIAL, user="b"),
        service("0201", None, TRIAL, user="b", product=Q),
    ]
    assert counted_users(roster, P, 2024, 2) == {"a": FULL_PRICE, "A": FULL_PRICE}
    assert counted_users(roster, Q, 2024, 2) == {"a": FULL_PRICE, "b": TRIAL}
    assert count(roster, P, 2024, 2) == Figures(2, 0, 0, 0, 2, 0, 0)
    assert count(roster, Q, 2024, 2) == Figures(1, 0, 0, 1, 2, 0, 0)
    # b is continuous only across products; in P alone it ended in January.
    assert count(roster, P, 2024, 1) == Figures(0, 0, 0, 1, 1, 1, 0)


def test_several_modes_count_once() -> None:
    """Several usage modes of one ID count once."""
    figures = february(
        service("0205", "0220", mode=WEB),
        service("0205", "0220", mode=TERMINAL),
        service("0207", "0210", mode=DATAFEED),
    )
    assert figures == Figures(1, 0, 0, 0, 1, 1, 0)


def test_user_counts_when_at_least_one_record_is_in_service() -> None:
    """A user **counts** in M when at least one of its records for P is in service on some day
    of M."""
    assert counts(service("0101", "0110"), service("0229", None))
    assert counts(service("0101", "0201"), service("0301", None))
    assert not counts(service("0101", "0131"), service("0301", None))
    assert not counts(service("0210", "0220", product=Q))
    assert not counts()


def test_full_price_if_any_record_is() -> None:
    """It counts in exactly one category: FULL_PRICE if any of its records in service in M is
    FULL_PRICE; [...]"""
    assert category(service("0101", "0201"), service("0202", None, TRIAL)) == FULL_PRICE
    assert category(service("0101", "0228", TRIAL), service("0229", None)) == FULL_PRICE
    assert february(service("0101", "0201"), service("0202", None, TRIAL)) == Figures(
        1, 0, 0, 0, 0, 0, 0
    )
    # FULL_PRICE before and after M is not in service in M.
    assert (
        category(service("0101", "0131"), service("0201", "0229", TRIAL), service("0301", None))
        == TRIAL
    )


def test_else_the_one_that_starts_last() -> None:
    """[...] else the category of the one that starts last [...]"""
    assert (
        category(service("0101", "0210", TRIAL), service("0205", "0207", REGULATORY)) == REGULATORY
    )
    assert (
        category(service("0131", None, REGULATORY), service("0101", None, INTERNAL_FREE))
        == REGULATORY
    )
    # Starts last of all, but only after M.
    assert (
        category(service("0101", None, REGULATORY), service("0301", None, INTERNAL_FREE))
        == REGULATORY
    )
    # Started last, but over before M.
    assert (
        category(service("20230101", None, REGULATORY), service("0101", "0131", TRIAL))
        == REGULATORY
    )


def test_tie_on_start() -> None:
    """(on a tie: TRIAL, then INTERNAL_FREE, then REGULATORY)"""
    trial = service("0205", None, TRIAL, mode=WEB)
    internal = service("0205", None, INTERNAL_FREE, mode=TERMINAL)
    regulatory = service("0205", None, REGULATORY, mode=DATAFEED)
    assert category(regulatory, internal, trial) == TRIAL
    assert category(trial, internal, regulatory) == TRIAL
    assert category(regulatory, internal) == INTERNAL_FREE
    assert category(regulatory, trial) == TRIAL
    # A later start goes before the tie's order.
    assert category(trial, internal, service("0206", None, REGULATORY)) == REGULATORY


def test_deciding_record() -> None:
    """Ours: among the FULL_PRICE ones the last start, then the last of Web, 终端, datafeed."""

    def decides(*services: Service) -> Service:
        return counting_record(services, P, 2024, 2)["u1"]

    early = service("0101", "0203")
    late = service("0204", "0210")
    assert decides(late, early) == late
    assert decides(early, service("0211", None, TRIAL)) == early
    assert decides(early, service("0301", None)) == early
    web, terminal, datafeed = (
        service("0204", None, TRIAL, mode=m) for m in ("Web", "终端", "datafeed")
    )
    assert decides(datafeed, terminal, web) == datafeed
    assert decides(web, terminal) == terminal
    # The category's order goes before the mode's.
    assert decides(web, service("0204", None, REGULATORY, mode=DATAFEED)) == web
    # FULL_PRICE ties too.
    full_web, full_terminal = service("0204", None), service("0204", None, mode=TERMINAL)
    assert decides(full_terminal, full_web, datafeed) == full_terminal


def test_new() -> None:
    """**New** in M: the user has a day d in M on which it is in service and was not on the day
    before d."""
    assert new_ended(service("0201", None)) == (1, 0)
    assert new_ended(service("0229", None)) == (1, 0)
    assert new_ended(service("0131", None)) == (0, 0)
    assert new_ended(service("0301", None)) == (0, 0)
    # Over on 30 January, again on 1 February: the day before m0 is outside M and decides.
    assert new_ended(service("0101", "0130"), service("0201", None)) == (1, 0)
    assert new_ended(service("0101", "0131"), service("0201", None)) == (0, 0)


def test_ended() -> None:
    """**Ended** in M: the user has a day d in M on which it is in service and is not on the day
    after d."""
    assert new_ended(service("0101", "0201")) == (0, 1)
    assert new_ended(service("0101", "0228")) == (0, 1)
    assert new_ended(service("0101", "0229")) == (0, 1)
    assert new_ended(service("0101", "0301")) == (0, 0)
    # Over before M began: it ended in January, not in February.
    assert new_ended(service("0101", "0131")) == (0, 0)
    # Over on 29 February, again on 2 March: the day after m1 is outside M and decides.
    assert new_ended(service("0101", "0229"), service("0302", None)) == (0, 1)
    assert new_ended(service("0101", "0229"), service("0301", None)) == (0, 0)
    assert new_ended(service("0214", "0214")) == (1, 1)


def test_last_day_of_february_in_a_common_year() -> None:
    """(vendor V, product P, month M with first day m0 and last day m1, both inclusive)"""
    closed = service("20230101", "20230228")
    assert count([closed], P, 2023, 2) == Figures(1, 0, 0, 0, 0, 1, 0)
    assert count([closed], P, 2023, 3) == Figures(0, 0, 0, 0, 0, 0, 0)
    reopened = [closed, service("20230301", None)]
    assert count(reopened, P, 2023, 2) == Figures(1, 0, 0, 0, 0, 0, 0)
    # In the leap year 29 February is missing.
    gap = [service("0101", "0228"), service("0301", None)]
    assert count(gap, P, 2024, 2) == Figures(1, 0, 0, 0, 0, 1, 0)
    assert count(gap, P, 2024, 3) == Figures(1, 0, 0, 0, 1, 0, 0)


def test_december_and_january() -> None:
    """(vendor V, product P, month M with first day m0 and last day m1, both inclusive)"""
    roster = [service("20231201", "20231231"), service("20240101", "20240131", TRIAL)]
    assert count(roster, P, 2023, 12) == Figures(1, 0, 0, 0, 1, 0, 0)
    assert count(roster, P, 2024, 1) == Figures(0, 0, 0, 1, 0, 1, 0)


def test_adjacent_or_overlapping_is_continuous() -> None:
    """Adjacent or overlapping records are one continuous service, whatever their category or
    mode."""
    first = service("0101", "0210", TRIAL, mode=WEB)
    assert new_ended(first, service("0211", None, FULL_PRICE, mode=WEB)) == (0, 0)
    assert new_ended(first, service("0211", None, REGULATORY, mode=DATAFEED)) == (0, 0)
    assert new_ended(first, service("0210", None, TRIAL, mode=TERMINAL)) == (0, 0)
    assert new_ended(first, service("0205", None, TRIAL)) == (0, 0)
    # One day's gap is a gap.
    assert new_ended(first, service("0212", None, TRIAL)) == (1, 1)
    # Nested: the end of the inner one ends nothing.
    assert new_ended(service("0101", None), service("0205", "0210", mode=TERMINAL)) == (0, 0)
    # A third record covers the gap of the two others.
    assert new_ended(
        first, service("0215", None, TRIAL), service("0211", "0214", INTERNAL_FREE, mode=DATAFEED)
    ) == (0, 0)
    # Another product covers nothing.
    assert new_ended(first, service("0211", None, TRIAL, product=Q)) == (0, 1)


def test_reopening_counts_once() -> None:
    """Re-opening within a month counts once in each figure."""
    assert february(service("0203", "0204"), service("0206", "0207"), service("0210", "0220")) == (
        Figures(1, 0, 0, 0, 1, 1, 0)
    )
    # In service on the first and on the last day of M, and still both new and ended.
    assert new_ended(service("0101", "0210"), service("0220", None)) == (1, 1)


def test_cancelled_is_decided_by_the_last_end_day() -> None:
    """service ended in the month for either reason; the split expired/cancelled is shown
    beside it."""

    def split(*services: Service) -> tuple[int, int]:
        figures = february(*services)
        return figures.ended, figures.cancelled

    assert split(service("0101", "0210", status=CANCELLED)) == (1, 1)
    assert split(service("0101", "0210", status=EXPIRED)) == (1, 0)
    assert split(service("0101", "0210", status=ACTIVE)) == (1, 0)
    assert split(service("0101", "0210")) == (1, 0)
    # One of the records ending that day is enough.
    assert split(
        service("0101", "0210", status=EXPIRED),
        service("0105", "0210", mode=TERMINAL, status=CANCELLED),
    ) == (1, 1)
    # One that ended earlier, within the same continuous service, is not.
    assert split(
        service("0101", "0210", status=EXPIRED),
        service("0105", "0209", mode=TERMINAL, status=CANCELLED),
    ) == (1, 0)
    # Of two end days the last decides.
    assert split(
        service("0201", "0203", status=CANCELLED), service("0210", "0212", status=EXPIRED)
    ) == (1, 0)
    assert split(
        service("0201", "0203", status=EXPIRED), service("0210", "0212", status=CANCELLED)
    ) == (1, 1)
    # Re-opened and then running beyond M: the last end day in M decides.
    assert split(service("0201", "0203", status=CANCELLED), service("0210", None)) == (1, 1)
    # Cancelled, but continued: nothing ended.
    assert split(service("0101", "0210", status=CANCELLED), service("0211", None)) == (0, 0)
    # Cancelled in another product.
    assert split(
        service("0101", "0210", status=EXPIRED),
        service("0101", "0210", product=Q, status=CANCELLED),
    ) == (1, 0)


def moving(movement: str, *services: Service) -> list[Service]:
    return list(moving_record(services, P, 2024, 2, movement).values())


def test_the_line_that_begins_a_service() -> None:
    """**New** in M: the user has a day d in M on which it is in service and was not on the day
    before d."""
    first = service("0205", "0206", mode=TERMINAL)
    assert moving("NEW", first) == [first]
    # Of several beginnings the earliest, and there the first mode, however they are ordered.
    later = service("0210", None)
    same_day = service("0205", None, TRIAL, mode=DATAFEED)
    assert moving("NEW", later, same_day, first) == [first]
    # An earlier start in M that begins nothing is passed over.
    running = service("0101", "0206", mode=DATAFEED)
    assert moving("NEW", running, first, later) == [later]
    assert moving("NEW", running, service("0207", None)) == []
    # It begins on the first of M, or not: the day before is in another month.
    assert moving("NEW", service("0201", None)) == [service("0201", None)]
    assert moving("NEW", service("0131", "0131"), service("0201", None)) == []


def test_the_line_that_ends_a_service() -> None:
    """**Ended** in M: the user has a day d in M on which it is in service and is not on the day
    after d."""
    last = service("0105", "0220", status=CANCELLED)
    assert moving("ENDED", last) == moving("CANCELLED", last) == [last]
    assert moving("EXPIRED", last) == []
    # Of several ends the latest; there one reported cancelled, then the later start, then mode.
    earlier = service("0101", "0210", mode=TERMINAL, status=CANCELLED)
    expired = service("0110", "0220", mode=DATAFEED, status=EXPIRED)
    assert moving("ENDED", earlier, expired, last) == [last]
    assert moving("ENDED", earlier, expired) == moving("EXPIRED", earlier, expired) == [expired]
    assert moving("CANCELLED", earlier, expired) == []
    other = service("0110", "0220", mode=TERMINAL)
    assert moving("ENDED", other, expired, service("0109", "0220")) == [expired]
    # A later end in M that ends nothing is passed over.
    nested = service("0222", "0225", mode=TERMINAL, status=CANCELLED)
    assert moving("ENDED", last, nested, service("0222", None)) == [last]
    # It ends on the last of M, or not: the day after is in another month.
    assert moving("ENDED", service("0101", "0229")) == [service("0101", "0229")]
    assert moving("ENDED", service("0101", "0229"), service("0301", "0301")) == []


def test_fee() -> None:
    """**Fee** of M = (number counted FULL_PRICE) x (price of P in force on m0), exact decimals.
    No proration."""
    roster = [
        service("0101", None, user="a"),
        service("0229", None, user="b"),
        service("0101", "0201", user="c"),
        service("0101", None, TRIAL, user="d"),
    ]
    figures = february(*roster)
    assert figures.full == 3
    assert monthly_line("某公司", 2024, 2, figures, Decimal("0.10")) == (
        "某公司||202402||3||0||0||1||1||1||0.30"
    )
    assert monthly_line("V", 2024, 2, figures, Decimal("33.33")).endswith("||99.99")
    assert monthly_line("V", 2024, 2, figures, Decimal("1E+2")).endswith("||300.00")
    assert monthly_line("V", 2024, 2, figures, Decimal("9" * 40)).endswith(
        "||2" + "9" * 39 + "7.00"
    )
    # A price finer than a cent: rounded once, at the end, half up.
    assert monthly_line("V", 2024, 2, figures, Decimal("0.015")).endswith("||0.05")


def test_no_price_no_fee() -> None:
    """there is no built-in price, and without one the fee is absent, never zero."""
    nobody = february()
    assert monthly_line("V", 2024, 2, nobody, None) == "V||202402||0||0||0||0||0||0||0"
    assert monthly_line("V", 2024, 2, nobody, Decimal(20)) == "V||202402||0||0||0||0||0||0||0.00"


def test_monthly_line_order() -> None:
    """公司名字||报告期||当月全价客户数||当月监管用户数||当月内部免费用户数||当月试用用户数||
    当月新开通客户数||当月注销客户数||当月应缴纳的用户使用费."""
    line = monthly_line("V", 2024, 12, Figures(1, 2, 3, 4, 5, 6, 7), Decimal(20))
    assert line == "V||202412||1||2||3||4||5||6||20.00"


def test_service_line() -> None:
    """Download (`||`) fields, in order. No service status; address before contact; category
    fourth."""
    record = Service(
        "szse001",
        "张三",
        "个人",
        "全价用户",
        date(2024, 2, 1),
        date(2024, 2, 29),
        P,
        "Web",
        "深圳",
        "李",
        "110",
        "服务到期",
    )
    assert record.line() == (
        "szse001||张三||个人||全价用户||20240201||20240229||深交所网络版增强行情||Web||深圳||李||110"
    )
    assert record.key() == ("szse001", P, "Web", date(2024, 2, 1))
    assert service("0201", None, TRIAL).line() == (
        "u1||张三||个人||试用用户||20240201||0||深交所网络版增强行情||Web||深圳||0||0"
    )


def test_two_records_with_one_key_are_refused() -> None:
    """Ours: the key is unique, and the reference says so rather than choose."""
    twice = [service("0201", None, TRIAL), service("0201", "0210", TRIAL)]
    with pytest.raises(ValueError, match="one key"):
        counting_record(twice, P, 2024, 2)


def test_a_whole_month_by_hand() -> None:
    """All sentences together: eight users of one month."""
    roster = [
        service("20230101", None, FULL_PRICE, user="a"),
        service("0101", "0214", TRIAL, user="b"),  # trial, then full: full, neither new nor ended
        service("0215", None, FULL_PRICE, user="b"),
        service("0210", None, TRIAL, user="c"),  # new
        service("0101", "0229", INTERNAL_FREE, user="d", status=EXPIRED),  # ended
        service("0205", "0206", REGULATORY, user="e", status=CANCELLED),  # new, ended
        service("0101", "0131", FULL_PRICE, user="f", status=EXPIRED),  # not in M
        service("0301", None, FULL_PRICE, user="g"),  # not in M
        service("0101", "0228", FULL_PRICE, user="h", status=CANCELLED),  # full; new, ended
        service("0216", "0217", FULL_PRICE, user="h", mode=TERMINAL, status=EXPIRED),
        service("0101", "0229", TRIAL, user="h", mode=DATAFEED, status=CANCELLED),
    ]
    assert february(*roster) == Figures(
        full=3, regulatory=1, internal=1, trial=1, new=2, ended=3, cancelled=2
    )
    assert list(counted_users(roster, P, 2024, 2)) == ["a", "b", "c", "d", "e", "h"]


# The reference and the strategies together


def check_roster(roster: list[Service], products: tuple[str, ...]) -> None:
    keys = [record.key() for record in roster]
    assert len(set(keys)) == len(keys)
    registered: dict[str, tuple[str, str]] = {}
    for record in roster:
        for field, limit in LIMITS.items():
            assert acceptable(getattr(record, field), limit), (field, record)
        assert record.user_id != "0"
        assert record.product in products
        assert record.end is None or record.start <= record.end
        assert len(record.line().split("||")) == 11
        assert record.line().encode("gb18030").decode("gb18030") == record.line()
        who = (record.user_name, record.user_type)
        assert registered.setdefault(record.user_id, who) == who


@given(rosters(TODAY, (P, Q)), st.integers(0, 2**32))
def test_any_roster(roster: list[Service], seed: int) -> None:
    """Rosters are importable, and the figures hang together whatever the order of the lines."""
    check_roster(roster, (P, Q))
    shuffled = list(roster)
    random.Random(seed).shuffle(shuffled)
    for month in eventful_months(roster, TODAY)[:6]:
        check_figures(roster, shuffled, month)


def check_figures(roster: list[Service], shuffled: list[Service], month: tuple[int, int]) -> None:
    figures = count(roster, P, *month)
    users = counted_users(roster, P, *month)
    by_category = Counter(users.values())
    assert figures.full == by_category[FULL_PRICE]
    assert figures.regulatory == by_category[REGULATORY]
    assert figures.internal == by_category[INTERNAL_FREE]
    assert figures.trial == by_category[TRIAL]
    assert sum(by_category.values()) == len(users)
    assert figures.cancelled <= figures.ended <= len(users)
    assert figures.new <= len(users)
    lists = [moving_record(roster, P, *month, movement) for movement in MOVEMENTS]
    ended, cancelled = figures.ended, figures.cancelled
    assert [*map(len, lists)] == [figures.new, ended, cancelled, ended - cancelled]
    for movement, records in zip(MOVEMENTS, lists, strict=True):
        assert moving_record(shuffled, P, *month, movement) == records
    deciding = counting_record(roster, P, *month)
    assert count(shuffled, P, *month) == figures
    assert counting_record(shuffled, P, *month) == deciding


@given(rosters(date(2024, 2, 29), (P,), max_users=2, max_records=2))
def test_limits_of_a_roster(roster: list[Service]) -> None:
    """One product, a leap day as today, and the two sizes."""
    check_roster(roster, (P,))
    per_user = Counter(record.user_id for record in roster)
    assert len(per_user) <= 2
    assert all(number <= 2 for number in per_user.values())


@given(st.text(st.sampled_from("|ab0 \t\u3000\u00a0"), max_size=12))
def test_repaired_text_is_acceptable(text: str) -> None:
    """Whatever is drawn becomes importable, if it has no control character inside."""
    result = repaired(text.replace("\t", ""), 8)
    assert acceptable(result, 8)
    assert result != "0"


def test_pools_are_acceptable() -> None:
    """The values written by hand keep the import rules too, and reach the limits."""
    for field, pool in {
        "user_id": USER_IDS,
        "user_name": USER_NAMES,
        "address": ADDRESSES,
        "contact": CONTACTS,
        "phone": PHONES,
    }.items():
        assert len(set(pool)) == len(pool)
        assert all(acceptable(value, LIMITS[field]) for value in pool), field
        assert max(len(value) for value in pool) == LIMITS[field] - 1, field
    for wrong in ("", "a||b", "|a", "a|", " a", "a\u3000", "a\nb", "a\u2028b", "\ud800", "a" * 8):
        assert not acceptable(wrong, 8)


def test_random_roster_is_deterministic_and_has_every_shape() -> None:
    """The seeded generator gives as many users as asked for, and the shapes that matter."""
    roster = random_roster(random.Random(7), TODAY, (P, Q), 600)
    assert roster == random_roster(random.Random(7), TODAY, (P, Q), 600)
    assert roster != random_roster(random.Random(8), TODAY, (P, Q), 600)
    check_roster(roster, (P, Q))
    users: dict[str, list[Service]] = {}
    for record in roster:
        users.setdefault(record.user_id, []).append(record)
    assert len(users) == 600

    one_day = timedelta(days=1)
    seen: Counter[str] = Counter()
    for record in roster:
        seen["one day"] += record.start == record.end
        seen["first of month"] += record.start.day == 1
        seen["open"] += record.end is None
        seen["future"] += record.start > TODAY
        seen["last of month"] += record.end is not None and (record.end + one_day).day == 1
        seen["29 February"] += date(2024, 2, 29) in (record.start, record.end)
        seen["missing"] += "0" in (record.address, record.contact, record.phone)
    for records in users.values():
        seen["two products"] += len({record.product for record in records}) == 2
        seen["case"] += records[0].user_id.swapcase() in users
        for one in records:
            for two in records:
                if one is two or one.product != two.product:
                    continue
                seen["several modes"] += one.mode != two.mode
                other = one.category != two.category
                seen["same start, other category"] += other and one.start == two.start
                if one.end is None:
                    continue
                days = (two.start - one.end).days
                within = one.end.replace(day=1) == two.start.replace(day=1)
                seen["adjacent"] += days == 1
                seen["gap"] += days == 2
                seen["touching"] += days == 0
                seen["change in mid-month"] += other and days == 1 and within
                seen["re-opened in a month"] += days > 1 and within
                if two.end is not None:
                    seen["overlapping"] += one.start < two.start <= one.end < two.end
                    seen["nested"] += one.start < two.start and two.end < one.end
    rare = {shape: number for shape, number in seen.items() if number < 5}
    assert not rare
    assert len(seen) == 18


def test_months() -> None:
    """Newest first, across a year's end, and eventful ones without those after today's."""
    assert months(date(2026, 3, 31), 4) == [(2026, 3), (2026, 2), (2026, 1), (2025, 12)]
    assert len(months(TODAY)) == 48
    roster = [service("20251231", "20260101"), service("20260331", "20260401")]
    assert eventful_months(roster, TODAY) == [(2026, 3), (2026, 1), (2025, 12)]
    assert eventful_months([], TODAY) == [(2026, 3)]


def test_random_roster_reaches_every_figure() -> None:
    """In most months of the window no figure is zero, so that a comparison compares something."""
    roster = random_roster(random.Random(7), TODAY, (P,), 300)
    for year, month in months(TODAY, 4):
        figures = count(roster, P, year, month)
        assert 0 not in (figures.full, figures.regulatory, figures.internal, figures.trial)
        assert 0 not in (figures.new, figures.ended, figures.cancelled)
