"""From a credential to a principal and its scope. The only caller of `mint`."""

from typing import Any

from sqlalchemy import LargeBinary, String, bindparam, column, func, select, table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.errors import Unauthenticated
from gateway.tenancy.keys import digest, well_formed
from gateway.tenancy.principal import Principal, Role
from gateway.tenancy.reach import DATABASE_ERRORS, unreachable
from gateway.tenancy.scope import Scope, mint


def _asking(call: Any) -> Any:
    """Ask who holds a key, and a licensor's number with it."""
    found = select(call.label("found")).subquery()
    licensors = table("licensors", column("licensor_id"), column("code"))
    number = select(licensors.c.licensor_id).where(
        licensors.c.code == found.c.found["licensor"].astext
    )
    return select(
        found.c.found.op("||")(func.jsonb_build_object("licensor_id", number.scalar_subquery())),
    )


_BY_DIGEST = _asking(func.gateway_authenticate(bindparam("digest", type_=LargeBinary), type_=JSONB))
_BY_PREFIX = _asking(func.gateway_reauthenticate(bindparam("prefix", type_=String), type_=JSONB))


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
    vendors = _numbered(found["vendors"])
    own = {code: number for number, code in vendors.items()}
    vendor = found["vendor"]
    return mint(
        Principal(
            name=f"key:{found['key']}",
            key=found["key"],
            role=Role(found["role"]),
            vendor=vendor,
            licensor=found["licensor"],
            holder=-found["licensor_id"] if vendor is None else own[vendor],
        ),
        vendors,
        _numbered(found["products"]),
    )


def _numbered(names: dict[str, str]) -> dict[int, str]:
    return {int(number): name for number, name in names.items()}


def _refusal() -> Unauthenticated:
    return Unauthenticated(
        "no valid API key: it is missing, unknown, revoked or expired",
        "没有有效的API密钥：缺失、未知、已吊销或已过期",
        accepted="Authorization: Bearer gw_…",
    )
