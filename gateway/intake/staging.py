"""Temporary tables of one import: what came in, what differs, what goes, who is touched."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
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
    select,
)

from gateway.regulation.codes import Code, FeeCategory, ServiceStatus, UsageMode, UserType
from gateway.regulation.layouts import MISSING, OPEN_ENDS, Layout
from gateway.tenancy.scope import Scope

_SORTABLE = Text(collation="C")


def _temporary(name: str, *columns: Column[Any]) -> Table:
    return Table(name, MetaData(), *columns, prefixes=["TEMPORARY"], postgresql_on_commit="DROP")


def incoming(layout: Layout) -> Table:
    """Return the table that takes the file's fields as they stand."""
    return _temporary(
        "incoming",
        *(
            Column(name, Date() if name == "start_date" else _SORTABLE, nullable=False)
            for name in layout.names
        ),
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


def typed(table: Table, scope: Scope) -> Select[*tuple[Any, ...]]:
    """Return the incoming lines with the columns of `service_records` (KEY and CONTENT).

    Products are numbered by the scope, not by a join: of that the planner expects too few rows, and
    then compares each with each.
    """
    products = {name: literal(number, Integer) for number, name in scope.products.items()}
    has_status = "service_status" in table.c
    end = table.c.end_date
    return select(
        table.c.user_id,
        case(products, value=table.c.product).label("product_id"),
        _code(table.c.usage_mode, UsageMode).label("usage_mode"),
        table.c.start_date,
        table.c.user_name,
        _code(table.c.user_type, UserType).label("user_type"),
        _code(table.c.fee_category, FeeCategory).label("fee_category"),
        cast(case((end.in_(sorted(OPEN_ENDS)), "infinity"), else_=end), Date).label("end_date"),
        *(
            func.nullif(table.c[name], MISSING).label(name)
            for name in ("address", "contact", "phone")
        ),
        (
            _code(table.c.service_status, ServiceStatus)
            if has_status
            else literal(None, SmallInteger)
        ).label("service_status"),
    )


def _code(column: Column[Any], codes: type[Code]) -> Any:
    numbers = {text: literal(int(code), SmallInteger) for text, code in codes.texts().items()}
    return case(numbers, value=column)
