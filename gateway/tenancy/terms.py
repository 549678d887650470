"""What an embed token is bound to, beside its vendor: where it may be used, and for what.

And what a purpose is, for which personal data is seen in clear.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from gateway.errors import BadInput

MOST_SECONDS: Final = 900
"""The longest life of a token."""
MOST_PURPOSE: Final = 200
"""The longest purpose, in characters."""
_MOST: Final = 50
_ORIGIN: Final = re.compile(
    r"https://(?=[^:/]{1,253}(:|$))[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,4})?"
    r"|http://(localhost|127\.0\.0\.1|\[::1\])(:[1-9][0-9]{0,4})?"
)
_HASH: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Terms:
    """Origins (RFC 6454) that may present a token, and documents that it may run.

    Empty: those that the vendor registered.
    `purpose` is for what it shows personal data in clear; None: it shows masks, whatever is asked.
    """

    origins: frozenset[str]
    documents: frozenset[str]
    purpose: str | None = None

    @classmethod
    def read(
        cls, origins: Sequence[str], documents: Sequence[str], purpose: str | None = None
    ) -> Self:
        """Return terms asked for; BadInput names the one that has no right form."""
        _check("origins", origins, _ORIGIN, "https://portal.example.com, lower case, without path")
        _check("documents", documents, _HASH, "SHA-256 of a document's text, 64 lower-case digits")
        purpose = None if purpose is None else read_purpose(purpose, "purpose")
        return cls(frozenset(origins), frozenset(documents), purpose)


def read_purpose(text: str, argument: str = "Gateway-Purpose") -> str:
    """Return a purpose as it is logged; BadInput, of the argument, for one that says nothing."""
    found = " ".join(text.split())
    if not 0 < len(found) <= MOST_PURPOSE or not found.isprintable():
        raise BadInput(
            "the purpose says nothing, or more than is kept",
            "用途为空或过长",
            argument=argument,
            accepted=f"1 to {MOST_PURPOSE} printable characters, in UTF-8",
        )
    return found


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
