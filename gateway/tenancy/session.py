"""Scoped sessions: the only way to rows.

A session is one transaction. It is opened for one scope, which can't be changed, tells it to
row-level security by transaction-local settings, and looks at each statement before it runs.
"""

import asyncio
import re
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import CursorResult, Delete, Insert, Row, Select, Table, Update
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.errors import ScopeViolation
from gateway.tenancy.appending import Entry, append, signer_of
from gateway.tenancy.guard import check
from gateway.tenancy.reach import DATABASE_ERRORS, translated, unreachable
from gateway.tenancy.scope import AXES, Scope, genuine
from gateway.tenancy.vocabulary import check_temporary

Statement = Select[*tuple[Any, ...]] | Insert | Update | Delete
_DIALECT = PGDialect_asyncpg()  # type: ignore[no-untyped-call]
_SETTINGS = {
    "vendor_id": "gateway.vendors",
    "product_id": "gateway.products",
    "licensor_id": "gateway.licensors",
    "holder": "gateway.holders",
}

_SETTING, _VALUE = re.compile(r"[a-z_]+"), re.compile(r"[A-Za-z0-9_.]*")
_FIXED = frozenset({"role", "session_authorization", "row_security", "search_path"})
"""What decides who asks, and of which tables."""

COLUMN_MARK = b"\x01"
"""What stands between columns in COPY; the import rules keep it out of all values."""
_QUOTE = "\x02"
"""COPY's quote character: as above, so that nothing is ever quoted or escaped."""
_NULL = "\x03"


class ScopedSession:
    """One transaction within one scope."""

    def __init__(self, connection: AsyncConnection, scope: Scope) -> None:
        """Wrap a connection whose transaction already carries the scope's settings."""
        self._connection, self._scope = connection, scope
        self.discarded = False
        self.entries: list[Entry] = []

    @property
    def scope(self) -> Scope:
        """The scope that the session was opened for."""
        return self._scope

    def discard(self) -> None:
        """Have the transaction rolled back at the end of the session: nothing of it stays."""
        self.discarded = True

    def log(self, entry: Entry) -> None:
        """Have an entry written into the audit log right before the transaction is committed.

        So entries of one chain wait for each other as shortly as can be, and never in a circle.
        """
        self.entries.append(entry)

    async def scalar(self, statement: Statement) -> Any:
        """Run a statement; return the first column of its first row, or None."""
        return (await self.execute(statement)).scalar()

    async def rows(self, statement: Statement) -> Sequence[Row[Any]]:
        """Run a statement; return all its rows."""
        return (await self.execute(statement)).all()

    async def execute(self, statement: Statement) -> CursorResult[Any]:
        """Run a statement after the guard has passed it."""
        check(statement, self.scope)
        try:
            return await self._connection.execute(statement)
        except DBAPIError as error:
            raise translated(error) from error

    async def copy_out(self, statement: Statement, sink: Callable[[bytes], Awaitable[None]]) -> int:
        """Stream a statement's rows to `sink`; return how many.

        Chunks are UTF-8, columns divided by COLUMN_MARK, lines ended by a line feed.
        """
        check(statement, self.scope)
        text, arguments = for_driver(statement)
        driver = await self._driver()
        try:
            done = await driver.copy_from_query(
                text,
                *arguments,
                output=sink,
                format="csv",
                delimiter=COLUMN_MARK.decode(),
                quote=_QUOTE,
                null=_NULL,
            )
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise translated(error) from error
        return int(done.split()[-1])

    async def copy_in(
        self, table: Table, columns: Sequence[str], chunks: AsyncIterable[bytes]
    ) -> int:
        """Fill a temporary table from chunks of the same form as `copy_out` gives."""
        check_temporary(table)
        driver = await self._driver()
        copying = asyncio.ensure_future(
            driver.copy_to_table(
                table.name,
                source=_with_pauses(chunks),
                columns=columns,
                format="csv",
                delimiter=COLUMN_MARK.decode(),
                quote=_QUOTE,
                null=_NULL,
                encoding="utf-8",
            )
        )

        def lost(_: object) -> None:
            copying.cancel()

        # of a connection that is lost while it holds back, asyncpg would wait for ever
        driver.add_termination_listener(lost)
        try:
            done = await copying
        except (asyncio.CancelledError, RuntimeError):
            # uvloop's word for writing to a connection that is gone is RuntimeError
            if driver.is_closed():
                raise unreachable() from None
            raise
        finally:
            driver.remove_termination_listener(lost)
        return int(done.split()[-1])

    async def create(self, table: Table) -> None:
        """Create a temporary table for the length of the transaction."""
        check_temporary(table)
        await self._connection.run_sync(table.create)

    async def tune(self, **settings: str) -> None:
        """Set PostgreSQL settings for this transaction; by such names, never the scope's own."""
        for name, value in settings.items():
            if not (_SETTING.fullmatch(name) and _VALUE.fullmatch(value)) or name in _FIXED:
                raise ScopeViolation(f"{name} is not to be set")
            await self._connection.exec_driver_sql(f"SET LOCAL {name} = '{value}'")

    async def analyze(self, table: Table) -> None:
        """Gather a temporary table's statistics, so that joins with it are planned well."""
        await self._connection.exec_driver_sql(f'ANALYZE "{table.name}"')

    async def _driver(self) -> Any:
        return await _driver_of(self._connection)


async def _with_pauses(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Pass chunks on, so that a lost connection or a signal is heard of between them."""
    async for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk


@asynccontextmanager
async def open_session(
    engine: AsyncEngine, scope: Scope, *, write: bool = False
) -> AsyncIterator[ScopedSession]:
    """Open a session: read-only on one snapshot, or writing; commit at the end, or nothing."""
    connection, driver = await _begin(engine, genuine(scope), write=write)
    session = ScopedSession(connection, scope)
    try:
        yield session
        if session.entries and not session.discarded:
            await append(connection, session.entries, signer_of(engine))
        await driver.execute("ROLLBACK" if session.discarded else "COMMIT")
    except BaseException as error:
        good = False
        try:
            good = await _rolled_back(driver)
        finally:
            if not good:
                await connection.invalidate()
        if not good and isinstance(error, DATABASE_ERRORS):
            raise unreachable() from error
        raise
    finally:
        await connection.close()


def for_driver(statement: Statement) -> tuple[str, list[Any]]:
    """Return a statement as asyncpg takes it: its text, and its arguments in order."""
    text, parameters = parameters_of(statement)
    return text, [value for _, value in parameters]


def parameters_of(statement: Statement) -> tuple[str, list[tuple[str, Any]]]:
    """Return a statement's text as asyncpg takes it, and its parameters' names and values."""
    compiled: Any = statement.compile(dialect=_DIALECT)
    if compiled.post_compile_params:
        raise TypeError("the driver takes no IN list: compare with an array in one parameter")
    given = compiled.params  # written anew each time that it is read
    kinds = (compiled.binds[name].type for name in compiled.positiontup)
    processors = [kind.dialect_impl(_DIALECT).bind_processor(_DIALECT) for kind in kinds]
    return str(compiled), [
        (name, process(given[name]) if process else given[name])
        for name, process in zip(compiled.positiontup, processors, strict=True)
    ]


def settings_of(scope: Scope) -> list[str]:
    """Return the statements that tell row-level security a scope, for one transaction."""
    return [_local(axis, scope) for axis in AXES]


async def _begin(engine: AsyncEngine, scope: Scope, *, write: bool) -> tuple[AsyncConnection, Any]:
    """Connect and begin, settings and all, in one message; again while pooled ones were lost."""
    message = "; ".join(
        (
            "BEGIN" if write else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            *settings_of(scope),
        )
    )
    for _ in range(engine.pool.size() + 1):  # type: ignore[attr-defined]
        try:
            connection = await engine.connect()
        except DATABASE_ERRORS as error:
            raise unreachable() from error
        try:
            # in autocommit SQLAlchemy adds no BEGIN and no COMMIT of its own
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            driver = await _driver_of(connection)
            await driver.execute(message)
        except BaseException as error:
            await connection.invalidate()
            await connection.close()
            if not isinstance(error, DATABASE_ERRORS):
                raise
        else:
            return connection, driver
    raise unreachable()


async def _rolled_back(driver: Any) -> bool:
    """Roll back; say whether the connection is still good."""
    try:
        await driver.execute("ROLLBACK")
    except DATABASE_ERRORS:
        return False
    return True


async def _driver_of(connection: AsyncConnection) -> Any:
    return (await connection.get_raw_connection()).driver_connection


def _local(axis: str, scope: Scope) -> str:
    """Write one setting. Only whole numbers stand in it; SET LOCAL also reaches Citus' workers."""
    return f"SET LOCAL {_SETTINGS[axis]} = '{setting_of(axis, scope)}'"


def setting_of(axis: str, scope: Scope) -> str:
    """Return what row-level security reads of a scope on one axis, as text."""
    numbers = ",".join(str(int(number)) for number in scope.ids(axis))
    return f"{{{numbers}}}"
