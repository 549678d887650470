"""The load generator: prepared requests in rotation over kept connections, every answer checked.

It runs as a process of its own, `python -m benchmarks.load FILE`, with a pickled `Plan` in the
file, and prints what it saw as one line of JSON. Each connection is a bare asyncio protocol that
sends its next request when an answer is complete. An answer has to have the status 200 and just
the length that the same request had when answers were compared.
"""

import asyncio
import gc
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import orjson
import uvloop

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request as it goes over the wire, and how long the body of its answer is, in bytes."""

    message: bytes
    length: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send where, over how many connections, for how many seconds after a warm-up."""

    port: int
    requests: Sequence[Prepared]
    connections: int
    warm_up: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What a plan brought: requests/s, milliseconds of half and of 99 in 100, and of CPU each."""

    rate: float
    p50: float
    p99: float
    cpu: float


def drive(plan: Plan) -> Seen:
    """Run a plan in a process of its own."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(pickle.dumps(plan))
        file.flush()
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.load", file.name],
            stdout=subprocess.PIPE,
            check=True,
            timeout=plan.warm_up + plan.seconds + 60,
        )
    return Seen(**orjson.loads(done.stdout))


class _Connection(asyncio.Protocol):
    """One connection that asks, waits for the whole answer, and asks again."""

    def __init__(self, load: "_Load", at: int) -> None:
        self._load, self._at = load, at
        self._head = b""
        self._left = 0
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        if not self._left:
            head, end, body = (self._head + data if self._head else data).partition(_HEAD_END)
            if not end:
                self._head = head
                return
            self._head = b""
            self._left = self._expected.length
            if not _fits(head, self._left):
                self._load.fail(f"{head.decode(errors='replace')}\n{body[:500]!r}")
                return
            data = body
        self._left -= len(data)
        if self._left < 0:
            self._load.fail("an answer is longer than it says")
        elif not self._left:
            now = perf_counter()
            self._load.taken.append((now, now - self._begin))
            if now < self._load.end:
                self._ask()
            else:
                self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if perf_counter() < self._load.end or self._left:
            self._load.fail(f"the connection was lost: {error}")
        self._load.close_one()

    def _ask(self) -> None:
        requests = self._load.plan.requests
        self._expected = requests[self._at % len(requests)]
        self._at += 1
        self._begin = perf_counter()
        self._transport.write(self._expected.message)


class _Load:
    """What the connections share."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.taken: list[tuple[float, float]] = []
        self._open = plan.connections
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.begin = perf_counter() + plan.warm_up
        self.end = self.begin + plan.seconds

    def fail(self, what: str) -> None:
        if not self._done.done():
            self._done.set_exception(AssertionError(what))

    def close_one(self) -> None:
        self._open -= 1
        if not self._open and not self._done.done():
            self._done.set_result(None)

    async def run(self) -> Seen:
        loop = asyncio.get_running_loop()
        step = max(1, len(self.plan.requests) // self.plan.connections)
        begun = process_time()
        for number in range(self.plan.connections):
            connection = _Connection(self, number * step)
            await loop.create_connection(partial(_same, connection), "127.0.0.1", self.plan.port)
        await self._done
        spent = process_time() - begun
        seconds = sorted(second for at, second in self.taken if self.begin <= at < self.end)
        if not seconds:
            raise AssertionError("nothing was answered in time")
        return Seen(
            len(seconds) / self.plan.seconds,
            seconds[len(seconds) // 2] * 1000,
            seconds[len(seconds) * 99 // 100] * 1000,
            spent / len(self.taken) * 1000,
        )


def _same(connection: _Connection) -> _Connection:
    return connection


def _fits(head: bytes, length: int) -> bool:
    """Say whether the head has the status 200 and the length."""
    _, found, rest = head.lower().partition(_LENGTH)
    return head[9:12] == b"200" and bool(found) and int(rest.partition(b"\r\n")[0]) == length


async def _run(plan: Plan) -> Seen:
    return await _Load(plan).run()


def main() -> None:
    plan = pickle.loads(Path(sys.argv[1]).read_bytes())
    gc.disable()
    print(orjson.dumps(asdict(uvloop.run(_run(plan)))).decode())


if __name__ == "__main__":
    main()
