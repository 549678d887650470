"""What there is to ask for in a world: codes, names, texts, days, instants, ids and cursors."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from graphing import Caller

Order = Sequence[dict[str, Any]]
NOWHERE = ""
"""In place of a vendor's code: a cursor that holds in any scope."""
ROWS = """{ users(first: 1000) { nodes { id userId userName startDate endDate vendor { code }
    history { recordedFrom } } }
  vendors { edges { cursor node { id code name } } }
  products { edges { cursor node { id name } } } }"""
CHANGES = """query ($vendor: String!) { changes(vendor: $vendor, from: "2000-01-01T00:00:00Z",
    first: 60) { edges { cursor node { batch { recordedAt } } } } }"""
USER_FIELDS = ("USER_ID", "USER_NAME", "USER_TYPE", "START_DATE", "END_DATE", "PRODUCT",
               "SERVICE_STATUS", "FEE_CATEGORY")  # fmt: skip
STAT_FIELDS = ("MONTH", "VENDOR", "PRODUCT", "FULL_PRICE_COUNT", "REGULATORY_COUNT",
               "INTERNAL_FREE_COUNT", "TRIAL_COUNT", "NEW_COUNT", "ENDED_COUNT",
               "CANCELLED_COUNT", "EXPIRED_COUNT", "FEE")  # fmt: skip
USER_PAIRS = (
    ("USER_TYPE", "USER_ID"),
    ("END_DATE", "USER_NAME"),
    ("PRODUCT", "START_DATE"),
    ("SERVICE_STATUS", "FEE_CATEGORY"),
)
STAT_PAIRS = (("FEE", "MONTH"), ("NEW_COUNT", "VENDOR"), ("PRODUCT", "MONTH"))
WAYS = ("ASC", "DESC")


def _orders(names: Iterable[str], pairs: Iterable[tuple[str, str]]) -> list[Order]:
    keys = [((name, way),) for name in names for way in WAYS]
    keys += [
        ((one, way), (other, back))
        for one, other in pairs
        for way, back in itertools.product(WAYS, WAYS)
    ]
    return [[{"field": name, "direction": way} for name, way in some] for some in keys]


ORDERS = {
    "users": _orders(USER_FIELDS, USER_PAIRS),
    "monthlyStats": _orders(STAT_FIELDS, STAT_PAIRS),
}
"""The orders that there are cursors of, besides the default order."""


@dataclass
class Reach:
    """What one caller can reach."""

    name: str
    vendors: list[str]
    products: list[str]
    rows: list[dict[str, Any]]
    ids: list[str]


@dataclass
class Material:
    """What all callers can reach, and the cursors that their lists gave.

    `cursors` are under the list and its order, each with the vendor in whose scope it holds.
    """

    today: date
    reaches: dict[str, Reach]
    instants: list[str] = field(default_factory=list)
    cursors: dict[tuple[str, str], list[tuple[str, str]]] = field(default_factory=dict)
    vendor_names: list[str] = field(default_factory=list)
    logged_at: list[str] = field(default_factory=list)
    """When there are entries of the audit log."""
    actors: list[str] = field(default_factory=lambda: ["test", "key:lphalpha", "nobody"])
    actions: list[str] = field(default_factory=lambda: ["import.users", "vendor.add", "query"])
    months: list[str] = field(default_factory=list)

    def all_cursors(self) -> list[str]:
        return [cursor for some in self.cursors.values() for _, cursor in some[:3]]


def order_key(order: Any) -> str:
    """Name an order as an argument has it: a list, one key alone, or nothing."""
    keys = [order] if isinstance(order, dict) else order if isinstance(order, list) else []
    return ",".join(
        f"{one.get('field')} {one.get('direction') or 'ASC'}"
        for one in keys
        if isinstance(one, dict)
    )


async def gather(callers: dict[str, Caller], everyone: str, today: date) -> Material:
    """Ask each caller for what it can reach; and `everyone`, who sees all vendors, for cursors."""
    found = Material(today, {})
    instants: set[str] = set()
    for name, caller in callers.items():
        shown = await caller.ask(ROWS)
        vendors, products = (shown[one]["edges"] for one in ("vendors", "products"))
        rows = shown["users"]["nodes"]
        for row in rows:
            for version in row.pop("history"):
                instants.add(version["recordedFrom"])
        found.reaches[name] = Reach(
            name,
            [edge["node"]["code"] for edge in vendors],
            [edge["node"]["name"] for edge in products],
            rows,
            [edge["node"]["id"] for edge in (*vendors, *products)],
        )
        for kind, edges in (("vendors", vendors), ("products", products)):
            cursors = found.cursors.setdefault((kind, ""), [])
            cursors += [(NOWHERE, edge["cursor"]) for edge in edges]
        found.vendor_names += [edge["node"]["name"] for edge in vendors]
    whole = found.reaches[everyone]
    found.instants = sorted(instants)
    found.months = _months(today, whole.rows)
    for code in whole.vendors:
        edges = (await callers[everyone].ask(CHANGES, vendor=code))["changes"]["edges"]
        cursors = found.cursors.setdefault(("changes", ""), [])
        cursors += [(NOWHERE, edge["cursor"]) for edge in edges]
    for kind, orders in ORDERS.items():
        every: list[Order] = [[], *orders]
        for at in range(0, len(every), 10):
            await _ask_cursors(callers[everyone], found, kind, every[at : at + 10])
    return found


async def _ask_cursors(caller: Caller, found: Material, kind: str, orders: list[Order]) -> None:
    written = [", ".join(f"{{field: {o['field']}, direction: {o['direction']}}}" for o in order)
               for order in orders]  # fmt: skip
    lists = " ".join(
        f"o{i}: {kind}(first: 60, orderBy: [{order}]) {{ edges {{ cursor node {{ vendor "
        "{ code } } } }"
        for i, order in enumerate(written)
    )
    shown = await caller.ask(f"{{ {lists} }}")
    for i, order in enumerate(orders):
        found.cursors[kind, order_key(order)] = [
            (edge["node"]["vendor"]["code"], edge["cursor"]) for edge in shown[f"o{i}"]["edges"]
        ]


def _months(today: date, rows: list[dict[str, Any]]) -> list[str]:
    """The months in which something begins or ends, and those of the last three years."""
    days = [row[name] for row in rows for name in ("startDate", "endDate") if row[name]]
    recent = [(today - timedelta(days=30 * back)).isoformat() for back in range(37)]
    return sorted({day[:7] for day in (*days, *recent) if day <= today.isoformat()})
