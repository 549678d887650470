"""Media types: what a request brings, and in which form it wants its answer."""

from enum import Enum
from functools import lru_cache
from typing import Final

_SHORT: Final = 200
"""Longer headers are read each time: what is kept must not grow by what strangers send."""


class Form(Enum):
    """The forms of an answer (GraphQL over HTTP, 6; GraphQL over SSE, distinct connections)."""

    JSON = b"application/json"
    RESPONSE = b"application/graphql-response+json; charset=utf-8"
    EVENTS = b"text/event-stream; charset=utf-8"


_OFFERED: Final = {
    "application/json": Form.JSON,
    "application/graphql-response+json": Form.RESPONSE,
    "text/event-stream": Form.EVENTS,
    "application/*": Form.JSON,
    "*/*": Form.JSON,
}
_UTF8: Final = frozenset({"utf-8", "utf8"})


def accepted(header: bytes | None) -> Form | None:
    """Return the form that `Accept` likes best, the first of those liked alike; None for none."""
    if not header:
        return Form.JSON
    return _accepted(header) if len(header) <= _SHORT else _accepted.__wrapped__(header)


def is_json(header: bytes | None) -> bool:
    """Say whether a `Content-Type` is JSON in UTF-8."""
    if header is None:
        return False
    return _is_json(header) if len(header) <= _SHORT else _is_json.__wrapped__(header)


@lru_cache(maxsize=256)
def _accepted(header: bytes) -> Form | None:
    best: Form | None = None
    most = 0.0
    for one in header.decode("latin-1").lower().split(","):
        kind, parameters = _read(one)
        form = _OFFERED.get(kind)
        quality = _quality(parameters.get("q", "1"))
        if form is None or parameters.get("charset", "utf-8") not in _UTF8 or quality <= most:
            continue
        best, most = form, quality
    return best


@lru_cache(maxsize=256)
def _is_json(header: bytes) -> bool:
    kind, parameters = _read(header.decode("latin-1").lower())
    return kind == "application/json" and parameters.get("charset", "utf-8") in _UTF8


def _read(text: str) -> tuple[str, dict[str, str]]:
    kind, *rest = text.split(";")
    pairs = (one.partition("=") for one in rest)
    return kind.strip(), {name.strip(): value.strip().strip('"') for name, _, value in pairs}


def _quality(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        return 0.0
    return found if 0 <= found <= 1 else 0.0
