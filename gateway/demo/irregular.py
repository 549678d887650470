"""What is not as it should be in the demo market, so that there are findings to see."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from gateway.demo.market import BASIC, DemoVendor
from gateway.regulation.codes import UsageMode

UNLICENSED: Final = frozenset({("JHRJ", BASIC)})
"""A vendor and product without a licence, though it has users."""
RUN_OUT: Final = frozenset({"SYWL"})
"""Whose licences ended with the month before last."""
MODES: Final = {"XJSJ": (UsageMode.WEB, UsageMode.TERMINAL)}
"""Whose licences cover these usage modes only."""

_FULL, _TRIAL = "全价用户", "试用用户"
_PHONE: Final = "075500000000"


def last_licensed_day(code: str, today: date) -> date | None:
    """Return the last day of a vendor's licences; None where they are open."""
    if code not in RUN_OUT:
        return None
    last_month = today.replace(day=1) - timedelta(days=1)
    return last_month.replace(day=1) - timedelta(days=1)


def lines(vendor: DemoVendor, today: date) -> Iterator[str]:
    """Yield what a vendor's file has besides `market.roster`, in the same twelve columns."""
    make = _IRREGULAR.get(vendor.code)
    if make is not None:
        yield from make(vendor, today)


def _line(
    vendor: DemoVendor,
    user: str,
    name: str,
    start: date,
    end: date | None = None,
    *,
    today: date,
    phone: str = "0",
    category: str = _FULL,
    mode: str = "Web",
) -> str:
    over = end is not None and end < today
    return "||".join(
        (
            *(f"yc.{user}", name, "个人", category, f"{start:%Y%m%d}"),
            *("0" if end is None else f"{end:%Y%m%d}", vendor.products[0], mode),
            *("0", "0", phone, "服务到期" if over else "正常使用"),
        )
    )


def _one_phone(vendor: DemoVendor, today: date) -> Iterator[str]:
    """Yield eight IDs with the same phone number."""
    start = today - timedelta(days=40)
    for i in range(8):
        yield _line(vendor, f"tel{i}", f"用户{i}号", start, today=today, phone=_PHONE)


def _one_name(vendor: DemoVendor, today: date) -> Iterator[str]:
    """Yield fifteen IDs with the same name."""
    start = today - timedelta(days=100)
    for i in range(15):
        yield _line(vendor, f"kf{i:02}", f"{vendor.name}客服", start, today=today)


def _many_trials(vendor: DemoVendor, today: date) -> Iterator[str]:
    """Yield seventy trials of one month, three of them twice on the same days."""
    start = today.replace(day=1)
    end = start + timedelta(days=27)
    for i in range(70):
        for mode in ("Web", "终端") if i < 3 else ("Web",):
            user, name = f"sy{i:02}", f"试用{i}号"
            yield _line(vendor, user, name, start, end, today=today, category=_TRIAL, mode=mode)


def _other_people(vendor: DemoVendor, today: date) -> Iterator[str]:
    """Yield two IDs that other people had two years ago."""
    before, again = today - timedelta(days=800), today - timedelta(days=30)
    for i in range(2):
        until = before + timedelta(days=364)
        yield _line(vendor, f"id{i}", f"前任{i}", before, until, today=today, phone=f"0755{i}1")
        yield _line(vendor, f"id{i}", f"后任{i}", again, today=today, phone=f"0755{i}2")


_IRREGULAR: Final = {
    "HLTX": _one_phone,
    "FLZX": _one_name,
    "NTXX": _many_trials,
    "YTJR": _other_people,
}
