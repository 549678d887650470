"""An embedded gateway of its own in a temporary directory, durable as by default."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
from pydantic import SecretStr

from benchmarks.lines import PRODUCTS
from gateway.app.house import House, open_house
from gateway.app.migrate import migrate
from gateway.catalogue import registry
from gateway.config.settings import Settings
from gateway.db.embedded import OWNER, SERVICE, EmbeddedPostgres
from gateway.db.engine import Addresses
from gateway.intake.problems import BadLine
from gateway.intake.run import Mode, Outcome, import_users
from gateway.intake.sources import FileSource
from gateway.tenancy.operator import open_operator
from gateway.tenancy.scope import Scope


@dataclass(frozen=True, slots=True)
class Place:
    """A directory for files, and the database's addresses, which other processes can use too."""

    directory: Path
    service: str
    owner: str
    superuser: str

    @asynccontextmanager
    async def gateway(self) -> AsyncIterator[House]:
        config = Settings(
            database_url=self.service,
            migrate_url=self.owner,
            data_dir=self.directory,
            secret=SecretStr("for the benchmark's links, which nobody opens"),
        )
        async with open_house(config) as house:
            yield house

    async def version(self) -> str:
        async with self.postgres() as postgres:
            return " ".join(str(await postgres.fetchval("SELECT version()")).split()[:2])

    @asynccontextmanager
    async def postgres(self) -> AsyncIterator[Any]:
        """Open a plain connection of the superuser: what the floors are measured with."""
        connection = await asyncpg.connect(self.superuser)
        try:
            yield connection
        finally:
            await connection.close()


@contextmanager
def embedded(keep: Path | None = None) -> Iterator[Place]:
    """Make an embedded PostgreSQL with the gateway's schema; remove it in the end, unless kept."""
    directory = keep or Path(tempfile.mkdtemp(prefix="gateway-benchmark-"))
    directory.mkdir(exist_ok=True)
    directory.chmod(0o755)
    try:
        with EmbeddedPostgres(directory) as server:
            service, owner = server.url(SERVICE), server.url(OWNER)
            maker = server.url("postgres", "postgres")
            asyncio.run(migrate(Addresses(service, owner, maker, server.directory)))
            yield Place(directory, service, owner, server.url("postgres"))
    finally:
        if keep is None:
            shutil.rmtree(directory, ignore_errors=True)


async def found(house: House, vendors: Sequence[str], products: Sequence[str] = PRODUCTS) -> None:
    """Set up vendors and the products, each with a price."""
    async with open_operator(house.operator, "benchmark") as session:
        for name in products:
            await registry.add_product(session, name, "SZSEINFO")
            await registry.set_price(session, name, Decimal("12.34"), date(2000, 1, 1), None)
        for code in vendors:
            await registry.add_vendor(session, code, f"{code}信息有限公司")


async def whole_scope(house: House) -> Scope:
    """Return the operator's scope: everything."""
    async with open_operator(house.operator, "benchmark") as session:
        return await session.scope()


async def bring_in(house: House, vendor: str, path: Path, mode: Mode = Mode.SNAPSHOT) -> Outcome:
    """Import a file as `gateway import users` does."""
    scope = await whole_scope(house)
    return await import_users(house.service, scope, vendor, FileSource(path), mode, report=_refuse)


def _refuse(bad: BadLine) -> None:
    raise AssertionError(bad.problems[0].text())
