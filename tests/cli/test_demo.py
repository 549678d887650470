"""`gateway demo`, as someone meets it: start, copy the printed command, look, stop."""

import asyncio
import json
import re
import shlex
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from processes import Place, Process


@dataclass
class Demo:
    """A running demo and what it said on its way up."""

    process: Process
    said: str

    @property
    def address(self) -> str:
        return one(r"serves on (http://\S+)/graphql", self.said)

    @property
    def licensor(self) -> str:
        return one(r"data company .*: (gw_\S+)", self.said)

    @property
    def other(self) -> str:
        return one(r"another one .*: (gw_\S+)", self.said)

    @property
    def vendor(self) -> str:
        return one(r"key of the vendor .*: (gw_\S+)", self.said)

    @property
    def command(self) -> list[str]:
        return shlex.split(one(r"(?m)^(curl .*)$", self.said))


def one(pattern: str, text: str) -> str:
    found = re.findall(pattern, text)
    assert len(found) == 1, text
    return str(found[0])


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    made = Place()
    yield made
    made.remove()


@asynccontextmanager
async def demo(place: Place, stop: signal.Signals = signal.SIGINT) -> AsyncIterator[Demo]:
    """Run the demo until its invitation to try it; afterwards stop it as a person does."""
    process = await place.start("demo", "--scale", "0.02")
    assert process.stderr is not None
    try:
        said = ""
        while "Stop with Ctrl-C." not in said:
            line = (await process.stderr.readline()).decode()
            assert line, said
            said += line
        yield Demo(process, said)
        process.send_signal(stop)
        rest = (await process.stderr.read()).decode()
        assert (await process.wait(), rest) == (0, "")
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ask(shown: Demo, key: str, query: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=shown.address) as client:
        return await client.post(
            "/graphql", json={"query": query}, headers={"Authorization": f"Bearer {key}"}
        )


async def curl(command: list[str]) -> bytes:
    """Run a printed curl command."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out


async def test_the_demo_leaves_a_house_with_other_vendors_alone(place: Place) -> None:
    assert (await place.run("vendor", "add", "REAL", "真公司")).code == 0
    ran = await place.run("demo", "--scale", "0.02")
    assert ran.code == 2
    assert "GATEWAY_DATA_DIR" in ran.err
    assert place.postmaster is None


async def test_what_the_demo_prints_works(place: Place) -> None:
    async with demo(place) as shown:
        body = json.loads(await curl(shown.command))
        assert len(body["data"]["monthlyStats"]["nodes"]) == 3
        query = "{ viewer { role } vendors { totalCount } }"
        keys = (shown.licensor, shown.other, shown.vendor)
        seen = [(await ask(shown, key, query)).json() for key in keys]
        own = '{ users(vendors: ["LYSX"]) { totalCount } viewer { licensor } }'
        lists = [(await ask(shown, key, own)).json()["data"] for key in keys]
    assert [one["viewer"]["licensor"] for one in lists] == ["SZSEINFO", "SSEINFO", None]
    szse, sse, every = [one["users"]["totalCount"] for one in lists]
    assert szse > sse > 0
    assert every > szse + sse
    assert [one["data"]["viewer"]["role"] for one in seen] == [
        "LICENSOR_ANALYST",
        "LICENSOR_ANALYST",
        "VENDOR_OPERATOR",
    ]
    assert [one["data"]["vendors"]["totalCount"] for one in seen] == [12, 3, 1]
    assert place.postmaster is None
