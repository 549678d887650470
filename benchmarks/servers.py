"""uvicorn beside granian, which serve the same ASGI function: `python -m benchmarks.servers`.

Each runs as one process with one worker on uvloop, and takes requests and gives answers of the
gateway's usual sizes. The first run installs granian, of `peers/granian.lock`, by itself.
"""

import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.load import Plan, Prepared, Seen, drive
from benchmarks.measure import Cell, table
from benchmarks.peers.bare import ANSWER
from benchmarks.peers.peer import Request, free_port, serves

_REQUEST = Request.graphql("q" * 400, {"first": 50}, Authorization="Bearer x").message()
_CONNECTIONS, _ROUNDS, _SECONDS = (1, 16), 3, 2.0
_LOCK = Path(__file__).parent / "peers" / "granian.lock"


def _commands(place: Path) -> dict[str, Sequence[str]]:
    venv.create(place)
    pip = [sys.executable, "-m", "pip", "--python", str(place / "bin" / "python"), "install", "-q"]
    subprocess.run([*pip, "--require-hashes", "-r", str(_LOCK)], check=True)
    of_uvicorn = ("--http", "httptools", "--no-access-log", "--log-level", "warning")
    of_granian = ("--interface", "asgi", "--workers", "1", "--log-level", "warning")
    here = "benchmarks.peers.bare:application"
    return {
        "uvicorn": [sys.executable, "-m", "uvicorn", "--loop", "uvloop", *of_uvicorn, here],
        "granian": [str(place / "bin" / "granian"), "--loop", "uvloop", *of_granian, here],
    }


@contextmanager
def _served(command: Sequence[str]) -> Iterator[int]:
    port = free_port()
    with subprocess.Popen([*command, "--port", str(port)]) as process:
        try:
            if not serves(process, port):
                raise AssertionError(f"{command[0]} does not start")
            yield port
        finally:
            process.terminate()


def main() -> None:
    seen: dict[tuple[str, int], list[Seen]] = {}
    with TemporaryDirectory(prefix="granian-") as place:
        for name, command in list(_commands(Path(place)).items()) * _ROUNDS:
            with _served(command) as port:
                for number in _CONNECTIONS:
                    plan = Plan(port, [Prepared(_REQUEST, len(ANSWER))], number, 0.3, _SECONDS)
                    seen.setdefault((name, number), []).append(drive(plan))
    rows: list[Sequence[Cell]] = []
    for number in _CONNECTIONS:
        rates = [[one.rate for one in seen[name, number]] for name in ("uvicorn", "granian")]
        ratio = median(one / other for one, other in zip(*rates, strict=True))
        rows.append((number, *map(median, rates), ratio))
    heads = ("connections", "uvicorn, requests/s", "granian, requests/s", "uvicorn × granian")
    print(table("An ASGI function, served", heads, rows))


if __name__ == "__main__":
    main()
