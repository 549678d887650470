"""The demo market: each figure of each vendor, product and month opens a list of its length."""

import io
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
from graphing import Caller
from market import load
from naive.strategies import months
from rich.console import Console

from gateway.app.house import House
from gateway.app.server import application
from gateway.config.clock import today
from gateway.demo import market
from gateway.demo.load import found_demo
from gateway.intake.run import Mode
from gateway.regulation.codes import FeeCategory
from gateway.regulation.months import WINDOW

SCALE = 0.004
COUNTS = {
    f"{one.lower()}: users({argument}: {one}": figure
    for argument, one, figure in (
        ("category", "FULL_PRICE", "fullPriceCount"),
        ("category", "REGULATORY", "regulatoryCount"),
        ("category", "INTERNAL_FREE", "internalFreeCount"),
        ("category", "TRIAL", "trialCount"),
        ("movement", "NEW", "newCount"),
        ("movement", "ENDED", "endedCount"),
        ("movement", "CANCELLED", "cancelledCount"),
        ("movement", "EXPIRED", "expiredCount"),
    )
}
CATEGORIES = [category.name for category in FeeCategory]
FIGURES = f"month vendor {{ code }} product {{ name }} {' '.join(COUNTS.values())}"
SHOWN = f"{{ monthlyStats(first: 1000) {{ nodes {{ {FIGURES} }} }} }}"
QUERY = f"""query ($vendor: String!, $asOf: DateTime) {{
  monthlyStats(vendors: [$vendor], asOf: $asOf, first: 1000) {{ nodes {{ {FIGURES}
    all: users(first: 1000) {{ totalCount pageInfo {{ hasNextPage }} nodes {{ userId }} }}
    {" ".join(f"{head}, first: 1000) {{ nodes {{ userId feeCategory }} }}" for head in COUNTS)}
  }} }} }}"""

Cells = dict[tuple[str, str, str], tuple[int, ...]]


async def test_every_cell_of_the_demo_market(house: House, tmp_path: Path) -> None:
    """Now and as of three instants, between imports that change the past."""
    keys = await found_demo(
        *(house.service, house.operator, house.security), SCALE, Console(file=io.StringIO())
    )
    unlimited = house.settings.model_copy(update={"limits": "measure"})
    transport = httpx.ASGITransport(app=application(replace(house, settings=unlimited)))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        caller = Caller(client, keys["licensor"])
        shown: list[tuple[datetime | None, Cells]] = []
        for rewrite in (earlier_ends, other_categories, late_comers):
            shown.append((datetime.now(UTC), await figures(caller)))
            for vendor in market.VENDORS:
                lines = list(market.roster(vendor, today(), scale=SCALE))
                await load(house, vendor.code, rewrite(lines), tmp_path, Mode.DELTA)
        shown.append((None, await figures(caller)))
        assert all(one != other for (_, one), (_, other) in pairwise(shown))
        for instant, then in shown:
            assert await opened(caller, instant) == then


async def figures(caller: Caller) -> Cells:
    """The figures of the market as it is."""
    found = placed((await caller.ask(SHOWN))["monthlyStats"]["nodes"])
    assert len(found) == sum(len(vendor.products) for vendor in market.VENDORS) * WINDOW
    return found


def placed(nodes: list[dict[str, Any]]) -> Cells:
    return {
        (node["vendor"]["code"], node["product"]["name"], node["month"]): tuple(
            node[figure] for figure in COUNTS.values()
        )
        for node in nodes
    }


async def opened(caller: Caller, instant: datetime | None) -> Cells:
    """The figures at an instant; each list behind them is as long as they say."""
    found: Cells = {}
    for vendor in market.VENDORS:
        data = await caller.ask(QUERY, vendor=vendor.code, asOf=instant and instant.isoformat())
        nodes = data["monthlyStats"]["nodes"]
        for node in nodes:
            check(node)
        found |= placed(nodes)
    return found


def check(node: dict[str, Any]) -> None:
    for head, figure in COUNTS.items():
        listed = node[head.partition(":")[0]]["nodes"]
        assert len({one["userId"] for one in listed}) == len(listed) == node[figure]
        if head.partition(":")[0].upper() in CATEGORIES:
            assert {one["feeCategory"] for one in listed} <= {head.rpartition(" ")[2]}
    counted = sum(node[figure] for figure in list(COUNTS.values())[: len(CATEGORIES)])
    assert len(node["all"]["nodes"]) == node["all"]["totalCount"] == counted
    assert not node["all"]["pageInfo"]["hasNextPage"]


# Imports that change the past: of every third or so line


def earlier_ends(lines: list[str]) -> list[str]:
    """Services that ended the day they began, by a cancellation."""
    changed = []
    for line in lines[::3]:
        fields = line.split("||")
        if date.fromisoformat(fields[4]) < today():
            fields[5], fields[11] = fields[4], "用户注销"
        changed.append("||".join(fields))
    return changed


def other_categories(lines: list[str]) -> list[str]:
    """Users who were on trial all the time, others who were regulators."""
    changed = []
    for number, line in enumerate(lines[1::4]):
        fields = line.split("||")
        fields[3] = "试用用户" if number % 2 else "监管用户"
        changed.append("||".join(fields))
    return changed


def late_comers(lines: list[str]) -> list[str]:
    """Services that nobody had reported, years back: before, between and beside the others."""
    added = []
    for number, line in enumerate(lines[2::5]):
        fields = line.split("||")
        year, month = months(today(), WINDOW)[number % WINDOW]
        start = date(year, month, 1 + number % 28)
        fields[4] = f"{start:%Y%m%d}"
        fields[5] = f"{start + timedelta(days=number % 50):%Y%m%d}"
        fields[7], fields[11] = "datafeed", "用户注销" if number % 3 else "服务到期"
        added.append("||".join(fields))
    unique = {tuple(line.split("||")[i] for i in (0, 4, 6, 7)): line for line in added}
    return list(unique.values())
