"""Whom a credential names: a key or an embed token does, or an issuer vouches for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import Unauthenticated
from gateway.tenancy.keys import digest, well_formed


@dataclass(frozen=True, slots=True)
class Identity:
    """The digests of stored credentials that may be meant, of which one has to be good.

    `subject` is whom an issuer names, for the audit log; `expires` the instant in seconds since
    1970 after which the credential is void whatever is stored.
    """

    digests: Sequence[bytes]
    subject: str | None = None
    expires: float | None = None
    fresh_until: float | None = None
    """When, by the monotonic clock, the issuer's keys are to be looked at again."""


class Issuer(Protocol):
    """Something that vouches for tokens of its own."""

    async def identify(self, token: str) -> Identity:
        """Return whom a token names, or raise Unauthenticated."""
        ...


def credential_of(header: str | None) -> str:
    """Return an `Authorization: Bearer` header's credential, or raise Unauthenticated."""
    scheme, _, credential = (header or "").partition(" ")
    credential = credential.strip()
    if scheme.lower() != "bearer" or not credential:
        raise refusal()
    return credential


async def identify(credential: str, issuer: Issuer | None) -> Identity:
    """Return whom a credential names; raise Unauthenticated if it has no form that is known."""
    if well_formed(credential):
        return Identity([digest(credential)])
    if issuer is None:
        raise refusal()
    return await issuer.identify(credential)


def refusal() -> Unauthenticated:
    """Return the one wording for all credentials that are no good."""
    return Unauthenticated(
        "no valid credential: it is missing, unknown, revoked or expired",
        "没有有效的凭证：缺失、未知、已吊销或已过期",
        accepted="Authorization: Bearer gw_…, or a token of an issuer that the gateway knows",
    )
