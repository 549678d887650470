"""`gateway pack`, `gateway approval` and `gateway price set` with tiers, as a script sees them."""

import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from market import ENHANCED, found
from serving import Program, Ran

from gateway.app.house import House
from gateway.catalogue import registry
from gateway.db.embedded import EmbeddedPostgres
from gateway.tenancy.operator import open_operator

Run = Callable[..., Awaitable[Ran]]
PACK = """
name = "hk-style"
version = 1
summary = "Average of the days."
[options]
counted = "average"
tiers = "graduated"
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    started = Program(tmp_path_factory.mktemp("program"))
    yield started
    started.close()


@pytest.fixture
def run(program: Program, house: House) -> Run:
    """Run the program on the test's database."""

    async def ran(*arguments: str | Path) -> Ran:
        return await program.run(house, *map(str, arguments))

    return ran


async def done(run: Run, *arguments: str | Path) -> Any:
    """Run a command that has to succeed, with `--json`; return what it printed."""
    ran = await run(*arguments, "--json")
    assert ran.code == 0, ran.err[-300:]
    return json.loads(ran.out)


async def refused(run: Run, code: int, said: str, *arguments: str | Path) -> None:
    ran = await run(*arguments)
    assert (ran.code, ran.out) == (code, b"")
    assert said in ran.err


async def actions(server: EmbeddedPostgres, database: str) -> list[tuple[str, Any]]:
    admin = await asyncpg.connect(server.url("postgres", database))
    try:
        rows = await admin.fetch("SELECT action, detail FROM audit_events ORDER BY occurred_at")
    finally:
        await admin.close()
    return [(row["action"], json.loads(row["detail"])) for row in rows]


async def test_price_with_tiers_and_a_minimum(
    run: Run, house: House, server: EmbeddedPostgres, database: str
) -> None:
    await found(house, "A")
    one = ("price", "set", ENHANCED, "30", "--from", "202401")
    more = ("--tier", "11=20", "--tier", "101=15.5", "--minimum", "290")
    same = ("--tier", "101=15.50", "--minimum", "290.00", "--tier", "11=20.00")
    assert (await done(run, *one, *more))["changed"]
    assert not (await done(run, *one, *same))["changed"]
    assert (await done(run, *one))["changed"]
    assert not (await done(run, *one))["changed"]
    set_prices = [detail for action, detail in await actions(server, database) if "price" in action]
    assert [detail.get("tiers") for detail in set_prices[-2:]] == [
        {"11": "20", "101": "15.5"},
        None,
    ]
    assert [detail.get("minimum") for detail in set_prices[-2:]] == ["290", None]
    for wrong, said in (
        (("--tier", "1=20"), "tier"),
        (("--tier", "2"), "FROM=AMOUNT"),
        (("--tier", "2=x"), "FROM=AMOUNT"),
        (("--tier", "2=1", "--tier", "2=2"), "FROM=AMOUNT"),
        (("--tier", "9999999999=1"), "2147483647"),
        (("--tier", "2=0.001"), "decimals"),
        (("--minimum", "-1"), "--minimum"),
        (("--minimum", "1e3"), "--minimum"),
    ):
        await refused(run, 2, said, *one, *wrong)
    assert not (await done(run, *one))["changed"]


async def test_packs(
    run: Run, house: House, server: EmbeddedPostgres, database: str, tmp_path: Path
) -> None:
    await found(house, "A")
    path = tmp_path / "pack.toml"
    path.write_text(PACK)
    assert (await done(run, "pack", "add", path))["changed"]
    assert not (await done(run, "pack", "add", path))["changed"]
    path.write_text(PACK.replace("graduated", "none"))
    await refused(run, 2, "hk-style@1", "pack", "add", path)
    for text, said in (
        ("", "name"),
        ("x", "not TOML"),
        (PACK.replace("average", "avarage"), "any-day, last-day, peak-day, average"),
        (PACK + 'colour = "red"', "options.colour"),
        (PACK + 'proration = "daily"', "prorated already"),
        (PACK.replace("hk-style", "szse-2010"), "built in"),
        (PACK.replace("version = 1", "version = true"), "version"),
        (PACK.replace("hk-style", "HK"), "name"),
        ("a = " + "[" * 100_000, "not TOML"),
    ):
        path.write_text(text)
        await refused(run, 2, said, "pack", "add", path)
    path.write_bytes(b"\xff\xff\xff")
    await refused(run, 2, "UTF-8", "pack", "add", path)
    await refused(run, 2, "FILE", "pack", "add", tmp_path)
    used = await done(run, "pack", "use", "hk-style", "--from", "202401")
    assert used["rulePack"] == "hk-style@1"
    await done(run, "pack", "use", "hk-style@1", "--product", ENHANCED, "--from", "202401")
    await refused(run, 1, "nothing@3", "pack", "use", "nothing@3", "--from", "202401")
    await refused(
        run, 1, "nowhere", "pack", "use", "hk-style", "--licensor", "nowhere", "--from", "202401"
    )
    await refused(run, 2, "month", "pack", "use", "hk-style", "--from", "2024")
    told = [detail for action, detail in await actions(server, database) if action == "pack.use"]
    assert [(one["pack"], one["product"]) for one in told] == [
        ("hk-style@1", None),
        ("hk-style@1", ENHANCED),
    ]
    export = ("export", "monthly", "--vendor", "A", "--product", ENHANCED)
    await refused(run, 1, "nothing", *export, "--pack", "nothing")


async def test_approvals(run: Run, house: House, tmp_path: Path) -> None:
    await found(house, "A", "B")
    async with open_operator(house.operator, "test") as session:
        await registry.add_licence(session, "A", ENHANCED, date(2024, 1, 1), None)
    path = tmp_path / "approvals.txt"
    lines = "用户ID||信息产品||用户优惠标记||起始日||终止日||文号\r\n"
    lines += f"甲1||{ENHANCED}||监管用户||20240101||20241231||深证信函1号\r\n"
    load = ("approval", "load", path, "--vendor")
    path.write_bytes(lines.encode("gb18030"))
    assert await done(run, *load, "A") == {"lines": 1, "changed": 1}
    assert await done(run, *load, "A") == {"lines": 1, "changed": 0}
    path.write_text(lines.replace("20241231", "0"))
    assert await done(run, *load, "A") == {"lines": 1, "changed": 1}
    await refused(run, 1, "has no product", *load, "B")
    await refused(run, 1, "not found", *load, "NOBODY")
    path.write_text(lines + f"乙||{ENHANCED}||监管用户||20240101")
    await refused(run, 1, "line 3", *load, "A")
    path.write_text("")
    assert await done(run, *load, "A") == {"lines": 0, "changed": 0}
