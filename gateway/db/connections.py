"""asyncpg connections for statements that stand alone: kept open, and lent as they are.

asyncpg's own pool looks after what a session may have left behind, in a task of its own for each
connection that comes back. Here nothing is left behind but plans: what a statement sets, it sets
for itself.
"""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final, Self

import asyncpg

_CANCEL_SECONDS: Final = 5
"""How long the server may take to end a statement that was cancelled."""


class Connections:
    """Up to `size` connections, opened when they are first needed; the last one back goes first."""

    def __init__(self, connect: Callable[[], Awaitable[Any]], size: int) -> None:
        """Take how to open one."""
        self._connect, self.size = connect, size
        self._idle: list[Any] = []
        self._free = asyncio.Semaphore(size)
        self._ending: set[asyncio.Future[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for connection in self._idle:
            await connection.close()
        self._idle.clear()
        await asyncio.gather(*self._ending)

    async def fetch_value(self, text: str, arguments: tuple[Any, ...]) -> Any:
        """Return the first column of a statement's first row, or None.

        If a kept connection turns out to be lost, so are the others, likely: a new one is opened.
        A connection whose statement did not end is not used again; a statement whose caller is
        cancelled is cancelled in the server too.
        """
        async with self._free:
            while self._idle:
                connection = self._idle.pop()
                if connection.is_closed():
                    continue
                try:
                    return await self._fetch(connection, text, arguments)
                except Exception:
                    if not connection.is_closed():
                        raise
                    while self._idle:
                        self._idle.pop().terminate()
            return await self._fetch(await self._connect(), text, arguments)

    async def _fetch(self, connection: Any, text: str, arguments: tuple[Any, ...]) -> Any:
        try:
            found = await connection.fetchval(text, *arguments)
        except asyncpg.PostgresError:
            # the server said what is wrong with the statement
            if not connection.is_closed():
                self._idle.append(connection)
            raise
        except asyncio.CancelledError:
            ending = asyncio.ensure_future(_ended(connection))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            raise
        except BaseException as error:
            lost = connection.is_closed() and isinstance(error, Exception)
            connection.terminate()
            if lost and not isinstance(error, asyncpg.InterfaceError | OSError):
                raise asyncpg.InterfaceError("the connection is lost") from error
            raise
        self._idle.append(connection)
        return found


async def _ended(connection: Any) -> None:
    """End a connection whose statement was cancelled, once the server has heard of it."""
    try:
        await asyncio.sleep(0)  # only then asyncpg sees that nobody waits, and asks to cancel
        await connection.close(timeout=_CANCEL_SECONDS)
    except Exception:  # noqa: BLE001 (whatever it is: the connection is given up)
        connection.terminate()
