"""How entries are written and linked: pure, and all that an auditor needs to compute it again.

An entry's text is JSON of `occurred_at` (ISO 8601 in UTC, microseconds where there are any),
`actor`, `action` and `detail`, keys sorted by code point at every depth, no spaces, UTF-8. Its
digest is SHA-256 of the digest before (32 zero bytes for the first), the number (8 bytes, the
highest first), the chain's name (`vendor CODE`, `licensor CODE` or `house`), a line feed, and the
text. The database's function `gateway_append` computes the same when an entry comes in.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any, Final

import orjson

ZERO: Final = bytes(32)
"""What the first entry of a chain is linked to."""


def text_of(occurred_at: datetime, actor: str, action: str, detail: Any) -> str:
    """Return an entry's text; `detail` holds no fractions, which have more than one spelling."""
    entry = {
        "occurred_at": occurred_at.astimezone(UTC),
        "actor": actor,
        "action": action,
        "detail": detail,
    }
    return orjson.dumps(entry, option=orjson.OPT_SORT_KEYS).decode()


def digest_of(before: bytes, chain: str, number: int, text: str) -> bytes:
    """Return the digest that links an entry to the one before."""
    place = number.to_bytes(8, "big", signed=True)
    return hashlib.sha256(before + place + f"{chain}\n{text}".encode()).digest()


def signed_text(chain: str, number: int, digest: bytes, signed_at: datetime, key: str) -> bytes:
    """Return what a checkpoint's signature is made of."""
    head = {
        "chain": chain,
        "digest": digest.hex(),
        "key": key,
        "number": number,
        "signed_at": signed_at.astimezone(UTC).isoformat(),
    }
    return b"gateway audit checkpoint\n" + orjson.dumps(head, option=orjson.OPT_SORT_KEYS)
