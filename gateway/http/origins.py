"""Cross-origin requests (CORS): from which web pages a caller may ask.

A vendor registers the origins of its portals. Before a browser sends a credential it asks whether
an origin is known at all; the request itself is then held to the caller's own vendor's. No cookie
authenticates, so that answers never allow credentials.
"""

import re
from collections.abc import Callable
from time import monotonic
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.errors import Forbidden, GatewayError
from gateway.http.headers import Pairs
from gateway.tenancy.authenticate import knows_origin
from gateway.tenancy.principal import Principal

_FORM: Final = re.compile(
    r"https?://[a-z0-9.-]{1,253}(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?"
)
_KEPT_SECONDS: Final = 60
_MOST: Final = 1000
_PREFLIGHT: Final[Pairs] = (
    (b"access-control-allow-methods", b"GET, POST"),
    (
        b"access-control-allow-headers",
        b"authorization, content-type, accept-language, graphql-require-preflight, gateway-purpose",
    ),
    (b"access-control-max-age", b"600"),
)
_EXPOSED: Final = (b"access-control-expose-headers", b"gateway-execution, retry-after")
VARY: Final = (b"vary", b"origin")


class Origins:
    """The origins that vendors registered, each remembered for a minute."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Take the engine to ask by."""
        self._engine = engine
        self._known: dict[str, tuple[bool, float]] = {}

    async def preflight(self, origin: str | None) -> Pairs:
        """Return the headers that let a browser go on; without them it does not."""
        if origin is None or not await self._is_known(origin):
            return (VARY,)
        return (VARY, _allow(origin), *_PREFLIGHT)

    async def readable(self, origin: str | None) -> Pairs:
        """Return the headers by which a page may read why it was refused."""
        if origin is None:
            return ()
        try:
            known = await self._is_known(origin)
        except GatewayError:
            known = False
        return headers_for(origin) if known else (VARY,)

    async def _is_known(self, origin: str) -> bool:
        if _FORM.fullmatch(origin) is None:
            return False
        found = self._known.get(origin)
        if found is not None and monotonic() < found[1]:
            return found[0]
        known = await knows_origin(self._engine, origin)
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[origin] = (known, monotonic() + _KEPT_SECONDS)
        return known


def allowed_from(origin: str | None, own: Callable[[], str]) -> Callable[[Principal], None]:
    """Return what raises Forbidden for a caller who may not ask from an origin.

    A request without one is of no web page of another site.
    """

    def check(principal: Principal) -> None:
        if origin in principal.origins:
            return
        own_page = origin is None or f"{own()}/".startswith(f"{origin}/")
        if principal.pages_only or not own_page:
            raise Forbidden(
                f"the origin {origin or ''!r} is not registered for this caller",
                f"来源“{origin or ''}”未为该调用方登记",
                argument="Origin",
                accepted="a page of an origin that the token is bound to"
                if principal.pages_only
                else "a page of the gateway, or of an origin that the vendor registered",
            )

    return check


def headers_for(origin: str | None) -> Pairs:
    """Return the headers by which a page of an allowed origin may read an answer."""
    return () if origin is None else (VARY, _allow(origin), _EXPOSED)


def _allow(origin: str) -> tuple[bytes, bytes]:
    return (b"access-control-allow-origin", origin.encode("latin-1"))
