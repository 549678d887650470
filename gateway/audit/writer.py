"""Writing accesses: a bounded queue, and one writer that appends them in batches.

An answer is sent once its access is in the queue; with `seconds` at 0, once it is committed. Where
the queue is full, answers wait for room, and are refused as unavailable after some seconds: nothing
is answered that is not logged. A process that is killed loses what is in its queue, of the last
`seconds` and the time that a batch takes.
"""

import asyncio
import logging
import time
from collections import deque
from contextlib import suppress
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.audit.access import Access, Entries
from gateway.errors import Unavailable
from gateway.tenancy.appending import Entry, append_alone

_log = logging.getLogger(__name__)
_BATCH: Final = 1000
_MANY: Final = 16
"""So many entries that wait are many: those that are alike then stand for each other."""
_RETRY_SECONDS: Final = 1.0


class _Queued(NamedTuple):
    """An access's entries, and who waits until they are committed."""

    entries: list[Entry]
    done: asyncio.Future[None] | None


class AccessLog:
    """The accesses of one process on their way into the log."""

    def __init__(
        self,
        engine: AsyncEngine,
        secret: str,
        *,
        seconds: float,
        most: int = 10_000,
        patience: float = 5.0,
    ) -> None:
        """Take how long an entry may wait, how many may, and how long answers wait for room."""
        self._engine, self._entries = engine, Entries(secret)
        self._seconds, self._most, self._patience = seconds, most, patience
        self._waiting: deque[_Queued] = deque()
        self._repeated: dict[tuple[str, ...], Access] = {}
        self._taken = 0
        self._wake, self._full, self._room = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._deadline: float | None = None
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """How many accesses are not written yet."""
        return len(self._waiting) + len(self._repeated) + self._taken

    def offer(self, access: Access) -> bool:
        """Put an access into the queue; say whether there was room.

        Unavailable for one that can't be logged, and is not to be answered therefore.
        """
        if self.waiting >= self._most:
            return False
        # written out at once: texts wait in less room than all that a request has
        self._waiting.append(_Queued(self._entries_of(access), access.done))
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write_on())
        self._wake.set()
        if len(self._waiting) >= _BATCH:
            self._full.set()
        return True

    def offer_refusal(self, access: Access) -> None:
        """Put an access that was told nothing into the queue, or count it where there's no room.

        Those that are alike are one beside many others, which says how many: else whoever is
        refused a thousand times a second, without any credential, would fill the disk.
        """
        alike = access.likeness() if len(self._waiting) >= _MANY else None
        if alike is not None and alike in self._repeated:
            self._repeated[alike].times += 1
        elif self.waiting >= self._most:
            self.dropped += 1
        elif alike is not None:
            self._repeated[alike] = access
        else:
            with suppress(Unavailable):  # it is counted already
                self.offer(access)

    async def put(self, access: Access) -> None:
        """Put an access into the queue, wait as is set; Unavailable where nothing may be told."""
        if not self._seconds:
            access.done = asyncio.get_running_loop().create_future()
        if not self.offer(access):
            await self._put_when_there_is_room(access)
        if access.done is not None:
            await access.done

    async def _put_when_there_is_room(self, access: Access) -> None:
        try:
            async with asyncio.timeout(self._patience):
                while not self.offer(access):
                    self._room.clear()
                    await self._room.wait()
        except TimeoutError:
            raise Unavailable(
                "the audit log can't be written; nothing is answered that is not logged",
                "审计日志无法写入；未记录的访问不予应答",
            ) from None

    async def close(self, seconds: float) -> None:
        """Write what is left; give up after some seconds without a database, and say how much."""
        if self._writer is None:
            return
        self._deadline = time.monotonic() + seconds
        self._wake.set()
        self._full.set()
        await self._writer
        self._writer = None

    async def _write_on(self) -> None:
        while self._waiting or self._deadline is None:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            if self._seconds and self._deadline is None:
                try:
                    async with asyncio.timeout(self._seconds):
                        await self._full.wait()
                except TimeoutError:
                    pass
                self._full.clear()
            if self._waiting:
                await self._write()

    async def _write(self) -> None:
        """Write a batch; keep trying while there is no database."""
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))]
        entries = [entry for one in batch for entry in one.entries]
        repeated, self._repeated = self._repeated, {}
        for access in repeated.values():
            with suppress(Unavailable):
                entries += self._entries_of(access)
        self._taken = len(batch) + len(repeated)
        failure: Exception | None = None
        try:
            failure = await self._append(entries)
        finally:
            self._taken = 0
            self._room.set()
            for _, done in batch:
                if done is not None and not done.done():
                    if failure is None:
                        done.set_result(None)
                    else:
                        done.set_exception(failure)

    def _entries_of(self, access: Access) -> list[Entry]:
        """Return an access's entries; Unavailable if they can't be made."""
        try:
            return self._entries.of(access)
        except Exception as error:  # noqa: BLE001 (the writer outlives any entry)
            self.dropped += 1
            _log.error("the audit log loses an entry: %s", type(error).__name__)
            raise _unloggable() from None

    async def _append(self, entries: list[Entry]) -> Exception | None:
        """Append; return why it could not be done, where it is not to be tried again."""
        told = False
        while True:
            try:
                await append_alone(self._engine, entries)
            except Unavailable as error:
                if not self._seconds:
                    return error  # nobody was answered
                if self._deadline is not None and time.monotonic() > self._deadline:
                    self.dropped += len(entries)
                    _log.error("the audit log loses %d entries: no database", len(entries))
                    return error
                if not told:
                    _log.warning("the audit log waits for the database: %d entries", self.waiting)
                    told = True
                await asyncio.sleep(_RETRY_SECONDS)
            except Exception as error:  # noqa: BLE001 (the writer outlives any entry)
                return await self._append_singly(entries, error)
            else:
                return None

    async def _append_singly(self, entries: list[Entry], error: Exception) -> Exception | None:
        """Append what can be, where the database does not take a batch: one must be at fault."""
        if len(entries) == 1:
            self.dropped += 1
            # what kind only: the message may carry the entry
            _log.error("the audit log loses an entry: %s", type(error).__name__)
            return _unloggable()
        failures = [await self._append([one]) for one in entries]
        return next((one for one in failures if one is not None), None)


def _unloggable() -> Unavailable:
    return Unavailable("the access can't be logged", "访问无法记录")
