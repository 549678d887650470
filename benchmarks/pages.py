"""Pages of the user list on a large market: `python -m benchmarks.pages --rows 10000000`.

Each query is the very statement that the graph sends for the first or the last page of 50 users
with eleven fields: admission, settings and row-level security included, planned as the gateway
plans it.
What is told is the median of so many runs, in milliseconds, and how many times as long as the
plainest page of the same run (by vendor and number, no joins, no JSON) that is.
"""

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import asyncpg

from benchmarks import built, market
from benchmarks.answering import keys_of
from benchmarks.asked import EVERYONE
from benchmarks.house import Place, embedded
from benchmarks.measure import table
from benchmarks.statements import statement_of
from gateway.config.clock import today
from gateway.records.filters import TextMatch, UserFilter
from gateway.records.keyset import Direction
from gateway.records.order import BY_USER_ID, UserOrder, UserOrderField
from gateway.regulation.codes import FeeCategory, ServiceStatus, UsageMode, UserType
from gateway.regulation.months import Month
from gateway.schema.change import camel
from gateway.tenancy.admission import Admission, Admissions
from gateway.tenancy.scope import Scope
from gateway.tenancy.session import settings_of

_QUERY = """
query ($filter: UserFilter, $orderBy: [UserOrder!], $first: Int, $last: Int) {
  users(filter: $filter, orderBy: $orderBy, first: $first, last: $last) {
    nodes {
      userId userName userType startDate endDate product { name } contact address phone
      feeCategory serviceStatus
    }
  }
}
"""
_ALL = UserFilter()
_SIZE = 50
_RUNS = 15
_FLOOR = "SELECT * FROM service_records WHERE vendor_id = $1 ORDER BY record_id LIMIT 51"
_DAY = today()


@dataclass(frozen=True, slots=True)
class Query:
    """A list to be paged through."""

    name: str
    filter: UserFilter = _ALL
    order: Sequence[UserOrder] = BY_USER_ID


def queries() -> Iterator[Query]:
    """Yield each sort, each filter, and combinations of them."""
    for field in UserOrderField:
        for direction in Direction:
            name = f"sort {field.value} {direction.value}"
            yield Query(name, order=(UserOrder(field, direction),))
    kind, start = UserOrder(UserOrderField.USER_TYPE), UserOrder(UserOrderField.START_DATE)
    yield Query("sort USER_TYPE, START_DATE", order=(kind, start))
    yield Query(
        "sort FEE_CATEGORY, USER_NAME DESC",
        order=(
            UserOrder(UserOrderField.FEE_CATEGORY),
            UserOrder(UserOrderField.USER_NAME, Direction.DESC),
        ),
    )
    ending = (UserOrder(UserOrderField.END_DATE, Direction.DESC),)
    yield from (
        Query("search szse (four in ten IDs)", UserFilter(search="szse")),
        Query("search szse, sorted by END_DATE", UserFilter(search="szse"), ending),
        Query("search SZSE0000123", UserFilter(search="SZSE0000123")),
        Query("search 证券 (1.4 in 100 names)", UserFilter(search=market.FREQUENT)),
        Query("search 证券, sorted by END_DATE", UserFilter(search=market.FREQUENT), ending),
        Query("search 龘靐 (some names)", UserFilter(search=market.RARE)),
        Query("search 王 (one character)", UserFilter(search="王")),
        Query("search 王伟强", UserFilter(search="王伟强")),
        Query("userId equals", UserFilter(user_id=TextMatch(equals="szse00001230"))),
        Query("userName equals", UserFilter(user_name=TextMatch(equals="王伟强"))),
        Query("userTypes", UserFilter(user_types=(UserType.INSTITUTION,))),
        Query("feeCategories, a rare one", UserFilter(fee_categories=(FeeCategory.REGULATORY,))),
        Query("serviceStatuses", UserFilter(service_statuses=(ServiceStatus.CANCELLED,))),
        Query("products", UserFilter(products=(market.PRODUCTS[3],))),
        Query("usageModes", UserFilter(usage_modes=(UsageMode.DATAFEED,))),
        Query(
            "startBefore or endAfter",
            UserFilter(start_before=date(2022, 6, 1), end_after=date(2026, 6, 1)),
        ),
        Query("startFrom to startTo", UserFilter(start_from=_DAY.replace(day=1), start_to=_DAY)),
        Query("endFrom to endTo", UserFilter(end_from=date(2025, 3, 1), end_to=date(2025, 3, 31))),
        Query(
            "flag and end date",
            UserFilter(
                fee_categories=(FeeCategory.TRIAL,),
                end_from=date(2025, 3, 1),
                end_to=date(2025, 3, 3),
            ),
        ),
        Query("countedIn", UserFilter(counted_in=Month(2024, 5))),
        Query(
            "countedIn, countedAs",
            UserFilter(counted_in=Month(2024, 5), counted_as=FeeCategory.REGULATORY),
        ),
    )


async def measure(place: Place) -> str:
    """Return the table of all queries, for one vendor of two sizes and for all of them."""
    named = {
        "the largest vendor": market.code(0),
        "a small vendor": market.code(50),
        "all vendors": EVERYONE,
    }
    async with place.gateway() as house:
        keys = await keys_of(house, [market.code(0), market.code(50)])
        admissions = Admissions(house.service)
        callers = {
            name: await admissions.admit(f"Bearer {keys[who]}") for name, who in named.items()
        }
    async with AsyncExitStack() as stack:
        connections = {
            by_values: await _connection(place, stack, by_values) for by_values in (True, False)
        }
        lines = []
        for query in queries():
            cells: list[Any] = [query.name]
            for caller in callers.values():
                cells += await _pages(connections, caller, query)
            lines.append(cells)
            print(*(c if isinstance(c, str) else f"{c:.2f}" for c in cells), flush=True)
        floor = await _floor(connections[False], callers["the largest vendor"].scope)
    heads = [f"{name}, {which}" for name in callers for which in ("first", "deep")]
    return table(
        f"Pages of {_SIZE} users, milliseconds (a plain page: {floor:.2f})", ("", *heads), lines
    )


async def _connection(place: Place, stack: AsyncExitStack, by_values: bool) -> Any:
    """Connect as the gateway does for plans by values, or by shape."""
    mode = "force_custom_plan" if by_values else "force_generic_plan"
    connection = await asyncpg.connect(
        place.service,
        max_cacheable_statement_size=0,
        server_settings={"role": "gateway_service", "plan_cache_mode": mode, "timezone": "UTC"},
    )
    stack.push_async_callback(connection.close)
    return connection


async def _pages(
    connections: dict[bool, Any], caller: Admission, query: Query
) -> tuple[float, float]:
    """Return the medians of the first page, and of the last one, to be found from the end."""
    return (
        await _timed(connections, caller, query, {"first": _SIZE}),
        await _timed(connections, caller, query, {"last": _SIZE}),
    )


async def _timed(
    connections: dict[bool, Any], caller: Admission, query: Query, paging: dict[str, int]
) -> float:
    order = [{"field": one.field.name, "direction": one.direction.name} for one in query.order]
    variables = {"filter": plain(query.filter), "orderBy": order, **paging}
    statement = statement_of(_QUERY, variables, caller)
    taken = []
    for _ in range(_RUNS):
        begin = perf_counter()
        await connections[statement.by_values].fetchval(statement.text, *statement.arguments)
        taken.append(perf_counter() - begin)
    return median(taken) * 1000


def plain(value: Any) -> Any:
    """Return a filter as a variable's JSON."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, date | Month):
        return str(value)
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    if is_dataclass(value):
        named = {one.name: getattr(value, one.name) for one in fields(value)}
        return {camel(name): plain(one) for name, one in named.items() if one is not None}
    return value


async def _floor(postgres: Any, scope: Scope) -> float:
    taken = []
    for _ in range(_RUNS):
        async with postgres.transaction(readonly=True):
            await postgres.execute("; ".join(settings_of(scope)))
            begin = perf_counter()
            await postgres.fetch(_FLOOR, next(iter(scope.vendors)))
            taken.append(perf_counter() - begin)
    return median(taken) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="records in the market")
    parser.add_argument("--keep", type=Path, help="a directory to build the market in, or to use")
    given = parser.parse_args()
    with embedded(given.keep) as place:
        built.ensure(place, given.rows)
        print(asyncio.run(measure(place)))


if __name__ == "__main__":
    main()
