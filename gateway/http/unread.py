"""Connections whose clients do not read: they are left, with all that waits for them."""

import asyncio
from typing import Any, Final

STALLED_SECONDS: Final = 75
"""How long what waits to be read may stay as it is: some more than what is told of it gives up."""
_HIGH, _LOW = 2**16, 2**14
"""Bytes from which on it waits, and down to which it must have gone by then."""


class Leaving:
    """What a protocol of uvicorn's is beside: closing alone would wait for its client for ever."""

    loop: asyncio.AbstractEventLoop
    transport: Any
    _left: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        transport.set_write_buffer_limits(_HIGH, _LOW)
        super().connection_made(transport)  # type: ignore[misc]

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._read_on()
        super().connection_lost(exc)  # type: ignore[misc]

    def pause_writing(self) -> None:
        """Wait until the client has read."""
        super().pause_writing()  # type: ignore[misc]
        self._read_on()
        self._left = self.loop.call_later(STALLED_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        self._read_on()
        super().resume_writing()  # type: ignore[misc]

    def _read_on(self) -> None:
        if self._left is not None:
            self._left.cancel()
            self._left = None
