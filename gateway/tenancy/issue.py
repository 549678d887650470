"""Issuing and revoking API keys, and granting access to issuers' groups, as the operator."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, func, insert, select, update

from gateway.config.clock import now
from gateway.errors import BadInput, NotFound
from gateway.tenancy.keys import NewKey, generate
from gateway.tenancy.models import ApiKey
from gateway.tenancy.oidc import grant_digest
from gateway.tenancy.operator import OperatorSession
from gateway.tenancy.principal import Role

_TABLE = ApiKey.table()


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom a key belongs to: a vendor or a licensor, by number."""

    vendor_id: int | None = None
    licensor_id: int | None = None

    @property
    def number(self) -> int:
        """The number of the holder's audit log: a licensor's is below zero."""
        return self.vendor_id if self.vendor_id is not None else -(self.licensor_id or 0)

    @property
    def side(self) -> str:
        """VENDOR or LICENSOR, as in the names of roles; BadInput for both or neither."""
        if (self.vendor_id is None) == (self.licensor_id is None):
            raise BadInput(
                "a key belongs to a vendor or to a licensor",
                "密钥属于信息商或信息公司之一",
                argument="holder",
                accepted="either a vendor or a licensor",
            )
        return "LICENSOR" if self.vendor_id is None else "VENDOR"


def role_for(name: str, holder: Holder) -> Role:
    """Read a role's name, with or without its side (`analyst`); BadInput if it does not fit."""
    side = holder.side
    full = name.upper().replace("-", "_")
    full = full if full.startswith(f"{side}_") else f"{side}_{full}"
    if full not in Role.__members__:
        raise _misfit(name, side)
    return Role[full]


def _misfit(name: str, side: str) -> BadInput:
    fitting = [
        role.value.removeprefix(f"{side}_").lower() for role in Role if role.value.startswith(side)
    ]
    return BadInput(
        f"{name!r} is not a role of a {side.lower()}",
        f"“{name}”不是该方的角色",
        argument="role",
        accepted=" / ".join(fitting),
    )


async def issue(
    session: OperatorSession,
    holder: Holder,
    role: Role,
    *,
    days: int | None,
    trusted_only: bool = False,
) -> tuple[NewKey, datetime | None]:
    """Store a new key and return it, with its expiry: the only time it can be seen.

    With `trusted_only` it runs the vendor's registered documents and nothing else. BadInput for a
    role of the other side, for a holder on both sides or on neither, and for a licensor's key that
    is to run registered documents only: it would run none.
    """
    check_role(role, holder)
    if trusted_only and holder.vendor_id is None:
        raise BadInput(
            "documents are registered by vendors",
            "文档由信息商登记",
            argument="--trusted-only",
            accepted="a vendor's key",
        )
    key = generate()
    expires = None if days is None else now() + timedelta(days=days)
    await session.execute(
        insert(_TABLE).values(
            prefix=key.prefix,
            digest=key.digest,
            vendor_id=holder.vendor_id,
            licensor_id=holder.licensor_id,
            role=role.value,
            expires_at=expires,
            trusted_only=trusted_only,
        )
    )
    return key, expires


def check_role(role: Role, holder: Holder) -> None:
    """Raise BadInput for a role of the other side, and for a holder on both sides or on neither."""
    if not role.value.startswith(f"{holder.side}_"):
        raise _misfit(role.value, holder.side)


async def grant(
    session: OperatorSession, holder: Holder, role: Role, issuer: str, value: str
) -> tuple[str, bool]:
    """Let who has a claim's value of an issuer be a role of a holder; return the grant's prefix.

    And whether that changes anything. A value has one grant at a time: another one replaces it,
    and one that was revoked holds again.
    """
    check_role(role, holder)
    digest = grant_digest(issuer, value)
    wanted = {"vendor_id": holder.vendor_id, "licensor_id": holder.licensor_id, "role": role.value}
    same = [_TABLE.c[name].is_not_distinct_from(given) for name, given in wanted.items()]
    found = (
        await session.execute(
            select(_TABLE.c.prefix, and_(*same, _TABLE.c.revoked_at.is_(None)).label("same")).where(
                _TABLE.c.digest == digest
            )
        )
    ).first()
    if found is None:
        prefix = generate().prefix
        given = {"prefix": prefix, "digest": digest, "issuer": issuer, "claim": value}
        await session.execute(insert(_TABLE).values(kind="OIDC", **given, **wanted))
        return prefix, True
    if not found.same:
        await session.execute(
            update(_TABLE).where(_TABLE.c.digest == digest).values(revoked_at=None, **wanted)
        )
    return found.prefix, not found.same


async def revoke(session: OperatorSession, prefix: str) -> Holder:
    """Revoke a key, at once and for good; revoking twice is no error."""
    found = (
        await session.execute(
            update(_TABLE)
            .where(_TABLE.c.prefix == prefix)
            .values(revoked_at=func.coalesce(_TABLE.c.revoked_at, func.clock_timestamp()))
            .returning(_TABLE.c.vendor_id, _TABLE.c.licensor_id)
        )
    ).first()
    if found is None:
        raise NotFound.of("key", "密钥", prefix, argument="PREFIX")
    return Holder(found.vendor_id, found.licensor_id)
