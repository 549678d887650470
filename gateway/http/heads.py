"""Heads of requests that never end: bounded in size and in time, which uvicorn does not do."""

import asyncio
from typing import Any, Final

from gateway.errors import BadInput
from gateway.http.errors import told
from gateway.http.headers import SECURITY
from gateway.http.trailers import TrailersProtocol
from gateway.http.unread import Leaving

HEAD_SECONDS: Final = 30
HEAD_BYTES: Final = 262_144
"""The longest is of a document in the query string. What comes in one piece is taken whole."""


class BoundedProtocol(Leaving, TrailersProtocol):
    """uvicorn's protocol, which refuses such heads (RFC 6585, section 5) and leaves the slow.

    What is neither body nor the end of a head counts: trailers and the marks of chunks too.
    """

    _length = 0
    _leaving: asyncio.TimerHandle | None = None
    """Runs while nothing is answered and a head is not there yet."""

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what comes, and see whether it leads to anything."""
        self._length += len(data)
        super().data_received(data)
        if self.transport.get_protocol() is not self:
            return  # it is a WebSocket's now
        if self._length > HEAD_BYTES:
            self._refuse()
        elif self._leaving is None and not self._answers:
            self._wait()

    def on_headers_complete(self) -> None:
        """End a head."""
        self._length = 0
        self._stop()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._length = 0
        super().on_body(body)

    @property
    def _answers(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        self._leaving = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    def _refuse(self) -> None:
        if self._answers:
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        self.transport.write(_REFUSAL)
        self.transport.close()


def _refusal() -> bytes:
    error = BadInput(
        "the head of the request is too long",
        "请求头过长",
        argument="headers",
        accepted=f"at most {HEAD_BYTES} bytes of address and headers",
    )
    headers, body = told(error, "en")
    headers += ((b"connection", b"close"), *SECURITY)
    lines = b"".join(b"%b: %b\r\n" % pair for pair in headers)
    return b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + lines + b"\r\n" + body


_REFUSAL: Final = _refusal()
