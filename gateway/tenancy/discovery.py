"""What an issuer says of itself: its endpoints and keys (OpenID Connect Discovery 1.0, section 4).

It is asked when something is first needed, and anew beside the work as what it said grows old.
Whoever comes while it is being asked waits for the same answer, and whoever leaves takes it from
nobody.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from time import monotonic
from typing import Any, Final

import httpx
import jwt
import orjson

from gateway.config.settings import OidcIssuer
from gateway.errors import Unavailable

Key = tuple[jwt.PyJWK, Sequence[str]]
"""A key, and the algorithms that it may have signed with."""
_ALGORITHMS: Final[Mapping[str, Sequence[str]]] = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
    "OKP": ("EdDSA",),
}
"""Asymmetric ones only, by the kind of key or its curve (RFC 7518, RFC 8037)."""
_STALE_SECONDS: Final = 300
"""After so long an issuer is asked anew, beside the work."""
_FRESH_SECONDS: Final = 600
"""After so long nothing that it said holds: what it withdrew is refused from then on."""
_PAUSE_SECONDS: Final = 10
"""It is left alone for so long after it was asked, also in vain."""
_MOST_SECONDS: Final = 10
_MOST_BYTES: Final = 1_048_576
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint")
_NAMES_ITSELF: Final = "authorization_response_iss_parameter_supported"
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_log = logging.getLogger(__name__)


def issuers_client() -> httpx.AsyncClient:
    """Return a client to ask issuers by. It follows nowhere, and keeps no cookie for the next."""
    jar = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    return httpx.AsyncClient(timeout=5, follow_redirects=False, cookies=jar)


@dataclass(frozen=True, slots=True)
class Said:
    """What an issuer said, and when by the monotonic clock.

    `names_itself` if it says who it is when it sends a browser back (RFC 9207).
    """

    keys: Mapping[str, Key]
    endpoints: Mapping[str, str]
    names_itself: bool
    at: float

    @property
    def age(self) -> float:
        """Seconds since it was said."""
        return monotonic() - self.at

    @property
    def fresh_until(self) -> float:
        """When, by the monotonic clock, who relied on it is to look again."""
        again = max(self.at + _STALE_SECONDS, monotonic() + _PAUSE_SECONDS)
        return min(again, self.at + _FRESH_SECONDS)


class RemoteIssuer:
    """One issuer that the settings name, as it is asked."""

    def __init__(self, named: OidcIssuer, client: httpx.AsyncClient) -> None:
        """Take what the settings say of it, and the client to ask it by."""
        self.named: Final = named
        self._client = client
        self._said: Said | None = None
        self._quiet_until = float("-inf")
        self._asking: asyncio.Task[Said | Unavailable] | None = None

    async def says(self, kid: str | None = None) -> Said:
        """Return what it says: anew if that is too old, or if it has not named that key.

        Unavailable if it does not answer, or did not a moment ago.
        """
        said = self._said
        if said is not None and said.age > _FRESH_SECONDS:
            said = None
        if said is not None and (kid is None or kid in said.keys):
            if said.age > _STALE_SECONDS:
                self._ask()
            return said
        asking = self._ask()
        if asking is not None:
            told = await asyncio.shield(asking)
            if isinstance(told, Unavailable):
                raise told
            return told
        if said is None:
            raise self._silent()
        return said

    async def post(self, name: str, form: Mapping[str, str], auth: httpx.Auth) -> tuple[int, Any]:
        """Send a form to one of its places; return the status and the JSON of its answer."""
        place = (await self.says()).endpoints.get(name)
        if place is None:
            raise self.failed(f"its configuration has no {name}, or an insecure one")
        try:
            return await self._json("POST", place, data=form, auth=auth)
        except (httpx.HTTPError, ValueError, TimeoutError) as error:
            raise self.failed(f"{place}: {type(error).__name__}") from error

    def failed(self, why: str) -> Unavailable:
        """Return the error for not answering, or not as it should; the log alone says why.

        Whoever brings a token would hear of what answers where in the gateway's own network.
        """
        _log.warning("the issuer %s does not answer as it should: %s", self.named.issuer, why)
        return self._silent()

    def _silent(self) -> Unavailable:
        return Unavailable(
            f"the issuer {self.named.issuer} does not answer as it should",
            f"令牌颁发者{self.named.issuer}没有正常应答",
        )

    def _ask(self) -> asyncio.Task[Said | Unavailable] | None:
        """Return the asking that is under way, or None while the issuer is left alone."""
        if self._asking is None and monotonic() > self._quiet_until:
            self._asking = asyncio.create_task(self._read())
        return self._asking

    async def _read(self) -> Said | Unavailable:
        """Ask it. Nobody may be left to hear what went wrong, so that is an answer too."""
        told: Said | Unavailable
        try:
            told = self._said = await self._configuration()
        except Unavailable as error:
            told = error
        except (httpx.HTTPError, ValueError, TypeError, AttributeError, TimeoutError) as error:
            told = self.failed(type(error).__name__)
        finally:
            self._asking, self._quiet_until = None, monotonic() + _PAUSE_SECONDS
        return told

    async def _configuration(self) -> Said:
        base = self.named.issuer.rstrip("/")
        about = await self._get(f"{base}/.well-known/openid-configuration")
        if about.get("issuer") != self.named.issuer or not self._is_secure(about.get("jwks_uri")):
            raise self.failed("its configuration names another issuer or an insecure place")
        keys: dict[str, Key] = {}
        for one in (await self._get(about["jwks_uri"])).get("keys", ()):
            algorithms = _algorithms_of(one)
            if algorithms and isinstance(one.get("kid"), str) and one.get("use", "sig") == "sig":
                try:
                    keys[one["kid"]] = jwt.PyJWK(one, algorithms[0]), algorithms
                except jwt.PyJWTError:
                    continue
        endpoints = {
            name: str(about[name]) for name in _ENDPOINTS if self._is_secure(about.get(name))
        }
        if self.named.client is not None and len(endpoints) < len(_ENDPOINTS):
            _log.warning("%s names no place to sign in, or an insecure one", self.named.issuer)
        return Said(keys, endpoints, about.get(_NAMES_ITSELF) is True, monotonic())

    async def _get(self, place: str) -> dict[str, Any]:
        status, told = await self._json("GET", place)
        if status != 200 or not isinstance(told, dict):
            raise self.failed(f"{place} answers {status}")
        return told

    async def _json(self, method: str, place: str, **more: Any) -> tuple[int, Any]:
        """Return a status and what the answer's JSON says, None for what is none."""
        body = bytearray()
        async with (
            asyncio.timeout(_MOST_SECONDS),
            self._client.stream(method, place, **more) as answer,
        ):
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > _MOST_BYTES:
                    raise ValueError(f"{place} answers more than {_MOST_BYTES} bytes")
        try:
            return answer.status_code, orjson.loads(body)
        except orjson.JSONDecodeError:
            return answer.status_code, None

    def _is_secure(self, place: object) -> bool:
        """Say whether a place is HTTPS, or on this machine as the issuer itself is."""
        if not isinstance(place, str):
            return False
        try:
            url = httpx.URL(place)
        except (httpx.InvalidURL, ValueError):
            return False
        return url.scheme == "https" or (
            self.named.issuer.startswith("http://") and url.scheme == "http" and url.host in _LOCAL
        )


def _algorithms_of(key: Mapping[str, Any]) -> Sequence[str]:
    kind = key.get("crv") if key.get("kty") == "EC" else key.get("kty")
    return [name for name in _ALGORITHMS.get(str(kind), ()) if key.get("alg", name) == name]
