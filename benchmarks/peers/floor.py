"""The floor: the gateway's own statements, and nothing between them and HTTP (`floor_server`)."""

import pickle
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.asked import Answer, Asked, Users
from benchmarks.peers.peer import Caller, Callers, Peer, Request
from benchmarks.peers.rows import COUNTS, figure_row
from benchmarks.statements import statement_of

_COLUMNS = (
    *("user_id", "user_name", "user_type", "start_date", "end_date", "product_name"),
    *("usage_mode", "contact", "address", "phone", "fee_category"),
)
_COUNTS = ("full_price", "regulatory", "internal_free", "trial", "new", "ended")


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
        made = [statement_of(one, callers[one.who].scope) for one in asked]
        self._file.write_bytes(pickle.dumps(made))

    def request(self, asked: Asked, caller: Caller) -> Request:
        return Request(f"/{self._numbers[asked]}")

    def read(self, asked: Asked, document: Any) -> Answer:
        size = asked.first if isinstance(asked, Users) else 1000
        rows, more = document["rows"][:size], len(document["rows"]) > size
        if isinstance(asked, Users):
            return Answer([[row[name] for name in _COLUMNS] for row in rows], more)
        named = [dict(zip(COUNTS, (row[name] for name in _COUNTS), strict=True)) for row in rows]
        return Answer(
            [
                figure_row(row["vendor_code"], row["product_name"], row["month"], counts)
                for row, counts in zip(rows, named, strict=True)
            ],
            more,
        )
