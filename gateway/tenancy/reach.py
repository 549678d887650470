"""When the database does not answer."""

from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError

from gateway.errors import Unavailable

DATABASE_ERRORS: Final = (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
"""What SQLAlchemy, asyncpg and the socket raise, a lost connection among them."""


def unreachable() -> Unavailable:
    """Return the error that says so."""
    return Unavailable("the database does not answer", "数据库没有应答")
