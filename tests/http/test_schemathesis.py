"""Schemathesis: requests that a stranger's tool makes of the schema alone, against a real socket."""

import asyncio
import os
import sys
from pathlib import Path

from graphing import calling, small_roster, without_status
from market import found, load
from serving import serving

from gateway.app.house import House
from gateway.resolvers.query import build_schema

EXAMPLES = os.environ.get("GATEWAY_SCHEMATHESIS", "12")
"""Of each root field, right ones and wrong ones."""


async def test_a_strangers_requests_get_answers(house: House, tmp_path: Path) -> None:
    """No 5xx, no time-out, and of all root fields."""
    await found(house, "A")
    await load(house, "A", without_status(small_roster(3)), tmp_path)
    async with calling(house, vendor="A") as caller, serving(house) as (host, port):
        process = await asyncio.create_subprocess_exec(
            *(Path(sys.executable).parent / "schemathesis", "run"),
            f"http://{host}:{port}/graphql",
            *(part for name in caller.headers.items() for part in ("-H", ": ".join(name))),
            *("--checks", "no_fault_of_the_server", "--request-timeout", "10"),
            *(
                "--max-examples",
                EXAMPLES,
                "--seed",
                "1",
                "--no-color",
                "--generation-database=none",
            ),
            env={**os.environ, "SCHEMATHESIS_HOOKS": str(Path(__file__).parent / "strangers.py")},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=tmp_path,
        )
        said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    number = len(build_schema()._schema.query_type.fields)
    assert f"Selected: {number}/{number}" in said, said
