"""Sums over monthly figures, by year, month, vendor or product."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    ScalarSelect,
    cast,
    func,
    literal_column,
    select,
)

from gateway.catalogue.licensors import licensor_text
from gateway.kinds import BIG_INTEGER, DATE, TEXT, WALL_CLOCK
from gateway.records.rows import json_array
from gateway.statistics.figures import SHOWN

_YEAR: ColumnElement[str] = literal_column("'year'")


class TotalKey(Enum):
    """What monthly figures are summed by."""

    YEAR = "YEAR"
    MONTH = "MONTH"
    VENDOR = "VENDOR"
    PRODUCT = "PRODUCT"


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of figures, sorted by their keys in order; without keys one total."""

    rows: FromClause
    keys: Sequence[str]
    values: Mapping[str, ColumnElement[Any]]

    def select(
        self, document: ColumnElement[Any], aggregate: Callable[..., ColumnElement[Any]]
    ) -> ScalarSelect[Any]:
        """Return the totals' documents, gathered in order by an aggregate of document and order."""
        gathered = aggregate(document, *(self.rows.c[name] for name in self.keys))
        return select(gathered).select_from(self.rows).scalar_subquery()


def totals_of(stat: FromClause, by: Sequence[TotalKey]) -> Totals:
    """Return the sums of the rows of `figures`.

    Each has its keys (`year` as the first day of the year), SHOWN, `fee` in yuan as text (null
    without any price), `unpriced` rows and `last`, its latest month.
    """
    parts: dict[TotalKey, dict[str, ColumnElement[Any]]] = {
        TotalKey.YEAR: {"year": _year(stat.c.month)},
        TotalKey.MONTH: {"month": stat.c.month},
        TotalKey.VENDOR: {name: stat.c[name] for name in ("vendor_code", "vendor_name")},
        TotalKey.PRODUCT: {name: stat.c[name] for name in ("product_name", "product_id")},
    }
    keys = {name: part for key in dict.fromkeys(by) for name, part in parts[key].items()}
    unpriced = func.count().filter(stat.c.full_price > 0, stat.c.price.is_(None))
    total = (
        select(
            *(part.label(name) for name, part in keys.items()),
            *(
                cast(func.coalesce(func.sum(stat.c[name]), 0), BIG_INTEGER).label(name)
                for name in SHOWN
            ),
            cast(func.sum(stat.c.fee), TEXT).label("fee"),
            unpriced.label("unpriced"),
            func.max(stat.c.month).label("last"),
        )
        .group_by(*keys.values())
        .subquery("total")
    )
    names = (*keys, *SHOWN, "fee", "unpriced", "last")
    values: dict[str, ColumnElement[Any]] = {name: total.c[name] for name in names}
    if "product_id" in keys:
        values |= {f"licensor_{name}": licensor_text(total, name) for name in ("code", "name")}
    return Totals(total, tuple(keys), values)


def totals(stat: FromClause, by: Sequence[TotalKey]) -> ScalarSelect[Any]:
    """Return the totals as a JSON array."""
    found = totals_of(stat, by)
    document = func.json_build_object(*(part for pair in found.values.items() for part in pair))
    return found.select(document, json_array)


def _year(month: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the first day of a month's year. No time zone takes part."""
    return cast(func.date_trunc(_YEAR, cast(month, WALL_CLOCK)), DATE)
