"""From a credential to a principal and its scope. The only caller of `mint`."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import LargeBinary, String, bindparam, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.errors import Unauthenticated
from gateway.tenancy.keys import digest, well_formed
from gateway.tenancy.principal import Principal, Role
from gateway.tenancy.reach import DATABASE_ERRORS, unreachable
from gateway.tenancy.scope import Scope, mint

_DIGEST = bindparam("digest", type_=LargeBinary)
_BY_DIGEST = select(
    func.gateway_authenticate(_DIGEST, type_=JSONB).op("||")(
        func.jsonb_build_object("terms", func.gateway_terms(_DIGEST, type_=JSONB), type_=JSONB)
    )
)
_DOCUMENT = select(
    func.gateway_document(_DIGEST, bindparam("wanted", type_=String), type_=JSONB).label("document")
)
_ORIGIN = select(func.gateway_knows_origin(bindparam("asked", type_=String), type_=JSONB))
_BY_PREFIX = select(func.gateway_reauthenticate(bindparam("prefix", type_=String), type_=JSONB))


async def authenticate(engine: AsyncEngine, header: str | None) -> Scope:
    """Return the scope of an `Authorization: Bearer` header's API key, or raise Unauthenticated.

    A key that is unknown, revoked or expired is refused in one wording.
    """
    scope, _ = await ask_for_scope(engine, digest_of(header))
    return scope


def digest_of(header: str | None) -> bytes:
    """Return the digest of an `Authorization: Bearer` header's key, or raise Unauthenticated."""
    scheme, _, credential = (header or "").partition(" ")
    credential = credential.strip()
    if scheme.lower() != "bearer" or not well_formed(credential):
        raise _refusal()
    return digest(credential)


async def ask_for_scope(engine: AsyncEngine, presented: bytes) -> tuple[Scope, int]:
    """Return a key's scope by its digest, and the state of the catalogue that it was read in."""
    found = await _ask(engine, _BY_DIGEST, digest=presented)
    return _scope(found), int(found["ticks"]) if found is not None else 0


async def registered_document(engine: AsyncEngine, presented: bytes, wanted: str) -> str | None:
    """Return the text of a document that a key's vendor registered, by its digest."""
    found: Any = await _ask(engine, _DOCUMENT, digest=presented, wanted=wanted)
    return None if found is None else str(found)


async def knows_origin(engine: AsyncEngine, origin: str) -> bool:
    """Say whether any vendor registered an origin; which one, is not told."""
    return bool(await _ask(engine, _ORIGIN, asked=origin))


async def reauthenticate(engine: AsyncEngine, prefix: str) -> Scope:
    """Return the present scope of a key that was authenticated before, by its prefix.

    For sealed links only: the seal proves that the gateway itself wrote the prefix.
    """
    return _scope(await _ask(engine, _BY_PREFIX, prefix=prefix))


async def operator_scope(operator: AsyncConnection, actor: str) -> Scope:
    """Return the platform operator's scope: all vendors and products.

    `operator` is a connection of the operator's role, which only the command line has.
    """
    found = (await operator.execute(select(func.gateway_market(type_=JSONB)))).scalar_one()
    return mint(
        Principal(name=actor, role=Role.PLATFORM_OPERATOR),
        _numbered(found["vendors"]),
        _numbered(found["products"]),
        _numbered(found["owners"]),
    )


async def _ask(engine: AsyncEngine, statement: Any, **values: Any) -> dict[str, Any] | None:
    """Ask on any connection; once more if a pooled one was lost."""
    for _ in range(2):
        try:
            async with engine.connect() as connection:
                found: dict[str, Any] | None = (
                    await connection.execute(statement, values)
                ).scalar()
                return found
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise unreachable() from error
        except DATABASE_ERRORS as error:
            raise unreachable() from error
    raise unreachable()


def _scope(found: dict[str, Any] | None) -> Scope:
    if found is None:
        raise _refusal()
    terms = found.get("terms") or {}
    expires = terms.get("expires")
    return mint(
        Principal(
            name=f"key:{found['key']}",
            key=found["key"],
            role=Role(found["role"]),
            vendor=found["vendor"],
            licensor=found["licensor"],
            expires=None if expires is None else datetime.fromtimestamp(float(expires), UTC),
            origins=frozenset(terms.get("origins", ())),
            documents=frozenset(terms.get("documents", ())),
            trusted_only=terms.get("trusted_only", False),
        ),
        _numbered(found["vendors"]),
        _numbered(found["products"]),
        _numbered(found["owners"]),
    )


def _numbered(named: dict[str, Any]) -> dict[int, Any]:
    return {
        int(number): tuple(what) if isinstance(what, list) else what
        for number, what in named.items()
    }


def _refusal() -> Unauthenticated:
    return Unauthenticated(
        "no valid API key: it is missing, unknown, revoked or expired",
        "没有有效的API密钥：缺失、未知、已吊销或已过期",
        accepted="Authorization: Bearer gw_…",
    )
