"""Who asks, and what that role may do."""

from dataclasses import dataclass
from enum import Enum

from gateway.tenancy.terms import Terms


class Right(Enum):
    """What a role may do within its scope."""

    READ_USERS = "READ_USERS"
    READ_STATISTICS = "READ_STATISTICS"
    EXPORT = "EXPORT"
    IMPORT = "IMPORT"
    ADMINISTER = "ADMINISTER"
    ISSUE_TOKENS = "ISSUE_TOKENS"


_READ = frozenset({Right.READ_USERS, Right.READ_STATISTICS})


class Role(Enum):
    """The roles that a key can carry, and the operator's own."""

    LICENSOR_ANALYST = "LICENSOR_ANALYST"
    LICENSOR_ADMINISTRATOR = "LICENSOR_ADMINISTRATOR"
    VENDOR_ADMINISTRATOR = "VENDOR_ADMINISTRATOR"
    VENDOR_OPERATOR = "VENDOR_OPERATOR"
    VENDOR_PORTAL = "VENDOR_PORTAL"
    PLATFORM_OPERATOR = "PLATFORM_OPERATOR"

    @property
    def rights(self) -> frozenset[Right]:
        """The rights of the role."""
        return _RIGHTS[self]


_RIGHTS: dict[Role, frozenset[Right]] = {
    Role.LICENSOR_ANALYST: _READ | {Right.EXPORT},
    Role.LICENSOR_ADMINISTRATOR: _READ | {Right.EXPORT, Right.ADMINISTER},
    Role.VENDOR_ADMINISTRATOR: _READ
    | {Right.EXPORT, Right.IMPORT, Right.ADMINISTER, Right.ISSUE_TOKENS},
    Role.VENDOR_OPERATOR: _READ | {Right.EXPORT, Right.IMPORT},
    Role.VENDOR_PORTAL: _READ | {Right.ISSUE_TOKENS},
    Role.PLATFORM_OPERATOR: frozenset(Right),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller. `name` is what the audit log calls it; it holds no secret."""

    name: str
    role: Role
    key: str | None = None
    vendor: str | None = None
    licensor: str | None = None
    terms: Terms | None = None
    """What an embed token is bound to."""

    @property
    def rights(self) -> frozenset[Right]:
        """The rights of the role; a token issues no tokens."""
        return self.role.rights if self.terms is None else self.role.rights - {Right.ISSUE_TOKENS}
