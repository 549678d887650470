"""The log in front of everything that shows tenants' data: no answer without its access.

It makes an `Access` of each request to `/graphql` and `/exports/…`, which the endpoints fill in,
and queues it when the answer is about to begin, or the client has left before; of one to
`/session…` or `/embed/…` if it is refused. Of a WebSocket each operation is one, and a beginning
that is refused (`http.sockets`). A download that is admitted is logged by itself, as an act with
its file's digest (`exports.requests`).
"""

from collections.abc import Awaitable, Mapping
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.audit.access import Access, Asked, acting, rows_of
from gateway.audit.writer import AccessLog
from gateway.errors import GatewayError, NotFound, Unauthenticated, Unavailable
from gateway.http.errors import language_of, status_of, told
from gateway.http.headers import SECURITY
from gateway.http.metrics import REFUSED

KEY: Final = "gateway.access"
"""Where an ASGI scope has its access."""
_OPEN: Final = frozenset({"/healthz", "/readyz", "/metrics"})


def note(
    access: Access, asked: Asked, variables: Mapping[str, Any], answer: Mapping[str, Any]
) -> None:
    """Note what was asked and what came of it, of a response as it is told."""
    access.asked, access.variables = asked, variables
    access.rows = rows_of(answer.get("data"), asked)
    codes = {str((one.get("extensions") or {}).get("code")) for one in answer.get("errors", ())}
    access.outcome = " ".join(sorted(codes))


def nothing_here() -> NotFound:
    """Return the error of an address that is none."""
    return NotFound("nothing is here", "此地址不存在")


def note_refusal(access: Access | None, error: GatewayError) -> None:
    """Count what is refused, and note why."""
    REFUSED.labels(error.code).inc()
    if access is not None:
        access.outcome = error.code
        if isinstance(error, Unauthenticated):
            access.tenant = None


class Audited:
    """An ASGI application around another."""

    def __init__(self, accesses: AccessLog, app: ASGIApp) -> None:
        """Take the log, and the application that answers."""
        self._accesses, self._app = accesses, app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request and log it."""
        if scope["type"] != "http" or _is_open(scope):
            await self._app(scope, receive, send)
            return
        action = _action_at(scope["path"])
        if action is None:  # a router may take more for its own than is logged
            await _tell(nothing_here(), scope, send)
            return
        access = scope[KEY] = Access(scope, action)
        logging = _Logging(self._accesses, access, send).send
        try:
            if access.action == "query":  # nothing that it does is an act
                await self._app(scope, receive, logging)
                return
            with acting(access):
                await self._app(scope, receive, logging)
        finally:
            if not access.spent and not access.acted:  # nobody was there to be answered
                access.leave()
                self._accesses.offer_refusal(access)


def _is_open(scope: Scope) -> bool:
    """Say whether a request tells nothing of tenants, whatever comes of it."""
    path: str = scope["path"]
    return path in _OPEN or (path == "/graphql" and scope["method"] == "OPTIONS")


def _action_at(path: str) -> str | None:
    """Return what a request to an address is in the log; None where nothing is."""
    if not path.isprintable():
        return None
    if path == "/graphql":
        return "query"
    if path in {"/session", "/session/issuers"}:
        return "session"
    if path.startswith("/exports/"):
        return "export.link"
    return "embed" if path.startswith("/embed/") else None


class _Logging:
    """A way to send that logs before anything is told."""

    __slots__ = ("_access", "_accesses", "_refused", "_send")

    def __init__(self, accesses: AccessLog, access: Access, send: Send) -> None:
        self._accesses, self._access, self._send = accesses, access, send
        self._refused = False

    def send(self, message: Message) -> Awaitable[None]:
        """Send a message, or refuse in the place of an answer that can't be logged."""
        if message["type"] == "http.response.start":
            return self._begin(message)
        return _nothing() if self._refused else self._send(message)

    async def _begin(self, message: Message) -> None:
        access = self._access
        status = message["status"]
        access.end(status)
        if status >= 400 and not access.acted:
            self._accesses.offer_refusal(access)
        elif access.action == "query":
            try:
                await self._accesses.put(access)
            except Unavailable as error:
                self._refused = True
                await _tell(error, self._access.request, self._send)
                return
        await self._send(message)


async def _tell(error: GatewayError, scope: Mapping[str, Any], send: Send) -> None:
    languages = [value for name, value in scope["headers"] if name == b"accept-language"]
    language = language_of(languages[0].decode("latin-1") if languages else None)
    headers, body = told(error, language)
    headers += SECURITY
    await send({"type": "http.response.start", "status": status_of(error), "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _nothing() -> None:
    """Send nothing."""
