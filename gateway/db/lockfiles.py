"""The lock files of a killed PostgreSQL server, where the next one would stop at them itself.

A server writes its process number into `postmaster.pid` and beside its socket. The next one passes
over a number that nobody has. It refuses to start at a file that is empty (a kill, or a full disk,
between making and writing it) and at a number that some other process has by now, which is common
after a container's restart, where numbers are few.
"""

import time
from pathlib import Path

_WRITTEN_WITHIN = 1.0
"""Seconds in which a server that lives has long written its number: it does so at once."""


def clear_remnants(cluster: Path, socket: Path) -> None:
    """Remove the lock files that no running server of this cluster holds."""
    for file in (cluster / "postmaster.pid", socket / ".s.PGSQL.5432.lock"):
        if _is_remnant(file, cluster):
            file.unlink(missing_ok=True)


def _is_remnant(file: Path, cluster: Path) -> bool:
    deadline = time.monotonic() + _WRITTEN_WITHIN
    while file.exists():
        if (number := _number(file)) is not None:
            return not _serves(number, cluster)
        if time.monotonic() > deadline:
            return True
        time.sleep(0.01)
    return False


def _number(file: Path) -> int | None:
    """Read the process number (negative of a server for one session); None where there is none."""
    try:
        return abs(int(file.read_bytes().split(b"\n", 1)[0]))
    except (OSError, ValueError):
        return None


def _serves(number: int, cluster: Path) -> bool:
    """Whether a process is a server of this cluster: a server works in its cluster's directory."""
    if not Path("/proc/self/cwd").exists():
        return True  # no way to know: PostgreSQL decides
    try:
        return Path(f"/proc/{number}/cwd").samefile(cluster)
    except PermissionError:
        return True  # another user's: as above
    except OSError:
        return False  # ended, or a zombie
