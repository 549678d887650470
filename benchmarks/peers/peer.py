"""A server that the benchmark asks: how it is started, asked and understood."""

import http.client
import os
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson

from benchmarks.asked import Answer, Asked
from gateway.tenancy.admission import Admission

_START_SECONDS = 60
_ASK_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the key, and what it reaches."""

    key: str
    admission: Admission

    @property
    def vendors(self) -> str:
        """The vendors' numbers, as PostgreSQL's array and the session's setting have them."""
        return _array(self.admission.scope.ids("vendor_id"))

    @property
    def products(self) -> str:
        """The products' numbers."""
        return _array(self.admission.scope.ids("product_id"))

    def number(self, code: str) -> int:
        """Return a vendor's number."""
        return self.admission.scope.vendor_number(code)


Callers = Mapping[str, Caller]


def _array(numbers: Sequence[int]) -> str:
    return f"{{{','.join(map(str, numbers))}}}"


@dataclass(frozen=True, slots=True)
class Request:
    """What goes over the wire: a path, headers, and a body if it is a POST."""

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None

    @classmethod
    def graphql(cls, query: str, variables: Mapping[str, Any], **headers: str) -> "Request":
        """Make a request of a GraphQL document with variables."""
        body = orjson.dumps({"query": query, "variables": variables})
        plain = {"Content-Type": "application/json", "Accept": "application/json"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls("/graphql", plain | named, body)

    def message(self) -> bytes:
        """Return its bytes."""
        lines = [f"{'GET' if self.body is None else 'POST'} {self.path} HTTP/1.1"]
        headers = {"Host": "127.0.0.1"} | dict(self.headers)
        if self.body is not None:
            headers["Content-Length"] = str(len(self.body))
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + (self.body or b"")


class Peer(ABC):
    """One server, run as one process with one worker.

    It has ten connections to the database, the gateway five.
    """

    name: str
    title: str
    """What tables call it."""

    def __init__(self, database: str, directory: Path) -> None:
        """Take the address that the service's role has, and a directory for files."""
        self.database, self.directory = database, directory
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> Sequence[str]:
        """Return the command that runs it."""

    @abstractmethod
    def environment(self) -> Mapping[str, str]:
        """Return its settings."""

    def prepare(self, asked: Sequence[Asked], callers: Callers) -> None:
        """Make ready what it needs to be asked, before it is started; most need nothing."""
        return

    def learn(self, asked: Sequence[Asked], callers: Callers) -> None:
        """Find out by asking it what it takes to ask the rest; most take nothing."""
        return

    @abstractmethod
    def request(self, asked: Asked, caller: Caller) -> Request:
        """Return the request."""

    @abstractmethod
    def read(self, asked: Asked, document: Any) -> Answer:
        """Return an answer's rows."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run it; what it says goes to a file of its own."""
        with (self.directory / f"{self.name}.log").open("wb") as log:
            self.process = self._start(log)
            try:
                self._await()
                yield
            finally:
                self.process.terminate()
                try:
                    self.process.wait(20)
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait()

    def ask(self, request: Request) -> bytes:
        """Ask once, apart from all measuring, and return the body of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ASK_SECONDS)
        try:
            method = "GET" if request.body is None else "POST"
            connection.request(method, request.path, request.body, dict(request.headers))
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200 or b'"errors":' in body:
            raise AssertionError(f"{self.name}: {answer.status} {body[-2000:].decode()}")
        return body

    def resident(self) -> int:
        """Return the process's resident memory, in bytes."""
        assert self.process is not None
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise LookupError("VmRSS")

    def _start(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            list(self.command()),
            env={**os.environ, "PORT": str(self.port), **self.environment()},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )

    def _await(self) -> None:
        assert self.process is not None
        if not serves(self.process, self.port):
            told = (self.directory / f"{self.name}.log").read_text(errors="replace")[-3000:]
            raise AssertionError(f"{self.name} does not start:\n{told}")


def serves(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until a process takes connections; say whether it ever did."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return True
    return False


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port
