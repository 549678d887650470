"""Engines: one way to reach PostgreSQL, embedded or not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import asyncpg
import orjson
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gateway.config.settings import Settings
from gateway.db.connections import Connections
from gateway.db.embedded import DATABASE, OWNER, SERVICE, EmbeddedPostgres
from gateway.errors import BadInput

SERVICE_ROLE = "gateway_service"
DUTIES = ("gateway_operator", "gateway_security", "gateway_auditor")
"""The roles of the command line, which nobody needs to hold together."""
NOBODYS = ("gateway_finder", "gateway_scribe")
"""The roles as which functions run, and nobody else."""
_POOL_SECONDS = 10
"""How long to wait for a free connection before saying that the database does not answer."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the database is: for the service, for the owner, and for making the database."""

    service: str
    owner: str
    maker: str | None = None
    directory: Path | None = None


@asynccontextmanager
async def database(config: Settings, *, durable: bool = True) -> AsyncIterator[Addresses]:
    """Hold the database that the settings name, starting the embedded one if they name none."""
    if config.database_url is not None:
        yield Addresses(config.database_url, config.migrate_url or config.database_url)
        return
    if config.migrate_url is not None:
        raise BadInput(
            "GATEWAY_MIGRATE_URL is given without GATEWAY_DATABASE_URL",
            "只设置了GATEWAY_MIGRATE_URL，未设置GATEWAY_DATABASE_URL",
            argument="GATEWAY_DATABASE_URL",
            accepted="both, or GATEWAY_DATABASE_URL alone, of the login that the command acts as",
        )
    with EmbeddedPostgres(config.data_dir, durable=durable) as server:
        yield Addresses(
            service=server.url(SERVICE),
            owner=server.url(OWNER),
            maker=server.url("postgres", "postgres"),
            directory=server.directory,
        )


def parse_url(text: str) -> URL:
    """Read a database address; raise BadInput for what is none of PostgreSQL's."""
    accepted = "postgresql://user:password@host:port/database"
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.get_backend_name() not in {"postgresql", "postgres"}:
        raise BadInput(
            "GATEWAY_DATABASE_URL is not the address of a PostgreSQL database",
            "GATEWAY_DATABASE_URL不是PostgreSQL数据库的地址",
            argument="GATEWAY_DATABASE_URL",
            accepted=accepted,
        )
    return url.set(drivername="postgresql+asyncpg")


def make_connections(
    address: str, *, role: str, size: int, statement_seconds: int, by_values: bool
) -> Connections:
    """Make connections of asyncpg's own, which only read; to be opened by `async with`.

    Plans are made `by_values` for each request, or once for all of them.
    """
    url = parse_url(address).set(drivername="postgresql")
    connect = partial(
        asyncpg.connect,
        url.render_as_string(hide_password=False),
        timeout=_POOL_SECONDS,
        max_cacheable_statement_size=0,
        max_cached_statement_lifetime=0,
        server_settings=_settings(role, statement_seconds)
        | {
            "default_transaction_read_only": "on",
            "plan_cache_mode": "force_custom_plan" if by_values else "force_generic_plan",
        },
    )
    return Connections(connect, size)


def _settings(role: str | None, statement_seconds: int) -> dict[str, str]:
    settings = {
        "application_name": "compliance-gateway",
        "statement_timeout": f"{statement_seconds}s",
        "timezone": "UTC",
        # dates become text in statements, and a database or login may have another style
        "datestyle": "ISO",
        # a plan made for all values alike serves searches some thirty times slower
        "plan_cache_mode": "force_custom_plan",
    }
    return settings if role is None else settings | {"role": role}


def make_engine(
    address: str,
    *,
    role: str | None,
    pool_size: int = 2,
    statement_seconds: int = 0,
    pre_ping: bool = True,
) -> AsyncEngine:
    """Make an engine whose connections act as `role`, whichever role they log in with.

    Statements end after so many seconds; 0 sets no limit. `pre_ping` asks a
    pooled connection whether it still lives, for callers that don't try again themselves.
    """
    url = parse_url(address)
    connect: dict[str, object] = {"server_settings": _settings(role, statement_seconds)}
    if "sslmode" in url.query:
        connect["ssl"] = url.query["sslmode"]
        url = url.difference_update_query(["sslmode"])
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=_POOL_SECONDS,
        pool_pre_ping=pre_ping,
        connect_args=connect,
        hide_parameters=True,
        json_deserializer=orjson.loads,
        json_serializer=lambda value: orjson.dumps(value).decode(),
    )


__all__ = [
    "DATABASE",
    "DUTIES",
    "NOBODYS",
    "OWNER",
    "SERVICE",
    "SERVICE_ROLE",
    "Addresses",
    "Connections",
    "database",
    "make_connections",
    "make_engine",
    "parse_url",
]
