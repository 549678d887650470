"""Personal data of users: names of natural persons, contacts, addresses and phone numbers.

They are shown to a scope that `reveals`: the role may see them, and the request said what for. To
any other they are masked, by the database, wherever users leave it; and since a condition or an
order would tell what a mask hides, such a scope can't search or sort by them.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, case, func, literal, not_, or_
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from gateway.errors import Forbidden
from gateway.kinds import TEXT
from gateway.recording import decide
from gateway.records.filters import UserFilter
from gateway.regulation.codes import UserType
from gateway.regulation.layouts import MISSING
from gateway.tenancy.scope import AnyScope

PERSONAL: Final[Mapping[str, str]] = {
    "user_name": "userName",
    "contact": "contact",
    "address": "address",
    "phone": "phone",
}
"""The columns that hold personal data, a `user_name` only where it is an individual's; and their
names in the graph and in the log."""
STARS: Final = "**"
_LEAST_DIGITS: Final = 8
"""A phone number shorter than this keeps no digit."""

Columns = Mapping[str, ColumnElement[Any]] | ReadOnlyColumnCollection[str, Any]


Person = Callable[[], ColumnElement[bool]]
"""Whether a row's user is known as an individual beside what the row says."""


def as_seen(
    scope: AnyScope, columns: Columns, person: Person | None = None
) -> dict[str, ColumnElement[Any]]:
    """Return the personal columns as the scope may see them.

    `columns` are one row's by name: the personal ones and `user_type`. What was said earlier has a
    `person`: a type that was corrected would else tell the name that another line hides.
    """
    return {name: seen(scope, name, columns, person) for name in PERSONAL}


def seen(
    scope: AnyScope, name: str, columns: Columns, person: Person | None = None
) -> ColumnElement[Any]:
    """Return one of the personal columns so."""
    return columns[name] if scope.reveals else _masked(name, columns, person)


def _masked(name: str, columns: Columns, person: Person | None) -> ColumnElement[Any]:
    value = columns[name]
    shown = [value.is_(None), value == MISSING]
    if name == "user_name":
        institution = columns["user_type"] == int(UserType.INSTITUTION)
        shown.append(institution if person is None else and_(institution, not_(person())))
    return case((or_(*shown), value), else_=_MASKS[name](value))


def _first_character(value: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.left(value, 1, type_=TEXT).concat(literal(STARS, TEXT))


def _last_digits(value: ColumnElement[Any]) -> ColumnElement[Any]:
    enough = func.char_length(value) >= _LEAST_DIGITS
    last = literal(STARS * 2, TEXT).concat(func.right(value, 4, type_=TEXT))
    return case((enough, last), else_=literal(STARS * 2, TEXT))


def _nothing(_: ColumnElement[Any]) -> ColumnElement[Any]:
    return literal(STARS, TEXT)


_MASKS: Final[Mapping[str, Callable[[ColumnElement[Any]], ColumnElement[Any]]]] = {
    "user_name": _first_character,
    "contact": _first_character,
    "address": _nothing,
    "phone": _last_digits,
}


def check_revealed(scope: AnyScope, wanted: UserFilter, *, by_name: bool) -> None:
    """Raise Forbidden if masked data would be searched, or with `by_name` sorted by."""
    if scope.reveals:
        return
    match = wanted.user_name
    if wanted.search is not None and decide(bool, wanted.search):
        raise masked("search", "filter.search")
    if match is not None and not match.is_empty:
        raise masked("userName", "filter.userName")
    if any(name in PERSONAL for name, _ in wanted.exactly or ()):
        raise masked("this list", "id")
    if by_name:
        raise masked("USER_NAME", "orderBy")


def masked(what: str, argument: str) -> Forbidden:
    """Return the refusal of what would tell personal data that the scope doesn't see."""
    return Forbidden(
        f"{what} needs personal data, which is masked",
        f"{what}涉及已脱敏的个人信息",
        argument=argument,
        accepted="a request that states its purpose in the header Gateway-Purpose, "
        "by a role with the right READ_PERSONAL",
    )
