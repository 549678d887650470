"""Sign-in at an issuer: a page brings the code that the issuer gave it, and gets an access token.

The authorization code with PKCE (RFC 6749 section 4.1, RFC 7636): the page keeps the verifier and
its own state, the gateway the client's secret. The token is the issuer's, held to all that any
token is held to; nothing is stored, and a second factor is the issuer's matter.
"""

import asyncio
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote_plus

import httpx

from gateway.config.settings import OidcIssuer
from gateway.errors import BadInput, Unauthenticated, Unavailable
from gateway.tenancy.attempts import Attempts
from gateway.tenancy.oidc import Issuers, silent

_NAME: Final = re.compile(r"[a-z_]{1,40}")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Offer:
    """An issuer at which people sign in; `authorize` is None while it does not answer.

    To `authorize` the page adds `redirect_uri`, `state`, `code_challenge` and, as the method,
    `S256`.
    """

    issuer: str
    authorize: str | None


@dataclass(frozen=True, slots=True)
class Code:
    """A code of an issuer's, and what proves that it is the page's own."""

    issuer: str
    code: str = field(repr=False)
    verifier: str = field(repr=False)
    redirect: str


class CodeFlow:
    """Where people sign in, and the exchange of what they bring back."""

    def __init__(self, issuers: Issuers) -> None:
        """Take the issuers; those that name a client take part."""
        self._issuers = issuers
        self._offered = {
            one.issuer: one for one in issuers.known.values() if one.client is not None
        }
        self._attempts = Attempts()

    async def offers(self) -> Sequence[Offer]:
        """Return where people sign in, in the order of the settings."""
        issuers = list(self._offered.values())
        places = await asyncio.gather(*map(self._authorize, issuers))
        return [Offer(one.issuer, place) for one, place in zip(issuers, places, strict=True)]

    async def _authorize(self, issuer: OidcIssuer) -> str | None:
        try:
            place = httpx.URL(await self._issuers.endpoint(issuer, "authorization_endpoint"))
        except Unavailable as error:
            _log.warning("%s", error)
            return None
        asked = {
            **issuer.parameters,
            "response_type": "code",
            "client_id": issuer.client,
            "scope": issuer.scope,
        }
        return str(place.copy_merge_params(asked))

    async def exchange(self, code: Code, address: str) -> str:
        """Return the access token that a code stands for; whose it is, it has yet to prove.

        BadInput for an issuer at which nobody signs in, Unauthenticated for a code that it does not
        take, RateLimited where too many wait, Unavailable for an issuer that gives no token.
        """
        issuer = self._offered.get(code.issuer)
        if issuer is None:
            raise BadInput(
                "nobody signs in at this issuer",
                "不能通过该颁发者登录",
                argument="issuer",
                accepted=" / ".join(self._offered) or "no issuer: GATEWAY_OIDC names no client",
            )
        with self._attempts.one(address):
            answer = await self._post(issuer, code)
        told = _read(answer)
        if answer.status_code == 200 and str(told.get("token_type")).lower() == "bearer":
            return str(told.get("access_token"))
        error = str(told.get("error"))
        if answer.status_code == 400 and error == "invalid_grant":
            raise Unauthenticated(
                "the issuer does not take this code",
                "颁发者不接受该授权码",
                accepted="a new code, once, with the verifier and the redirect it was asked by",
            )
        named = error if _NAME.fullmatch(error) else f"status {answer.status_code}"
        raise silent(issuer, f"it gives no token for a code ({named})")

    async def _post(self, issuer: OidcIssuer, code: Code) -> httpx.Response:
        """Ask for the token; the client is named as RFC 6749, section 2.3.1 says."""
        place = await self._issuers.endpoint(issuer, "token_endpoint")
        form = {
            **issuer.parameters,
            "grant_type": "authorization_code",
            "code": code.code,
            "redirect_uri": code.redirect,
            "code_verifier": code.verifier,
        }
        client, auth = str(issuer.client), httpx.Auth()
        if issuer.client_secret is None:
            form["client_id"] = client
        else:
            secret = issuer.client_secret.get_secret_value()
            auth = httpx.BasicAuth(quote_plus(client), quote_plus(secret))
        try:
            return await self._issuers.client.post(place, data=form, auth=auth)
        except httpx.HTTPError as error:
            raise silent(issuer, type(error).__name__) from error


def _read(answer: httpx.Response) -> dict[str, Any]:
    try:
        told = answer.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
