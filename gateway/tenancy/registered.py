"""What vendors register at the perimeter: origins of their pages, and documents to be run."""

import hashlib
import re
from typing import Any, Final

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql

from gateway.errors import BadInput, NotFound
from gateway.tenancy.models import TrustedDocument, VendorOrigin
from gateway.tenancy.operator import OperatorSession

_ORIGIN: Final = re.compile(r"https?://([a-z0-9.-]{1,253}|\[[0-9a-f:]+\])(:[0-9]{1,5})?")
_DEFAULT_PORTS: Final = re.compile(r"(?<=^http:)(//.*):80$|(?<=^https:)(//.*):443$")
ORIGINS: Final = VendorOrigin.table()
DOCUMENTS: Final = TrustedDocument.table()


def digest_of_document(text: str) -> str:
    """Return the digest by which a document is asked for: SHA-256 of its UTF-8, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_origin(text: str) -> str:
    """Return an origin as browsers write it; BadInput for what is none."""
    origin = text.lower()
    if _ORIGIN.fullmatch(origin) is None:
        raise BadInput(
            f"{text!r} is not an origin",
            f"“{text}”不是来源",
            argument="ORIGIN",
            accepted="scheme, host and port only, as https://portal.example or http://host:8080",
        )
    return _DEFAULT_PORTS.sub(lambda found: found[1] or found[2], origin)


async def add_origin(session: OperatorSession, vendor: int, origin: str) -> bool:
    """Let pages of an origin ask for a vendor's callers; return whether it is new."""
    added = await session.execute(
        postgresql.insert(ORIGINS)
        .values(vendor_id=vendor, origin=read_origin(origin))
        .on_conflict_do_nothing()
        .returning(ORIGINS.c.origin)
    )
    return added.first() is not None


async def remove_origin(session: OperatorSession, vendor: int, origin: str) -> None:
    """Take an origin back, at once; NotFound for one that is not registered."""
    removed = await session.execute(
        delete(ORIGINS)
        .where(ORIGINS.c.vendor_id == vendor, ORIGINS.c.origin == read_origin(origin))
        .returning(ORIGINS.c.origin)
    )
    if removed.first() is None:
        raise NotFound.of("origin", "来源", origin, argument="ORIGIN")


async def origins_of(session: OperatorSession, vendor: int) -> list[str]:
    """Return a vendor's origins, sorted."""
    found = select(ORIGINS.c.origin).where(ORIGINS.c.vendor_id == vendor).order_by(ORIGINS.c.origin)
    return list((await session.execute(found)).scalars())


async def add_document(session: OperatorSession, vendor: int, name: str, body: str) -> bool:
    """Register a document that the schema accepts; return whether it is new."""
    added = await session.execute(
        postgresql.insert(DOCUMENTS)
        .values(vendor_id=vendor, digest=digest_of_document(body), name=name, body=body)
        .on_conflict_do_nothing()
        .returning(DOCUMENTS.c.digest)
    )
    return added.first() is not None


async def remove_document(session: OperatorSession, vendor: int, digest: str) -> None:
    """Take a document back, at once; NotFound for one that is not registered."""
    wanted = digest.removeprefix("sha256:").lower()
    removed = await session.execute(
        delete(DOCUMENTS)
        .where(DOCUMENTS.c.vendor_id == vendor, DOCUMENTS.c.digest == wanted)
        .returning(DOCUMENTS.c.digest)
    )
    if removed.first() is None:
        raise NotFound.of("document", "文档", digest, argument="DIGEST")


async def documents_of(session: OperatorSession, vendor: int) -> list[dict[str, Any]]:
    """Return a vendor's documents, by name: the name and the digest of each."""
    found = (
        select(DOCUMENTS.c.name, DOCUMENTS.c.digest)
        .where(DOCUMENTS.c.vendor_id == vendor)
        .order_by(DOCUMENTS.c.name, DOCUMENTS.c.digest)
    )
    return [dict(row) for row in (await session.execute(found)).mappings()]
