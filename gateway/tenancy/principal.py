"""Who asks, and what that role may do."""

from dataclasses import dataclass
from enum import Enum


class Right(Enum):
    """What a role may do within its scope."""

    READ_USERS = "READ_USERS"
    READ_STATISTICS = "READ_STATISTICS"
    EXPORT = "EXPORT"
    IMPORT = "IMPORT"
    ADMINISTER = "ADMINISTER"
    READ_AUDIT = "READ_AUDIT"


_READ = frozenset({Right.READ_USERS, Right.READ_STATISTICS})


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
    Role.VENDOR_ADMINISTRATOR: _READ | {Right.EXPORT, Right.IMPORT, Right.ADMINISTER},
    Role.VENDOR_OPERATOR: _READ | {Right.EXPORT, Right.IMPORT},
    Role.VENDOR_PORTAL: _READ,
    Role.VENDOR_AUDITOR: frozenset({Right.READ_AUDIT}),
    Role.PLATFORM_OPERATOR: frozenset(Right),
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
