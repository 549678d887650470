"""The error tree. Everything else that is raised is masked before it leaves the gateway.

GatewayError
├── Unauthenticated      no credential, or one that is unknown, expired or revoked
├── NotFound             absent, or outside the scope: the two look the same
├── BadInput             an argument, option or setting that can't be accepted
│   ├── Refused          a file whose lines break the rules; nothing was changed
│   └── CostLimit        an operation that could cost more than one may
├── RateLimited          too much at once, or within a while; it says when to come again
├── Forbidden            a request from where the caller may not ask, or not a document of its own
├── TookTooLong          a statement was ended at its time limit
├── Unavailable          the database or the disk can't do it now; trying again may help
└── ScopeViolation       a statement tried to leave its scope: a fault of the gateway
"""

from typing import ClassVar, Literal

Language = Literal["en", "zh"]


class GatewayError(Exception):
    """Base of all errors that a caller may see.

    `code` is the public `extensions.code`; `en` and `zh` say what is wrong, where, and what
    would be accepted. `exit_code` is the command line's (contract: 1 refused, 2 usage, 3 system).
    """

    code: ClassVar[str] = "INTERNAL"
    exit_code: ClassVar[int] = 3

    def __init__(
        self, en: str, zh: str, *, argument: str | None = None, accepted: str | None = None
    ) -> None:
        super().__init__(en)
        self.en, self.zh = en, zh
        self.argument, self.accepted = argument, accepted

    def message(self, language: Language) -> str:
        """Return the message in the asked language."""
        return self.zh if language == "zh" else self.en

    @property
    def extensions(self) -> dict[str, object]:
        """The GraphQL error extensions: the code, and for bad input where and what instead."""
        found: dict[str, object] = {"code": self.code}
        if self.argument is not None:
            found["argument"] = self.argument
        if self.accepted is not None:
            found["accepted"] = self.accepted
        return found


class Unauthenticated(GatewayError):
    """No valid credential came with the request."""

    code = "UNAUTHENTICATED"
    exit_code = 1


class NotFound(GatewayError):
    """The named thing does not exist for this scope."""

    code = "NOT_FOUND"
    exit_code = 1

    @classmethod
    def of(cls, kind: str, kind_zh: str, name: str, *, argument: str | None = None) -> "NotFound":
        """Build the one wording for absent and foreign things alike."""
        return cls(f"{kind} {name!r} not found", f"找不到{kind_zh}“{name}”", argument=argument)


class BadInput(GatewayError):
    """The input can't be accepted; the message says what would be."""

    code = "BAD_USER_INPUT"
    exit_code = 2


class Refused(BadInput):
    """A file was read and breaks the rules; nothing of it was taken."""

    exit_code = 1


class CostLimit(BadInput):
    """An operation could cost more than one operation may."""

    code = "COST_LIMIT"


class RateLimited(GatewayError):
    """A tenant has used up what it may within a while, or runs too much at once."""

    code = "RATE_LIMITED"

    def __init__(self, en: str, zh: str, *, accepted: str, seconds: int) -> None:
        super().__init__(en, zh, accepted=accepted)
        self.seconds = seconds

    @property
    def extensions(self) -> dict[str, object]:
        """Also in how many seconds the same request would be taken."""
        return {**super().extensions, "retryAfter": self.seconds}


class Forbidden(GatewayError):
    """The caller is known, but this request of theirs is not allowed."""

    code = "FORBIDDEN"
    exit_code = 1


class Unavailable(GatewayError):
    """Something that the gateway stands on does not answer."""

    code = "UNAVAILABLE"


class TookTooLong(GatewayError):
    """A statement was ended at its time limit."""

    code = "TIMEOUT"


class ScopeViolation(GatewayError):
    """A statement on vendor-owned rows without its scope's predicate. Never shown in detail."""

    def __init__(self, detail: str) -> None:
        super().__init__("Internal error.", "内部错误。")
        self.detail = detail
        self.add_note(detail)
