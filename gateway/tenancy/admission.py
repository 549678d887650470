"""Callers who are known already: their scope is kept, and the database asked if it still holds.

The question (`gateway_admits`) goes along with each statement, in the same snapshot, so that a key
that was revoked or a reach that changed takes effect at once, and costs no round trip.
"""

from collections import OrderedDict
from dataclasses import dataclass
from time import time
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.tenancy.authenticate import ask_for_scope
from gateway.tenancy.identity import Issuer, credential_of, identify
from gateway.tenancy.keys import digest
from gateway.tenancy.scope import Scope
from gateway.tenancy.session import setting_of
from gateway.tenancy.terms import Terms

_MOST: Final = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Admission:
    """A scope, and what it was read by: the key's digest, and the state of the catalogue then."""

    scope: Scope
    digest: bytes
    ticks: int
    vendors: str
    products: str
    terms: Terms | None = None
    expires: float | None = None
    presented: bytes = b""
    """The digest of what was presented: of an issuer's token, it is none that is stored."""


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
        found = self._known.get(presented)
        if found is not None and (found.expires is None or found.expires > time()):
            self._known.move_to_end(presented)
            return found
        identity = await identify(credential, self._issuer)
        asked = await ask_for_scope(self._engine, identity)
        admission = Admission(
            asked.scope,
            asked.digest,
            asked.ticks,
            setting_of("vendor_id", asked.scope),
            setting_of("product_id", asked.scope),
            asked.scope.principal.terms,
            identity.expires,
            presented,
        )
        self._known[presented] = admission
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        return admission

    def forget(self, admission: Admission) -> None:
        """Forget an admission that does not hold any more."""
        if self._known.get(admission.presented) is admission:
            del self._known[admission.presented]
