"""An open gateway: the database held, its engines, and the secret of its links."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.audit.keys import signing_key
from gateway.audit.writer import AccessLog
from gateway.config.settings import Settings
from gateway.db.engine import (
    DUTIES,
    SERVICE_ROLE,
    Addresses,
    database,
    make_connections,
    make_engine,
)
from gateway.errors import BadInput
from gateway.exports.links import Links
from gateway.tenancy.accounts import Seeds
from gateway.tenancy.appending import signing
from gateway.tenancy.discovery import issuers_client
from gateway.tenancy.oidc import Issuers
from gateway.tenancy.sealed import Answers

_SECRET_LENGTH = 32


@dataclass(frozen=True, slots=True)
class House:
    """What the command line and the server work with.

    Exports last as long as their readers take, and so have connections of their own. `answers` are
    those of compiled operations, `accesses` what becomes of them in the audit log. `operator`,
    `security` and `auditor` are the command line's, by duty.
    """

    settings: Settings
    addresses: Addresses
    service: AsyncEngine
    answers: Answers
    exports: AsyncEngine
    operator: AsyncEngine
    security: AsyncEngine
    auditor: AsyncEngine
    links: Links
    issuers: Issuers
    accesses: AccessLog
    seeds: Seeds


@asynccontextmanager
async def open_house(config: Settings, *, durable: bool = True) -> AsyncIterator[House]:
    """Hold the database and its engines; connections are made when first needed."""
    secret = link_secret(config)
    links = Links(secret, config.link_seconds)
    signer = signing_key(audit_keys(config))
    async with database(config, durable=durable) as addresses:
        service = make_engine(
            addresses.service,
            role=SERVICE_ROLE,
            pool_size=config.pool_size,
            statement_seconds=config.statement_seconds,
            pre_ping=False,
        )
        exports = make_engine(
            addresses.service,
            role=SERVICE_ROLE,
            pool_size=config.pool_size,
        )
        audit = make_engine(addresses.service, role=SERVICE_ROLE, pool_size=1)
        duties = (make_engine(addresses.owner, role=role) for role in DUTIES)
        service, exports, audit, operator, security, auditor = engines = [
            signing(engine, signer) for engine in (service, exports, audit, *duties)
        ]
        accesses = AccessLog(audit, secret, seconds=config.audit_seconds)
        by_values, by_shape = (
            make_connections(
                addresses.service,
                role=SERVICE_ROLE,
                size=config.pool_size,
                statement_seconds=config.statement_seconds,
                by_values=by_values,
            )
            for by_values in (True, False)
        )
        answers = Answers(by_values, by_shape)
        client = issuers_client()
        issuers = Issuers(config.oidc, client)
        try:
            async with by_values, by_shape, client:
                yield House(
                    *(config, addresses, service, answers, exports, operator, security, auditor),
                    *(links, issuers),
                    accesses=accesses,
                    seeds=Seeds(secret),
                )
        finally:
            await accesses.close(config.grace_seconds)
            for engine in engines:
                await engine.dispose()


def audit_keys(config: Settings) -> Path:
    """Return the folder of the keys that sign the audit log."""
    return config.audit_keys or config.data_dir.expanduser() / "audit-keys"


def link_secret(config: Settings) -> str:
    """Return the secret that seals links: the setting's, or one kept in the data directory."""
    if config.secret is not None:
        secret = config.secret.get_secret_value()
        if len(secret) < _SECRET_LENGTH:
            raise BadInput(
                f"GATEWAY_SECRET has {len(secret)} characters",
                f"GATEWAY_SECRET只有{len(secret)}个字符",
                argument="GATEWAY_SECRET",
                accepted=f"{_SECRET_LENGTH} characters or more",
            )
        return secret
    path = config.data_dir.expanduser() / "link.secret"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        part.touch(mode=0o600)
        part.write_text(secrets.token_urlsafe(48))
        try:
            path.hardlink_to(part)
        except FileExistsError:
            pass
        finally:
            part.unlink()
    return path.read_text()
