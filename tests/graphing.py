"""Asking the graph in-process as one caller, and a naive reading of a roster to compare with."""

import random
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import httpx
from market import PRODUCTS, key
from naive.counting import Service
from naive.strategies import random_roster
from sqlalchemy import event

from gateway.app.house import House
from gateway.app.server import application
from gateway.config.clock import today
from gateway.regulation.codes import FeeCategory, ServiceStatus, UsageMode, UserType
from gateway.tenancy.principal import Role

TODAY = today()
ALL = 1000
IDENTITY = "userId product { name } usageMode startDate"
USERS = (
    "query ($filter: UserFilter, $orderBy: [UserOrder!], $asOf: DateTime) {"
    f" users(filter: $filter, orderBy: $orderBy, asOf: $asOf, first: {ALL})"
    f" {{ totalCount nodes {{ {IDENTITY} }} }} }}"
)


@dataclass
class Caller:
    """One API key's way to the graph."""

    client: httpx.AsyncClient
    key: str
    purpose: str | None = "test"
    """For what it sees personal data; None: it sees masks."""

    @property
    def headers(self) -> dict[str, str]:
        stated = {} if self.purpose is None else {"Gateway-Purpose": self.purpose}
        return {"Authorization": f"Bearer {self.key}", **stated}

    async def send(self, body: dict[str, Any]) -> httpx.Response:
        return await self.client.post("/graphql", json=body, headers=self.headers)

    async def post(self, query: str, language: str = "", **variables: Any) -> httpx.Response:
        return await self.client.post(
            "/graphql",
            json={"query": query, "variables": variables},
            headers={**self.headers, "Accept-Language": language},
        )

    async def ask(self, query: str, **variables: Any) -> Any:
        """Return the data of an operation that succeeds."""
        answer = (await self.post(query, **variables)).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    async def refused(self, query: str, language: str = "", **variables: Any) -> dict[str, Any]:
        """Return the only error of an operation that fails."""
        answer = (await self.post(query, language, **variables)).json()
        (error,) = answer.get("errors") or [None]
        assert error is not None, answer
        return error

    async def follow(self, url: str) -> str:
        """Return what a download link gives."""
        answer = await self.client.get(url)
        assert answer.status_code == 200
        return answer.content.decode()


@asynccontextmanager
async def calling(
    house: House, *, vendor: str | None = None, role: Role | None = None, limits: str | None = None
) -> AsyncIterator[Caller]:
    """Call as a vendor's operator, or without a vendor as the licensor's analyst."""
    settings = house.settings.model_copy(update={"limits": limits} if limits else {})
    granted = role or (Role.VENDOR_OPERATOR if vendor else Role.LICENSOR_ANALYST)
    transport = httpx.ASGITransport(app=application(replace(house, settings=settings)))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield Caller(client, await key(house, vendor=vendor, role=granted))


@contextmanager
def statements(house: House) -> Iterator[list[str]]:
    """Collect the SQL that the service runs, without what it reads once of each caller.

    That is who a key belongs to, and the report formats of its products.
    """
    seen: list[str] = []

    def note(*arguments: Any) -> None:
        of_caller = ("gateway_authenticate", "its_licensor.report_format")
        if not any(name in arguments[2] for name in of_caller):
            seen.append(arguments[2])

    def noting(fetch: Callable[..., Any]) -> Callable[..., Any]:
        async def fetched(text: str, values: tuple[Any, ...]) -> Any:
            seen.append(text)
            return await fetch(text, values)

        return fetched

    event.listen(house.service.sync_engine, "before_cursor_execute", note)
    answering = (house.answers.by_shape, house.answers.by_values)
    for connections in answering:
        connections.fetch_value = noting(connections.fetch_value)  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        for connections in answering:
            del connections.fetch_value  # type: ignore[method-assign]
        event.remove(house.service.sync_engine, "before_cursor_execute", note)


# A roster, read naively

Key = tuple[str, str, str, str]


def small_roster(seed: int = 3, users: int = 30) -> list[Service]:
    return random_roster(random.Random(seed), TODAY, PRODUCTS, users)


def with_status(roster: Iterable[Service]) -> list[str]:
    """The lines in twelve columns; a record without a status is left out by `reported`."""
    return [f"{one.line()}||{one.status}" for one in roster]


def reported(roster: Iterable[Service]) -> list[Service]:
    return [one for one in roster if one.status is not None]


def without_status(roster: Iterable[Service]) -> list[str]:
    """The lines in the statutory eleven columns."""
    return [one.line() for one in roster]


def mode_of(one: Service) -> UsageMode:
    return UsageMode.texts()[one.mode]


def category_of(one: Service) -> FeeCategory:
    return FeeCategory.texts()[one.category]


def type_of(one: Service) -> UserType:
    return UserType.texts()[one.user_type]


def status_of(one: Service) -> ServiceStatus:
    """As reported, or else by the end date."""
    if one.status is not None:
        return ServiceStatus.texts()[one.status]
    past = one.end is not None and one.end < TODAY
    return ServiceStatus.EXPIRED if past else ServiceStatus.ACTIVE


def record_key(one: Service) -> Key:
    return (one.user_id, one.product, mode_of(one).name, one.start.isoformat())


def node_key(node: dict[str, Any]) -> Key:
    return (node["userId"], node["product"]["name"], node["usageMode"], node["startDate"])


def numbering(one: Service) -> tuple[Any, ...]:
    """The order in which a vendor's first import numbers its records."""
    return (one.user_id, PRODUCTS.index(one.product), mode_of(one), one.start)


SORT_KEYS: dict[str, Callable[[Service], Any]] = {
    "USER_ID": lambda one: one.user_id,
    "USER_NAME": lambda one: one.user_name,
    "USER_TYPE": type_of,
    "START_DATE": lambda one: one.start,
    "END_DATE": lambda one: (one.end is None, one.end or date.max),
    "PRODUCT": lambda one: one.product,
    "SERVICE_STATUS": status_of,
    "FEE_CATEGORY": category_of,
}


def sort(roster: Iterable[Service], order: Sequence[tuple[str, str]]) -> list[Service]:
    """Sort by (field, direction) keys; ties by number, in the first key's direction."""
    first = order[0][1] if order else "ASC"
    found = sorted(roster, key=numbering, reverse=first == "DESC")
    for field, direction in reversed(order):
        found.sort(key=SORT_KEYS[field], reverse=direction == "DESC")
    return found


def order_by(order: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"field": field, "direction": direction} for field, direction in order]


def listed(connection: dict[str, Any]) -> list[Key]:
    return [node_key(node) for node in connection["nodes"]]


def keys(roster: Iterable[Service]) -> list[Key]:
    return [record_key(one) for one in roster]
