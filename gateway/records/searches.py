"""Conditions on user IDs and names, so written that indexes find the rows.

Row-level security lets no index serve `lower()`, `strpos()` or `starts_with()`, which are not
leakproof. `gateway_find` is the way round: a function that looks into those indexes as a role of
its own, within the session's scope, and returns the records, no more than so many. If there are
more, a walk along the sort order meets the first page's rows soon.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Final

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    and_,
    column,
    func,
    literal,
    select,
)

from gateway.kinds import BIG_INTEGER, INTEGERS, TEXT
from gateway.recording import decide, derive, param
from gateway.records.filters import TextMatch, UserFilter, ascii_lower
from gateway.records.known import CURRENT
from gateway.tenancy.scope import AnyScope

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
        return decide(_is_short, self.text)

    def condition(self, rows: FromClause) -> ColumnElement[bool]:
        """Return whether a row is found."""
        user_id = func.lower(rows.c.user_id)
        if not self.in_name:
            return func.starts_with(user_id, param(self.text, TEXT))
        found = func.strpos(func.lower(rows.c.user_name), param(self.text, TEXT)) > 0
        if self.besides is None:
            return found
        return and_(found, ~func.starts_with(user_id, param(self.besides, TEXT)))

    def records(self, scope: AnyScope, *, most: int | None) -> CTE:
        """Return the found current records; of more than `most`, one more than that."""
        text, nothing = param(self.text, TEXT), literal(None, TEXT)
        last = text if self.whole else param(derive(_end, self.text), TEXT)
        found = func.gateway_find(
            param(scope.ids("vendor_id"), INTEGERS),
            *((nothing, nothing, text) if self.in_name else (text, last, nothing)),
            literal(None if most is None else most + 1, BIG_INTEGER),
        ).table_valued(*(column(one.name, one.type) for one in CURRENT.c))
        return select(*found.c).where(scope.covers(found)).cte()

    def ranges(self, rows: FromClause) -> Iterator[ColumnElement[bool]]:
        """Yield ranges of user IDs, apart from each other, that have all the rows in them.

        IDs sort by code point, capitals first, so that each way to write the first letters in
        capitals and small letters is a range of its own.
        """
        ranges = derive(_whole_ranges if self.whole else _ranges, self.text)
        for i in range(decide(len, ranges)):
            first, last = (derive(partial(_at, i, end), ranges) for end in (0, 1))
            yield and_(rows.c.user_id >= param(first, TEXT), rows.c.user_id <= param(last, TEXT))


def searches(wanted: UserFilter) -> Sequence[Search]:
    """Return what of a filter an index finds, as searches that bring each row once; or nothing.

    Of several conditions on texts, the one with the longest text is likely the narrowest.
    """
    asked: list[tuple[Search, ...]] = []
    if wanted.search is not None and decide(bool, wanted.search):
        text = derive(ascii_lower, wanted.search)
        asked.append((Search(text, in_name=False), Search(text, in_name=True, besides=text)))
    for match, in_name in ((wanted.user_id, False), (wanted.user_name, True)):
        asked += [(one,) for one in _of(match, in_name=in_name)]
    return asked[decide(_longest, *(some[0].text for some in asked))] if asked else ()


def _longest(*texts: str) -> int:
    return max(range(len(texts)), key=lambda i: len(texts[i]))


def _of(match: TextMatch | None, *, in_name: bool) -> Iterator[Search]:
    if match is None:
        return
    if match.equals is not None and decide(bool, match.equals):
        yield Search(derive(ascii_lower, match.equals), in_name, whole=not in_name)
    for text in (match.starts_with, match.contains if in_name else None):
        if text is not None and decide(bool, text):
            yield Search(derive(ascii_lower, text), in_name)


def _is_short(text: str) -> bool:
    return len(text) < _SHORT


def _end(text: str) -> str:
    """Return what no text that begins so comes after."""
    return text + _LAST


def _at(i: int, end: int, ranges: Sequence[tuple[str, str]]) -> str:
    return ranges[i][end]


def _ranges(text: str, last: str = _LAST) -> list[tuple[str, str]]:
    head = _head(text)
    rest = text[len(head) :]
    upper = "".join(c.upper() if c.isascii() else c for c in rest)
    begins = product(*(sorted({c.upper(), c}) if c.isascii() else (c,) for c in head))
    return [(begin + upper, begin + rest + last) for begin in map("".join, begins)]


def _whole_ranges(text: str) -> list[tuple[str, str]]:
    return _ranges(text, "")


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
