"""`/graphql` in front of the executor: operations that are compiled are answered right here.

Whatever can't be is passed on as it came. A response's header Gateway-Execution says which it was,
and why: `compiled`, or `executor; reason=…`.
"""

import logging
import traceback
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.audit.access import Access
from gateway.compiled.operations import Operations, Prepared, Uncompiled
from gateway.config.clock import today
from gateway.errors import GatewayError, TookTooLong, Unavailable
from gateway.exports.links import Links
from gateway.http.audited import KEY
from gateway.http.errors import body_of, language_of, status_of
from gateway.http.metrics import OPERATIONS
from gateway.schema.context import sealed_link
from gateway.tenancy.admission import Admissions
from gateway.tenancy.sealed import Answers, NotAdmitted, ask

_log = logging.getLogger(__name__)
_KEYS: Final = frozenset({"query", "variables", "operationName"})
_COMPILED: Final = (
    (b"content-type", b"application/json"),
    (b"gateway-execution", b"compiled"),
)
_COUNTED: Final = OPERATIONS.labels("compiled", "")


class CompiledEndpoint:
    """An ASGI application: compiled operations, and another application for all the rest."""

    def __init__(
        self,
        operations: Operations,
        admissions: Admissions,
        answers: Answers,
        links: Links,
        base_url: Callable[[Request], str],
        executor: ASGIApp,
    ) -> None:
        """Take what operations need."""
        self._operations, self._admissions, self._answers = operations, admissions, answers
        self._links, self._base_url, self._executor = links, base_url, executor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        body: bytes | None = None
        status = 200
        try:
            authorization = _plain(scope)
            body = await _read(receive)
            answer = await self._answer(scope, body, authorization)
        except Uncompiled as reason:
            OPERATIONS.labels("executor", str(reason)).inc()
            await self._executor(scope, _again(body, receive), _telling(str(reason), send))
            return
        except (Unavailable, TookTooLong) as error:
            status, answer = status_of(error), _told(scope, error)
            if KEY in scope:
                scope[KEY].outcome = error.code
        _COUNTED.inc()
        length = (b"content-length", b"%d" % len(answer))
        await send(
            {"type": "http.response.start", "status": status, "headers": [*_COMPILED, length]}
        )
        await send({"type": "http.response.body", "body": answer})

    async def _answer(self, scope: Scope, read: bytes, authorization: str | None) -> bytes:
        query, name, variables = _operation(read)
        for _ in range(2):
            try:
                caller = await self._admissions.admit(authorization)
                link = partial(
                    sealed_link, caller.scope, self._links, lambda: self._base_url(Request(scope))
                )
                ready = self._operations.prepare(query, name, variables, caller, today(), link)
                access: Access | None = scope.get(KEY)
                pool = self._answers.by_values if ready.plan.by_values else self._answers.by_shape
                if access is not None:
                    access.tenant, access.variables = caller.scope, variables
                    access.asked = ready.asked
                found = await ask(pool, ready.plan.sealed, ready.values, caller)
                return _completed(ready, found, access)
            except NotAdmitted:
                self._admissions.forget(caller)
            except (Unavailable, TookTooLong):
                raise  # to ask again by the executor would take as long
            except GatewayError as error:
                raise Uncompiled("error") from error
            except Uncompiled:
                raise
            except Exception as error:
                # where and what kind, never the message: it may carry values of rows
                frames = "".join(traceback.format_tb(error.__traceback__))
                _log.exception("not compiled: %s\n%s", type(error).__name__, frames, exc_info=False)
                raise Uncompiled("fault") from error
        raise Uncompiled("admission")


def _completed(ready: Prepared, found: bytes, access: Access | None) -> bytes:
    """Return the response's body, its rows counted for the log."""
    body = ready.completed(found)
    if access is not None:
        access.rows = ready.rows(found, body)
    return body


def _told(scope: Scope, error: GatewayError) -> bytes:
    languages = [value for name, value in scope["headers"] if name == b"accept-language"]
    language = language_of(languages[0].decode("latin-1") if languages else None)
    return orjson.dumps(body_of(error, language))


def _plain(scope: Scope) -> str | None:
    """Return a plain request's authorization; others are the executor's."""
    authorization: str | None = None
    json = False
    if scope["method"] != "POST":
        raise Uncompiled("method")
    for name, value in scope["headers"]:
        if name == b"authorization":
            if authorization is not None:
                raise Uncompiled("headers")
            authorization = value.decode("latin-1")
        elif name == b"content-type":
            json = value in {b"application/json", b"application/json; charset=utf-8"}
        elif name == b"accept" and b"*/*" not in value and value != b"application/json":
            raise Uncompiled("accept")
    if not json:
        raise Uncompiled("content-type")
    return authorization


async def _read(receive: Receive) -> bytes:
    """Return the body; it is short as a rule, and comes in one message."""
    message = await receive()
    if not message.get("more_body"):
        return bytes(message.get("body", b""))
    parts = [message.get("body", b"")]
    while message.get("more_body"):
        message = await receive()
        parts.append(message.get("body", b""))
    return b"".join(parts)


def _operation(body: bytes) -> tuple[str, str | None, dict[str, Any]]:
    """Return a body's document, operation name and variables."""
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Uncompiled("body") from error
    if type(read) is not dict or not _KEYS.issuperset(read):
        raise Uncompiled("body")
    query, name, variables = read.get("query"), read.get("operationName"), read.get("variables")
    if variables is None:
        variables = {}
    if type(query) is not str or type(variables) is not dict or type(name) not in {str, type(None)}:
        raise Uncompiled("body")
    return query, name, variables


def _again(body: bytes | None, receive: Receive) -> Receive:
    """Return a way to receive a request whose body was read already, if it was."""
    if body is None:
        return receive
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return waiting.pop() if waiting else await receive()

    return received


def _telling(reason: str, send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            told = (b"gateway-execution", f"executor; reason={reason}".encode())
            headers: Iterable[tuple[bytes, bytes]] = message.get("headers", ())
            message = {**message, "headers": [*headers, told]}
        await send(message)

    return sent
