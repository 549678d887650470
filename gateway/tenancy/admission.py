"""Callers who are known already: their scope is kept, and the database asked if it still holds.

The question (`gateway_admits`) goes along with each statement, in the same snapshot, so that a key
that was revoked or a reach that changed takes effect at once, and costs no round trip.
"""

from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.config.clock import now
from gateway.tenancy.authenticate import ask_for_scope, authenticate
from gateway.tenancy.identity import Issuer, credential_of, identify
from gateway.tenancy.keys import digest
from gateway.tenancy.principal import Principal
from gateway.tenancy.scope import Scope
from gateway.tenancy.session import setting_of

_MOST: Final = 2000


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Admission:
    """A scope, and what it was read by: the key's digest, and the state of the catalogue then."""

    scope: Scope
    stated: Scope
    """The same scope, for requests that say for what purpose they see personal data."""
    digest: bytes
    ticks: int
    vendors: str
    products: str
    licensors: str
    principal: Principal
    tenant: str
    presented: bytes
    """The digest of what was presented: of an issuer's token, it is none that is stored."""
    fresh_until: float | None

    def scope_for(self, purpose: str | None) -> Scope:
        """Return the scope of a request with a purpose, or without one."""
        return self.scope if purpose is None else self.stated


class Admissions:
    """The admissions of one server process, those least recently used forgotten."""

    def __init__(self, engine: AsyncEngine, issuer: Issuer | None = None) -> None:
        """Take the engine to ask by, and who vouches for tokens that are not the gateway's."""
        self._engine, self._issuer = engine, issuer
        self._known: OrderedDict[bytes, Admission] = OrderedDict()

    async def admit(self, header: str | None) -> Admission:
        """Return the admission of an `Authorization: Bearer` header, or raise Unauthenticated."""
        credential = credential_of(header)
        presented = digest(credential)
        known = self._known.get(presented)
        if known is not None and lasts(known):
            self._known.move_to_end(presented)
            return known
        identity = await identify(credential, self._issuer)
        found = await ask_for_scope(self._engine, identity)
        admission = Admission(
            found.scope,
            found.scope.stating("any"),
            found.digest,
            found.ticks,
            setting_of("vendor_id", found.scope),
            setting_of("product_id", found.scope),
            setting_of("licensor_id", found.scope),
            found.scope.principal,
            found.scope.principal.tenant,
            presented,
            identity.fresh_until,
        )
        self._known[presented] = admission
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        return admission

    async def authenticate(self, header: str | None) -> Scope:
        """Return the present scope of a header, whatever is known of it."""
        return await authenticate(self._engine, header, self._issuer)

    def forget(self, admission: Admission) -> None:
        """Forget an admission that does not hold any more."""
        if self._known.get(admission.presented) is admission:
            del self._known[admission.presented]


def lasts(known: Admission) -> bool:
    """Whether an admission holds by the clock; whether it was revoked, the database knows."""
    if known.fresh_until is not None and known.fresh_until < monotonic():
        return False
    expires = known.principal.expires
    return expires is None or expires > now()
