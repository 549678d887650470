"""`/graphql` over WebSocket: the protocol graphql-transport-ws, for queries.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md. A connection is authenticated by
its first message, each operation is held to the same rules and limits as a request, and when the
credential ends, so does the connection.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import orjson
from starlette.requests import HTTPConnection
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from gateway.audit.access import Access
from gateway.audit.writer import AccessLog
from gateway.config.clock import now
from gateway.errors import Forbidden, GatewayError, Unauthenticated
from gateway.http.answering import Answering, Asking
from gateway.http.asked import NotTaken, of_object
from gateway.http.audited import note_refusal
from gateway.http.errors import body_of, language_of, masked, status_of
from gateway.http.headers import purpose_in, read_head
from gateway.http.metrics import EXCEEDED
from gateway.http.origins import allowed_from
from gateway.http.unread import Leaving
from gateway.limits.spending import busy
from gateway.tenancy.admission import Admission
from gateway.tenancy.terms import read_purpose

PROTOCOL: Final = "graphql-transport-ws"
_INIT_SECONDS: Final = 10
_STALLED_SECONDS: Final = 60
"""How long a client may read nothing of what it is told."""
_ENDED: Final = (4401, "Unauthorized: the credential is not valid any more")


class SocketProtocol(Leaving, WebSocketsSansIOProtocol):
    """uvicorn's protocol, which leaves who does not read."""


class _Close(Exception):
    """The connection is to be closed, with a code and a reason of the protocol's."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class _Unread(Exception):
    """The client left while it was told something, or reads nothing."""


class Sockets:
    """Takes connections."""

    def __init__(
        self,
        answering: Answering,
        base_url: Callable[[HTTPConnection], str],
        accesses: AccessLog | None,
    ) -> None:
        """Take what answers, and the log of what was answered."""
        self._answering, self._base_url, self._accesses = answering, base_url, accesses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speak with a client until it leaves, breaks the protocol, or may not stay."""
        await receive()  # websocket.connect
        try:
            head = read_head(scope)
            purpose = purpose_in(head.purpose)
        except NotTaken:
            await send({"type": "websocket.close", "code": 4400})
            return
        if PROTOCOL not in scope["subprotocols"]:
            await send({"type": "websocket.accept"})
            reason = f"Subprotocol not acceptable: only {PROTOCOL}"
            await send({"type": "websocket.close", "code": 4406, "reason": reason})
            return
        await send({"type": "websocket.accept", "subprotocol": PROTOCOL})

        def base_url() -> str:
            return self._base_url(HTTPConnection(scope))

        asking = Asking(
            head.authorization,
            base_url,
            head.language,
            allowed_from(head.origin, base_url),
            purpose,
        )
        connection = _Connection(self._answering, asking, receive, send, scope, self._accesses)
        try:
            await connection.talk()
        except _Close as close:
            await connection.end()
            message = {"type": "websocket.close", "code": close.code, "reason": close.reason}
            with suppress(OSError, RuntimeError):
                async with asyncio.timeout(_STALLED_SECONDS):
                    await send(message)
        except _Unread:
            pass
        finally:
            await connection.end()


class _Connection:
    """One client's connection: who it is, and what runs for it."""

    def __init__(
        self,
        answering: Answering,
        asking: Asking,
        receive: Receive,
        send: Send,
        scope: Scope,
        accesses: AccessLog | None,
    ) -> None:
        self._answering, self._asking = answering, asking
        self._scope, self._accesses = scope, accesses
        self._receive, self._send = receive, send
        self._running: dict[str, asyncio.Task[None]] = {}
        self._closing: asyncio.Future[_Close] = asyncio.get_running_loop().create_future()
        self._caller: Admission | None = None

    async def talk(self) -> None:
        """Take messages until the client leaves; raise _Close to close the connection."""
        begun = asyncio.get_running_loop().time()
        while True:
            within = None
            if self._caller is None:
                within = begun + _INIT_SECONDS - asyncio.get_running_loop().time()
            elif (until := self._caller.principal.expires) is not None:
                within = (until - now()).total_seconds()
            message = await self._next(within)
            if message["type"] == "websocket.disconnect":
                return
            await self._take(_read(message))

    async def end(self) -> None:
        """End what still runs."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _next(self, within: float | None) -> Message:
        """Return the next message; raise _Close if time is over first, or the credential ends."""
        coming: asyncio.Future[Message] = asyncio.ensure_future(self._receive())
        either: set[asyncio.Future[Any]] = {coming, self._closing}
        try:
            await asyncio.wait(
                either,
                timeout=None if within is None else max(within, 0.0),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if self._closing.done():
                raise self._closing.result()
            if coming.done():
                return coming.result()
            if self._caller is not None:
                raise _Close(*_ENDED)
            raise _Close(4408, "Connection initialisation timeout")
        finally:
            coming.cancel()

    async def _take(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "connection_init":
                await self._init(message.get("payload"))
            case "ping":
                await self._say({"type": "pong"})
            case "pong":
                pass
            case "subscribe":
                await self._subscribe(message)
            case "complete":
                task = self._running.pop(_identifier(message), None)
                if task is not None:
                    task.cancel()
            case _:
                raise _Close(4400, "Invalid message: its type is not known")

    async def _init(self, payload: Any) -> None:
        if self._caller is not None:
            raise _Close(4429, "Too many initialisation requests")
        if payload is not None and not isinstance(payload, dict):
            raise _Close(4400, "Invalid message: the payload is not an object")
        given = {str(name).lower(): value for name, value in (payload or {}).items()}
        authorization = given.get("authorization", self._asking.authorization)
        if authorization is not None and not isinstance(authorization, str):
            raise _Close(4400, "Invalid message: Authorization is not a text")
        purpose = given.get("gateway-purpose", self._asking.purpose)
        if purpose is not None and not isinstance(purpose, str):
            raise _Close(4400, "Invalid message: Gateway-Purpose is not a text")
        try:
            purpose = None if purpose is None else read_purpose(purpose)
        except GatewayError as error:
            raise _Close(4400, f"Invalid message: {error.en}"[:120]) from None
        access = Access(self._scope, "query")
        try:
            self._asking = replace(self._asking, authorization=authorization, purpose=purpose)
            caller = await self._answering.admissions.admit(authorization)
            access.tenant = caller.scope
            self._asking.allowed(caller.principal)
        except GatewayError as error:
            self._log_refusal(access, error)
            raise _refusing(error) from None
        self._caller = caller
        await self._say({"type": "connection_ack"})

    async def _subscribe(self, message: dict[str, Any]) -> None:
        if self._caller is None:
            raise _Close(4401, "Unauthorized")
        identifier = _identifier(message)
        if identifier in self._running:
            raise _Close(4409, f"Subscriber for {identifier} already exists"[:120])
        payload = message.get("payload")
        if not isinstance(payload, dict):
            raise _Close(4400, "Invalid message: the payload is not an object")
        access = Access(self._scope, "query")
        access.tenant, access.purpose = self._caller.scope, self._asking.purpose
        if len(self._running) >= self._answering.at_once:  # answers that nobody reads wait here
            error = busy(self._answering.at_once)
            EXCEEDED.labels("concurrency").inc()
            self._log_refusal(access, error)
            await self._refuse(orjson.dumps(identifier), error)
            return
        work = self._run(identifier, payload, access)
        self._running[identifier] = asyncio.create_task(work)

    async def _run(self, identifier: str, payload: dict[str, Any], access: Access) -> None:
        try:
            await self._answer(orjson.dumps(identifier), payload, access)
        except asyncio.CancelledError:
            self._log_leaving(access)
            raise
        except _Unread:
            if not self._closing.done():
                self._closing.set_result(_Close(1008, "Nothing is read"))
        finally:
            if self._running.get(identifier) is asyncio.current_task():
                del self._running[identifier]

    async def _answer(self, told: bytes, payload: dict[str, Any], access: Access) -> None:
        asking = replace(self._asking, access=access)
        try:
            answer = await self._answering.answer(of_object(payload), asking)
            await self._log(access)
            if answer.refused:
                await self._error(told, orjson.loads(answer.body)["errors"])
                return
            message = b'{"id":%b,"type":"next","payload":%b}' % (told, answer.body)
            with answer.asker.telling(len(message)):
                await self._raw(message)
                await self._raw(b'{"id":%b,"type":"complete"}' % told)  # once that was read
        except _Unread:
            raise
        except NotTaken as refusal:
            await self._refused(told, access, refusal.error)
        except Exception as error:  # noqa: BLE001 (the client hears of it, masked)
            await self._refused(told, access, masked(error))

    async def _refused(self, told: bytes, access: Access, error: GatewayError) -> None:
        """Say what was not answered; a credential that is no good any more ends the connection."""
        self._log_refusal(access, error)
        if not isinstance(error, Unauthenticated):
            await self._refuse(told, error)
        elif not self._closing.done():
            self._closing.set_result(_Close(*_ENDED))

    async def _log(self, access: Access) -> None:
        """Log an answer before it is told; Unavailable where it can't be."""
        if self._accesses is not None:
            access.end(200)
            await self._accesses.put(access)

    def _log_refusal(self, access: Access, error: GatewayError) -> None:
        note_refusal(None if access.spent else access, error)
        if self._accesses is not None and not access.spent:
            access.end(status_of(error))
            self._accesses.offer_refusal(access)

    def _log_leaving(self, access: Access) -> None:
        if self._accesses is not None and not access.spent:
            access.leave()
            self._accesses.offer_refusal(access)

    async def _refuse(self, identifier: bytes, error: GatewayError) -> None:
        errors = body_of(error, language_of(self._asking.language))["errors"]
        await self._error(identifier, errors)

    async def _error(self, identifier: bytes, errors: Any) -> None:
        body = orjson.dumps(errors)
        await self._raw(b'{"id":%b,"type":"error","payload":%b}' % (identifier, body))

    async def _say(self, message: dict[str, Any]) -> None:
        await self._raw(orjson.dumps(message))

    async def _raw(self, text: bytes) -> None:
        try:
            async with asyncio.timeout(_STALLED_SECONDS):
                await self._send({"type": "websocket.send", "text": text.decode()})
        except (OSError, RuntimeError) as error:
            raise _Unread from error


def _refusing(error: GatewayError) -> _Close:
    """Return how a connection ends that may not begin: what passes by is no verdict."""
    if isinstance(error, Unauthenticated | Forbidden):
        return _Close(4403, f"Forbidden: {error.en}"[:120])
    return _Close(1013, f"Try again later: {error.en}"[:120])


def _read(message: Message) -> dict[str, Any]:
    text = message.get("text")
    try:
        found = None if text is None else orjson.loads(text)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise _Close(4400, "Invalid message: not a JSON object in text")
    return found


def _identifier(message: dict[str, Any]) -> str:
    found = message.get("id")
    if not isinstance(found, str) or not found:
        raise _Close(4400, "Invalid message: no id")
    return found
