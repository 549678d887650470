"""Migration of a PostgreSQL that is not the embedded one, by an owner that is no superuser."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from gateway.app.migrate import migrate
from gateway.db.embedded import OWNER, SERVICE, EmbeddedPostgres
from gateway.db.engine import SERVICE_ROLE, Addresses, make_engine
from gateway.tenancy.doctor import examine


@pytest.fixture
def bare() -> Iterator[EmbeddedPostgres]:
    """A cluster with none of the gateway's roles."""
    place = Path(tempfile.mkdtemp(prefix="gateway-bare-"))
    place.chmod(0o755)
    with EmbeddedPostgres(place, durable=False) as running:
        yield running
    shutil.rmtree(place)


async def test_an_owner_with_createrole_migrates_and_a_plain_login_serves(
    bare: EmbeddedPostgres,
) -> None:
    maker = await asyncpg.connect(bare.url("postgres", "postgres"))
    try:
        await maker.execute("CREATE ROLE landlord LOGIN CREATEROLE PASSWORD 'x'")
        await maker.execute("CREATE DATABASE house OWNER landlord")
        host = bare.url("postgres", "house").partition("?")[2]
        owner = f"postgresql://landlord:x@/house?{host}"
        await migrate(Addresses(service=owner, owner=owner))
        await maker.execute("CREATE ROLE web LOGIN PASSWORD 'x' IN ROLE gateway_service")
    finally:
        await maker.close()
    for login, fit in (("web", True), ("landlord", False)):
        engine = make_engine(f"postgresql://{login}:x@/house?{host}", role=SERVICE_ROLE)
        try:
            found = {one.name: one.right for one in await examine(engine)}
        finally:
            await engine.dispose()
        assert found.pop("role") is fit
        assert all(found.values()), found


async def test_two_first_starts_at_once(bare: EmbeddedPostgres) -> None:
    addresses = Addresses(
        bare.url(SERVICE), bare.url(OWNER), bare.url("postgres", "postgres"), bare.directory
    )
    await asyncio.gather(migrate(addresses), migrate(addresses))
