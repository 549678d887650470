"""Schemathesis: requests that a stranger's tool makes of the schema alone, against a real socket."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from graphing import calling, small_roster, without_status
from market import found, load
from serving import serving

from gateway.app.house import House
from gateway.resolvers.query import build_schema
from gateway.tenancy.principal import Role

EXAMPLES = os.environ.get("GATEWAY_SCHEMATHESIS", "9")
"""Of each root field, right ones and wrong ones."""


@pytest.mark.parametrize(
    ("role", "asked"), [(None, None), (Role.VENDOR_AUDITOR, "Query.auditEvents")]
)
async def test_a_strangers_requests_get_answers(
    house: House, tmp_path: Path, role: Role | None, asked: str | None
) -> None:
    """No 5xx, no time-out, and of all root fields; an auditor reads the log, which others don't."""
    await found(house, "A")
    await load(house, "A", without_status(small_roster(3)), tmp_path)
    async with calling(house, vendor="A", role=role) as caller, serving(house) as (host, port):
        process = await asyncio.create_subprocess_exec(
            *(Path(sys.executable).parent / "schemathesis", "run"),
            f"http://{host}:{port}/graphql",
            *(part for name in caller.headers.items() for part in ("-H", ": ".join(name))),
            *(() if asked is None else ("--include-name", asked)),
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
    selected = number if asked is None else 1
    assert f"Selected: {selected}/{number}" in said, said
