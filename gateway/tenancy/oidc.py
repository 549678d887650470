"""OpenID Connect: access tokens of issuers that the settings name, as signed JWTs (RFC 9068).

A token proves a subject and values of a claim (its groups, as a rule). What a value may do is a
stored grant (`gateway oidc grant`), a credential of the kind OIDC: it is revoked like a key.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx
import jwt

from gateway.config.settings import OidcIssuer
from gateway.errors import Unauthenticated
from gateway.tenancy.discovery import RemoteIssuer
from gateway.tenancy.identity import Identity, refusal

_MOST_BYTES: Final = 16_384
_MOST_VALUES: Final = 200
_MOST_SUBJECT: Final = 255
"""OpenID Connect Core 1.0, section 2."""
_LEEWAY: Final = 30
_LATEST: Final = 250_000_000_000.0
"""Of instants that a datetime can hold, seconds since 1970."""
_SPACED: Final = frozenset({"scope", "scp"})
_ACCESS_TOKEN: Final = "at+jwt"  # noqa: S105 (a type)
_TYPES: Final = frozenset({"jwt", _ACCESS_TOKEN})


def grant_digest(issuer: str, value: str) -> bytes:
    """Return the digest of a grant. No text that could be presented as a key has it."""
    return hashlib.sha256(f"oidc\0{issuer}\0{value}".encode()).digest()


class Issuers:
    """All issuers that are believed."""

    def __init__(self, named: Sequence[OidcIssuer], client: httpx.AsyncClient) -> None:
        """Take what the settings say of them, and the client to ask them by."""
        self.known: Final = {one.issuer: RemoteIssuer(one, client) for one in named}

    async def identify(self, token: str, of: RemoteIssuer | None = None) -> Identity:
        """Return whom a token names; Unauthenticated unless it is signed, meant for us, and new.

        And unless it is of that issuer, where one is given.
        """
        issuer, kid, algorithm = self._read(token)
        if of is not None and issuer is not of:
            raise refusal()
        said = await issuer.says(kid)
        if kid not in said.keys:
            raise refusal()
        key, algorithms = said.keys[kid]
        if algorithm not in algorithms:
            raise refusal()
        try:
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=issuer.named.audience,
                issuer=issuer.named.issuer,
                leeway=_LEEWAY,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise refusal() from error
        subject = claims["sub"]
        if not subject.isprintable() or len(subject) > _MOST_SUBJECT:
            raise refusal()
        values = _values(claims, issuer.named.claim)
        return Identity(
            [grant_digest(issuer.named.issuer, value) for value in values],
            subject,
            min(float(claims["exp"]) + _LEEWAY, _LATEST),
            said.fresh_until,
        )

    def _read(self, token: str) -> tuple[RemoteIssuer, str, str]:
        """Return who says to have signed a token, by which key and algorithm: not verified yet."""
        if len(token) > _MOST_BYTES:
            raise refusal()
        try:
            header = jwt.get_unverified_header(token)
            claims = jwt.decode(token, options={"verify_signature": False})
        except jwt.InvalidTokenError as error:
            raise refusal() from error
        name, kid, algorithm = claims.get("iss"), header.get("kid"), header.get("alg")
        if not isinstance(name, str) or not isinstance(kid, str) or name not in self.known:
            raise refusal()
        issuer = self.known[name]
        # of an audience that is the client itself, tokens of other types are ID tokens
        is_client = issuer.named.client == issuer.named.audience
        kind = str(header.get("typ", "JWT")).lower().removeprefix("application/")
        if kind not in ({_ACCESS_TOKEN} if is_client else _TYPES):
            raise refusal()
        return issuer, kid, str(algorithm)


def _values(claims: Mapping[str, Any], name: str) -> list[str]:
    """Return a claim's values: one text, several in a list, or spaced ones of a scope."""
    found = claims.get(name)
    if isinstance(found, str):
        found = found.split(" ") if name in _SPACED else [found]
    values = [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
    if len(values) > _MOST_VALUES:
        raise Unauthenticated(
            f"the token has {len(values)} values of {name}",
            f"令牌的{name}有{len(values)}个值",
            accepted=f"at most {_MOST_VALUES}",
        )
    return list(dict.fromkeys(values))
