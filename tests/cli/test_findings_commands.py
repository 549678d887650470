"""`gateway findings`, `findings rules|threshold` and `licence modes`, as a script sees them."""

import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from market import BASIC, ENHANCED, found, load
from serving import Program, Ran

from gateway.app.house import House

Run = Callable[..., Awaitable[Ran]]
LINES = [
    f"u{i}||名{i}||个人||全价用户||20240115||0||{ENHANCED}||Web||0||0||13800000000"
    for i in range(4)
]
MONTH = ("--month", "202402")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    started = Program(tmp_path_factory.mktemp("program"))
    yield started
    started.close()


@pytest.fixture
async def run(program: Program, house: House, tmp_path: Path) -> Run:
    """Run the program on a database with two vendors, both without licences."""
    await found(house, "A", "B")
    for vendor in ("A", "B"):
        await load(house, vendor, LINES, tmp_path)

    async def ran(*arguments: str) -> Ran:
        return await program.run(house, *arguments)

    return ran


async def told(run: Run, *arguments: str) -> list[Any]:
    ran = await run("findings", *arguments, "--json")
    assert ran.code == 0, ran.err
    return [json.loads(line) for line in ran.out.decode().splitlines()]


async def test_findings_thresholds_and_modes(run: Run) -> None:
    assert [(one["rule"], one["vendor"], one["observed"]) for one in await told(run, *MONTH)] == [
        ("UNLICENSED_PRODUCT", "A", "4.00"),
        ("UNLICENSED_PRODUCT", "B", "4.00"),
    ]
    for vendor in ("A", "B"):
        licensed = await run("licence", "add", vendor, ENHANCED, "--from", "20200101")
        assert licensed.code == 0
    assert await told(run, *MONTH) == []
    assert (await run("findings", *MONTH)).out == b""

    setting = ("findings", "threshold", "SHARED_PHONE", "base")
    for value, changed in (("3", True), ("3", False), ("default", True), ("3", True)):
        ran = await run(*setting, value, "--licensor", "SZSEINFO", "--json")
        assert json.loads(ran.out)["changed"] is changed
    (one,) = await told(run, *MONTH, "--vendor", "B", "--rule", "SHARED_PHONE")
    assert (one["month"], one["subject"], one["limit"]) == ("2024-02", "13800000000", "3.00")
    plain = (await run("findings", *MONTH, "--severity", "MEDIUM")).out.decode().splitlines()
    assert [line.split()[:3] for line in plain] == [
        ["2024-02", "MEDIUM", "A"],
        ["2024-02", "MEDIUM", "B"],
    ]
    rules = {one["code"]: one for one in await told(run, "rules")}
    assert rules["SHARED_PHONE"]["thresholds"]["base"] == {
        "value": "5",
        "overrides": {ENHANCED: "3.0000", BASIC: "3.0000"},
    }
    assert "SHARED_PHONE  MEDIUM" in (await run("findings", "rules")).out.decode()

    modes = ("licence", "add", "A", ENHANCED, "--from", "20200101")
    assert (await run(*modes, "--mode", "终端", "--mode", "datafeed")).code == 0
    (one,) = await told(
        run, "--from", "202402", "--to", "202402", "--rule", "UNLICENSED_USAGE_MODE"
    )
    assert (one["vendor"], one["subject"], one["observed"]) == ("A", "WEB", "4.00")
    assert (await run(*modes)).code == 0
    assert await told(run, *MONTH, "--rule", "UNLICENSED_USAGE_MODE") == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("findings", "--rule", "SHARED"),
        ("findings", "--severity", "high"),
        ("findings", "--month", "2024"),
        ("findings", "--month", "202401", "--to", "202402"),
        ("findings", "--from", "202001", "--to", "202112"),
        ("findings", "threshold", "SHARED_PHONE", "base", "-1", "--licensor", "SZSEINFO"),
        ("findings", "threshold", "SHARED_PHONE", "base", "x", "--licensor", "SZSEINFO"),
        ("findings", "threshold", "SHARED_PHONE", "quota", "1", "--licensor", "SZSEINFO"),
    ],
)
async def test_wrong_usage_is_two(run: Run, arguments: tuple[str, ...]) -> None:
    ran = await run(*arguments)
    assert (ran.code, ran.out) == (2, b""), ran.err
