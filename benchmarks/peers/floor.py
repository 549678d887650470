"""The floor: the gateway's own statements, and nothing between them and HTTP (`floor_server`)."""

import pickle
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.asked import Answer, Asked
from benchmarks.peers.gateway import answer_of, operation
from benchmarks.peers.peer import Caller, Callers, Peer, Request
from benchmarks.statements import statement_of


class Floor(Peer):
    """A request is the number of a statement that was written beforehand."""

    name, title = "floor", "the floor"

    def __init__(self, database: str, directory: Path) -> None:
        super().__init__(database, directory)
        self._numbers: dict[Asked, int] = {}

    @property
    def _file(self) -> Path:
        return self.directory / "floor.statements"

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "benchmarks.peers.floor_server"]

    def environment(self) -> Mapping[str, str]:
        return {"DATABASE_URL": self.database, "STATEMENTS": str(self._file)}

    def prepare(self, asked: Sequence[Asked], callers: Callers) -> None:
        """Write the statements down."""
        self._numbers = {one: number for number, one in enumerate(asked)}
        made = [statement_of(*operation(one), callers[one.who].admission) for one in asked]
        self._file.write_bytes(pickle.dumps(made))

    def request(self, asked: Asked, caller: Caller) -> Request:
        return Request(f"/{self._numbers[asked]}")

    def read(self, asked: Asked, document: Any) -> Answer:
        return answer_of(asked, document["data"])
