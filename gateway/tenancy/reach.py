"""When the database does not answer, or will not take a value."""

import re
from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.errors import BadInput, TookTooLong, Unavailable

DATABASE_ERRORS: Final = (
    DBAPIError,
    PoolTimeout,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
"""What SQLAlchemy, its pool, asyncpg and the socket raise, a lost connection among them.

asyncpg raises the internal one where a COPY was cancelled: the connection is of no use any more.
"""

_CANCELED = "57014"
_NOT_PERMITTED = "42501"
_NO_SUCH_ROLE = "22023"
_ROLE = re.compile(r"gateway_[a-z]+")
_DATA_EXCEPTION = "22"
_STOPPING = ("57P", "08", "53300")
"""The server stops, starts, loses the connection, or has no more of them."""


def unreachable() -> Unavailable:
    """Return the error that says so."""
    return Unavailable("the database does not answer", "数据库没有应答")


def outdated() -> Unavailable:
    """Return the error that says that the schema is another version's."""
    return Unavailable(
        "the database's schema is not this version's",
        "数据库结构不是本版本的",
        argument="GATEWAY_DATABASE_URL",
        accepted="a database after gateway migrate",
    )


def not_acting(error: Exception) -> Unavailable:
    """Return why a connection was not made: its login may not act as its role, or no answer."""
    cause = getattr(error, "orig", error)
    state, role = getattr(cause, "sqlstate", None), _ROLE.search(str(cause))
    if state == _NO_SUCH_ROLE and role:
        return outdated()
    if state == _NOT_PERMITTED and role:
        return Unavailable(
            f"the login at the database does not have the duty of {role[0]}",
            f"该数据库登录账号不具备{role[0]}的职责",
            argument="GATEWAY_MIGRATE_URL",
            accepted=f"a login to which {role[0]} is granted",
        )
    return unreachable()


def translated(error: DBAPIError | asyncpg.PostgresError | asyncpg.InterfaceError) -> Exception:
    """Return what a caller should hear of a failed statement; the error itself if nothing fits."""
    cause: BaseException | None = error
    lost = isinstance(error, asyncpg.PostgresConnectionError)
    if isinstance(error, DBAPIError):
        lost = error.connection_invalidated
        cause = error.orig.__cause__ if error.orig is not None else None
    state = getattr(getattr(error, "orig", error), "sqlstate", None) or ""
    if lost or state.startswith(_STOPPING):
        return unreachable()
    if state == _CANCELED:
        return TookTooLong("the query took too long and was ended", "查询时间过长，已被终止")
    if state.startswith(_DATA_EXCEPTION) or isinstance(cause, asyncpg.DataError | UnicodeError):
        return BadInput(
            "a value can't be stored or compared",
            "有无法存储或比较的值",
            accepted="text without NUL and lone surrogates, numbers and dates within range",
        )
    return error
