"""Several licensors of one vendor's products: none can tell that there is another."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy
from market import load
from test_walls import TABLES
from worlds import (
    ALPHA,
    BASIC,
    ENHANCED,
    HKEX,
    PRINCIPALS,
    STOCKS,
    SZSE,
    Principal,
    World,
    sealed,
    unsealed,
)

from gateway.app.ask import ask
from gateway.errors import NotFound, Refused
from gateway.intake.problems import BadLine, Rule
from gateway.intake.run import Mode, Outcome

TENANTS = pytest.mark.parametrize("who", PRINCIPALS, ids=[who.code for who in PRINCIPALS])
LICENSORS = pytest.mark.parametrize("who", [SZSE, HKEX], ids=["SZSEINFO", "HKEX"])
INTERNAL = {
    *("batch_no", "closed_by", "product_id", "licensor_id", "event_id", "occurred_at"),
    "created_at",
}
"""Numbers that never leave the gateway, and what no two worlds have alike."""


def line(user: str, product: str, name: str = "n") -> str:
    return f"{user}||{name}||个人||全价用户||20240101||0||{product}||Web||a||b||c"


async def brought(world: World, *lines: str, **more: Any) -> Outcome:
    """Import lines of VENDALPHA's, by default into what is there."""
    return await load(
        world.house, "VENDALPHA", lines, world.places, more.pop("mode", Mode.DELTA), **more
    )


# What is there to be seen


@TENANTS
@TABLES
async def test_rows_are_the_same_whether_others_exist_or_not(
    market: World, alone: dict[Principal, World], table: sqlalchemy.Table, who: Principal
) -> None:
    """All that the service's role is shown for a tenant, column by column, not only the graph."""
    shown = []
    for world in (market, alone[who]):
        async with world.acting(who) as service:
            rows = [dict(row) for row in await service.fetch(f"SELECT * FROM {table.name}")]
        rows = [row for row in rows if row.get("occurred_at", world.settled) <= world.settled]
        for row in rows:
            if "holder" in row:  # a chain: which accesses were written between them is its own
                for name in ("number", "digest", "signed_at", "signature", "key_id"):
                    row.pop(name, None)
            if table.name == "rosters" and row["licensor_id"] == 0:
                row["last_batch"] = None  # counts over all licensors: for none of them to see
                assert who.is_vendor
        told = [str({k: v for k, v in row.items() if k not in INTERNAL}) for row in rows]
        # how many checkpoints there are hangs on how fast accesses came
        shown.append(sorted(set(told) if table.name == "audit_checkpoints" else told))
    assert shown[0]
    assert shown[0] == shown[1]


@LICENSORS
async def test_the_log_has_the_licensors_own_lines_only(market: World, who: Principal) -> None:
    async with market.acting(who) as service:
        details = [
            json.loads(detail)
            for (detail,) in await service.fetch("SELECT detail FROM audit_events")
        ]
    assert {one["source"] for one in details if "source" in one} <= who.own
    assert {one["product"] for one in details if "product" in one} <= who.own
    assert not [word for word in who.canaries if word in str(details)]


async def test_what_a_vendor_does_is_no_licensors_to_read(own: World) -> None:
    """Of one licensor's products or of several: which it was would tell that there are several."""

    async def logged(who: Principal) -> list[tuple[str, str]]:
        async with own.acting(who) as service:
            rows = await service.fetch("SELECT action, actor FROM audit_events")
        return sorted(tuple(row) for row in rows)

    before = {who: await logged(who) for who in (ALPHA, SZSE, HKEX)}
    for query in (
        "{ users { download { url } } }",
        f'{{ monthlyStats(products: ["{ENHANCED}"]) {{ download {{ url }} }} }}',
    ):
        await own.file(await own.link(ALPHA, query))
    await own.file(await own.link(SZSE))
    assert (
        await own.file(await own.link(SZSE, "{ monthlyStats(products: []) { download { url } } }"))
    ).startswith("200")
    new = {who: (await logged(who)) for who in before}
    assert new[HKEX] == before[HKEX]
    assert len(new[SZSE]) > len(before[SZSE])
    assert {actor for _, actor in set(new[SZSE]) - set(before[SZSE])} == {f"key:{SZSE.key.prefix}"}
    actors = {actor for _, actor in set(new[ALPHA]) - set(before[ALPHA])}
    assert actors == {f"key:{who.key.prefix}" for who in (ALPHA, SZSE)}


@LICENSORS
async def test_numbers_of_batches_and_records_have_no_gaps(market: World, who: Principal) -> None:
    query = """query($v: String!) {
        changes(vendor: $v, from: "2024-01-01T00:00:00Z", first: 1000) { nodes { batch { number } } }
        users(vendors: [$v], first: 1000) { nodes { history { batch } } }
    }"""
    for vendor in {vendor for vendor, _ in who.pairs}:
        found = await market.answer(who, query, v=vendor)
        numbers = {node["batch"]["number"] for node in found["changes"]["nodes"]}
        assert sorted(numbers) == list(range(1, len(numbers) + 1))
        told = {one["batch"] for node in found["users"]["nodes"] for one in node["history"]}
        assert told <= numbers
    async with market.acting(who) as service:
        rows = await service.fetch("""
            SELECT vendor_id,
                array_agg(DISTINCT record_id - record_base
                    ORDER BY record_id - record_base) AS numbers
            FROM (SELECT vendor_id, record_id, product_id FROM service_records
                UNION SELECT vendor_id, record_id, product_id FROM service_record_versions) r
            JOIN products USING (product_id) JOIN licensors USING (licensor_id)
            GROUP BY vendor_id, licensor_id""")
    assert rows
    for row in rows:
        assert row["numbers"] == list(range(1, len(row["numbers"]) + 1))


@LICENSORS
async def test_the_command_line_acts_for_a_licensor_alike(
    market: World, alone: dict[Principal, World], who: Principal
) -> None:
    query = """{
        viewer { vendors { code } } products { totalCount nodes { id name } }
        users(first: 100) { totalCount edges { cursor node { id userName history { batch } } } }
        monthlyStats(from: "2024-01", to: "2024-06") { totalCount delimited totals { fee } }
    }"""
    told = [await ask(world.house, who.key.text, query, "{}") for world in (market, alone[who])]
    assert "errors" not in told[0]
    assert told[0] == told[1]


# Imports


async def test_a_file_of_two_licensors_products_is_refused(own: World) -> None:
    bad: list[BadLine] = []
    lines = [line("x1", ENHANCED), line("x2", STOCKS), line("x3", ENHANCED)]
    async with own.unchanged("audit_events"):
        with pytest.raises(Refused):
            await brought(own, *lines, bad=bad)
    ((problem,),) = (one.problems for one in bad)
    assert (problem.line, problem.rule, problem.value) == (2, Rule.OTHER_LICENSOR, STOCKS)
    async with own.acting(SZSE) as service:
        logged = await service.fetch("SELECT FROM audit_events WHERE action LIKE '%.refused'")
    assert not logged, "its lines are not only this licensor's"


async def test_a_licensor_can_be_named(own: World) -> None:
    assert (await brought(own, line("x1", STOCKS), licensor="HKEX")).batch == 4
    bad: list[BadLine] = []
    with pytest.raises(Refused):
        await brought(own, line("x2", STOCKS), licensor="SZSEINFO", bad=bad)
    ((problem,),) = (one.problems for one in bad)
    assert problem.rule is Rule.UNKNOWN_PRODUCT
    assert STOCKS not in problem.accepted
    with pytest.raises(NotFound, match="licensor 'JPX' not found"):
        await brought(own, line("x2", STOCKS), licensor="JPX")


async def test_a_snapshot_ends_no_record_of_another_licensors(own: World) -> None:
    query = "{ users(first: 100) { nodes { id userId userName product { name } } } }"
    before = {who: await own.answer(who, query) for who in (SZSE, HKEX)}
    outcome = await brought(own, line("only", ENHANCED), mode=Mode.SNAPSHOT)
    assert (outcome.batch, outcome.change.added, outcome.change.superseded) == (4, 1, 4)
    assert await own.answer(HKEX, query) == before[HKEX]
    assert await own.answer(SZSE, query) != before[SZSE]
    # of a product that the vendor has no more records of, too
    outcome = await brought(own, line("only", BASIC), mode=Mode.SNAPSHOT)
    assert (outcome.batch, outcome.change.added, outcome.change.superseded) == (5, 1, 1)
    assert await own.answer(HKEX, query) == before[HKEX]


async def test_imports_for_several_licensors_at_once_all_come_in(own: World) -> None:
    def place(name: str) -> World:
        (own.places / name).mkdir()
        return World(own.house, own.admin, own.app, own.client, own.places / name)

    outcomes = await asyncio.gather(
        *(
            brought(place(f"{product}{i}"), *(line(f"{i}.{j}", product) for j in range(30)))
            for i in range(4)
            for product in (ENHANCED, STOCKS)
        )
    )
    assert sorted(one.batch or 0 for one in outcomes) == [4, 4, 5, 5, 6, 6, 7, 7]
    for who in (SZSE, HKEX):
        found = await own.answer(
            who, '{ users(vendors: ["VENDALPHA"], filter: {userId: {contains: "."}}) {totalCount} }'
        )
        assert found["users"]["totalCount"] >= 120


# The vendor's own view of several licensors

_LOG = """query($after: String, $first: Int) {
    changes(vendor: "VENDALPHA", from: "2024-01-01T00:00:00Z", first: $first, after: $after) {
        totalCount pageInfo { endCursor hasNextPage }
        nodes { kind userId product { name } batch { number recordedAt } }
    }
}"""


async def test_a_vendor_follows_the_changes_of_all_licensors(own: World) -> None:
    whole = (await own.answer(ALPHA, _LOG, first=1000))["changes"]
    instants = [node["batch"]["recordedAt"] for node in whole["nodes"]]
    assert instants == sorted(instants)
    assert {node["batch"]["number"] for node in whole["nodes"]} == {1, 2, 3}
    for size in (1, 2, 3):
        walked, after = [], None
        while True:
            page = (await own.answer(ALPHA, _LOG, first=size, after=after))["changes"]
            walked += page["nodes"]
            after = page["pageInfo"]["endCursor"] or after
            if not page["pageInfo"]["hasNextPage"]:
                break
        assert walked == whole["nodes"]
    for product in (STOCKS, ENHANCED, STOCKS):
        await brought(own, line(f"new{product}", product, str(datetime.now(UTC))))
        page = (await own.answer(ALPHA, _LOG, after=after))["changes"]
        after = page["pageInfo"]["endCursor"]
        assert [node["userId"] for node in page["nodes"]] == [f"new{product}"]


async def test_a_cursor_before_all_changes_is_the_beginning(market: World) -> None:
    whole = (await market.answer(ALPHA, _LOG, first=5))["changes"]
    order, (_, number) = unsealed(whole["pageInfo"]["endCursor"])
    early = (datetime(2024, 6, 1, tzinfo=UTC) - timedelta(days=1)).isoformat()
    page = await market.answer(ALPHA, _LOG, first=5, after=sealed([order, [early, number]]))
    assert page["changes"]["nodes"] == whole["nodes"]
    for wrong in ("2024-06-01T00:00:00", "yesterday", 7, None, "\0"):
        (error,) = await market.errors(ALPHA, _LOG, first=5, after=sealed([order, [wrong, number]]))
        assert error["extensions"]["code"] == "BAD_USER_INPUT"


async def test_as_of_each_instant_a_vendor_sees_what_all_had_brought(market: World) -> None:
    query = "query($at: DateTime) { users(asOf: $at) { nodes { userId product { name } } } }"
    for at, szse, hkex in (("00:00:30", 5, 0), ("00:01:30", 5, 3), ("04:00:30", 4, 3)):
        found = await market.answer(ALPHA, query, at=f"2024-06-01T{at}Z")
        names = [node["product"]["name"] for node in found["users"]["nodes"]]
        assert (names.count(ENHANCED), names.count(STOCKS)) == (szse, hkex)
