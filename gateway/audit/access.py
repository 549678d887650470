"""Accesses: what is noted of a request while it is answered, and the entry that becomes of it.

An entry holds no personal data in clear: of the variables a keyed digest, of the document its
SHA-256, of what was returned the number of rows and the names of the fields.
"""

import asyncio
import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from weakref import WeakKeyDictionary

import orjson

from gateway.audit.chain import text_of
from gateway.audit.models import HOUSE
from gateway.tenancy.appending import Entry
from gateway.tenancy.scope import Scope

NAME: Final = "userName"
BY_NAME: Final = "USER_NAME"
"""What `UserOrder.field` is where users are sorted by name."""
_MOST_NAME: Final = 128
_MOST_SCOPES: Final = 10_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Asked:
    """What can be said of a document and one of its operations without its variables."""

    document: str
    """SHA-256 of the document's UTF-8, hexadecimal."""
    operation: str | None = None
    personal: tuple[str, ...] = ()
    """The personal-data fields that it selects, `userName` and the like."""
    whole: bool = False
    """Whether it selects lines or a page's cursors, which are no objects that could be counted."""
    single: frozenset[str] = frozenset()
    """The response keys of roots that are one object, not a list."""
    lines: frozenset[str] = frozenset()
    """The response keys of texts of which each line is a row."""
    ordering: frozenset[str] = frozenset()
    """Variables that may sort users by name where cursors are selected, in which it then stands."""

    def shown(self, rows: int | None, variables: Mapping[str, Any] | None) -> tuple[str, ...]:
        """Return the personal-data fields that an answer with so many rows tells."""
        told = self.personal if rows or self.whole else ()
        if self.ordering and NAME not in told:
            given = [(variables or {}).get(name) for name in self.ordering]
            if any(BY_NAME in str(value) for value in given):
                return tuple(sorted((*told, NAME)))
        return told


class Access:
    """One request to the perimeter, filled in on its way."""

    __slots__ = (
        "acted", "action", "asked", "begun", "done", "outcome", "purpose", "request", "rows",
        "spent", "tenant", "times", "variables", "wall",
    )  # fmt: skip

    def __init__(self, request: Mapping[str, Any], action: str) -> None:
        """Begin with the request's ASGI scope."""
        self.request, self.action = request, action
        self.begun, self.wall = time.perf_counter_ns(), time.time_ns()
        self.tenant: Scope | None = None
        self.asked: Asked | None = None
        self.variables: Mapping[str, Any] | None = None
        self.rows: int | None = None
        self.outcome = ""
        self.purpose: str | None = None
        """For what personal data is in clear, as was stated."""
        self.spent = 0
        self.acted = False
        """Whether an act that is part of it says itself what becomes of it."""
        self.done: asyncio.Future[None] | None = None
        self.times = 1
        """How many refused requests it stands for."""

    def end(self, status: int) -> None:
        """Note that the answer is about to be sent."""
        self.spent = time.perf_counter_ns() - self.begun
        if not self.outcome:
            self.outcome = "OK" if status < 400 else f"HTTP_{status}"

    def likeness(self) -> tuple[str, ...] | None:
        """Return what is alike in requests that were refused before they were read."""
        if self.asked is not None:
            return None
        actor = None if self.tenant is None else self.tenant.principal.name
        return self.action, self.outcome, _origin(self).get("from", ""), str(actor)

    def leave(self) -> None:
        """Note that whoever asked left without an answer; what was asked may have run a while."""
        self.outcome = "GONE"
        self.end(499)


CURRENT: ContextVar[Access | None] = ContextVar("gateway_access", default=None)
"""The request that an act is part of."""


@contextmanager
def acting(access: Access) -> Iterator[None]:
    """Have acts say that they are part of a request."""
    token = CURRENT.set(access)
    try:
        yield
    finally:
        CURRENT.reset(token)


def logs_itself() -> None:
    """Have the present request leave it to its act to say what becomes of it."""
    access = CURRENT.get()
    if access is not None:
        access.acted = True


def origin() -> dict[str, str]:
    """Return from where the present request comes and for what purpose; nothing without one."""
    access = CURRENT.get()
    return {} if access is None else _origin(access)


def rows_of(answer: Any, asked: Asked) -> int:
    """Return how many objects an answer's data have in lists and alone at the roots, and lines."""
    if not isinstance(answer, dict):
        return 0
    found = sum(answer.get(key) is not None for key in asked.single)
    waiting: list[Any] = [answer]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
            texts = (value.get(key) for key in asked.lines)
            found += sum(text.count("\n") for text in texts if isinstance(text, str))
        elif isinstance(value, list):
            found += sum(isinstance(one, dict) for one in value)
            waiting.extend(value)
    return found


class Entries:
    """Makes entries of accesses, and an entry of each scope that is met for the first time."""

    def __init__(self, secret: str) -> None:
        """Take the gateway's secret, of which the variables' digests are keyed."""
        self._key = hashlib.blake2b(secret.encode(), person=b"gateway-audit").digest()
        self._digests: WeakKeyDictionary[Scope, str] = WeakKeyDictionary()
        self._met: set[tuple[int, str]] = set()

    def of(self, access: Access) -> list[Entry]:
        """Return the entries of an access."""
        found: list[Entry] = []
        detail: dict[str, Any] = _origin(access)
        detail["outcome"] = access.outcome
        detail["micros"] = access.spent // 1000
        if access.times > 1:
            detail["times"] = access.times
        if access.rows is not None:
            detail["rows"] = access.rows
        if (asked := access.asked) is not None:
            detail["document"] = asked.document
            if asked.operation is not None:
                detail["operation"] = asked.operation[:_MOST_NAME]
            seen = asked.shown(access.rows, access.variables)
            if seen and access.tenant is not None and access.tenant.reveals:
                detail["personal"] = seen
        if access.variables:
            detail["variables"] = self._digest(access.variables)
        at = _EPOCH + timedelta(microseconds=access.wall // 1000)
        holder, actor = HOUSE, "anonymous"
        if (scope := access.tenant) is not None:
            principal = scope.principal
            holder, actor = principal.holder, principal.name
            detail["role"] = principal.role.value
            digest = detail["scope"] = self._scope_digest(scope)
            if (holder, digest) not in self._met:
                if len(self._met) >= _MOST_SCOPES:
                    self._met.clear()
                self._met.add((holder, digest))
                reach = {"scope": digest, **_reach(scope)}
                found.append(Entry(holder, text_of(at, actor, "scope", reach)))
        found.append(Entry(holder, text_of(at, actor, access.action, detail)))
        return found

    def _digest(self, variables: Mapping[str, Any]) -> str:
        try:
            text = orjson.dumps(variables, option=orjson.OPT_SORT_KEYS)
        except TypeError:
            text = repr(variables).encode(errors="backslashreplace")
        return hashlib.blake2b(text, key=self._key, digest_size=32).hexdigest()

    def _scope_digest(self, scope: Scope) -> str:
        found = self._digests.get(scope)
        if found is None:
            text = orjson.dumps(_reach(scope), option=orjson.OPT_SORT_KEYS)
            found = self._digests[scope] = hashlib.sha256(text).hexdigest()
        return found


def _reach(scope: Scope) -> dict[str, list[str]]:
    return {"vendors": sorted(scope.vendors.values()), "products": sorted(scope.products.values())}


def _origin(access: Access) -> dict[str, str]:
    found: dict[str, str] = {}
    client = access.request.get("client")
    if client:
        found["from"] = str(client[0])
    own = None if access.tenant is None else access.tenant.principal.purpose
    if (said := own or access.purpose) is not None:
        found["purpose"] = said
    return found
