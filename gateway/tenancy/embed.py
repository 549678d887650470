"""Embed tokens: what a vendor's portal gives its pages for minutes, instead of its key."""

from datetime import datetime

from sqlalchemy import ARRAY, DateTime, Integer, LargeBinary, Text, bindparam, func, select
from sqlalchemy.sql.elements import ColumnElement

from gateway.errors import BadInput, NotFound
from gateway.tenancy.identity import refusal
from gateway.tenancy.keys import NewKey, generate
from gateway.tenancy.principal import Right
from gateway.tenancy.session import ScopedSession
from gateway.tenancy.terms import MOST_SECONDS, Terms


async def issue(
    session: ScopedSession, presented: bytes, terms: Terms, seconds: int
) -> tuple[NewKey, datetime]:
    """Store a new token of the key whose digest was presented; return it, and when it expires.

    The token has the vendor's scope and the rights of VENDOR_PORTAL, and is good as long as the
    key is. NotFound for a key without the right, BadInput for a life of more than MOST_SECONDS.
    """
    session.scope.require(Right.ISSUE_TOKENS)
    if not 1 <= seconds <= MOST_SECONDS:
        raise BadInput(
            f"{seconds} seconds are no life of a token",
            f"令牌有效期不能为{seconds}秒",
            argument="seconds",
            accepted=f"1 to {MOST_SECONDS}",
        )
    token = generate("ge")
    expires: datetime | None = await session.scalar(
        select(
            func.gateway_issue_embed(
                _bytes(presented),
                bindparam(None, token.prefix, Text, unique=True),
                _bytes(token.digest),
                bindparam(None, seconds, Integer, unique=True),
                bindparam(None, sorted(terms.origins), ARRAY(Text), unique=True),
                bindparam(None, sorted(terms.documents), ARRAY(Text), unique=True),
                bindparam(None, terms.purpose, Text, unique=True),
                type_=DateTime(timezone=True),
            )
        )
    )
    if expires is None:
        raise refusal()
    return token, expires


async def revoke(session: ScopedSession, presented: bytes, prefix: str) -> None:
    """Revoke a token of the same vendor, at once; NotFound for any other."""
    session.scope.require(Right.ISSUE_TOKENS)
    asked = func.gateway_revoke_embed(_bytes(presented), bindparam(None, prefix, Text, unique=True))
    if not await session.scalar(select(asked)):
        raise NotFound.of("token", "令牌", prefix, argument="prefix")


def _bytes(value: bytes) -> ColumnElement[bytes]:
    return bindparam(None, value, LargeBinary, unique=True)
