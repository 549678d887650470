"""Bring the database's schema up to this version: roles and database first, then Alembic."""

from importlib.resources import files
from pathlib import Path

from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from alembic import command
from gateway.db.engine import (
    DATABASE,
    DUTIES,
    NOBODYS,
    OWNER,
    SERVICE,
    Addresses,
    make_engine,
    parse_url,
)

_LOCK = 7_331_201_003


def scripts() -> Path:
    """Return the migrations' folder: inside the installed package, or of the source tree."""
    packaged = Path(str(files("gateway"))) / "_alembic"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "alembic"


def configuration(connection: Connection) -> Config:
    """Return Alembic's configuration for an open connection."""
    config = Config()
    config.set_main_option("script_location", str(scripts()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


async def migrate(addresses: Addresses) -> None:
    """Upgrade the schema to the newest version; several at once wait for each other."""
    if addresses.maker is not None:
        await _make_database(addresses.maker, addresses)
    engine = make_engine(addresses.owner, role=None)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SET LOCAL lock_timeout = '60s'"))
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            await connection.run_sync(lambda sync: command.upgrade(configuration(sync), "head"))
    finally:
        await engine.dispose()


async def _make_database(maker: str, addresses: Addresses) -> None:
    """Make the embedded cluster's roles and database, where they are missing."""
    engine = create_async_engine(parse_url(maker), isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            await connection.execute(text(f"SELECT pg_advisory_lock({_LOCK})"))
            held = set(await connection.scalars(text("SELECT rolname FROM pg_roles")))
            for role, address in ((OWNER, addresses.owner), (SERVICE, addresses.service)):
                if role not in held:
                    await connection.execute(
                        text(f"CREATE ROLE {role} LOGIN PASSWORD '{parse_url(address).password}'")
                    )
            for role in (*DUTIES, *NOBODYS):
                if role not in held:
                    await connection.execute(text(f"CREATE ROLE {role} NOLOGIN"))
            roles = ", ".join((*DUTIES, *NOBODYS, SERVICE))
            await connection.execute(text(f"GRANT {roles} TO {OWNER}"))
            databases = set(await connection.scalars(text("SELECT datname FROM pg_database")))
            name = parse_url(addresses.owner).database or DATABASE
            if name not in databases:
                await connection.execute(text(f'CREATE DATABASE "{name}" OWNER {OWNER}'))
    finally:
        await engine.dispose()
