"""The whole market, and the same market cut down to each principal: made once, only read."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from worlds import PRINCIPALS, Principal, World, opened, settle

from gateway.db.embedded import EmbeddedPostgres


@pytest.fixture(scope="session")
async def market(
    server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """All tenants' market. A test that changes it makes its own by `settle`."""
    async with opened(server, tmp_path_factory.mktemp("market")) as world:
        yield await settle(world)


@pytest.fixture(scope="session")
async def alone(
    server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[Principal, World]]:
    """For each principal a gateway that holds its own data and nothing else."""
    async with AsyncExitStack() as stack:
        found = {}
        for who in PRINCIPALS:
            place: Path = tmp_path_factory.mktemp(who.code)
            found[who] = await settle(await stack.enter_async_context(opened(server, place)), who)
        yield found


@pytest.fixture
async def world(server: EmbeddedPostgres, tmp_path: Path) -> AsyncIterator[World]:
    """An empty gateway of the test's own."""
    async with opened(server, tmp_path) as made:
        yield made
