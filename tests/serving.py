"""A gateway on a real socket, a client that sees every byte, and the program itself."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from socket import SO_RCVBUF, SOL_SOCKET, socket
from typing import Self
from unittest.mock import patch

import uvicorn

from gateway.app import server
from gateway.app.house import House
from gateway.app.server import listening, serve

GATEWAY = str(Path(sys.executable).with_name("gateway"))


@asynccontextmanager
async def serving(house: House) -> AsyncIterator[tuple[str, int]]:
    """Serve a house on a free port, which is told when the server is up."""
    servers: list[server.Server] = []

    class Stoppable(server.Server):
        def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
            super().__init__(config, started)
            servers.append(self)

    config = house.settings.model_copy(update={"port": 0})
    async with listening(config) as held:
        address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        with patch.object(server, "Server", Stoppable):
            running = asyncio.create_task(serve(house, held, address.set_result))
            await asyncio.wait({running, address}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running
        host, _, port = (await address).removeprefix("http://").partition(":")
        try:
            yield host, int(port)
        finally:
            servers[0].should_exit = True
            await running


@dataclass
class Answer:
    """A response as it came over the wire; `whole` if the last chunk or all its length came."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    trailers: dict[str, str] = field(default_factory=dict)
    whole: bool = False


class Wire:
    """One TCP connection that speaks HTTP/1.1 by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, address: tuple[str, int], *, buffer: int | None = None) -> Self:
        """Connect; a small receive buffer makes the server wait for a client that doesn't read."""
        plain = socket()
        if buffer is not None:
            plain.setsockopt(SOL_SOCKET, SO_RCVBUF, buffer)
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, address)
        return cls(*await asyncio.open_connection(sock=plain))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()

    def send(self, path: str, method: str = "GET", version: str = "1.1") -> None:
        self.writer.write(f"{method} {path} HTTP/{version}\r\nHost: gateway\r\n\r\n".encode())

    async def get(self, path: str, method: str = "GET", version: str = "1.1") -> Answer:
        self.send(path, method, version)
        return await self.answer(method)

    async def answer(self, method: str = "GET") -> Answer:
        """Read one response to its end, or to where it breaks off."""
        answer = await self.head()
        if method == "HEAD":
            answer.whole = True
        elif "content-length" in answer.headers:
            answer.body = await self.reader.readexactly(int(answer.headers["content-length"]))
            answer.whole = True
        elif answer.headers.get("transfer-encoding") == "chunked":
            await self.rest(answer)
        else:
            answer.body = await self.reader.read()
        return answer

    async def head(self) -> Answer:
        """Read a response's status line and headers only."""
        first = (await self.reader.readline()).decode()
        return Answer(int(first.split()[1]), await self._fields())

    async def rest(self, answer: Answer) -> None:
        """Read a chunked body and its trailers to the end, or to where they break off."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                answer.body += await self.reader.readexactly(size)
                assert await self.reader.readexactly(2) == b"\r\n"
            answer.trailers = await self._fields()
            answer.whole = True

    async def _fields(self) -> dict[str, str]:
        found = {}
        while (line := await self.reader.readuntil(b"\r\n")) != b"\r\n":
            name, _, value = line.decode("latin-1").partition(":")
            found[name.lower()] = value.strip()
        return found


@dataclass(frozen=True)
class Ran:
    """What a run of the program gave."""

    code: int
    out: bytes
    err: str


def environment(house: House) -> dict[str, str]:
    """The settings by which the program works on a test's database."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return kept | {
        "GATEWAY_DATABASE_URL": str(house.settings.database_url),
        "GATEWAY_MIGRATE_URL": str(house.settings.migrate_url),
        "GATEWAY_DATA_DIR": str(house.settings.data_dir),
        "GATEWAY_PORT": "0",
    }


_FORKS = """
import gc, json, os, sys, traceback
from importlib import import_module
from gateway.cli import main
from gateway.cli.program import COMMANDS

for place in {where.partition(".")[0] for where in COMMANDS.values()}:
    import_module(f"gateway.cli.{place}")

def run(arguments, environment, files):
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in enumerate(files, 1):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["gateway", *arguments]
    try:
        main()
    except SystemExit as left:
        return left.code
    except BaseException:
        traceback.print_exc()
        return 1

gc.freeze()
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        code = run(**json.loads(line))
        sys.stdout.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Program:
    """The program, imported once and forked for each command: a process of its own for each."""

    def __init__(self, place: Path) -> None:
        self._files = [str(place / "out"), str(place / "err")]
        self._lock = asyncio.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def close(self) -> None:
        self._process.communicate()

    async def run(self, house: House, *arguments: str, **more: str) -> Ran:
        """Run one command on a test's database."""
        job = {
            "arguments": arguments,
            "environment": environment(house) | more,
            "files": self._files,
        }
        async with self._lock:
            code = await asyncio.to_thread(self._ask, json.dumps(job))
            return Ran(code, *self._said())

    def _said(self) -> tuple[bytes, str]:
        out, err = map(Path, self._files)
        return out.read_bytes(), err.read_text()

    def _ask(self, job: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{job}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())
