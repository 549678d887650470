"""`gateway serve` and `gateway demo`, from their first answer to their end."""

import asyncio
import re
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import httpx
import pytest
from market import ENHANCED, found, key, load
from processes import Place, Process, ended
from serving import Wire

from gateway.app.server import listening
from gateway.config.settings import Settings
from gateway.db.embedded import EmbeddedPostgres
from gateway.tenancy.principal import Role

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
REST = f"||个人||全价用户||20260101||0||{ENHANCED}||Web||{'址' * 127}||{'人' * 63}||0"
MANY = 12_000
"""Lines of some 11 MB: more than the buffers between a server and a client that does not read."""
SMALL_BUFFER = 4096
COUNT = "{ users { totalCount } }"
LINK = "{ users { download { url } } }"


@dataclass
class Served:
    """A server that is up: its process, and what it said."""

    process: Process
    said: str

    @property
    def address(self) -> tuple[str, int]:
        ((host, port),) = set(re.findall(r"http://([\d.]+):(\d+)/graphql", self.said))
        return host, int(port)

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self.address)

    async def stopped(self, stop: signal.Signals) -> str:
        """Tell it to stop; return what it says on its way out."""
        self.process.send_signal(stop)
        return await self.ended()

    async def ended(self) -> str:
        ran = await ended(self.process)
        assert ran.code == 0, ran
        assert "Traceback" not in ran.err
        host, port = self.address
        async with listening(Settings(host=host, port=port)):
            return ran.err

    async def refuses(self) -> None:
        """Wait until nobody new is let in."""
        while True:
            try:
                _, writer = await asyncio.open_connection(*self.address)
            except ConnectionRefusedError:
                return
            writer.close()
            await asyncio.sleep(0.02)


@asynccontextmanager
async def serving(place: Place, *command: str, **more: str) -> AsyncIterator[Served]:
    """Run `serve` or `demo`, and wait for its last word on its way up."""
    process = await place.start(*command, **more)
    assert process.stderr is not None
    last = "Stop with Ctrl-C" if command[0] == "demo" else "serving on"
    try:
        said = ""
        while last not in said:
            line = (await process.stderr.readline()).decode()
            assert line, said
            said += line
        yield Served(process, said)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@pytest.fixture
async def empty() -> AsyncIterator[Place]:
    made = Place()
    yield made
    made.remove()


@dataclass
class Filled:
    """A data directory whose vendor A has many lines, and an operator's key of the vendor."""

    place: Place
    key: str

    async def ask(self, served: Served, query: str) -> httpx.Response:
        async with httpx.AsyncClient(base_url=served.url, timeout=60) as client:
            headers = {"Authorization": f"Bearer {self.key}", "Gateway-Purpose": "test"}
            return await client.post("/graphql", json={"query": query}, headers=headers)

    async def link(self, served: Served) -> str:
        answer = (await self.ask(served, LINK)).json()
        return httpx.URL(answer["data"]["users"]["download"]["url"]).raw_path.decode()


@pytest.fixture(scope="module")
async def template(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Filled]:
    made = Place()
    async with made.house() as house:
        await found(house, "A")
        lines = [f"u{number:06d}||{'名' * 60}{REST}" for number in range(MANY)]
        await load(house, "A", lines, tmp_path_factory.mktemp("lines"))
        text = await key(house, vendor="A", role=Role.VENDOR_OPERATOR)
    yield Filled(made, text)
    made.remove()


@pytest.fixture
async def filled(empty: Place, template: Filled) -> Filled:
    copying = ["cp", "-a", str(template.place.data), str(empty.data)]
    await asyncio.to_thread(subprocess.run, copying, check=True)
    return Filled(empty, template.key)


@pytest.mark.parametrize("stop", STOPS)
async def test_what_is_under_way_is_finished(filled: Filled, stop: signal.Signals) -> None:
    """A query that waits for the database, and a download whose reader is slow."""
    async with serving(filled.place, "serve", GATEWAY_GRACE_SECONDS="600") as served:
        path = await filled.link(served)
        async with await Wire.open(served.address, buffer=SMALL_BUFFER) as wire:
            wire.send(path)
            download = await wire.head()
            other = await asyncpg.connect(EmbeddedPostgres(filled.place.data).url("postgres"))
            async with other.transaction():
                await other.execute("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE")
                asked = asyncio.create_task(filled.ask(served, COUNT))
                while not await other.fetchval(
                    "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
                ):
                    await asyncio.sleep(0.01)
                served.process.send_signal(stop)
                await served.refuses()
            await other.close()
            assert (await asked).json()["data"] == {"users": {"totalCount": MANY}}
            await wire.rest(download)
        assert download.whole
        assert download.trailers["export-rows"] == str(MANY)
        assert await served.ended() == ""
    assert filled.place.postmaster is None


@pytest.mark.parametrize("stop", STOPS)
async def test_what_does_not_finish_in_time_is_cut_so_that_it_shows(
    filled: Filled, stop: signal.Signals
) -> None:
    async with serving(filled.place, "serve", GATEWAY_GRACE_SECONDS="1") as served:
        path = await filled.link(served)
        async with await Wire.open(served.address, buffer=SMALL_BUFFER) as wire:
            wire.send(path)
            download = await wire.head()
            said = await served.stopped(stop)
            await wire.rest(download)
        assert not download.whole
        assert download.trailers == {}
        assert "a request was cut" in said
    assert filled.place.postmaster is None


async def test_a_second_ctrl_c_does_not_wait(filled: Filled) -> None:
    async with serving(filled.place, "serve", GATEWAY_GRACE_SECONDS="600") as served:
        path = await filled.link(served)
        async with await Wire.open(served.address, buffer=SMALL_BUFFER) as wire:
            wire.send(path)
            download = await wire.head()
            served.process.send_signal(signal.SIGINT)
            await served.refuses()
            await served.stopped(signal.SIGINT)
            await wire.rest(download)
        assert not download.whole
    assert filled.place.postmaster is None


async def test_the_address_is_said_when_it_answers(filled: Filled) -> None:
    """At once and without a second try, also by many."""
    async with serving(filled.place, "serve") as served:
        wires = [await Wire.open(served.address) for _ in range(50)]
        answers = await asyncio.gather(*(wire.get("/readyz") for wire in wires))
        assert {answer.status for answer in answers} == {200}
        assert await served.stopped(signal.SIGTERM) == ""
        for wire in wires:
            wire.writer.close()


async def test_a_port_is_served_once(filled: Filled, template: Filled) -> None:
    async with serving(filled.place, "serve") as served:
        port = str(served.address[1])
        for place in (filled.place, template.place):
            for command in ("serve", "demo"):
                process = await place.start(command, GATEWAY_PORT=port)
                second = await ended(process)
                assert (second.code, second.out) == (2, b"")
                assert second.err == (
                    f"error: can't listen on 127.0.0.1:{port}: Address already in use\n"
                    "  where: GATEWAY_PORT\n  accepted: a free port, or 0 for any\n"
                )
        assert (await filled.ask(served, COUNT)).json()["data"]["users"]["totalCount"] == MANY
        assert await served.stopped(signal.SIGINT) == ""
    assert filled.place.postmaster is None


def keys_of(served: Served) -> list[str]:
    return re.findall(r"(?m)^key of .*: (gw_\S+)$", served.said)


async def counted(served: Served) -> int:
    """How many records the data company sees with the key that was printed."""
    licensor, _other, _vendor = keys_of(served)
    async with httpx.AsyncClient(base_url=served.url) as client:
        answer = await client.post(
            "/graphql", json={"query": COUNT}, headers={"Authorization": f"Bearer {licensor}"}
        )
    return int(answer.json()["data"]["users"]["totalCount"])


async def test_the_demo_twice_in_a_row_and_beside_a_server(empty: Place) -> None:
    seen = []
    for stop in (signal.SIGINT, signal.SIGTERM):
        async with serving(empty, "demo", "--scale", "0.02") as shown:
            seen.append(await counted(shown))
            assert await shown.stopped(stop) == ""
        assert empty.postmaster is None
    async with (
        serving(empty, "serve") as served,
        serving(empty, "demo", "--scale", "0.02") as shown,
    ):
        assert served.address != shown.address
        seen.append(await counted(shown))
        assert await shown.stopped(signal.SIGINT) == ""
        assert empty.postmaster is not None
        async with await Wire.open(served.address) as wire:
            assert (await wire.get("/readyz")).status == 200
        assert served.process.returncode is None
        assert await served.stopped(signal.SIGTERM) == ""
    assert empty.postmaster is None
    assert len(set(seen)) == 1
    assert seen[0] > 0
