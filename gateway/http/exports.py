"""`/exports/{token}`: a sealed link, followed: bytes as they come out of the database.

A complete answer ends with the trailer fields `Export-Rows`, `Export-SHA256` and
`Export-Complete: true`. One that was cut has neither them nor the last chunk, so that every HTTP
client reports it.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from urllib.parse import quote

from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from gateway.audit.access import CURRENT
from gateway.catalogue.formats import formats_of
from gateway.errors import GatewayError, Language, RateLimited, TookTooLong, Unavailable
from gateway.exports.links import Links, Ticket
from gateway.exports.requests import admitted, run_export
from gateway.exports.stream import Receipt
from gateway.http.audited import note_refusal
from gateway.http.errors import language_of, masked, status_of, told
from gateway.http.metrics import EXCEEDED
from gateway.limits.spending import Spending
from gateway.limits.turns import Line, Turns
from gateway.regulation.formats.format import ReportFormat
from gateway.tenancy.authenticate import reauthenticate
from gateway.tenancy.scope import Scope as TenantScope

_STALLED_SECONDS = 60
"""How long a reader may stand still before its export, and the snapshot it holds, is ended."""
_TURN_SECONDS = 10
"""How long a download waits while others of its tenant's run."""
_AGAIN_SECONDS = 30
"""How long a key may have been revoked while a download of it goes on."""
_BYTES_A_POINT = 100
"""A line has about so many, and costs as much as one of `delimited`."""
_TRAILERS = b"Export-Rows, Export-SHA256, Export-Complete"


@dataclass(slots=True)
class _Seen:
    """When it was last looked whether a caller may still have what it is sent."""

    at: float = field(default_factory=monotonic)


class ExportEndpoint:
    """Streams the export that a token names."""

    def __init__(
        self,
        engine: AsyncEngine,
        service: AsyncEngine,
        links: Links,
        turns: Turns,
        spending: Spending,
    ) -> None:
        """Take the engines and the seal, who may have how many connections, and what they spend.

        `service` is there while all connections of `engine` stream.
        """
        self._engine, self._links, self._turns = engine, links, turns
        self._service, self._spending = service, spending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request: 404 for a link that is not valid, else the file."""
        request = Request(scope, receive)
        language = language_of(request.headers.get("accept-language"))
        try:
            ticket = self._links.open(request.path_params["token"])
            tenant = await reauthenticate(self._engine, ticket.key, ticket.subject)
            tenant = tenant.stating(ticket.purpose)
            if (access := CURRENT.get()) is not None:
                access.tenant, access.purpose = tenant, ticket.purpose
            await admitted(self._engine, tenant, ticket.export)
            report_format = (await formats_of(self._engine, tenant)).named(ticket.format)
        except Exception as error:  # noqa: BLE001 (the client hears of it, masked)
            await _refuse(masked(error), language, send)
            return
        if request.method == "HEAD":
            await send(_start(ticket, report_format, trailers=False))
            await send({"type": "http.response.body", "body": b""})
            return
        await self._until_gone(ticket, tenant, report_format, language, receive, send)

    async def _until_gone(
        self,
        ticket: Ticket,
        tenant: TenantScope,
        report_format: ReportFormat,
        language: Language,
        receive: Receive,
        send: Send,
    ) -> None:
        """Stream; stop the database's work when the client goes away, or the server."""
        work = asyncio.create_task(self._stream(ticket, tenant, report_format, language, send))
        gone = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, gone):
                task.cancel()
            await asyncio.wait({work, gone})
            failure = None if work.cancelled() else work.exception()
        if failure is not None:
            raise failure

    async def _stream(
        self,
        ticket: Ticket,
        tenant: TenantScope,
        report_format: ReportFormat,
        language: Language,
        send: Send,
    ) -> None:
        started, seen = False, _Seen()

        async def start() -> None:
            nonlocal started
            if not started:
                started = True
                await send(_start(ticket, report_format, trailers=True))

        async def sink(data: bytes) -> None:
            await start()
            await self._still_admitted(ticket, seen)
            self._spending.settle(spender, len(data) // _BYTES_A_POINT)
            try:
                async with asyncio.timeout(_STALLED_SECONDS):
                    await send({"type": "http.response.body", "body": data, "more_body": True})
            except TimeoutError:
                raise _stalled() from None

        try:
            spender = self._spending.admit(tenant.principal.tenant)
            turn = await self._turn(tenant)
            try:
                receipt = await run_export(
                    self._engine, tenant, ticket.export, ticket.form, sink, report_format
                )
            finally:
                self._turns.leave(turn)
        except Exception as error:  # noqa: BLE001 (as above)
            fault = masked(error)
            if started:
                raise fault from None  # the server cuts the connection
            await _refuse(fault, language, send)
            return
        await start()
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        await send({"type": "http.response.trailers", "headers": _trailers(receipt)})

    async def _still_admitted(self, ticket: Ticket, seen: "_Seen") -> None:
        """End a download whose key, grant or account was taken back: a slow reader takes long."""
        if seen.at + _AGAIN_SECONDS < monotonic():
            seen.at = monotonic()
            with suppress(Unavailable):  # then it is looked at again with what comes
                await reauthenticate(self._service, ticket.key, ticket.subject)

    async def _turn(self, tenant: TenantScope) -> Line:
        try:
            async with asyncio.timeout(_TURN_SECONDS):
                return await self._turns.take(str(tenant.principal.holder))
        except TimeoutError:
            EXCEEDED.labels("downloads").inc()
            raise RateLimited(
                "too many downloads run already",
                "正在运行的下载过多",
                accepted="the same when one of them has ended",
                seconds=_TURN_SECONDS,
            ) from None


def _stalled() -> TookTooLong:
    return TookTooLong(
        f"nothing of the download was read for {_STALLED_SECONDS} seconds",
        f"下载内容{_STALLED_SECONDS}秒未被读取",
    )


async def _refuse(error: GatewayError, language: Language, send: Send) -> None:
    headers, body = told(error, language)
    note_refusal(CURRENT.get(), error)
    await send({"type": "http.response.start", "status": status_of(error), "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _start(ticket: Ticket, report_format: ReportFormat, *, trailers: bool) -> dict[str, object]:
    title = ticket.export.layout(report_format).title
    name = quote(f"{title}.{report_format.extension}", safe="")
    kind = "csv" if report_format.extension == "csv" else "plain"
    charset = ticket.form.encoding.value.upper()
    headers = [
        (b"content-type", f"text/{kind}; charset={charset}".encode()),
        (b"content-disposition", f"attachment; filename*=UTF-8''{name}".encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if trailers:
        headers.append((b"trailer", _TRAILERS))
    return {
        "type": "http.response.start",
        "status": 200,
        "headers": headers,
        "trailers": trailers,
    }


def _trailers(receipt: Receipt) -> list[tuple[bytes, bytes]]:
    return [
        (b"export-rows", str(receipt.rows).encode()),
        (b"export-sha256", receipt.sha256.encode()),
        (b"export-complete", b"true"),
    ]
