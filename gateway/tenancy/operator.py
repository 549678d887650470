"""Sessions of those who run the platform, through the command line only.

They act in one of three duties, each a role of the database: the operator keeps the catalogue,
security the keys, accounts, origins and documents, the auditor the log. None has what is another's,
nor any access to service records, figures and batches: those are reached through a scoped session.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import CursorResult, Executable, Row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.tenancy.appending import Entry, Head, Signer, append, checkpoint, signer_of
from gateway.tenancy.authenticate import operator_scope
from gateway.tenancy.reach import DATABASE_ERRORS, not_acting, translated, unreachable
from gateway.tenancy.scope import Scope


class OperatorSession:
    """One transaction in a duty."""

    def __init__(self, connection: AsyncConnection, actor: str) -> None:
        """Wrap a connection of the duty's role."""
        self._connection, self.actor = connection, actor
        self.entries: list[Entry] = []

    def log(self, entry: Entry) -> None:
        """Have an entry written into the audit log right before the transaction is committed."""
        self.entries.append(entry)

    async def execute(self, statement: Executable) -> CursorResult[Any]:
        """Run a statement on what is the duty's."""
        try:
            return await self._connection.execute(statement)
        except DBAPIError as error:
            raise translated(error) from error

    async def stream(self, statement: Executable) -> AsyncIterator[Row[Any]]:
        """Yield a statement's rows as they come, some at a time."""
        try:
            async for row in await self._connection.stream(statement):
                yield row
        except DATABASE_ERRORS as error:
            raise unreachable() from error

    async def sign(self, heads: Sequence[Head], signer: Signer) -> None:
        """Sign ends of the audit log's chains."""
        await checkpoint(self._connection, heads, signer)

    async def scope(self) -> Scope:
        """Return the operator's scope: all vendors and products as they are now."""
        return await operator_scope(self._connection, self.actor)


@asynccontextmanager
async def open_operator(engine: AsyncEngine, actor: str) -> AsyncIterator[OperatorSession]:
    """Open a session in the duty of an engine; commit at the end, or nothing.

    Unavailable where the login at the database does not have the duty.
    """
    try:
        connection = await engine.connect()
    except DATABASE_ERRORS as error:
        raise not_acting(error) from error
    try:
        async with connection.begin():
            session = OperatorSession(connection, actor)
            yield session
            if session.entries:
                await append(connection, session.entries, signer_of(engine))
    finally:
        await connection.close()
