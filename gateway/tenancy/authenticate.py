"""From a credential to a principal and its scope. The only caller of `mint`."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, LargeBinary, String, bindparam, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.errors import Unauthenticated
from gateway.tenancy.identity import Identity, Issuer, credential_of, identify, refusal
from gateway.tenancy.principal import Principal, Role
from gateway.tenancy.reach import DATABASE_ERRORS, unreachable
from gateway.tenancy.scope import Scope, mint
from gateway.tenancy.terms import Terms

_BY_DIGEST = select(
    func.gateway_authenticate(
        func.unnest(bindparam("digests", type_=ARRAY(LargeBinary))), type_=JSONB
    )
)
_BY_PREFIX = select(func.gateway_reauthenticate(bindparam("prefix", type_=String), type_=JSONB))


@dataclass(frozen=True, slots=True)
class Found:
    """A scope, and what it was read by: the credential's digest, the state of the catalogue."""

    scope: Scope
    digest: bytes
    ticks: int


async def authenticate(
    engine: AsyncEngine, header: str | None, issuer: Issuer | None = None
) -> Scope:
    """Return the scope of an `Authorization: Bearer` header, or raise Unauthenticated.

    A credential that is unknown, revoked or expired is refused in one wording.
    """
    identity = await identify(credential_of(header), issuer)
    return (await ask_for_scope(engine, identity)).scope


async def ask_for_scope(engine: AsyncEngine, identity: Identity) -> Found:
    """Return the scope of the one stored credential that an identity means."""
    rows = await _ask(engine, _BY_DIGEST, digests=list(identity.digests))
    good = [row for row in rows if row is not None]
    if len(good) > 1:
        names = " / ".join(sorted(row["claim"] for row in good))
        raise Unauthenticated(
            f"the token stands for several accesses at once: {names}",
            f"令牌同时对应多项访问权限：{names}",
            accepted="a token with one claim value that the gateway knows",
        )
    row = good[0] if good else None
    scope = _scope(row, identity.subject)
    return Found(scope, bytes.fromhex(good[0]["digest"]), int(good[0]["ticks"]))


async def reauthenticate(engine: AsyncEngine, prefix: str) -> Scope:
    """Return the present scope of a key that was authenticated before, by its prefix.

    For sealed links only: the seal proves that the gateway itself wrote the prefix.
    """
    rows = await _ask(engine, _BY_PREFIX, prefix=prefix)
    return _scope(rows[0])


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


async def _ask(engine: AsyncEngine, statement: Any, **values: Any) -> list[dict[str, Any] | None]:
    """Ask on any connection; once more if a pooled one was lost."""
    for _ in range(2):
        try:
            async with engine.connect() as connection:
                return [*(await connection.execute(statement, values)).scalars()]
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise unreachable() from error
        except DATABASE_ERRORS as error:
            raise unreachable() from error
    raise unreachable()


def _scope(found: dict[str, Any] | None, subject: str | None = None) -> Scope:
    if found is None:
        raise refusal()
    terms = None
    if found["kind"] == "EMBED":
        terms = Terms(frozenset(found["origins"] or ()), frozenset(found["documents"] or ()))
    return mint(
        Principal(
            name=f"key:{found['key']}" if subject is None else f"oidc:{found['key']}:{subject}",
            key=found["key"],
            role=Role(found["role"]),
            vendor=found["vendor"],
            licensor=found["licensor"],
            terms=terms,
        ),
        _numbered(found["vendors"]),
        _numbered(found["products"]),
    )


def _numbered(names: dict[str, str]) -> dict[int, str]:
    return {int(number): name for number, name in names.items()}
