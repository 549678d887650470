"""Clients that leave: the work for them ends, down to the statement that runs in the database."""

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from starlette.types import Receive

T = TypeVar("T")
_AFTER_SECONDS: Final = 0.05
"""Work that is done by then is not worth watching: most is, and a task costs as much as it."""


class Gone(Exception):
    """The client left."""


class Departures:
    """The requests of one event loop that are being answered, watched once they take a while.

    They are looked through together, so that a quick one costs no timer of its own.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._young: deque[_Request] = deque()
        self._looking: asyncio.TimerHandle | None = None

    async def while_there(self, receive: Receive, work: Coroutine[Any, Any, T]) -> T:
        """Do the work of a request whose body was read; raise Gone, and end it, if the client left.

        A statement that is cancelled is cancelled in PostgreSQL too.
        """
        loop = asyncio.get_running_loop()
        one = _Request(receive, asyncio.current_task(loop), loop.time())
        self._young.append(one)
        if self._looking is None:
            self._looking = loop.call_later(_AFTER_SECONDS, self._look, loop)
        try:
            return await work
        except asyncio.CancelledError:
            if one.left and one.task is not None:
                one.task.uncancel()
                raise Gone from None
            raise
        finally:
            one.finish()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch those that are no longer young, and come again if there are others."""
        young, before = self._young, loop.time() - _AFTER_SECONDS
        while young and (young[0].done or young[0].begun <= before):
            one = young.popleft()
            if not one.done:
                one.watching = loop.create_task(one.watch())
        self._looking = loop.call_later(_AFTER_SECONDS, self._look, loop) if young else None


class _Request:
    __slots__ = ("begun", "done", "left", "receive", "task", "watching")

    def __init__(self, receive: Receive, task: asyncio.Task[Any] | None, begun: float) -> None:
        self.receive: Receive | None = receive
        self.task, self.begun = task, begun
        self.done = self.left = False
        self.watching: asyncio.Task[None] | None = None

    async def watch(self) -> None:
        while self.receive is not None and (await self.receive())["type"] != "http.disconnect":
            pass
        self.left = True
        if self.task is not None:
            self.task.cancel()

    def finish(self) -> None:
        """End, and hold nothing of the request until it is looked at."""
        self.done, self.receive, self.task = True, None, None
        if self.watching is not None:
            self.watching.cancel()
