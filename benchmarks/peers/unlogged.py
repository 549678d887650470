"""The gateway without parts of its perimeter, and waiting for its log: to tell their cost."""

import sys
from collections.abc import Mapping, Sequence

from benchmarks.peers.gateway import Gateway


class Unguarded(Gateway):
    """A server that knows keys, runs compiled operations, and nothing else."""

    name, title = "unguarded", "no perimeter"

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "benchmarks.peers.unguarded_server"]


class Unlogged(Gateway):
    """The same server with nothing in front of it."""

    name, title = "unlogged", "without the log"

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "benchmarks.peers.unlogged_server"]


class Synchronous(Gateway):
    """The gateway whose answers wait until their accesses are committed."""

    name, title = "synchronous", "answers wait for the log"

    def environment(self) -> Mapping[str, str]:
        return {**super().environment(), "GATEWAY_AUDIT_SECONDS": "0"}
