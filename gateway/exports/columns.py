"""The statutory columns as SQL text, in the layout's order: the database does the formatting."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    case,
    cast,
    func,
    literal,
)

from gateway.records.known import OPEN_END
from gateway.records.users import UserList, whole
from gateway.regulation.layouts import DOWNLOAD, MISSING, MONTHLY, Field, Kind, Layout
from gateway.statistics.figures import StatList
from gateway.statistics.stats import whole_stats


def user_lines(users: UserList) -> Select[Any]:
    """Return the eleven columns of the user download (一、1), in list order."""
    return _ordered(whole(users), DOWNLOAD)


def monthly_lines(stats: StatList) -> Select[Any]:
    """Return the nine columns of the monthly download (一、2), in list order."""
    source = whole_stats(stats)
    renamed = {
        "vendor_name": "vendor_name",
        "month": "month",
        "full_price_count": "full_price",
        "regulatory_count": "regulatory",
        "internal_free_count": "internal_free",
        "trial_count": "trial",
        "new_count": "new",
        "ended_count": "ended",
        "fee": "fee",
    }
    return _ordered(source, MONTHLY, renamed)


def _ordered(
    source: Select[Any], layout: Layout, renamed: dict[str, str] | None = None
) -> Select[Any]:
    """Swap a select's columns for the layout's texts; FROM, WHERE and ORDER BY stay."""
    columns = {column.key: column for column in source.exported_columns}
    raw = {key: _plain(column) for key, column in columns.items()}
    return source.with_only_columns(
        *(
            _text(field, raw[(renamed or {}).get(field.name, field.name)])
            for field in layout.fields
        ),
        maintain_column_froms=True,
    )


def _plain(column: Any) -> ColumnElement[Any]:
    return (
        column.element
        if hasattr(column, "element") and column.__visit_name__ == "label"
        else column
    )  # type: ignore[no-any-return]


def _text(field: Field, value: ColumnElement[Any]) -> ColumnElement[str]:
    match field.kind:
        case Kind.CODE if field.codes is not None:
            texts = {int(code): literal(text, Text) for text, code in field.codes.texts().items()}
            found: ColumnElement[str] = case(texts, value=value)
        case Kind.DATE:
            found = func.to_char(value, "YYYYMMDD")
            if field.open_end:
                found = case((value == OPEN_END, MISSING), else_=found)
        case Kind.MONTH:
            found = func.to_char(value, "YYYYMM")
        case Kind.TEXT | Kind.COUNT | Kind.MONEY | Kind.CODE:
            found = func.coalesce(cast(value, Text), MISSING)
    return found.label(field.name)
