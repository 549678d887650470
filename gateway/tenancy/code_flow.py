"""Sign-in at an issuer: a page brings the code that the issuer gave it, and gets an access token.

The authorization code with PKCE (RFC 6749 section 4.1, RFC 7636): the page keeps the verifier and
its own state, the gateway the client's secret. The token is the issuer's, held to all that any
token is held to; nothing is stored, and a second factor is the issuer's matter.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote_plus

import httpx

from gateway.errors import BadInput, Unauthenticated, Unavailable
from gateway.tenancy.attempts import Attempts
from gateway.tenancy.discovery import RemoteIssuer
from gateway.tenancy.identity import Identity
from gateway.tenancy.oidc import Issuers

_NAME: Final = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True, slots=True)
class Offer:
    """An issuer at which people sign in; `authorize` is None while it does not answer.

    To `authorize` the page adds `redirect_uri`, `state`, `code_challenge` and, as the method,
    `S256`. `names_itself` as in `discovery.Said`.
    """

    issuer: str
    authorize: str | None
    names_itself: bool


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
            name: (issuer, Attempts())
            for name, issuer in issuers.known.items()
            if issuer.named.client is not None
        }

    async def offers(self) -> Sequence[Offer]:
        """Return where people sign in, in the order of the settings."""
        return await asyncio.gather(*(_offer(issuer) for issuer, _ in self._offered.values()))

    async def exchange(self, code: Code, address: str) -> str:
        """Return the access token that a code stands for; whom it names, it has yet to prove.

        BadInput for an issuer at which nobody signs in, Unauthenticated for a code that it does not
        take, RateLimited where too many wait, Unavailable for an issuer that gives no token.
        """
        if code.issuer not in self._offered:
            raise BadInput(
                "nobody signs in at this issuer",
                "不能通过该颁发者登录",
                argument="issuer",
                accepted=" / ".join(self._offered) or "no issuer: GATEWAY_OIDC names no client",
            )
        issuer, attempts = self._offered[code.issuer]
        with attempts.one(address):
            return await _token(issuer, code)

    async def identify(self, token: str, code: Code) -> Identity:
        """Return whom a token names; Unauthenticated if it is none of the code's own issuer."""
        return await self._issuers.identify(token, of=self._issuers.known[code.issuer])


async def _offer(issuer: RemoteIssuer) -> Offer:
    named = issuer.named
    try:
        said = await issuer.says()
    except Unavailable:
        return Offer(named.issuer, None, names_itself=False)
    place = said.endpoints.get("authorization_endpoint")
    if place is None:
        return Offer(named.issuer, None, said.names_itself)
    asked = {
        **named.parameters,
        "response_type": "code",
        "client_id": named.client,
        "scope": named.scope,
    }
    authorize = str(httpx.URL(place).copy_merge_params(asked))
    return Offer(named.issuer, authorize, said.names_itself)


async def _token(issuer: RemoteIssuer, code: Code) -> str:
    """Ask for the token; the client is named as RFC 6749, section 2.3.1 says."""
    form = {
        **issuer.named.parameters,
        "grant_type": "authorization_code",
        "code": code.code,
        "redirect_uri": code.redirect,
        "code_verifier": code.verifier,
    }
    client, auth = str(issuer.named.client), httpx.Auth()  # which adds nothing
    if issuer.named.client_secret is None:
        form["client_id"] = client
    else:
        secret = issuer.named.client_secret.get_secret_value()
        auth = httpx.BasicAuth(quote_plus(client), quote_plus(secret))
    status, told = await issuer.post("token_endpoint", form, auth)
    told = told if isinstance(told, dict) else {}
    error, token = told.get("error"), told.get("access_token")
    if status == 200 and str(told.get("token_type")).lower() == "bearer" and isinstance(token, str):
        return token
    if 400 <= status < 500 and error == "invalid_grant":
        raise Unauthenticated(
            "the issuer does not take this code",
            "颁发者不接受该授权码",
            accepted="a new code, once, with the verifier and the redirect it was asked by",
        )
    why = error if isinstance(error, str) and _NAME.fullmatch(error) else f"status {status}"
    raise issuer.failed(f"it gives no token for a code ({why})")
