"""API keys, `gw_<prefix>_<secret>`, embed tokens, `ge_…`, and sessions of accounts, `gs_…`.

The prefix names a key in lists and logs; it opens nothing.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, field

_FORM = re.compile(r"g[wes]_([a-z0-9]{8})_([A-Za-z0-9_-]{43})")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key at the only moment at which it is known."""

    prefix: str
    secret: str = field(repr=False)
    kind: str = "gw"

    @property
    def text(self) -> str:
        """The key as its holder presents it."""
        return f"{self.kind}_{self.prefix}_{self.secret}"

    @property
    def digest(self) -> bytes:
        """What is stored: SHA-256; the secret's 256 random bits need no slow hash."""
        return digest(self.text)


def generate(kind: str = "gw") -> NewKey:
    """Make a new random key (`gw`), embed token (`ge`) or session (`gs`)."""
    prefix = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    return NewKey(prefix, secrets.token_urlsafe(32), kind)


def well_formed(text: str) -> bool:
    """Say whether a text has a key's form at all."""
    return _FORM.fullmatch(text) is not None


def digest(text: str) -> bytes:
    """Return the SHA-256 by which a presented key is found."""
    return hashlib.sha256(text.encode()).digest()
