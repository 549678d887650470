"""Loading a catalogue file: idempotent, all or nothing, audited; editions that supersede."""

import asyncio
import json
from typing import Any

import asyncpg
import pytest
from market import ENHANCED, found
from sqlalchemy import text

from gateway.app.house import House
from gateway.audit.models import HOUSE
from gateway.catalogue import loading, registry
from gateway.catalogue.loading import BUILT_IN, Loaded, built_in
from gateway.catalogue.problems import ListingRefused
from gateway.catalogue.reader import read_listing
from gateway.db.embedded import EmbeddedPostgres
from gateway.tenancy.operator import open_operator

OLD = "SSE-IS101-CV1.61"


def edition(key: str, supersedes: str | None = None, **more: str) -> str:
    fields = {
        "key": key,
        "exchange": "SSE",
        "code": "IS101",
        "title": f"第{key}版",
        "purpose": "TRADING",
        "address": f"https://example.com/{key}",
        **({} if supersedes is None else {"supersedes": supersedes}),
        **more,
    }
    return "[[interface_specs]]\n" + "".join(f'{a} = "{b}"\n' for a, b in fields.items())


def product(*keys: str, name: str = ENHANCED, licensor: str = "SZSEINFO") -> str:
    return (
        f'[[products]]\nname = "{name}"\nlicensor = "{licensor}"\nexchange = "SZSE"\n'
        f"interface_specs = {json.dumps(keys)}\n"
    )


async def load(house: House, data: str | bytes, source: str = "test.toml") -> Loaded:
    async with open_operator(house.operator, "test") as session:
        return await loading.load(
            session, data if isinstance(data, bytes) else data.encode(), source
        )


async def refused(house: House, data: str) -> list[tuple[str, str, str]]:
    """What is wrong with a file, which changes nothing."""
    before = await everything(house)
    with pytest.raises(ListingRefused) as caught:
        await load(house, data)
    assert await everything(house) == before
    return [(one.entry, one.field, one.accepted) for one in caught.value.problems]


async def rows(house: House, query: str) -> list[Any]:
    async with open_operator(house.operator, "test") as session:
        return [tuple(row) for row in await session.execute(text(query))]


async def everything(house: House) -> dict[str, list[Any]]:
    tables = ("exchanges", "exchange_pages", "interface_specs", "product_interfaces")
    return {
        table: await rows(house, f"SELECT t::text FROM {table} t ORDER BY 1")
        for table in (*tables, "products", "licensors")
    }


async def audit(server: EmbeddedPostgres, database: str) -> list[dict[str, Any]]:
    """The log of loads: the operator writes it and can't read it."""
    admin = await asyncpg.connect(server.url("postgres", database))
    try:
        found = await admin.fetch(
            "SELECT detail, vendor_id FROM audit_events WHERE action = 'catalogue.load' "
            "AND actor = 'test' ORDER BY occurred_at"
        )
    finally:
        await admin.close()
    assert {row["vendor_id"] for row in found} == {HOUSE}
    return [json.loads(row["detail"]) for row in found]


async def series(house: House) -> dict[str, str]:
    return dict(await rows(house, "SELECT key, series FROM interface_specs"))


@pytest.fixture
async def house(house: House) -> House:
    """With the exchange that the tests' editions are of."""
    async with open_operator(house.operator, "test") as session:
        await session.execute(
            text("INSERT INTO exchanges (code, name) VALUES ('SSE', '上海证券交易所')")
        )
    return house


async def test_the_built_in_catalogue_loads_and_loads_again(house: House) -> None:
    first = await load(house, built_in(), BUILT_IN)
    listing = read_listing(built_in())
    # SZSE came with the first migration, SSE with the fixture
    assert len(first.added) == len(listing.exchanges) - 2 + len(listing.specs)
    assert list(first.changed) == ["exchange SSE", "exchange SZSE"]
    before = await everything(house)
    again = await load(house, built_in(), BUILT_IN)
    assert (again.added, again.changed) == ([], {})
    assert again.unchanged == len(listing.exchanges) + len(listing.specs)
    assert await everything(house) == before
    licensors = {code for (code,) in await rows(house, "SELECT code FROM licensors")}
    assert licensors == {"SZSEINFO", "SSEINFO", "HKEX", "BSE", "JPX"}


async def test_a_licensors_name_stays_the_operators(house: House) -> None:
    async with open_operator(house.operator, "test") as session:
        await registry.add_licensor(session, "HKEX", "香港交易所")
    await load(house, built_in())
    assert ("香港交易所",) in await rows(house, "SELECT name FROM licensors")


async def test_a_correction_is_told_field_by_field(house: House) -> None:
    await load(house, edition("A"))
    done = await load(house, edition("A", version="V2", title="改"))
    assert done.added == []
    assert done.changed == {"spec A": {"title": ["第A版", "改"], "version": [None, "V2"]}}
    page = '[[exchanges.pages]]\ntitle = "{}"\naddress = "https://x/"\n'
    exchange = '[[exchanges]]\ncode = "SSE"\nname = "上交所"\n'
    await load(house, exchange + page.format("甲"))
    done = await load(house, exchange + page.format("乙"))
    assert done.changed == {"exchange SSE": {"pages": [{"甲": "https://x/"}, {"乙": "https://x/"}]}}
    assert await rows(house, "SELECT title FROM exchange_pages") == [("乙",)]


async def test_loads_are_audited_and_those_that_change_nothing_are_not(
    house: House, server: EmbeddedPostgres, database: str
) -> None:
    await load(house, edition("A"), "first.toml")
    await load(house, edition("A"), "first.toml")
    await load(house, edition("A", title="改"), "second.toml")
    first, second = await audit(server, database)
    assert first["source"] == "first.toml"
    assert first["added"] == ["spec A"]
    assert len(first["sha256"]) == 64
    assert second["changed"] == {"spec A": {"title": ["第A版", "改"]}}


async def test_a_new_edition_supersedes_the_one_before(house: House) -> None:
    await load(house, edition("A") + edition("OTHER"))
    await load(house, edition("B", "A"))
    await load(house, edition("C", "B"))
    assert await series(house) == {"A": "A", "B": "A", "C": "A", "OTHER": "OTHER"}
    # an edition that was forgotten is put between two others
    await load(house, edition("AB", "A") + edition("B", "AB"))
    assert await series(house) == dict.fromkeys(("A", "AB", "B", "C"), "A") | {"OTHER": "OTHER"}
    # and what was linked by mistake is parted again
    await load(house, edition("B"))
    assert await series(house) == {
        "A": "A",
        "AB": "A",
        "B": "B",
        "C": "B",
        "OTHER": "OTHER",
    }


async def test_what_an_edition_may_not_supersede(house: House) -> None:
    await load(house, edition("A") + edition("B", "A") + edition("C", "B"))
    assert await refused(house, edition("D", "A")) == [
        ("interface_specs D", "supersedes", "the current edition, C")
    ]
    assert await refused(house, edition("D", "NONE")) == [
        ("interface_specs D", "supersedes", "one of A, B, C")
    ]
    assert [one[:2] for one in await refused(house, edition("A", "C"))] == [
        ("interface_specs A", "supersedes")
    ]
    assert [one[:2] for one in await refused(house, edition("D", "C", exchange="SZSE"))] == [
        ("interface_specs D", "supersedes")
    ]
    # a known edition can't be moved to another exchange below the one that supersedes it
    assert [one[:2] for one in await refused(house, edition("A", exchange="SZSE"))] == [
        ("interface_specs B", "supersedes")
    ]
    assert [one[:2] for one in await refused(house, edition("D", exchange="NYSE"))] == [
        ("interface_specs D", "exchange")
    ]


async def test_the_last_entrys_fault_undoes_all(house: House) -> None:
    await found(house)
    entries = await refused(
        house, edition("A") + edition("B", "A") + product("A", "NONE", licensor="NOBODY")
    )
    assert [one[:2] for one in entries] == [
        (f"products {ENHANCED}", "licensor"),
        (f"products {ENHANCED}", "interface_specs"),
    ]
    before = await everything(house)
    with pytest.raises(Exception, match="another licensor"):
        await load(house, edition("A") + product("A", licensor="HKEX"))
    assert await everything(house) == before


async def test_a_products_interfaces_are_those_that_the_file_names(house: House) -> None:
    await found(house)
    await load(house, edition("A") + edition("B"))
    done = await load(house, product("A", "B"))
    assert done.changed[f"product {ENHANCED}"]["interface_specs"] == [[], ["A", "B"]]
    done = await load(house, product("B"))
    assert done.changed == {f"product {ENHANCED}": {"interface_specs": [["A", "B"], ["B"]]}}
    assert (await load(house, product("B"))).unchanged == 1
    assert (await load(house, product("A", name="新产品"))).added == ["product 新产品"]


async def test_the_built_in_catalogue_is_brought_once(house: House) -> None:
    async with open_operator(house.operator, "test") as session:
        done = await loading.found(session)
    assert done is not None
    assert len(done.added) > 20
    await load(house, edition(OLD, title="更正"))
    async with open_operator(house.operator, "test") as session:
        assert await loading.found(session) is None
    corrected = await rows(house, f"SELECT title FROM interface_specs WHERE key = '{OLD}'")
    assert corrected == [("更正",)]


async def test_two_loads_at_once_wait_for_each_other(house: House) -> None:
    done = await asyncio.gather(*(load(house, built_in()) for _ in range(3)))
    assert sorted(bool(one.added) for one in done) == [False, False, True]
