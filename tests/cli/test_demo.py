"""`gateway demo`, as someone meets it: start, copy the printed command, look, stop."""

import asyncio
import json
import re
import shlex
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from processes import Place, Process

from gateway.demo import VENDORS


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
        assert await process.wait() in (0, 128 + stop)
        assert "Traceback" not in rest
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


async def test_the_demo_shows_what_it_prints_and_stops(place: Place) -> None:
    async with demo(place) as shown:
        for vendor in VENDORS:
            assert f"{vendor.code} {vendor.name}: " in shown.said
        assert shutil.which("curl"), "the printed command needs curl"
        data = json.loads(await curl(shown.command))["data"]
        nodes = data["monthlyStats"]["nodes"]
        assert len(nodes) == 3
        assert {node["vendor"]["name"] for node in nodes} <= {one.name for one in VENDORS}
        assert all(re.fullmatch(r"\d{4}年\d\d月", node["label"]) for node in nodes)
        assert any(node["fullPriceCount"] > 0 and float(node["fee"]) > 0 for node in nodes)
        everyone = "{ viewer { role vendors { code } } users { totalCount } }"
        seen = (await ask(shown, shown.licensor, everyone)).json()["data"]
        assert {one["code"] for one in seen["viewer"]["vendors"]} == {one.code for one in VENDORS}
        own = (await ask(shown, shown.vendor, everyone)).json()["data"]
        assert [one["code"] for one in own["viewer"]["vendors"]] == [VENDORS[0].code]
        assert 0 < own["users"]["totalCount"] < seen["users"]["totalCount"]
        assert (await ask(shown, "gw_x", everyone)).status_code == 401
        total, first = seen["users"]["totalCount"], shown
        assert place.postmaster is not None
    assert place.postmaster is None
    async with demo(place, signal.SIGTERM) as shown:
        assert shown.licensor != first.licensor
        for key in (first.licensor, shown.licensor):
            data = (await ask(shown, key, "{ users { totalCount } }")).json()["data"]
            assert data["users"]["totalCount"] == total
    assert place.postmaster is None


async def test_the_demo_leaves_a_house_with_other_vendors_alone(place: Place) -> None:
    assert (await place.run("vendor", "add", "REAL", "真公司")).code == 0
    ran = await place.run("demo", "--scale", "0.02")
    assert ran.code == 2
    assert "GATEWAY_DATA_DIR" in ran.err
    assert place.postmaster is None
