"""OpenID Connect: access tokens of issuers that the settings name, as signed JWTs (RFC 9068).

A token proves a subject and values of a claim (its groups, as a rule). What a value may do is a
stored grant (`gateway oidc grant`), a credential of the kind OIDC: it is revoked like a key.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

import httpx
import jwt

from gateway.config.settings import OidcIssuer
from gateway.errors import Unauthenticated, Unavailable
from gateway.tenancy.identity import Identity, refusal

_ALGORITHMS: Final[Mapping[str, Sequence[str]]] = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
}
"""Asymmetric ones only, by the kind of key (RFC 7518, RFC 8037)."""
_MOST_BYTES: Final = 16_384
_MOST_VALUES: Final = 200
_LEEWAY: Final = 30
_FRESH_SECONDS: Final = 600
"""After so long an issuer's keys are asked for again: what it withdrew is refused from then on."""
_PAUSE_SECONDS: Final = 10
"""A key that is not known has the keys asked for again, but no more often than this."""
_LATEST: Final = 250_000_000_000.0
"""Of instants that a datetime can hold, seconds since 1970."""
_SPACED: Final = frozenset({"scope", "scp"})


def grant_digest(issuer: str, value: str) -> bytes:
    """Return the digest of a grant. No text that could be presented as a key has it."""
    return hashlib.sha256(f"oidc\0{issuer}\0{value}".encode()).digest()


@dataclass(slots=True)
class _Told:
    """What an issuer says of itself, and its keys by their kid."""

    about: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, tuple[jwt.PyJWK, Sequence[str]]] = field(default_factory=dict)
    read_at: float = float("-inf")
    asked_at: float = float("-inf")
    """When it was last asked, also in vain."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_fresh(self) -> bool:
        return monotonic() - self.read_at <= _FRESH_SECONDS

    @property
    def may_be_asked(self) -> bool:
        return monotonic() - self.asked_at > _PAUSE_SECONDS


class Issuers:
    """Verifies tokens; reads issuers' keys when they are first needed, and again as they change."""

    def __init__(self, known: Sequence[OidcIssuer], client: httpx.AsyncClient) -> None:
        """Take the issuers, and the client to ask them by."""
        self.known: Final = {one.issuer: one for one in known}
        self.client: Final = client
        self._told = {one.issuer: _Told() for one in known}

    async def identify(self, token: str) -> Identity:
        """Return whom a token names; Unauthenticated unless it is signed, meant for us, and new."""
        issuer, kid, algorithm = self._read(token)
        told = await self._ask(issuer, kid)
        if kid not in told.keys:
            raise refusal()
        key, algorithms = told.keys[kid]
        if algorithm not in algorithms:
            raise refusal()
        try:
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=issuer.audience,
                issuer=issuer.issuer,
                leeway=_LEEWAY,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.InvalidTokenError as error:
            raise refusal() from error
        digests = [grant_digest(issuer.issuer, value) for value in _values(claims, issuer.claim)]
        return Identity(
            digests,
            str(claims["sub"]),
            min(float(claims["exp"]) + _LEEWAY, _LATEST),
            told.read_at + _FRESH_SECONDS,
        )

    async def endpoint(self, issuer: OidcIssuer, name: str) -> str:
        """Return a place that an issuer's configuration names, such as `token_endpoint`."""
        place = str((await self._ask(issuer)).about.get(name))
        if not secure(place):
            raise silent(issuer, f"its configuration has no {name}, or an insecure one")
        return place

    def _read(self, token: str) -> tuple[OidcIssuer, str, str]:
        """Return who says to have signed a token, by which key and algorithm: not verified yet."""
        if len(token) > _MOST_BYTES:
            raise refusal()
        try:
            header = jwt.get_unverified_header(token)
            claims = jwt.decode(token, options={"verify_signature": False})
        except jwt.InvalidTokenError as error:
            raise refusal() from error
        issuer, kid, algorithm = claims.get("iss"), header.get("kid"), header.get("alg")
        if not isinstance(issuer, str) or not isinstance(kid, str) or issuer not in self.known:
            raise refusal()
        if str(header.get("typ", "JWT")).lower().removeprefix("application/") not in _TYPES:
            raise refusal()
        return self.known[issuer], kid, str(algorithm)

    async def _ask(self, issuer: OidcIssuer, kid: str | None = None) -> _Told:
        """Return what an issuer says of itself: anew if it is old, or does not have the key.

        Unavailable if it does not answer, for a while without asking it again.
        """
        told = self._told[issuer.issuer]
        if told.is_fresh and (kid is None or kid in told.keys):
            return told
        async with told.turn:
            if told.may_be_asked:
                told.asked_at = monotonic()
                told.about, told.keys = await self._read_keys(issuer)
                told.read_at = monotonic()
            elif not told.is_fresh:
                raise silent(issuer, "it did not a moment ago")
        return told

    async def _read_keys(
        self, issuer: OidcIssuer
    ) -> tuple[dict[str, Any], dict[str, tuple[jwt.PyJWK, Sequence[str]]]]:
        """Read an issuer's configuration and keys (OpenID Connect Discovery 1.0, section 4)."""
        base = issuer.issuer.rstrip("/")
        try:
            about = await self._json(f"{base}/.well-known/openid-configuration")
            if about.get("issuer") != issuer.issuer or not secure(str(about.get("jwks_uri"))):
                raise silent(issuer, "its configuration names another issuer or an insecure place")
            listed = (await self._json(about["jwks_uri"])).get("keys", ())
        except (httpx.HTTPError, ValueError, TypeError) as error:
            raise silent(issuer, type(error).__name__) from error
        found: dict[str, tuple[jwt.PyJWK, Sequence[str]]] = {}
        for one in listed:
            algorithms = _ALGORITHMS.get(one.get("kty"), ())
            if "alg" in one:
                algorithms = [name for name in algorithms if name == one["alg"]]
            if algorithms and isinstance(one.get("kid"), str) and one.get("use", "sig") == "sig":
                try:
                    found[one["kid"]] = jwt.PyJWK(one, algorithms[0]), algorithms
                except jwt.PyJWTError:
                    continue
        return about, found

    async def _json(self, url: str) -> dict[str, Any]:
        answer = await self.client.get(url)
        answer.raise_for_status()
        return dict(answer.json())


_TYPES: Final = frozenset({"jwt", "at+jwt"})


def secure(url: str) -> bool:
    """Say whether an address is HTTPS, or on this machine."""
    parsed = httpx.URL(url)
    return parsed.scheme == "https" or (
        parsed.scheme == "http" and parsed.host in {"localhost", "127.0.0.1", "::1"}
    )


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


def silent(issuer: OidcIssuer, why: str) -> Unavailable:
    """Return the error for an issuer that does not answer, or not as it should."""
    return Unavailable(
        f"the issuer {issuer.issuer} does not answer as it should: {why}",
        f"令牌颁发者{issuer.issuer}没有正常应答",
    )
