"""HTTP/1.1 trailer fields (RFC 9112, 7.1.2) for uvicorn, which has none in HTTP/1.1.

An ASGI application that starts its response with `trailers: True` sends the message
`http.response.trailers` after the last of the body (ASGI's HTTP trailers extension). Only the last
chunk is ours: its place is taken before uvicorn writes its own.
"""

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

_log = logging.getLogger(__name__)
_EXTENSION = "http.response.trailers"


class TrailersProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with trailers."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.scope.setdefault("extensions", {})[_EXTENSION] = {}
        super()._start_asgi_task(cycle, _Trailing(app, cycle))


class _Trailing:
    """An application whose `send` also takes trailers."""

    def __init__(self, app: Any, cycle: RequestResponseCycle) -> None:
        self._app, self._cycle = app, cycle
        self._expected = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        self._send = send
        try:
            return await self._app(scope, receive, self._pass)
        except asyncio.CancelledError:
            # only a server whose time of grace is over does this: let the client see the cut
            _log.warning("a request was cut, because the server stops")
            self._cycle.disconnected = True
            self._cycle.transport.abort()

    async def _pass(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self._expected = bool(message.get("trailers"))
        elif message["type"] == _EXTENSION:
            await self._finish(message.get("headers", []))
            return
        elif self._expected and not message.get("more_body"):
            message = {**message, "more_body": True}
            if not message.get("body"):
                return
        await self._send(message)

    async def _finish(self, headers: list[tuple[bytes, bytes]]) -> None:
        cycle = self._cycle
        if cycle.disconnected:
            return
        if cycle.chunked_encoding:
            lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
            cycle.transport.write(b"0\r\n" + lines + b"\r\n")
            cycle.chunked_encoding, cycle.expected_content_length = False, 0
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
