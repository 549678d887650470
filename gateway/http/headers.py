"""Headers: those that every answer carries, and those of a request that the perimeter reads."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import BadInput
from gateway.http.asked import NotTaken
from gateway.tenancy.terms import read_purpose

Pairs = tuple[tuple[bytes, bytes], ...]

SECURITY: Final[Pairs] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
"""No page may frame, guess or keep an answer. Pages of the gateway's own bring other policies."""
PURPOSE: Final = b"gateway-purpose"
_OWN_SITE: Final = frozenset({b"same-origin", b"none"})
_TRANSPORT: Final = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


def security(public_url: str | None) -> Pairs:
    """Return every answer's headers; over HTTPS browsers are told to stay with it."""
    https = public_url is not None and public_url.lower().startswith("https://")
    return (*SECURITY, _TRANSPORT) if https else SECURITY


class SecurityHeaders:
    """An application whose answers have the headers that they do not bring themselves."""

    def __init__(self, app: ASGIApp, headers: Pairs) -> None:
        """Take the application."""
        self._app, self._headers = app, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                brought: Iterable[tuple[bytes, bytes]] = message.get("headers", ())
                names = {name.lower() for name, _ in brought}
                more = [pair for pair in self._headers if pair[0] not in names]
                message = {**message, "headers": [*brought, *more]}
            await send(message)

        await self._app(scope, receive, sent)


@dataclass(slots=True)
class Head:
    """What the perimeter reads of a request's headers."""

    authorization: str | None = None
    content_type: bytes | None = None
    accept: bytes | None = None
    length: int = 0
    origin: str | None = None
    language: str | None = None
    purpose: bytes | None = None
    """For what personal data is to be in clear, as it came: see `purpose_in`."""
    preflighted: bool = False
    """Whether it has a header that a browser sends to another origin only when told that it may."""
    ambient: bool = False
    """Whether a browser sends it, from another site or with what it adds by itself."""


_ONCE: Final = {
    b"authorization": "Authorization",
    b"content-type": "Content-Type",
    PURPOSE: "Gateway-Purpose",
}


def read_head(scope: Scope) -> Head:
    """Read a request's headers; NotTaken for what can't be meant."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    found = dict(headers)
    if len(found) < len(headers):
        found = _joined(headers)
    given = found.get
    if given(b"content-encoding", b"identity").lower() != b"identity":
        raise _compressed()
    authorization, origin = given(b"authorization"), given(b"origin")
    language = given(b"accept-language")
    length = given(b"content-length", b"")
    return Head(
        authorization=None if authorization is None else authorization.decode("latin-1"),
        content_type=given(b"content-type"),
        accept=given(b"accept"),
        length=int(length) if length.isdigit() else 0,
        origin=None if origin is None else origin.decode("latin-1"),
        language=None if language is None else language.decode("latin-1"),
        purpose=given(PURPOSE),
        preflighted=authorization is not None or b"graphql-require-preflight" in found,
        ambient=origin is not None
        or b"cookie" in found
        or given(b"sec-fetch-site", b"none") not in _OWN_SITE,
    )


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return headers of which some are given twice, their values joined by commas (RFC 9110 5.3).

    NotTaken for one that may be given only once.
    """
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name not in found:
            found[name] = value
        elif name in _ONCE:
            raise _twice(_ONCE[name])
        else:
            found[name] = b"%b,%b" % (found[name], value)
    return found


def purpose_in(header: bytes | None) -> str | None:
    """Return what a `Gateway-Purpose` header says; NotTaken for one that says nothing."""
    if header is None:
        return None
    try:
        return read_purpose(header.decode("utf-8", "replace").replace("\ufffd", "\0"))
    except BadInput as error:
        raise NotTaken(400, error) from None


def _compressed() -> NotTaken:
    error = BadInput(
        "the body is compressed",
        "请求正文经过压缩",
        argument="Content-Encoding",
        accepted="a body as it is",
    )
    return NotTaken(415, error)


def _twice(name: str) -> NotTaken:
    error = BadInput(
        f"{name} is given twice", f"{name}出现两次", argument=name, accepted=f"one {name} header"
    )
    return NotTaken(400, error)
