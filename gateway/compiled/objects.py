"""Objects of the graph in JSON text: of each type, how its fields are written.

Each field is written from what its row has by name (`records.rows.Rows.values` and the like), as
the type's resolver in `gateway.schema` makes it. Lists and connections are the rows' own matter:
they bring how to write them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import ColumnElement, cast, func, literal

from gateway.compiled.text import (
    LABEL,
    Json,
    constant,
    encoded,
    instant,
    mapping,
    name,
    number,
    plain,
    plain_nullable,
    scalar,
)
from gateway.kinds import INTEGER, TEXT
from gateway.regulation.codes import Code, FeeCategory, ServiceStatus, UsageMode, UserType
from gateway.schema.selection import Selected


@dataclass(frozen=True, slots=True)
class Row:
    """A row to be written: its values by name, and how its other fields are written.

    `written` are values in JSON already; `used` collects the names of the others that were used.
    """

    values: Mapping[str, ColumnElement[Any]]
    fields: dict[str, Callable[[Selected], Json]] = field(default_factory=dict)
    written: Mapping[str, Json] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def __getitem__(self, value: str) -> ColumnElement[Any]:
        self.used.add(value)
        return self.values[value]


Writer = Callable[[Row], Json]


def written(kind: str, selection: Sequence[Selected], row: Row) -> Json:
    """Return the selected fields of an object of a type."""
    return mapping((one.key, _field(kind, one, row)) for one in selection)


def _field(kind: str, one: Selected, row: Row) -> Json:
    if one.name == "__typename":
        return constant(kind)
    if one.name in row.fields:
        return row.fields[one.name](one)
    if (inner := _INNER.get((kind, one.name))) is not None:
        return written(inner, one.below, row)
    return _FIELDS[kind][one.name](row)


def _scalar(value: str) -> Writer:
    return lambda row: row.written.get(value) or scalar(row[value])


def _plain(value: str) -> Writer:
    return lambda row: plain(row[value])


def _plain_nullable(value: str) -> Writer:
    return lambda row: plain_nullable(row[value])


def _number(value: str) -> Writer:
    return lambda row: number(row[value])


def _instant(value: str) -> Writer:
    return lambda row: instant(row[value])


def _code(value: str, codes: type[Code]) -> Writer:
    names = [code.name for code in codes]
    return lambda row: name(row[value], names)


def _id(kind: str, *parts: str) -> Writer:
    return lambda row: encoded([kind, *(row[part] for part in parts)])


_STATE: Final[dict[str, Writer]] = {
    "userName": _plain("user_name"),
    "userType": _code("user_type", UserType),
    "endDate": _plain_nullable("end_date"),
    "contact": _plain_nullable("contact"),
    "address": _plain_nullable("address"),
    "phone": _plain_nullable("phone"),
    "feeCategory": _code("fee_category", FeeCategory),
    "serviceStatus": _code("service_status", ServiceStatus),
}

_COUNTS: Final[dict[str, Writer]] = {
    "fullPriceCount": _number("full_price"),
    "regulatoryCount": _number("regulatory"),
    "internalFreeCount": _number("internal_free"),
    "trialCount": _number("trial"),
    "newCount": _number("new"),
    "endedCount": _number("ended"),
    "cancelledCount": _number("cancelled"),
    "expiredCount": _number("expired"),
}


def _month(row: Row) -> Json:
    return plain(func.to_char(row["month"], literal("YYYY-MM", TEXT)))


def _label(row: Row) -> Json:
    return plain(func.to_char(row["month"], literal(LABEL, TEXT)))


_FIELDS: Final[dict[str, dict[str, Writer]]] = {
    "Vendor": {
        "id": _id("Vendor", "vendor_code"),
        "code": _scalar("vendor_code"),
        "name": _scalar("vendor_name"),
    },
    "Licensor": {"code": _scalar("licensor_code"), "name": _scalar("licensor_name")},
    "Product": {"id": _id("Product", "product_name"), "name": _scalar("product_name")},
    "User": {
        **_STATE,
        "id": _id("User", "vendor_code", "record_id"),
        "userId": _plain("user_id"),
        "startDate": _plain("start_date"),
        "usageMode": _code("usage_mode", UsageMode),
    },
    "UserState": _STATE,
    "UserVersion": {
        **_STATE,
        "recordedFrom": _instant("recorded_from"),
        "recordedTo": _instant("recorded_to"),
        "batch": _number("batch_no"),
    },
    "MonthlyStat": {
        **_COUNTS,
        "month": _month,
        "label": _label,
        "price": _plain_nullable("price"),
        "fee": _plain_nullable("fee"),
    },
    "MonthlyTotal": {
        **_COUNTS,
        "fee": _plain_nullable("fee"),
        "unpriced": _number("unpriced"),
        "month": _month,
        "label": _label,
        "year": lambda row: number(cast(func.to_char(row["year"], literal("YYYY", TEXT)), INTEGER)),
    },
    "Change": {
        "userId": _plain("user_id"),
        "usageMode": _code("usage_mode", UsageMode),
        "startDate": _plain("start_date"),
    },
    "ImportBatch": {
        "number": _number("number"),
        "recordedAt": _instant("recorded_at"),
        "actor": _scalar("actor"),
        "source": _scalar("source"),
        "mode": _scalar("mode"),
    },
}

_INNER: Final = {
    ("User", "vendor"): "Vendor",
    ("User", "product"): "Product",
    ("Product", "licensor"): "Licensor",
    ("MonthlyStat", "vendor"): "Vendor",
    ("MonthlyStat", "product"): "Product",
    ("MonthlyTotal", "vendor"): "Vendor",
    ("MonthlyTotal", "product"): "Product",
    ("Change", "vendor"): "Vendor",
    ("Change", "product"): "Product",
    ("Change", "batch"): "ImportBatch",
}
"""Fields whose object is made of the same row."""
