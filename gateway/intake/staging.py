"""Temporary tables of one import: what came in, what differs, what goes, who is touched."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Date,
    Integer,
    MetaData,
    Select,
    SmallInteger,
    Table,
    Text,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
)

from gateway.regulation.dates import AS_THEY_STAND
from gateway.regulation.fields import Field, Layout
from gateway.tenancy.scope import Scope

_SORTABLE = Text(collation="C")


def _temporary(name: str, *columns: Column[Any]) -> Table:
    return Table(name, MetaData(), *columns, prefixes=["TEMPORARY"], postgresql_on_commit="DROP")


def incoming(layout: Layout) -> Table:
    """Return the table that takes the file's fields as they stand."""

    def kind(field: Field) -> Any:
        read = field.name == "start_date" and field.dates.pattern in AS_THEY_STAND
        return Date() if read else _SORTABLE

    return _temporary(
        "incoming",
        *(Column(field.name, kind(field), nullable=False) for field in layout.fields),
    )


def difference() -> Table:
    """Return the table of records that are added, and of those that are `present` and change.

    A record has its number already if it is present, or was once.
    """
    return _temporary(
        "difference",
        Column("record_id", BigInteger),
        Column("present", Boolean, nullable=False),
        Column("user_id", _SORTABLE),
        Column("product_id", Integer),
        Column("usage_mode", SmallInteger),
        Column("start_date", Date),
        Column("user_name", _SORTABLE),
        Column("user_type", SmallInteger),
        Column("fee_category", SmallInteger),
        Column("end_date", Date),
        Column("address", _SORTABLE),
        Column("contact", _SORTABLE),
        Column("phone", _SORTABLE),
        Column("service_status", SmallInteger),
    )


def superseded() -> Table:
    """Return the table of records that a snapshot no longer has."""
    return _temporary(
        "superseded",
        Column("record_id", BigInteger),
        Column("user_id", _SORTABLE),
        Column("product_id", Integer),
    )


def counted() -> Table:
    """Return the table of all records of the touched users, for their figures."""
    return _temporary(
        "counted",
        Column("vendor_id", Integer),
        Column("product_id", Integer),
        Column("user_id", _SORTABLE),
        Column("start_date", Date),
        Column("end_date", Date),
        Column("fee_category", SmallInteger),
        Column("usage_mode", SmallInteger),
        Column("service_status", SmallInteger),
    )


def touched() -> Table:
    """Return the table of users whose figures change."""
    return _temporary("touched", Column("user_id", _SORTABLE), Column("product_id", Integer))


def typed(table: Table, layout: Layout, scope: Scope) -> Select[*tuple[Any, ...]]:
    """Return the incoming lines with the columns of `service_records` (KEY and CONTENT).

    Products are numbered by the scope, not by a join: of that the planner expects too few rows, and
    then compares each with each.
    """
    products = {name: literal(number, Integer) for number, name in scope.products.items()}
    fields = {field.name: field for field in layout.fields}
    end = fields["end_date"]
    still_open = table.c.end_date.in_(sorted(end.opens))
    end_date: ColumnElement[Any]
    if end.dates.pattern in AS_THEY_STAND:
        end_date = cast(case((still_open, "infinity"), else_=table.c.end_date), Date)
    else:
        forever = literal_column("'infinity'::date", Date)
        end_date = case((still_open, forever), else_=_date(table.c.end_date, end))
    return select(
        table.c.user_id,
        case(products, value=table.c.product).label("product_id"),
        _code(table.c.usage_mode, fields["usage_mode"]).label("usage_mode"),
        _date(table.c.start_date, fields["start_date"]).label("start_date"),
        table.c.user_name,
        _code(table.c.user_type, fields["user_type"]).label("user_type"),
        _code(table.c.fee_category, fields["fee_category"]).label("fee_category"),
        end_date.label("end_date"),
        *(_optional(table, fields.get(name), name) for name in ("address", "contact", "phone")),
        (
            _code(table.c.service_status, fields["service_status"])
            if "service_status" in fields
            else literal(None, SmallInteger)
        ).label("service_status"),
    )


def _date(column: ColumnElement[Any], field: Field) -> ColumnElement[Any]:
    if field.dates.pattern in AS_THEY_STAND:
        return column
    return func.to_date(column, literal(field.dates.sql, Text), type_=Date)


def _optional(table: Table, field: Field | None, name: str) -> ColumnElement[Any]:
    if field is None:
        return literal(None, Text).label(name)
    return func.nullif(table.c[name], field.missing).label(name)


def _code(column: Column[Any], field: Field) -> Any:
    numbers = {text: literal(int(code), SmallInteger) for text, code in field.texts.items()}
    return case(numbers, value=column)
