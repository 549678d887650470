"""Callers who are known already: their scope is kept, and the database asked if it still holds.

The question (`gateway_admits`) goes along with each statement, in the same snapshot, so that a key
that was revoked or a reach that changed takes effect at once, and costs no round trip.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.tenancy.authenticate import ask_for_scope, digest_of
from gateway.tenancy.principal import Principal
from gateway.tenancy.scope import Scope
from gateway.tenancy.session import setting_of

_MOST: Final = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Admission:
    """A scope, and what it was read by: the key's digest, and the state of the catalogue then."""

    scope: Scope
    digest: bytes
    ticks: int
    vendors: str
    products: str
    licensors: str
    principal: Principal
    tenant: str


class Admissions:
    """The admissions of one server process, those least recently used forgotten."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Take the engine to ask by."""
        self._engine = engine
        self._known: OrderedDict[bytes, Admission] = OrderedDict()

    async def admit(self, header: str | None) -> Admission:
        """Return the admission of an `Authorization: Bearer` header, or raise Unauthenticated."""
        digest = digest_of(header)
        found = self._known.get(digest)
        if found is not None:
            self._known.move_to_end(digest)
            return found
        scope, ticks = await ask_for_scope(self._engine, digest)
        admission = Admission(
            scope,
            digest,
            ticks,
            setting_of("vendor_id", scope),
            setting_of("product_id", scope),
            setting_of("licensor_id", scope),
            scope.principal,
            scope.principal.tenant,
        )
        self._known[digest] = admission
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        return admission

    def forget(self, admission: Admission) -> None:
        """Forget an admission that does not hold any more."""
        if self._known.get(admission.digest) is admission:
            del self._known[admission.digest]
