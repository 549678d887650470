"""PostGraphile, in Node from npm (`postgraphile.js`); the lock file beside it names versions."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from benchmarks.asked import EVERYONE, Answer, Asked, Figures, Place, Users
from benchmarks.peers.peer import Caller, Callers, Peer, Request
from benchmarks.peers.rows import figure_row, user_row

_HERE = Path(__file__).parent
_MODULES = _HERE / "node_modules"
_VERSION = orjson.loads((_HERE / "package.json").read_bytes())["dependencies"]["postgraphile"]
_PAGE = """
    nodes {
      userId userName userType startDate endDate productByProductId { name }
      usageMode contact address phone feeCategory
    }
    pageInfo { hasNextPage endCursor }
"""
_OF_ONE = f"""
query Users($vendor: Int!, $first: Int!, $after: Cursor) {{
  users: allServiceRecords(
    condition: {{ vendorId: $vendor }}, orderBy: [USER_ID_ASC], first: $first, after: $after
  ) {{ {_PAGE} }}
}}
"""
_OF_ALL = f"""
query Users($first: Int!, $after: Cursor) {{
  users: allServiceRecords(orderBy: [USER_ID_ASC], first: $first, after: $after) {{ {_PAGE} }}
}}
"""
_FIND = """
query Find($vendor: Int!, $record: BigInt!) {
  users: allServiceRecords(
    condition: { vendorId: $vendor, recordId: $record }, orderBy: [USER_ID_ASC], first: 1
  ) { pageInfo { endCursor } }
}
"""
_FIGURES = """
query Figures($since: Date!, $until: Date!) {
  figures: benchmarkFigures(since: $since, until: $until, first: 1000) {
    nodes {
      vendorCode productName month
      fullPriceCount regulatoryCount internalFreeCount trialCount newCount endedCount
    }
    pageInfo { hasNextPage }
  }
}
"""


class PostGraphile(Peer):
    """It asks for no key: the request's headers say what may be seen."""

    name, title = "postgraphile", f"PostGraphile {_VERSION}"

    def __init__(self, database: str, directory: Path) -> None:
        super().__init__(database, directory)
        self._cursors: dict[Place, str] = {}

    def command(self) -> Sequence[str]:
        return [str(_MODULES / "node" / "bin" / "node"), str(_HERE / "postgraphile.js")]

    def environment(self) -> Mapping[str, str]:
        return {"DATABASE_URL": self.database, "NODE_ENV": "production"}

    def prepare(self, asked: Sequence[Asked], callers: Callers) -> None:
        """Install what the lock file names, if that has not been done."""
        if not (_MODULES / "postgraphile").exists():
            npm = shutil.which("npm")
            if npm is None:
                raise SystemExit("PostGraphile needs npm, which is not installed; or --servers")
            subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=_HERE, check=True)

    def learn(self, asked: Sequence[Asked], callers: Callers) -> None:
        """Get its own cursors of the lines after which pages begin."""
        for one in asked:
            if isinstance(one, Users) and one.after is not None:
                caller = callers[one.who]
                variables = {"vendor": caller.number(one.who), "record": str(one.after.record)}
                body = self.ask(Request.graphql(_FIND, variables, **_headers(caller)))
                page = orjson.loads(body)["data"]["users"]
                self._cursors[one.after] = page["pageInfo"]["endCursor"]

    def request(self, asked: Asked, caller: Caller) -> Request:
        if isinstance(asked, Figures):
            months = {"since": str(asked.since.first), "until": str(asked.until.first)}
            return Request.graphql(_FIGURES, months, **_headers(caller))
        variables = {"first": asked.first, "after": asked.after and self._cursors[asked.after]}
        if asked.who == EVERYONE:
            return Request.graphql(_OF_ALL, variables, **_headers(caller))
        variables["vendor"] = caller.number(asked.who)
        return Request.graphql(_OF_ONE, variables, **_headers(caller))

    def read(self, asked: Asked, document: Any) -> Answer:
        if isinstance(asked, Figures):
            page = document["data"]["figures"]
            rows = [
                figure_row(row["vendorCode"], row["productName"], row["month"], row)
                for row in page["nodes"]
            ]
        else:
            page = document["data"]["users"]
            rows = [user_row(node, "productByProductId") for node in page["nodes"]]
        return Answer(rows, page["pageInfo"]["hasNextPage"])


def _headers(caller: Caller) -> dict[str, str]:
    return {"x_vendors": caller.vendors, "x_products": caller.products}
