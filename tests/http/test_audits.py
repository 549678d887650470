"""graphql-http's audits of servers (GraphQL over HTTP), run by Node against a real socket."""

import asyncio
import json
from pathlib import Path

from graphing import calling
from market import found
from npm import install, run
from serving import serving

from gateway.app.house import House

PLACE = Path(__file__).parent / "audits"
NUMBER = 61


async def test_every_audit_is_passed(house: House, tmp_path: Path) -> None:
    audits = await asyncio.to_thread(install, PLACE, tmp_path / "audits")
    await found(house, "A")
    async with (
        calling(house, vendor="A") as caller,
        serving(house) as (host, port),
    ):
        command = ("node", "audits.mjs", f"http://{host}:{port}/graphql", caller.key)
        told = await asyncio.to_thread(run, *command, place=audits)
    results = [json.loads(line) for line in told.splitlines()]
    assert [one for one in results if one["status"] != "ok"] == []
    assert len(results) == NUMBER
