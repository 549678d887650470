"""Heads of requests that never end: bounded in size and in time, which uvicorn does not do."""

import asyncio
from typing import Any, Final

import orjson

from gateway.errors import BadInput
from gateway.http.errors import body_of
from gateway.http.headers import SECURITY
from gateway.http.trailers import TrailersProtocol

HEAD_SECONDS: Final = 30
HEAD_BYTES: Final = 262_144
"""The longest is of a document in the query string. What comes in one piece is taken whole."""


class BoundedProtocol(TrailersProtocol):
    """uvicorn's protocol, which refuses such heads (RFC 6585, section 5) and leaves the slow."""

    _length: int | None = None
    """Bytes of the head that is on its way; None while none is."""
    _leaving: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what comes, and see whether a head has come to its end."""
        super().data_received(data)
        if self._length is None:
            return
        self._length += len(data)
        if self._length > HEAD_BYTES:
            self._refuse()
        elif self._leaving is None:
            self._wait()

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._length = 0

    def on_headers_complete(self) -> None:
        """End a head."""
        self._length = None
        self._stop()
        super().on_headers_complete()

    def _wait(self) -> None:
        self._leaving = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    def _refuse(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_REFUSAL)
        self.transport.close()


def _refusal() -> bytes:
    error = BadInput(
        "the head of the request is too long",
        "请求头过长",
        argument="headers",
        accepted=f"at most {HEAD_BYTES} bytes of address and headers",
    )
    body = orjson.dumps(body_of(error, "en"))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
        *SECURITY,
    ]
    lines = b"".join(b"%b: %b\r\n" % pair for pair in headers)
    return b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + lines + b"\r\n" + body


_REFUSAL: Final = _refusal()
