"""An operation's way from what was asked to its answer: one set of rules for both ways to run it.

The caller is admitted, the document is found and held to its limits, its cost is worked out and
charged; only then it runs, compiled or by the executor. What it did not use is given back.
"""

import asyncio
import logging
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

import orjson
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.audit.access import Access
from gateway.catalogue.formats import Formats, formats_of
from gateway.compiled.operations import Document, Operations, Prepared, Wanted
from gateway.compiled.request import Uncompiled
from gateway.compiled.text import count_of
from gateway.config.clock import today
from gateway.errors import BadInput, Forbidden, GatewayError, NotFound, TookTooLong, Unavailable
from gateway.exports.links import Links
from gateway.http.asked import Asked, NotTaken
from gateway.http.audited import note
from gateway.http.errors import language_of
from gateway.http.executor import Executor
from gateway.http.metrics import OPERATIONS
from gateway.http.trusted import TrustedDocuments
from gateway.limits.cost import BASE, MICROS, Estimate
from gateway.limits.spending import Spending, Tenant
from gateway.limits.turns import Turns
from gateway.schema.context import sealed_link
from gateway.tenancy.admission import Admission, Admissions, lasts
from gateway.tenancy.principal import Principal
from gateway.tenancy.scope import Scope
from gateway.tenancy.sealed import Answers, NotAdmitted, ask

T = TypeVar("T")

_log = logging.getLogger(__name__)
_COMPILED: Final = b"compiled"


@dataclass(slots=True)
class Asking:
    """Who asks and how, of one request or of one connection's messages."""

    authorization: str | None
    base_url: Callable[[], str]
    language: str | None
    allowed: Callable[[Principal], None]
    """Raises Forbidden for a caller who may not ask from where the request comes."""
    purpose: str | None = None
    """For what personal data is to be in clear."""
    only_reads: bool = False
    access: Access | None = None
    """What is noted for the audit log."""


@dataclass(slots=True)
class Answer:
    """A response's body, by which way, and whether the operation was refused before it ran."""

    body: bytes
    way: bytes
    asker: Tenant
    """Whose it is; while a long one is told, that counts (`Tenant.telling`)."""
    refused: bool = False


class Answering:
    """Answers operations."""

    def __init__(
        self,
        operations: Operations,
        admissions: Admissions,
        answers: Answers | None,
        executor: Executor,
        engine: AsyncEngine,
        links: Links,
        spending: Spending,
        turns: Turns,
    ) -> None:
        """Take what operations need; without `answers` every one is the executor's."""
        self._operations, self.admissions, self._answers = operations, admissions, answers
        self._executor, self._engine, self._links = executor, engine, links
        self._spending, self._turns = spending, turns
        self.at_once = spending.allowance.at_once
        self._thread = ThreadPoolExecutor(1, "compiling")
        self._trusted = TrustedDocuments(engine)
        self._formats: WeakKeyDictionary[Admission, Formats] = WeakKeyDictionary()

    async def answer(self, asked: Asked, asking: Asking, caller: Admission | None = None) -> Answer:
        """Return the answer; raise GatewayError or NotTaken for what is not even tried.

        `caller` is who was admitted just now; without it, that is done here.
        """
        if caller is None or not lasts(caller):
            caller = await self.admissions.admit(asking.authorization)
        if asking.access is not None:
            asking.access.tenant = caller.scope_for(asking.purpose)
        tenant = self._spending.enter(caller.tenant)
        try:
            answer = await self._charged(asked, asking, caller, tenant)
            self._spending.hold(tenant, len(answer.body))
            return answer
        finally:
            self._spending.leave(tenant)

    async def _charged(
        self, asked: Asked, asking: Asking, caller: Admission, tenant: Tenant
    ) -> Answer:
        estimate: Estimate | None = None
        told = "admission"
        try:
            for again in (True, False):
                try:
                    asking.allowed(caller.principal)
                    query = await self._trusted.text(asked, caller.principal, caller.digest)
                except (Forbidden, NotFound):
                    if not again:
                        raise
                    # what is registered by now may be more than what is known of the caller
                    caller = await self._admitted_anew(caller, asking)
                    continue
                document = await self._document(query, asked.name, caller)
                if asking.access is not None:
                    asking.access.asked = document.asked
                    asking.access.variables = asked.variables
                _check(document, asking)
                values = document.coerced(asked.variables)
                if estimate is None:
                    estimate = self._charge(document, values, caller.scope, tenant)
                try:
                    data = await self._run(document, values, caller, asking)
                except NotAdmitted:
                    caller = await self._admitted_anew(caller, asking)
                    continue
                return self._compiled(data, estimate, tenant)
        except Uncompiled as reason:
            told = str(reason)
        OPERATIONS.add("executor", told)
        with self._timed(estimate, tenant):
            turn = await self._turns.take(caller.tenant)
            try:
                return await self._executed(asked, asking, estimate, tenant, told)
            finally:
                self._turns.leave(turn)

    @contextmanager
    def _timed(self, estimate: Estimate | None, tenant: Tenant) -> Iterator[None]:
        """Charge what the executor may take for all fields, and give back what it did not.

        How long it took, the answer does not say: that would tell of what others have.
        """
        points = 0 if estimate is None or self._answers is None else estimate.executing
        try:
            self._spending.surcharge(tenant, points)
        except GatewayError:
            if estimate is not None:
                self._spending.settle(tenant, BASE - estimate.cost)
            raise
        begun = perf_counter()
        try:
            yield
        finally:
            taken = int((perf_counter() - begun) * 1e6) // MICROS
            self._spending.settle(tenant, min(taken, points) - points)

    async def _admitted_anew(self, caller: Admission, asking: Asking) -> Admission:
        self.admissions.forget(caller)
        return await self.admissions.admit(asking.authorization)

    def _compiled(self, body: bytes, estimate: Estimate, tenant: Tenant) -> Answer:
        OPERATIONS.add("compiled", "")
        cost = self._settled(estimate, body, tenant)
        whole = b"".join((body[:-1], cost, b"}"))
        return Answer(whole, _COMPILED, tenant)

    def _charge(
        self, document: Document, values: dict[str, Any], scope: Scope, tenant: Tenant
    ) -> Estimate:
        assert document.cost is not None  # noqa: S101 (it has variables)
        estimate = document.cost.of(values, len(scope.vendors), len(scope.products))
        self._spending.charge(tenant, estimate.cost)
        return estimate

    async def _run(
        self, document: Document, values: dict[str, Any], caller: Admission, asking: Asking
    ) -> bytes:
        """Return a compiled operation's body; raise Uncompiled if the executor is to answer."""
        if self._answers is None:
            raise Uncompiled("not asked for")
        scope = caller.scope_for(asking.purpose)
        link = partial(sealed_link, scope, self._links, asking.base_url, asking.purpose)
        try:
            formats = await self._formats_of(caller)
            wanted = Wanted(document, scope, values, today(), link, formats)
            ready = self._operations.planned(wanted)
            turn = await self._turns.take(caller.tenant)
            try:
                if ready is None:  # nor had others it compiled meanwhile
                    ready = self._operations.planned(wanted)
                if ready is None:
                    compiled = await self._apart(partial(self._operations.compile, wanted))
                    ready = self._operations.keep(wanted, compiled)
                pool = self._answers.by_values if ready.plan.by_values else self._answers.by_shape
                found = await ask(pool, ready.plan.sealed, ready.values, caller)
            finally:
                self._turns.leave(turn)
            return self._noted(ready, found, scope, asking.access)
        except (Unavailable, TookTooLong, NotAdmitted, Uncompiled):
            raise  # to ask again by the executor would take as long
        except GatewayError as error:
            raise Uncompiled("error") from error
        except Exception as error:
            # where and what kind, never the message: it may carry values of rows
            frames = "".join(traceback.format_tb(error.__traceback__))
            _log.exception("not compiled: %s\n%s", type(error).__name__, frames, exc_info=False)
            raise Uncompiled("fault") from error

    async def _document(self, query: str, name: str | None, caller: Admission) -> Document:
        """Return what is known of an operation; a new one is read in its tenant's turn.

        Reading and compiling take longer than most answers: a tenant that sends one new document
        after another delays itself.
        """
        known = self._operations.known(query, name)
        if known is not None:
            return known
        turn = await self._turns.take(caller.tenant)
        try:
            known = self._operations.known(query, name)  # others may have asked for it too
            if known is not None:
                return known
            read = await self._apart(partial(self._operations.read, query, name))
            return self._operations.remember(query, name, read)
        finally:
            self._turns.leave(turn)

    async def _apart(self, work: Callable[[], T]) -> T:
        """Do what takes milliseconds in a thread, so that nobody else's answer waits for its end.

        One thread for all: several would take the interpreter from each other, and from the loop.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _formats_of(self, caller: Admission) -> Formats:
        """Return a caller's report formats: read once, for what changes them ends the admission.

        They are read after it was made: newer ones come with an admission that does not hold.
        """
        found = self._formats.get(caller)
        if found is None:
            found = self._formats[caller] = await formats_of(self._engine, caller.scope)
        return found

    @staticmethod
    def _noted(ready: Prepared, found: bytes, scope: Scope, access: Access | None) -> bytes:
        """Return the response's body, its rows counted for the log."""
        body, listed = ready.completed(found)
        if access is not None:
            access.tenant, access.rows = scope, ready.rows(body, listed)
        return body

    async def _executed(
        self,
        asked: Asked,
        asking: Asking,
        estimate: Estimate | None,
        tenant: Tenant,
        reason: str,
    ) -> Answer:
        """Have the executor answer, for whoever the caller is now: after all waiting."""
        scope = await self.admissions.authenticate(asking.authorization)
        principal = scope.principal
        asking.allowed(principal)
        caller = await self.admissions.admit(asking.authorization)
        query = await self._trusted.text(asked, principal, caller.digest)
        scope = scope.stating(asking.purpose)
        answer, refused = await self._executor.answer(
            query,
            asked.name,
            asked.variables,
            scope,
            asking.base_url(),
            language_of(asking.language),
            asking.purpose,
        )
        if asking.access is not None:
            asking.access.tenant = scope
            seen = self._operations.document(query, asked.name).asked
            note(asking.access, seen, asked.variables, answer)
        body = orjson.dumps(answer, default=str)
        if estimate is not None:
            data = {"data": answer.get("data")}
            whole = orjson.dumps(data, default=str) if "errors" in answer else body
            body = b"".join((body[:-1], self._settled(estimate, whole, tenant), b"}"))
        way = f"executor; reason={reason}".encode()
        return Answer(body, way, tenant, refused=refused)

    def _settled(self, estimate: Estimate, answer: bytes, tenant: Tenant) -> bytes:
        """Give back what an answer has not used, or charge the rest; return what it cost.

        Each of its objects begins with a brace. So do those in texts, which cost their sender.
        """
        used = estimate.of_answer(max(count_of(b"{", answer) - 2, 0))
        per_point = _BYTES_A_POINT if estimate.counted else _BYTES_OF_THE_SCHEMA
        used = max(used, len(answer) // per_point)
        self._spending.settle(tenant, used - estimate.cost)
        return _COST % (estimate.cost, used, self._spending.allowance.operation)


_BYTES_A_POINT: Final = 500
"""Objects have fewer, as a rule: then they are what counts."""
_BYTES_OF_THE_SCHEMA: Final = 20
_COST: Final = b',"extensions":{"cost":{"requested":%d,"actual":%d,"limit":%d}}'


def _check(document: Document, asking: Asking) -> None:
    if document.refusal is not None:
        raise document.refusal
    if asking.only_reads and not document.only_reads:
        error = BadInput(
            "GET runs queries only",
            "GET只能执行查询",
            argument="query",
            accepted="a query, or POST",
        )
        raise NotTaken(405, error, (b"allow", b"POST"))
