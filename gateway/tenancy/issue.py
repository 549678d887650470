"""Issuing and revoking API keys, as the operator."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, insert, update

from gateway.config.clock import now
from gateway.errors import BadInput, NotFound
from gateway.tenancy.keys import NewKey, generate
from gateway.tenancy.models import ApiKey
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
    session: OperatorSession, holder: Holder, role: Role, *, days: int | None
) -> tuple[NewKey, datetime | None]:
    """Store a new key and return it, with its expiry: the only time it can be seen.

    BadInput for a role of the other side, or for a holder on both sides or on neither.
    """
    if not role.value.startswith(f"{holder.side}_"):
        raise _misfit(role.value, holder.side)
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
        )
    )
    return key, expires


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
