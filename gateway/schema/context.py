"""What resolvers have at hand: the scope, one read session per operation, links."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from typing import Any

from sqlalchemy import ScalarSelect, select
from sqlalchemy.ext.asyncio import AsyncEngine
from strawberry import Info as StrawberryInfo

from gateway.catalogue.formats import Formats, formats_document, read_formats
from gateway.errors import Language, NotFound, Unavailable
from gateway.exports.links import Links
from gateway.exports.requests import MonthlyExport, UserExport, within
from gateway.exports.stream import Form
from gateway.regulation.formats.format import ReportFormat
from gateway.schema.loaders import Loaders
from gateway.tenancy.scope import Scope
from gateway.tenancy.session import ScopedSession, open_session


class Context:
    """One operation's context. All its statements see one snapshot of the database."""

    def __init__(
        self,
        engine: AsyncEngine,
        scope: Scope,
        links: Links,
        base_url: str,
        language: Language,
        purpose: str | None = None,
    ) -> None:
        """Take what the request brought."""
        self.scope, self.language = scope, language
        self._engine, self._links, self._base_url = engine, links, base_url
        self._purpose = purpose
        self._stack = AsyncExitStack()
        self._session: ScopedSession | None = None
        self._turn = asyncio.Lock()
        self._failed: BaseException | None = None
        self._formats: Formats | None = None
        self.statements = 0
        self.loaders = Loaders(scope, self.ask)

    async def ask(self, document: ScalarSelect[Any]) -> Any:
        """Run one statement that returns a JSON document. Fields ask one after another."""
        async with self._turn:
            if self._failed is not None:
                raise self._failed
            try:
                if self._session is None:
                    self._session = await self._stack.enter_async_context(
                        open_session(self._engine, self.scope)
                    )
                self.statements += 1
                return await self._session.scalar(select(document))
            except BaseException as error:
                # the snapshot is gone, and with it what the operation's other fields would show
                self._failed = error
                with suppress(type(error)):
                    await self._stack.__aexit__(type(error), error, error.__traceback__)
                raise

    async def formats(self) -> Formats:
        """Return the report formats in scope; they are asked for once."""
        if self._formats is None:
            self._formats = read_formats(await self.ask(formats_document(self.scope)))
        return self._formats

    def link(
        self, export: UserExport | MonthlyExport, form: Form, report_format: ReportFormat
    ) -> tuple[str, datetime]:
        """Return the address of a download and when it expires."""
        return sealed_link(
            *(self.scope, self._links, lambda: self._base_url, self._purpose),
            *(export, form, report_format),
        )

    async def close(self) -> None:
        """End the operation's session: it has only read, so that nothing is lost with it.

        A field beside one that failed may still be asking, though nobody waits for it.
        """
        async with self._turn:
            self._failed = self._failed or Unavailable("the operation has ended", "操作已结束")
            with suppress(Unavailable):
                await self._stack.aclose()


def sealed_link(
    scope: Scope,
    links: Links,
    base_url: Callable[[], str],
    purpose: str | None,
    export: UserExport | MonthlyExport,
    form: Form,
    report_format: ReportFormat,
) -> tuple[str, datetime]:
    """Return the address of a download within a scope, and when it expires.

    What is stated as the purpose now holds when the link is followed.
    """
    within(scope, export)
    key = scope.principal.key
    if key is None:
        raise NotFound.of("right", "权限", "EXPORT")
    token, expires = links.seal(
        *(key, export, form, report_format, purpose),
        *(scope.principal.subject, scope.principal.expires),
    )
    return f"{base_url()}/exports/{token}", expires


Info = StrawberryInfo[Context, None]
