"""asyncpg connections for statements that stand alone: kept open, and lent as they are.

asyncpg's own pool looks after what a session may have left behind, in a task of its own for each
connection that comes back. Here nothing is left behind but plans: what a statement sets, it sets
for itself.
"""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import asyncpg


class Connections:
    """Up to `size` connections, opened when they are first needed; the last one back goes first."""

    def __init__(self, connect: Callable[[], Awaitable[Any]], size: int) -> None:
        """Take how to open one."""
        self._connect, self.size = connect, size
        self._idle: list[Any] = []
        self._free = asyncio.Semaphore(size)

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

    async def fetch_value(self, text: str, arguments: tuple[Any, ...]) -> Any:
        """Return the first column of a statement's first row, or None.

        A connection whose statement did not end is not used again, unless the server itself said
        what was wrong with the statement.
        """
        await self._free.acquire()
        try:
            while self._idle:
                connection = self._idle.pop()
                if not connection.is_closed():
                    break
            else:
                connection = await self._connect()
            try:
                found = await connection.fetchval(text, *arguments)
            except asyncpg.PostgresError:
                if not connection.is_closed():
                    self._idle.append(connection)
                raise
            except BaseException:
                connection.terminate()
                raise
            self._idle.append(connection)
            return found
        finally:
            self._free.release()
