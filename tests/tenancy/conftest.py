"""The whole market, and the same market cut down to each principal: made once, only read."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from worlds import EXECUTOR, PRINCIPALS, Principal, World, opened, settled

from gateway.app.server import application, routes
from gateway.db.embedded import EmbeddedPostgres
from gateway.resolvers.query import build_schema


@pytest.fixture(scope="session")
async def market(
    server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """All tenants' market. A test that changes it takes `own`."""
    async with settled(server, tmp_path_factory.mktemp("market")) as world:
        yield world


@pytest.fixture(scope="session")
async def alone(
    server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[Principal, World]]:
    """For each principal a gateway that holds its own data and nothing else."""
    async with AsyncExitStack() as stack:
        found = {}
        for who in PRINCIPALS:
            place: Path = tmp_path_factory.mktemp(who.code)
            found[who] = await stack.enter_async_context(settled(server, place, who))
        yield found


@pytest.fixture(scope="module")
async def shared(
    server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A market of this module's, for tests that issue keys and tokens and change nothing else."""
    async with settled(server, tmp_path_factory.mktemp("shared")) as made:
        yield made


@pytest.fixture(scope="module")
async def shared_front(shared: World) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application(shared.house))
    executing = {EXECUTOR: httpx.ASGITransport(routes(shared.house, build_schema()))}
    async with httpx.AsyncClient(
        transport=transport, mounts=executing, base_url="http://test"
    ) as client:
        yield client


@pytest.fixture
async def world(server: EmbeddedPostgres, tmp_path: Path) -> AsyncIterator[World]:
    """An empty gateway of the test's own."""
    async with opened(server, tmp_path) as made:
        yield made


@pytest.fixture
async def own(server: EmbeddedPostgres, tmp_path: Path) -> AsyncIterator[World]:
    """A market of the test's own, to be changed."""
    async with settled(server, tmp_path) as made:
        yield made
