"""A plain server of Strawberry and SQLAlchemy's ORM (`plain_server`)."""

import base64
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from benchmarks.asked import EVERYONE, Answer, Asked, Figures
from benchmarks.peers.peer import Caller, Peer, Request
from benchmarks.peers.rows import figure_row, user_row

_USERS = """
query Users($vendor: Int, $first: Int!, $after: String) {
  users(vendor: $vendor, first: $first, after: $after) {
    nodes {
      userId userName userType startDate endDate product { name }
      usageMode contact address phone feeCategory
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""
_FIGURES = """
query Figures($since: Date!, $until: Date!) {
  figures(since: $since, until: $until, first: 1000) {
    nodes {
      vendor product { name } month
      fullPriceCount regulatoryCount internalFreeCount trialCount newCount endedCount
    }
    pageInfo { hasNextPage }
  }
}
"""


class Plain(Peer):
    """It asks for no key, as PostGraphile."""

    name, title = "plain", "Strawberry + SQLAlchemy"

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "benchmarks.peers.plain_server"]

    def environment(self) -> Mapping[str, str]:
        return {"DATABASE_URL": self.database}

    def request(self, asked: Asked, caller: Caller) -> Request:
        headers = {"x_vendors": caller.vendors, "x_products": caller.products}
        if isinstance(asked, Figures):
            months = {"since": str(asked.since.first), "until": str(asked.until.first)}
            return Request.graphql(_FIGURES, months, **headers)
        number = None if asked.who == EVERYONE else caller.number(asked.who)
        after = None
        if asked.after is not None:
            place = [asked.after.user, number, asked.after.record]
            after = base64.b64encode(orjson.dumps(place)).decode()
        variables = {"vendor": number, "first": asked.first, "after": after}
        return Request.graphql(_USERS, variables, **headers)

    def read(self, asked: Asked, document: Any) -> Answer:
        if isinstance(asked, Figures):
            page = document["data"]["figures"]
            rows = [
                figure_row(row["vendor"], row["product"]["name"], row["month"], row)
                for row in page["nodes"]
            ]
        else:
            page = document["data"]["users"]
            rows = [user_row(node) for node in page["nodes"]]
        return Answer(rows, page["pageInfo"]["hasNextPage"])
