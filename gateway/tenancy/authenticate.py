"""From a credential to a principal and its scope. The only caller of `mint`."""

from dataclasses import dataclass
from datetime import UTC, datetime
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

_PRESENTED = func.unnest(bindparam("digests", type_=ARRAY(LargeBinary))).column_valued("presented")
_BY_DIGEST = select(
    func.gateway_authenticate(_PRESENTED, type_=JSONB).op("||")(
        func.jsonb_build_object("terms", func.gateway_terms(_PRESENTED, type_=JSONB), type_=JSONB)
    )
)
_DOCUMENT = select(
    func.gateway_document(
        bindparam("digest", type_=LargeBinary), bindparam("wanted", type_=String), type_=JSONB
    ).label("document")
)
_ORIGIN = select(func.gateway_knows_origin(bindparam("asked", type_=String), type_=JSONB))
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
    if not good:
        raise refusal()
    (row,) = good
    return Found(_scope(row, identity), bytes.fromhex(row["digest"]), int(row["ticks"]))


async def registered_document(engine: AsyncEngine, presented: bytes, wanted: str) -> str | None:
    """Return the text of a document that a credential's vendor registered, by its digest."""
    rows: list[Any] = await _ask(engine, _DOCUMENT, digest=presented, wanted=wanted)
    return str(rows[0]) if rows and rows[0] is not None else None


async def knows_origin(engine: AsyncEngine, origin: str) -> bool:
    """Say whether any vendor registered an origin, or has tokens for it; which one, is not told."""
    rows = await _ask(engine, _ORIGIN, asked=origin)
    return bool(rows[0])


async def reauthenticate(engine: AsyncEngine, prefix: str, subject: str | None = None) -> Scope:
    """Return the present scope of a key that was authenticated before, by its prefix.

    For sealed links only: the seal proves that the gateway itself wrote the prefix, and whom an
    issuer named, for the log.
    """
    rows = await _ask(engine, _BY_PREFIX, prefix=prefix)
    return _scope(rows[0], Identity((), subject))


async def operator_scope(operator: AsyncConnection, actor: str) -> Scope:
    """Return the platform operator's scope: all vendors and products.

    `operator` is a connection of the operator's role, which only the command line has.
    """
    found = (await operator.execute(select(func.gateway_market(type_=JSONB)))).scalar_one()
    return mint(
        Principal(name=actor, role=Role.PLATFORM_OPERATOR, purpose="command line"),
        _numbered(found["vendors"]),
        _numbered(found["products"]),
        _numbered(found["owners"]),
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


def _scope(found: dict[str, Any] | None, identity: Identity | None = None) -> Scope:
    if found is None:
        raise refusal()
    return mint(
        _principal(found, found.get("terms") or {}, identity),
        _numbered(found["vendors"]),
        _numbered(found["products"]),
        _numbered(found["owners"]),
    )


def _principal(
    found: dict[str, Any], terms: dict[str, Any], identity: Identity | None
) -> Principal:
    """Return who a stored credential is, with what is registered and what a token is bound to."""
    subject, until = (None, None) if identity is None else (identity.subject, identity.expires)
    ends = [float(one) for one in (terms.get("expires"), until) if one is not None]
    is_token = found["kind"] == "EMBED"
    documents = frozenset(terms.get("documents") or ())
    if own := frozenset(terms.get("own_documents") or ()):
        documents &= own
    pages = frozenset(terms.get("own_origins") or ())
    return Principal(
        name=_name(found, subject),
        key=found["key"],
        role=Role(found["role"]),
        vendor=found["vendor"],
        licensor=found["licensor"],
        holder=int(found["holder"]),
        expires=datetime.fromtimestamp(min(ends), UTC) if ends else None,
        origins=pages or frozenset(terms.get("origins") or ()),
        pages_only=bool(pages),
        documents=documents,
        runs=documents if is_token or terms.get("trusted_only") else None,
        purpose=terms.get("own_purpose"),
        subject=subject,
        is_token=is_token,
        is_session=found["kind"] == "SESSION",
    )


def _name(found: dict[str, Any], subject: str | None) -> str:
    """Return what the audit log calls a caller."""
    if subject is not None:
        return f"oidc:{found['key']}:{subject}"
    if found["kind"] == "SESSION":
        return f"account:{found['claim']}"
    return f"key:{found['key']}"


def _numbered(named: dict[str, Any]) -> dict[int, Any]:
    return {
        int(number): tuple(what) if isinstance(what, list) else what
        for number, what in named.items()
    }
