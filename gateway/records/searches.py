"""Conditions on user IDs and names, so written that indexes find the rows.

Row-level security lets no index serve `lower()`, `strpos()` or `starts_with()`, which are not
leakproof. `gateway_find` is the way round: a function that looks into those indexes as a role of
its own, within the session's scope, and returns the records, no more than so many. If there are
more, a walk along the sort order meets the first page's rows soon.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    Text,
    and_,
    bindparam,
    column,
    func,
    literal,
    select,
)

from gateway.records.filters import TextMatch, UserFilter, ascii_lower
from gateway.records.known import CURRENT
from gateway.tenancy.scope import Scope

MOST: Final = 4000
"""Found records up to which they are sorted themselves; for more, the order is walked."""
_CASED: Final = 2
"""Letters of a prefix whose cases are told apart in ranges: at most two to the power of so many."""
_SHORT: Final = 6
_LAST: Final = chr(0x10FFFF) * 32


@dataclass(frozen=True, slots=True)
class Search:
    """One text to be found: at the beginning of the user ID, or anywhere in the name.

    `whole` asks for the very ID. `besides` is a prefix of IDs whose rows another search of the same
    list brings already.
    """

    text: str
    in_name: bool
    whole: bool = False
    besides: str | None = None

    @property
    def is_short(self) -> bool:
        """Whether the text is likely to be found often."""
        return len(self.text) < _SHORT

    def condition(self, rows: FromClause) -> ColumnElement[bool]:
        """Return whether a row is found."""
        user_id = func.lower(rows.c.user_id)
        if not self.in_name:
            return func.starts_with(user_id, self.text)
        found = func.strpos(func.lower(rows.c.user_name), self.text) > 0
        if self.besides is None:
            return found
        return and_(found, ~func.starts_with(user_id, self.besides))

    def records(self, scope: Scope, *, most: int | None) -> CTE:
        """Return the found current records; of more than `most`, one more than that."""
        text, nothing = literal(self.text, Text), literal(None, Text)
        last = text if self.whole else literal(self.text + _LAST, Text)
        found = func.gateway_find(
            bindparam(None, scope.ids("vendor_id"), ARRAY(Integer), unique=True),
            *((nothing, nothing, text) if self.in_name else (text, last, nothing)),
            literal(None if most is None else most + 1, BigInteger),
        ).table_valued(*(column(one.name, one.type) for one in CURRENT.c))
        return select(*found.c).where(scope.covers(found)).cte()

    def ranges(self, rows: FromClause) -> Iterator[ColumnElement[bool]]:
        """Yield ranges of user IDs, apart from each other, that have all the rows in them.

        IDs sort by code point, capitals first, so that each way to write the first letters in
        capitals and small letters is a range of its own.
        """
        head = _head(self.text)
        rest = self.text[len(head) :]
        for written in product(*(sorted({c.upper(), c}) if c.isascii() else (c,) for c in head)):
            begin = "".join(written)
            upper = "".join(c.upper() if c.isascii() else c for c in rest)
            yield and_(
                rows.c.user_id >= literal(begin + upper, Text),
                rows.c.user_id <= literal(begin + rest + ("" if self.whole else _LAST), Text),
            )


def searches(wanted: UserFilter) -> Sequence[Search]:
    """Return what of a filter an index finds, as searches that bring each row once; or nothing.

    Of several conditions on texts, the one with the longest text is likely the narrowest.
    """
    asked: list[tuple[Search, ...]] = []
    if wanted.search:
        text = ascii_lower(wanted.search)
        asked.append((Search(text, in_name=False), Search(text, in_name=True, besides=text)))
    for match, in_name in ((wanted.user_id, False), (wanted.user_name, True)):
        asked += [(one,) for one in _of(match, in_name=in_name)]
    return max(asked, key=lambda some: len(some[0].text), default=())


def _of(match: TextMatch | None, *, in_name: bool) -> Iterator[Search]:
    if match is None:
        return
    if match.equals:
        yield Search(ascii_lower(match.equals), in_name, whole=not in_name)
    for text in (match.starts_with, match.contains if in_name else None):
        if text:
            yield Search(ascii_lower(text), in_name)


def _head(text: str) -> str:
    """Return the beginning of a text that has no more letters than are told apart by case."""
    letters = 0
    for i, c in enumerate(text):
        letters += c.isascii() and c.isalpha()
        if letters > _CASED:
            return text[:i]
    return text


def few(found: CTE) -> ColumnElement[bool]:
    """Return whether no record was left out of what was found."""
    return select(func.count()).select_from(found).scalar_subquery() <= MOST
