"""What an embed token is bound to, beside its vendor: where it may be used, and for what."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from gateway.errors import BadInput, Unauthenticated

MOST_SECONDS: Final = 900
"""The longest life of a token."""
_MOST: Final = 50
_ORIGIN: Final = re.compile(
    r"https://(?=[^:/]{1,253}(:|$))[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,4})?"
    r"|http://(localhost|127\.0\.0\.1|\[::1\])(:[1-9][0-9]{0,4})?"
)
_HASH: Final = re.compile(r"[0-9a-f]{64}")


def document_hash(query: str) -> str:
    """Return how a document is named: the SHA-256 of its text in UTF-8, in hexadecimal."""
    return hashlib.sha256(query.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Terms:
    """Origins (RFC 6454) that may present a token, and documents that it may run; empty: any."""

    origins: frozenset[str]
    documents: frozenset[str]

    @classmethod
    def read(cls, origins: Sequence[str], documents: Sequence[str]) -> Self:
        """Return terms asked for; BadInput names the one that has no right form."""
        _check("origins", origins, _ORIGIN, "https://portal.example.com, lower case, without path")
        _check("documents", documents, _HASH, "SHA-256 of a document's text, 64 lower-case digits")
        return cls(frozenset(origins), frozenset(documents))

    def check_origin(self, origin: str | None) -> None:
        """Raise Unauthenticated unless the page that asks may present the token."""
        if self.origins and origin not in self.origins:
            raise Unauthenticated(
                "this token is bound to other origins", "此令牌限定用于其他来源", argument="Origin"
            )

    def check_document(self, query: str) -> None:
        """Raise BadInput unless the token may run a document."""
        if self.documents and document_hash(query) not in self.documents:
            raise BadInput(
                "this token may not run this document",
                "此令牌不能执行该查询",
                argument="query",
                accepted="the very text of a document that the token was issued for",
            )


def _check(argument: str, values: Sequence[str], form: re.Pattern[str], accepted: str) -> None:
    if len(values) > _MOST:
        raise BadInput(
            f"{len(values)} {argument} are too many",
            f"{argument}过多",
            argument=argument,
            accepted=f"at most {_MOST}",
        )
    for value in values:
        if not form.fullmatch(value):
            raise BadInput(
                f"{value!r} is none of {argument}",
                f"“{value}”不符合{argument}的格式",
                argument=argument,
                accepted=accepted,
            )
