"""`gateway audit`: what it prints, and how it ends."""

import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ledger import filled, superuser
from serving import Program, Ran

from gateway.app.house import House
from gateway.db.embedded import EmbeddedPostgres

Run = Callable[..., Awaitable[Ran]]
CHAIN = "vendor LEDGER1"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    started = Program(tmp_path_factory.mktemp("program"))
    yield started
    started.close()


@pytest.fixture
def run(program: Program, house: House) -> Run:
    async def ran(*arguments: str | Path, **more: str) -> Ran:
        return await program.run(house, *map(str, arguments), **more)

    return ran


async def test_a_whole_log_ends_with_0_and_says_how_far_it_is_signed(
    run: Run, house: House
) -> None:
    await filled(house)
    told = await run("audit", "verify")
    assert told.code == 0, told.err
    lines = told.out.decode().splitlines()
    assert [line.partition(";")[0] for line in lines if CHAIN in line] == [
        f"ok     {CHAIN}: 6 entries, the last is 6"
    ]
    assert all("; signed to " in line for line in lines)
    assert told.err.splitlines()[-1] == "7 entries are as they were written"
    one = await run("audit", "verify", "--vendor", "LEDGER1", "--json")
    found = json.loads(one.out)
    assert (found["chain"], found["entries"], found["checkpoint"]["number"]) == (CHAIN, 6, 6)


async def test_a_damaged_one_ends_with_1_and_names_the_first_entry(
    run: Run, house: House, server: EmbeddedPostgres, database: str
) -> None:
    holder = (await filled(house))["LEDGER1"]
    async with superuser(server, database) as admin:
        for number in (5, 3):
            await admin.execute(
                "UPDATE audit_events SET actor = 'x' WHERE holder = $1 AND number = $2",
                *(holder, number),
            )
    told = await run("audit", "verify")
    assert told.code == 1
    (line,) = [line for line in told.out.decode().splitlines() if line.startswith("WRONG")]
    assert line.startswith(f"WRONG  {CHAIN}: entry 3 of 20")
    assert ": altered: " in line
    damage = json.loads((await run("audit", "verify", "--json", "--vendor", "LEDGER1")).out)[
        "damage"
    ]
    assert (damage["kind"], damage["number"]) == ("altered", 3)
    refused = await run("audit", "checkpoint")
    assert refused.code == 1
    assert "a damaged log is not signed" in refused.err
    assert (await run("audit", "verify", "--vendor", "LEDGER2")).code == 0


async def test_checkpoints_kept_elsewhere_tell_a_cut_end(
    run: Run, house: House, server: EmbeddedPostgres, database: str, tmp_path: Path
) -> None:
    holder = (await filled(house))["LEDGER1"]
    kept = tmp_path / "checkpoints.jsonl"
    told = await run("audit", "checkpoint")
    assert told.code == 0, told.err
    kept.write_bytes(told.out)
    lines: list[dict[str, Any]] = [json.loads(line) for line in told.out.splitlines()]
    assert {line["chain"]: line["number"] for line in lines}[CHAIN] == 6
    assert (await run("audit", "verify", "--against", kept)).code == 0
    async with superuser(server, database) as admin:
        for table in ("audit_events", "audit_checkpoints"):
            await admin.execute(f"DELETE FROM {table} WHERE holder = $1 AND number > 3", holder)
    assert (await run("audit", "verify")).code == 0
    found = await run("audit", "verify", "--against", kept)
    assert found.code == 1
    assert f"WRONG  {CHAIN}: entry 4: missing" in found.out.decode()
    kept.write_text(kept.read_text().replace('"number":6', '"number":3'))
    assert "forged checkpoint" in (await run("audit", "verify", "--against", kept)).out.decode()


async def test_entries_without_a_signature_are_signed_once(
    run: Run, house: House, server: EmbeddedPostgres, database: str
) -> None:
    await filled(house)
    async with superuser(server, database) as admin:
        await admin.execute("DELETE FROM audit_checkpoints")
    assert (await run("audit", "verify")).code == 1
    assert (await run("audit", "checkpoint")).code == 0
    assert (await run("audit", "verify")).code == 0


async def test_another_key_signs_after_a_rotation(run: Run, house: House) -> None:
    await filled(house)
    made = json.loads((await run("audit", "rotate", "--json")).out)["key"]
    assert (await run("vendor", "add", "LATER", "后")).code == 0
    told = await run("audit", "checkpoint")
    keys = {json.loads(line)["chain"]: json.loads(line)["key"] for line in told.out.splitlines()}
    assert keys["vendor LATER"] == made
    assert keys[CHAIN] != made
    assert (await run("audit", "verify")).code == 0


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (("--from", "yesterday"), "--from"),
        (("--against", "nowhere.jsonl"), "--against"),
        (("--vendor", "A", "--licensor", "B"), "--vendor"),
    ],
)
async def test_wrong_usage(run: Run, arguments: tuple[str, ...], where: str) -> None:
    told = await run("audit", "verify", *arguments)
    assert told.code == 2
    assert f"where: {where}" in told.err
    assert "accepted:" in told.err
    assert (await run("audit", "verify", "--vendor", "NOBODY")).code == 1
