"""What the audit log has of an export: that it began, and how it ended."""

import logging
from asyncio import CancelledError
from collections.abc import Mapping
from time import perf_counter_ns
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.audit.access import logs_itself
from gateway.audit.log import record
from gateway.errors import GatewayError
from gateway.exports.stream import Receipt, Sink
from gateway.tenancy.scope import Scope
from gateway.tenancy.session import open_session

_log = logging.getLogger(__name__)


async def log_act(engine: AsyncEngine, scope: Scope, action: str, **detail: Any) -> None:
    """Log something about an export that changes nothing."""
    async with open_session(engine, scope, write=True) as session:
        await record(session, action, **detail)


class ExportLog:
    """The entries of one export.

    Of a file over several vendors its size, and why it was cut, stand in the log of the tenant that
    made it alone: they would tell each vendor about the others. So do, always, the products that
    were named: a vendor may have no licence for some.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        scope: Scope,
        action: str,
        told: Mapping[str, Any],
        own: Mapping[str, Any],
    ) -> None:
        """Take what all its entries say, to everybody and to who made it."""
        self._engine, self._scope, self._action = engine, scope, action
        self._told, self._own = told, own
        self._begun, self._sent = perf_counter_ns(), 0

    async def start(self) -> None:
        """Log that it begins; the request that it is part of needs no entry of its own then."""
        await self._write("start", {})
        logs_itself()

    def counting(self, sink: Sink) -> Sink:
        """Return a sink that counts what another one has taken."""

        async def counted(data: bytes) -> None:
            await sink(data)
            self._sent += len(data)

        return counted

    async def complete(self, receipt: Receipt) -> None:
        """Log the file's digest and size."""
        size = {"rows": receipt.rows, "size": receipt.size, **self._lasted()}
        await self._write("complete", size, sha256=receipt.sha256)

    async def cut(self, error: BaseException) -> None:
        """Log why it ended before its end, and how much was sent."""
        end = {"size": self._sent, "outcome": _outcome(error), **self._lasted()}
        try:
            await self._write("cut", end)
        except GatewayError as failure:  # what is wrong may be the database
            _log.error("an export that was cut is not logged: %s", failure)

    async def _write(self, what: str, own: Mapping[str, Any], **detail: Any) -> None:
        detail |= self._told if len(self._scope.vendors) != 1 else {**self._told, **own}
        own = {**own, **self._own}
        await log_act(self._engine, self._scope, f"{self._action}.{what}", own=own, **detail)

    def _lasted(self) -> dict[str, int]:
        return {"micros": (perf_counter_ns() - self._begun) // 1000}


def _outcome(error: BaseException) -> str:
    """Return what ended an export: an error's code, or that its reader left."""
    if isinstance(error, GatewayError):
        return error.code
    return "GONE" if isinstance(error, CancelledError | ConnectionError) else "INTERNAL"
