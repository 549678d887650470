"""graphql-http's audits of servers (GraphQL over HTTP), run by Node against a real socket."""

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from graphing import calling
from market import found
from serving import serving

from gateway.app.house import House

PLACE = Path(__file__).parent / "audits"
NUMBER = 61
PROGRAMS = Path(sys.executable).parent
"""Node and npm among them, from the lock file."""


async def run(*command: str, place: Path) -> str:
    """Run a program to its end and return what it prints; AssertionError if it fails."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=place,
        env={**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


@pytest.fixture
async def audits(tmp_path: Path) -> Path:
    """The audits, installed by the lock file beside them."""
    place = tmp_path / "audits"
    shutil.copytree(PLACE, place, ignore=shutil.ignore_patterns("node_modules"))
    await run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", place=place)
    return place


async def test_every_audit_is_passed(house: House, audits: Path) -> None:
    await found(house, "A")
    async with (
        calling(house, vendor="A") as caller,
        serving(house) as (host, port),
    ):
        told = await run(
            "node", "audits.mjs", f"http://{host}:{port}/graphql", caller.key, place=audits
        )
    results = [json.loads(line) for line in told.splitlines()]
    assert [one for one in results if one["status"] != "ok"] == []
    assert len(results) == NUMBER
