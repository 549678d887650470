"""Turns at the database: a tenant that is alone has all of it, one beside others has its share.

What runs at once competes for the same cores, however long a queue is kept in front. So a tenant
runs no more operations at a time than its share of the cores, while another asks too; the rest of
its operations wait in their own queue, and delay nobody else's.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Final

RECENT: Final = 1.0
"""A tenant that asked within so many seconds is there."""


class Line:
    """One tenant's operations: how many run, which wait, and when it last asked."""

    __slots__ = ("asked", "running", "waiting")

    def __init__(self) -> None:
        """Begin without any."""
        self.asked, self.running = float("-inf"), 0
        self.waiting: deque[asyncio.Future[None]] = deque()


class Turns:
    """All tenants' lines in this process."""

    def __init__(self, cores: int, most: int, *, clock: Callable[[], float] = monotonic) -> None:
        """Take how many operations run without one slowing another, and how many of one tenant.

        The latter is best one less than there are connections: that is there for whoever is next.
        """
        self._cores, self._most, self._clock = cores, most, clock
        self._lines: dict[str, Line] = {}
        self._each, self._until, self._waiting = most, 0.0, 0

    async def take(self, tenant: str) -> Line:
        """Wait for a turn of a tenant's; return what `leave` takes when it ends."""
        line = self._lines.get(tenant)
        if line is None:
            line = self._lines[tenant] = Line()
        now = line.asked = self._clock()
        if now >= self._until:
            self._count(now)
        if line.waiting or line.running >= self._each:
            await self._wait(line)
        else:
            line.running += 1
        return line

    def leave(self, line: Line) -> None:
        """End a turn, and call whoever has waited for it."""
        line.running -= 1
        if not self._waiting:
            return
        if not line.running and not line.waiting:
            self._count(self._clock())  # perhaps the others have larger shares now
        for one in list(self._lines.values()):
            self._call(one)

    async def _wait(self, line: Line) -> None:
        turn = asyncio.get_running_loop().create_future()
        line.waiting.append(turn)
        self._waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was called, and will not come
                self.leave(line)
            raise
        finally:
            self._waiting -= 1

    def _call(self, line: Line) -> None:
        """Give a line's next operations their turns, as many as there may be."""
        if line.waiting and (now := self._clock()) >= self._until:
            self._count(now)
        while line.waiting and line.running < self._each:
            turn = line.waiting.popleft()
            if not turn.done():
                line.running += 1
                turn.set_result(None)

    def _count(self, now: float) -> None:
        """Work out how many operations each tenant may run, until it is time to do so again."""
        since, lines = now - RECENT, self._lines
        for name in [name for name, one in lines.items() if _is_gone(one, since)]:
            del lines[name]
        there = len(lines)
        self._each = min(max(self._cores // there, 1), self._most) if there > 1 else self._most
        self._until = now + RECENT / 4


def _is_gone(line: Line, since: float) -> bool:
    return line.asked < since and not line.running and not line.waiting
