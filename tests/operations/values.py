"""Values for arguments and input fields: such as the world has, and now and then wrong ones."""

import random
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    get_nullable_type,
    is_non_null_type,
)

from .material import NOWHERE, ORDERS, Material, Reach, order_key
from .places import Given, Place, ranked
from .wrong import NOTHING, wrong_value

MONTHS_OF_USERS = {"countedIn", "countedAs", "newIn", "endedIn", "cancelledIn", "expiredIn"}
_OFTEN = {"search", "userId", "userName", "equals", "countedIn"}
ODD = ("", "%", "_", "\\", '"', "'", "没有", "\U0001f600", "\U00020bb7", "\t", "\x01", "\x7f",
       'a"b\\c', "\u2028", "\n", "\u200b", "é", "A", "s", "zz" * 70)  # fmt: skip


class Values:
    """Draws values for one caller; `wrong` is the share of those that should not be accepted."""

    def __init__(
        self, rng: random.Random, material: Material, reach: Reach, wrong: float = 0.0
    ) -> None:
        self.rng, self.material, self.reach, self.wrong = rng, material, reach, wrong

    def value(self, place: Place, given: Given) -> Any:
        """Return a JSON value, given what the other arguments or fields beside it are."""
        if self.wrong and self.rng.random() < self.wrong:
            found = wrong_value(self.rng, place.name, place.kind, self.material, self.reach)
            if found is not NOTHING:
                return found
        kind = get_nullable_type(place.kind)
        if isinstance(kind, GraphQLList):
            return self._list(place, given)
        if isinstance(kind, GraphQLInputObjectType):
            return self.object(place, kind)
        if place.name in _MAKERS:
            return _MAKERS[place.name](self, place, given)
        if isinstance(kind, GraphQLEnumType):
            return self.rng.choice(list(kind.values))
        if str(kind) == "Boolean":
            return self.rng.random() < 0.5
        return {"Date": self._day, "Month": self._month}[str(kind)]()

    def names(self, place: Place, kind: GraphQLInputObjectType) -> list[str]:
        """Choose some fields of an input object, in the order in which to draw them."""
        names = [n for n in kind.fields if not (place.nested and n in MONTHS_OF_USERS)]
        if str(kind).endswith("Order"):
            chosen = {"field", *self.rng.sample(["direction"], self.rng.randint(0, 1))}
        else:
            number = self.rng.choice((0, 1, 1, 1, 2, 2, 3, 4))
            names += sorted(_OFTEN.intersection(names))
            chosen = set(self.rng.choices(names, k=number))
        if "countedAs" in chosen and self.rng.random() < 0.8:
            chosen.add("countedIn")
        # a set's order is another in each process
        return sorted(sorted(chosen), key=ranked)

    def object(self, place: Place, kind: GraphQLInputObjectType) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in self.names(place, kind):
            one = kind.fields[name].type
            empty = self.rng.random() < 0.05 and not is_non_null_type(one)
            found[name] = None if empty else self.value(place.under(name, one), found)
        return found

    def _list(self, place: Place, given: Given) -> Any:
        rng = self.rng
        if place.name == "orderBy" and rng.random() < 0.9:
            order = rng.choice(ORDERS["monthlyStats" if "Stat" in str(place.kind) else "users"])
            return order[0] if len(order) == 1 and rng.random() < 0.1 else list(order)
        length = rng.choice((1, 1, 1, 2, 2, 3, 0 if place.name != "kinds" else 1))
        found = [self.value(place.element(), given) for _ in range(length)]
        return found[0] if length == 1 and rng.random() < 0.1 else found

    def text(self, whole: str, *, start: bool = False) -> str:
        """A part of a text, mostly short, at times in other cases; or something odd."""
        rng = self.rng
        if rng.random() < 0.12 or not whole:
            return rng.choice(ODD)
        length = rng.choice((1, 1, 2, 3, len(whole)))
        at = 0 if start else rng.randrange(max(1, len(whole) - length + 1))
        part = whole[at : at + length]
        return part.swapcase() if rng.random() < 0.2 and part.isascii() else part

    def row(self) -> dict[str, Any]:
        return self.rng.choice(self.reach.rows)

    def _search(self, place: Place, _: Given) -> str:
        if place.path[0] == "Query.vendors":
            return self.text(self.rng.choice((*self.reach.vendors, *self.material.vendor_names)))
        if place.path[0] == "Query.products":
            return self.text(self.rng.choice(self.reach.products))
        if place.path[0] in {"Query.exchanges", "Query.interfaceSpecs"}:
            return self.text(self.rng.choice(("SZSE-BINARY", "IS122", "上交所", "HKEX")))
        name = self.rng.choice(("userId", "userName", "userName"))
        return self.text(self.row()[name], start=name == "userId")

    def _match(self, place: Place, _: Given) -> str:
        whole = self.row()[place.path[-2]] if place.path[-2] in {"userId", "userName"} else "x"
        return whole if place.name == "equals" else self.text(whole, start=place.name != "contains")

    def _day(self) -> str:
        rng = self.rng
        row = self.row()
        day = date.fromisoformat(rng.choice((row["startDate"], row["endDate"] or "9999-12-31")))
        step = timedelta(days=rng.choice((0, 0, 1, -1, 30, -30)))
        return (day if abs((date.max - day).days) < 40 or day.year < 3 else day + step).isoformat()

    def _month(self) -> str:
        rng = self.rng
        months = self.material.months
        found = rng.choice(months[-14:] if rng.random() < 0.7 else months)
        if rng.random() < 0.03:
            found = rng.choice(("0001-01", "9999-12", "1999-01"))
        return found.replace("-", "") if rng.random() < 0.1 else found

    def _from(self, place: Place, given: Given) -> Any:
        if place.path[0] == "Query.auditEvents":
            return self._logged_at()
        if place.path[0] == "Query.changes":
            return self._instant()
        return (
            None if given.get("year") is not None else self.rng.choice(self.material.months[-20:])
        )

    def _to(self, place: Place, given: Given) -> Any:
        if place.path[0] == "Query.auditEvents":
            return self._logged_at()
        if place.path[0] != "Query.changes":
            return None if given.get("year") is not None else self._month()
        later = [one for one in self.material.instants if _at(one) >= _at(given.get("from"))]
        return self.rng.choice(later) if later else None

    def _logged_at(self) -> str:
        return self.rng.choice(self.material.logged_at or self.material.instants)

    def _instant(self) -> str:
        """An instant at which something was recorded, or a moment from it; in one of its forms."""
        rng = self.rng
        at = datetime.fromisoformat(rng.choice(self.material.instants))
        at += timedelta(microseconds=rng.choice((0, 0, 0, -1)))
        form = rng.randrange(4)
        if form == 0:
            return at.isoformat().replace("+00:00", "Z")
        return (at + timedelta(hours=8)).isoformat().replace("+00:00", "+08:00") if form == 1 else (
            at.isoformat()
        )  # fmt: skip

    def _size(self, place: Place, given: Given) -> Any:
        if place.name == "last" and given.get("first") is not None:
            return None
        if place.nested or self.rng.random() < 0.93:
            return self.rng.choice((0, 1, 1, 2, 2, 3, 3, 4, 5))
        return self.rng.choice((7, 20, 50, 1000))

    def _cursor(self, place: Place, given: Given) -> Any:
        """A cursor of the list in its order, of a vendor whose rows the list may have."""
        of_users = place.nested or place.path[0] == "Finding.evidence"
        kind = "users" if of_users else place.path[0].removeprefix("Query.")
        cursors = self.material.cursors.get((kind, order_key(given.get("orderBy"))), [])
        asked = [
            one for one in (given.get("vendors"), place.outer.get("vendors")) if one is not None
        ]
        reach = set(self.reach.vendors).intersection(
            *([x] if isinstance(x, str) else x for x in asked)
        )
        fit = [cursor for vendor, cursor in cursors if vendor == NOWHERE or vendor in reach]
        return self.rng.choice(fit) if fit else None

    def _vendor(self, place: Place, _: Given) -> str:
        if place.path[0] == "Query.vendor" and self.rng.random() < 0.15:
            return self.rng.choice(("NOBODY", "", "alpha", "ALPHA", '"', "\x00"))
        return self.rng.choice(self.reach.vendors)

    def _id(self, _: Place, __: Given) -> str:
        if self.rng.random() < 0.1:
            return self.rng.choice(("", "x", "W10", "WyJVc2VyIl0", "WyJVc2VyIiwxXQ", "\U0001f600"))
        return self.rng.choice(self.reach.ids) if self.rng.random() < 0.3 else self.row()["id"]

    def _counted_as(self, place: Place, given: Given) -> Any:
        kind = get_nullable_type(place.kind)
        assert isinstance(kind, GraphQLEnumType)
        return None if given.get("countedIn") is None else self.rng.choice(list(kind.values))

    def _pack(self, _: Place, __: Given) -> str:
        return self.rng.choice(("szse-2010", "szse-2010@1"))

    def _year(self, _: Place, __: Given) -> int:
        return self.rng.choice((0, 0, 0, 1, 1, 2, 3)) * -1 + self.material.today.year


def _at(text: Any) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return datetime.fromisoformat("0001-01-01T00:00:00+00:00")
    return found if found.tzinfo else datetime.fromisoformat("0001-01-01T00:00:00+00:00")


_MAKERS: dict[str, Callable[[Values, Place, Given], Any]] = {
    "search": Values._search,
    "equals": Values._match,
    "startsWith": Values._match,
    "contains": Values._match,
    "first": Values._size,
    "last": Values._size,
    "after": Values._cursor,
    "before": Values._cursor,
    "vendors": Values._vendor,
    "vendor": Values._vendor,
    "code": Values._vendor,
    "codes": lambda self, _, __: self.rng.choice(("SSE", "SZSE", "IS122", "OMD-C", "NONE", "")),
    "exchanges": lambda self, _, __: self.rng.choice(("SSE", "SSEINFO", "HKEX", "NONE")),
    "keys": lambda self, _, __: self.rng.choice(("HKEX-OMD-C", "SSE-IS101-CV1.61", "NONE", "")),
    "products": lambda self, _, __: self.rng.choice(self.reach.products),
    "from": Values._from,
    "to": Values._to,
    "year": Values._year,
    "asOf": lambda self, _, __: self._instant(),
    "id": Values._id,
    "format": lambda self, _, __: self.rng.choice(("szse-2010", "szse-2010", "szse-2010@1")),
    "countedAs": Values._counted_as,
    "actor": lambda self, _, __: self.rng.choice(self.material.actors),
    "actions": lambda self, _, __: self.rng.choice(self.material.actions),
    "rulePack": Values._pack,
    "packs": Values._pack,
    "@skip": lambda self, _, __: self.rng.random() < 0.25,
    "@include": lambda self, _, __: self.rng.random() < 0.75,
}
