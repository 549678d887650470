"""A data directory with its embedded database, and processes that may be killed at any moment."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from serving import GATEWAY, Ran

from gateway.app.house import House, open_house
from gateway.app.migrate import migrate
from gateway.config.settings import Settings

Process = asyncio.subprocess.Process


class Place:
    """A data directory of its own, which the database's own user may pass through."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="gateway-tests-"))
        self.path.chmod(0o755)
        self.data = self.path / "data"

    def remove(self) -> None:
        self.kill_postgres()
        shutil.rmtree(self.path, ignore_errors=True)

    @property
    def postmaster(self) -> int | None:
        """The server's process, if one runs on this directory."""
        pid_file = self.data / "postgres" / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().splitlines()[0])
            running = str(self.data) in Path(f"/proc/{pid}/cmdline").read_text()
        except (OSError, ValueError, IndexError):
            return None
        return pid if running else None

    def kill_postgres(self) -> None:
        """Kill the server and all its processes, as a loss of power does."""
        if (pid := self.postmaster) is not None:
            kill_tree(pid)

    async def start(self, *arguments: str | Path, **more: str) -> Process:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("GATEWAY_")}
        return await asyncio.create_subprocess_exec(
            GATEWAY,
            *map(str, arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=heed_signals,
            env=kept | {"GATEWAY_DATA_DIR": str(self.data), "GATEWAY_PORT": "0"} | more,
        )

    async def run(self, *arguments: str | Path) -> Ran:
        return await ended(await self.start(*arguments))

    @asynccontextmanager
    async def house(self) -> AsyncIterator[House]:
        """Open the house as the next command does."""
        async with open_house(Settings(data_dir=self.data)) as opened:
            await migrate(opened.addresses)
            yield opened


def heed_signals() -> None:
    """In a new process: heed signals that whoever started the tests ignores (`nohup`, `&`)."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


async def ended(process: Process) -> Ran:
    out, err = await process.communicate()
    assert process.returncode is not None
    return Ran(process.returncode, out, err.decode())


async def until(happened: Callable[[], object], process: Process) -> None:
    """Wait for a moment in a process's life, or its end."""
    while process.returncode is None and not happened():
        await asyncio.sleep(0.005)


async def kill(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.communicate()


def kill_tree(pid: int) -> None:
    """Kill a process and all its descendants, and wait until none of them is left."""
    family = [pid, *descendants(pid)]
    for one in family:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    while any(alive(one) for one in family):
        pass


def descendants(pid: int) -> list[int]:
    parents = {int(one.name): parent(one) for one in Path("/proc").iterdir() if one.name.isdigit()}
    found, new = [], [pid]
    while new:
        new = [child for child, of in parents.items() if of in new]
        found += new
    return found


def parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
