"""Global ids: opaque, and made of codes and per-vendor numbers only, so that they tell nothing."""

import base64
import binascii
from dataclasses import dataclass

import orjson


@dataclass(frozen=True, slots=True)
class GlobalId:
    """A type's name, and what names the node within it."""

    kind: str
    parts: tuple[str | int, ...]

    def __str__(self) -> str:
        data = orjson.dumps([self.kind, *self.parts])
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> "GlobalId | None":
        """Read an id; None for anything that is not one."""
        try:
            padded = text.encode() + b"=" * (-len(text) % 4)
            kind, *parts = orjson.loads(base64.b64decode(padded, b"-_", validate=True))
        except (binascii.Error, UnicodeError, ValueError, TypeError):
            return None
        if not isinstance(kind, str) or not all(type(part) in {str, int} for part in parts):
            return None
        return cls(kind, tuple(parts))
