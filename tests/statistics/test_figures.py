"""Monthly figures against the naive count: any roster, any run of imports, any past instant."""

import itertools
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
from gateway.app.house import House
from gateway.config.clock import today
from gateway.db.embedded import EmbeddedPostgres
from gateway.exports.requests import UserExport, run_export
from gateway.exports.stream import Form
from gateway.intake.run import Mode
from gateway.records.filters import UserFilter
from gateway.records.keyset import Page
from gateway.records.users import Fields, UserList
from gateway.records.users import page as user_page
from gateway.regulation.codes import FeeCategory, UsageMode
from gateway.regulation.months import Month
from gateway.statistics.figures import StatList
from gateway.statistics.stats import DrillDown, stat_page, whole_stats
from gateway.statistics.upkeep import recount
from gateway.tenancy.session import ScopedSession, open_session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from market import ENHANCED, PRICE, PRODUCTS, found, load, operator
from naive.counting import ACTIVE, CANCELLED, EXPIRED, Figures, Service, count, counting_record
from naive.strategies import (
    CATEGORIES,
    CONTACTS,
    LENGTHS,
    HypothesisPick,
    Window,
    end_of,
    eventful_months,
    months,
    random_roster,
    rosters,
)

Roster = list[Service]
Months = Sequence[tuple[int, int]]
Shown = dict[tuple[str, int, int], tuple[Figures, Decimal | None]]

TODAY = today()
WINDOW = Window.ending(TODAY)
NOTHING = Figures(0, 0, 0, 0, 0, 0, 0)
_numbers = itertools.count()


def examples(number: int) -> settings:
    """All examples of a test share its database; each has a vendor of its own."""
    return settings(
        max_examples=number,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


async def new_vendor(house: House) -> str:
    code = f"V{next(_numbers)}"
    await found(house, code)
    return code


def written(roster: Iterable[Service], *, status: bool = True) -> list[str]:
    """The file's lines, with the status in a twelfth column or without it."""
    if not status:
        return [record.line() for record in roster]
    return [f"{record.line()}||{record.status or ACTIVE}" for record in roster]


async def scoped(house: House, vendor: str) -> Any:
    return open_session(house.service, (await operator(house)).narrow(vendors=[vendor]))


def stat_list(session: ScopedSession, wanted: Months, as_of: datetime | None = None) -> StatList:
    return StatList(session.scope, TODAY, tuple(itertools.starmap(Month, wanted)), as_of=as_of)


async def shown(session: ScopedSession, wanted: Months, as_of: datetime | None = None) -> Shown:
    rows = await session.rows(whole_stats(stat_list(session, wanted, as_of)))
    return {
        (row.product_name, row.month.year, row.month.month): (
            Figures(
                row.full_price,
                row.regulatory,
                row.internal_free,
                row.trial,
                row.new,
                row.ended,
                row.cancelled,
            ),
            row.fee,
        )
        for row in rows
    }


def expected(roster: Iterable[Service], products: Iterable[str], wanted: Months) -> Shown:
    """What is to be shown of each product ever reported; only ENHANCED has a price."""
    roster = list(roster)
    result: Shown = {}
    for product in products:
        for month in wanted:
            figures = count(roster, product, *month)
            fee = figures.full * PRICE if product == ENHANCED else None
            result[product, *month] = (figures, fee)
    return result


def products_of(roster: Iterable[Service]) -> set[str]:
    return {record.product for record in roster}


ROSTERS = rosters(TODAY, PRODUCTS).filter(bool)


@examples(100)
@given(roster=ROSTERS)
async def test_figures_of_any_roster(house: House, tmp_path: Path, roster: Roster) -> None:
    vendor = await new_vendor(house)
    await load(house, vendor, written(roster), tmp_path)
    wanted = eventful_months(roster, TODAY)
    async with await scoped(house, vendor) as session:
        assert await shown(session, wanted) == expected(roster, products_of(roster), wanted)
        assert await recount(session) == 0
