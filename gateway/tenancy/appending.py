"""Writing into the audit log's chains: whoever writes, through the database's own function.

The service's role can't insert entries by itself, nor change or remove any: `gateway_append`
numbers and links them, so that nothing that was logged can be passed over.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol, cast

from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    Integer,
    LargeBinary,
    Text,
    bindparam,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.config.clock import now
from gateway.tenancy.reach import DATABASE_ERRORS, translated, unreachable

_SIGNER: Final = "gateway_signer"
_APPEND = select(
    func.gateway_append(
        bindparam("holders", type_=ARRAY(Integer)),
        bindparam("texts", type_=ARRAY(Text)),
        type_=JSONB,
    )
)
_CHECKPOINT = select(
    func.gateway_checkpoint(
        bindparam("holders", type_=ARRAY(Integer)),
        bindparam("numbers", type_=ARRAY(BigInteger)),
        bindparam("digests", type_=ARRAY(LargeBinary)),
        bindparam("at", type_=DateTime(timezone=True)),
        bindparam("key", type_=Text),
        bindparam("signatures", type_=ARRAY(LargeBinary)),
    )
)


class Entry(NamedTuple):
    """An entry's chain, and its text as `audit.chain` writes it."""

    holder: int
    text: str


class Head(NamedTuple):
    """The last entry of a chain, of which `chain` is the name."""

    holder: int
    chain: str
    number: int
    digest: bytes


class Signer(Protocol):
    """What signs checkpoints (`audit.keys`)."""

    @property
    def id(self) -> str:
        """The key's id."""

    def sign(self, chain: str, number: int, digest: bytes, at: datetime) -> bytes:
        """Return a checkpoint's signature."""


def signing(engine: AsyncEngine, signer: Signer) -> AsyncEngine:
    """Return the engine as one whose entries are signed when they are written."""
    return engine.execution_options(**{_SIGNER: signer})


def signer_of(engine: AsyncEngine) -> Signer | None:
    """Return what signs the entries of an engine."""
    return cast("Signer | None", engine.get_execution_options().get(_SIGNER))


async def append(
    connection: AsyncConnection, entries: Sequence[Entry], signer: Signer | None
) -> None:
    """Write entries at the end of their chains, and sign the new ends, in an open transaction.

    The chains stay locked until it ends.
    """
    ordered = sorted(entries, key=lambda one: one.holder)
    found: list[tuple[int, str, int, str]] = await _scalar(
        connection,
        _APPEND,
        holders=[one.holder for one in ordered],
        texts=[one.text for one in ordered],
    )
    if signer is not None:
        heads = [
            Head(holder, chain, number, bytes.fromhex(digest))
            for holder, chain, number, digest in found
        ]
        await checkpoint(connection, heads, signer)


async def checkpoint(connection: AsyncConnection, heads: Sequence[Head], signer: Signer) -> None:
    """Sign ends of chains."""
    at = now()
    await _scalar(
        connection,
        _CHECKPOINT,
        holders=[one.holder for one in heads],
        numbers=[one.number for one in heads],
        digests=[one.digest for one in heads],
        at=at,
        key=signer.id,
        signatures=[signer.sign(one.chain, one.number, one.digest, at) for one in heads],
    )


async def append_alone(engine: AsyncEngine, entries: Sequence[Entry]) -> None:
    """Write entries in a transaction of their own; Unavailable if the database does not answer."""
    try:
        async with engine.begin() as connection:
            await append(connection, entries, signer_of(engine))
    except DBAPIError as error:
        raise translated(error) from error
    except DATABASE_ERRORS as error:
        raise unreachable() from error


async def _scalar(connection: AsyncConnection, statement: Any, **values: Any) -> Any:
    try:
        return (await connection.execute(statement, values)).scalar()
    except DBAPIError as error:
        raise translated(error) from error
