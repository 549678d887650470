"""Migration of a PostgreSQL that is not the embedded one, by an owner that is no superuser."""

import asyncio
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from market import PRODUCTS, found, load
from naive.strategies import random_roster

from alembic import command
from gateway.app.house import House
from gateway.app.migrate import configuration, migrate
from gateway.app.tables import metadata
from gateway.config.clock import today
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
            found = {one.name: one.right for one in await examine(engine, metadata)}
        finally:
            await engine.dispose()
        assert found.pop("role") is fit
        assert found.pop("duties") is fit
        assert all(found.values()), found


async def test_two_first_starts_at_once(bare: EmbeddedPostgres) -> None:
    addresses = Addresses(
        bare.url(SERVICE), bare.url(OWNER), bare.url("postgres", "postgres"), bare.directory
    )
    await asyncio.gather(migrate(addresses), migrate(addresses))


async def test_the_counts_of_months_stored_before_are_filled_in(
    house: House, server: EmbeddedPostgres, database: str, tmp_path: Path
) -> None:
    """Down to a database without counts, whose vendors have a history, and up again."""
    await found(house, "ALPHA", "BETA")
    for turn, vendor in enumerate(("ALPHA", "BETA", "ALPHA")):
        roster = random_roster(random.Random(turn), today(), PRODUCTS, 60)
        await load(house, vendor, [one.line() for one in roster], tmp_path)
    owner = make_engine(server.url(OWNER, database), role=None)
    superuser = await asyncpg.connect(server.url("postgres", database))
    stored = "SELECT * FROM monthly_deltas ORDER BY vendor_id, product_id, month"
    try:
        before = await superuser.fetch(stored)
        assert any(row["trial_count"] > 1 for row in before)
        for step, aim in ((command.downgrade, "0004"), (command.upgrade, "head")):
            async with owner.begin() as connection:
                await connection.run_sync(lambda sync, s=step, to=aim: s(configuration(sync), to))
        assert await superuser.fetch(stored) == before
        assert await superuser.fetchval(
            "SELECT relrowsecurity AND relforcerowsecurity FROM pg_class"
            " WHERE relname = 'monthly_deltas'"
        )
        with pytest.raises(asyncpg.NotNullViolationError):
            await superuser.execute(
                "INSERT INTO monthly_deltas (vendor_id, product_id, month, full_price, regulatory,"
                " internal_free, trial, new, ended, cancelled) SELECT vendor_id, product_id,"
                " '2030-01-01', 1, 0, 0, 0, 1, 0, 0 FROM monthly_deltas LIMIT 1"
            )
    finally:
        await superuser.close()
        await owner.dispose()
