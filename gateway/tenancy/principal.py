"""Who asks, and what that role may do."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class Right(Enum):
    """What a role may do within its scope."""

    READ_USERS = "READ_USERS"
    READ_STATISTICS = "READ_STATISTICS"
    EXPORT = "EXPORT"
    IMPORT = "IMPORT"
    ADMINISTER = "ADMINISTER"
    ISSUE_TOKENS = "ISSUE_TOKENS"
    READ_AUDIT = "READ_AUDIT"
    READ_PERSONAL = "READ_PERSONAL"


_READ = frozenset({Right.READ_USERS, Right.READ_STATISTICS, Right.READ_PERSONAL})


class Role(Enum):
    """The roles that a key can carry, and the operator's own."""

    LICENSOR_ANALYST = "LICENSOR_ANALYST"
    LICENSOR_ADMINISTRATOR = "LICENSOR_ADMINISTRATOR"
    LICENSOR_AUDITOR = "LICENSOR_AUDITOR"
    VENDOR_ADMINISTRATOR = "VENDOR_ADMINISTRATOR"
    VENDOR_OPERATOR = "VENDOR_OPERATOR"
    VENDOR_PORTAL = "VENDOR_PORTAL"
    VENDOR_AUDITOR = "VENDOR_AUDITOR"
    PLATFORM_OPERATOR = "PLATFORM_OPERATOR"

    @property
    def rights(self) -> frozenset[Right]:
        """The rights of the role."""
        return _RIGHTS[self]


_RIGHTS: dict[Role, frozenset[Right]] = {
    Role.LICENSOR_ANALYST: _READ | {Right.EXPORT},
    Role.LICENSOR_ADMINISTRATOR: _READ | {Right.EXPORT, Right.ADMINISTER},
    Role.LICENSOR_AUDITOR: frozenset({Right.READ_AUDIT}),
    Role.VENDOR_ADMINISTRATOR: _READ
    | {Right.EXPORT, Right.IMPORT, Right.ADMINISTER, Right.ISSUE_TOKENS},
    Role.VENDOR_OPERATOR: _READ | {Right.EXPORT, Right.IMPORT},
    Role.VENDOR_PORTAL: _READ | {Right.ISSUE_TOKENS},
    Role.VENDOR_AUDITOR: frozenset({Right.READ_AUDIT}),
    Role.PLATFORM_OPERATOR: frozenset(Right) - {Right.READ_AUDIT, Right.ISSUE_TOKENS},
}


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller. `name` is what the audit log calls it; it holds no secret.

    `holder` is whose audit log its acts stand in: a vendor's number, a licensor's below zero, 0 the
    house's.
    """

    name: str
    role: Role
    key: str | None = None
    vendor: str | None = None
    licensor: str | None = None
    holder: int = 0
    expires: datetime | None = None
    """When the credential ends, and with it what was opened by it."""
    origins: frozenset[str] = frozenset()
    """The origins of web pages from which the caller may ask."""
    pages_only: bool = False
    """Whether the caller may ask from such a page only, and not from any other program."""
    documents: frozenset[str] = frozenset()
    """The digests of the registered documents that the caller may run by them."""
    runs: frozenset[str] | None = None
    """The digests of the only documents that the caller may run; None: any."""
    purpose: str | None = None
    """For what it sees personal data, whatever its requests say; None: as each of them says."""
    subject: str | None = None
    """Whom an issuer named, of its tokens."""
    is_token: bool = False
    """Whether it is an embed token, which a key issued."""
    is_session: bool = False
    """Whether it is a session, which somebody opened by signing in."""

    @property
    def rights(self) -> frozenset[Right]:
        """The rights of the role; a token reveals by its own purpose only, and keys alone issue."""
        if not self.is_token and not self.is_session:
            return self.role.rights
        kept = self.role.rights - {Right.ISSUE_TOKENS}
        return kept if self.is_session or self.purpose else kept - {Right.READ_PERSONAL}

    @property
    def tenant(self) -> str:
        """Whose limits count: the vendor's, or the licensor's."""
        if self.vendor is not None:
            return f"vendor {self.vendor}"
        return self.name if self.licensor is None else f"licensor {self.licensor}"
