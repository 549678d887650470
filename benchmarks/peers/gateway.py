"""The gateway itself: its own command, its own keys."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.asked import EVERYONE, Answer, Asked, Figures, Users
from benchmarks.peers.peer import Caller, Peer, Request
from benchmarks.peers.rows import figure_row, user_row
from benchmarks.statements import cursor

_USERS = """
query Users($vendors: [String!], $first: Int!, $after: String) {
  users(vendors: $vendors, first: $first, after: $after) {
    nodes {
      userId userName userType startDate endDate product { name }
      usageMode contact address phone feeCategory
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""
_FIGURES = """
query Figures($vendors: [String!], $since: Month!, $until: Month!) {
  monthlyStats(vendors: $vendors, from: $since, to: $until, first: 1000) {
    nodes {
      vendor { code } product { name } month
      fullPriceCount regulatoryCount internalFreeCount trialCount newCount endedCount
    }
    pageInfo { hasNextPage }
  }
}
"""
_NEVER_EMPTY = str(10**15)


class Gateway(Peer):
    """`gateway serve` with the settings that it has by default, but no limit of the rate.

    Costs are computed and paid all the same.
    """

    name, title = "gateway", "the gateway"

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "gateway", "serve"]

    def environment(self) -> Mapping[str, str]:
        return {
            "GATEWAY_DATABASE_URL": self.database,
            "GATEWAY_DATA_DIR": str(self.directory),
            "GATEWAY_SECRET": "for the benchmark's links, which nobody opens",
            "GATEWAY_PORT": str(self.port),
            "GATEWAY_COST_BUCKET": _NEVER_EMPTY,
            "GATEWAY_COST_PER_SECOND": _NEVER_EMPTY,
        }

    def request(self, asked: Asked, caller: Caller) -> Request:
        query, variables = operation(asked)
        named = {"Authorization": f"Bearer {caller.key}", "Gateway_Purpose": "benchmark"}
        return Request.graphql(query, variables, **named)

    def read(self, asked: Asked, document: Any) -> Answer:
        return answer_of(asked, document["data"])


def operation(asked: Asked) -> tuple[str, dict[str, Any]]:
    """Return the document and the variables of what is asked."""
    variables: dict[str, Any] = {"vendors": None if asked.who == EVERYONE else [asked.who]}
    if isinstance(asked, Users):
        return _USERS, variables | {"first": asked.first, "after": cursor(asked)}
    return _FIGURES, variables | {"since": str(asked.since), "until": str(asked.until)}


def answer_of(asked: Asked, data: Any) -> Answer:
    """Return the rows of an operation's data."""
    if isinstance(asked, Figures):
        page = data["monthlyStats"]
        rows = [
            figure_row(row["vendor"]["code"], row["product"]["name"], row["month"], row)
            for row in page["nodes"]
        ]
    else:
        page = data["users"]
        rows = [user_row(node) for node in page["nodes"]]
    return Answer(rows, page["pageInfo"]["hasNextPage"])
