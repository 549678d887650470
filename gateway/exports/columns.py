"""A format's columns as SQL text, in its order: the database does the formatting."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Numeric,
    Select,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    or_,
    select,
)

from gateway.records.known import OPEN_END
from gateway.records.users import UserList, whole
from gateway.regulation.fields import Field, Kind, Layout
from gateway.regulation.formats.format import ReportFormat
from gateway.regulation.written import QUOTE, Quoting
from gateway.statistics.grid import StatList
from gateway.statistics.stats import whole_stats

_ALWAYS_TWO_DECIMALS = 2


def user_lines(
    users: UserList,
    report_format: ReportFormat,
    among: Callable[[FromClause], ColumnElement[bool]] | None = None,
) -> Select[*tuple[Any, ...]]:
    """Return the columns of the user download (一、1), in list order.

    `among` is a further condition on a record.
    """
    columns, rows = whole(users, among)
    return rows.add_columns(*cells(report_format, report_format.users, columns))


def monthly_lines(stats: StatList, report_format: ReportFormat) -> Select[*tuple[Any, ...]]:
    """Return the columns of the monthly download (一、2), in list order."""
    columns, rows = whole_stats(stats)
    return rows.add_columns(*cells(report_format, report_format.monthly, columns))


def cells(
    report_format: ReportFormat, layout: Layout, columns: Mapping[str, ColumnElement[Any]]
) -> list[ColumnElement[str]]:
    """Return a line's cells as text, of columns named as the layout's fields."""
    return [
        _quoted(report_format, field, _text(field, columns[field.name])).label(field.name)
        for field in layout.fields
    ]


def unwritable(
    lines: Select[*tuple[Any, ...]], layout: Layout, separator: str
) -> Select[*tuple[Any, ...]]:
    """Return how many lines have a value in which an unquoted separator stands."""
    written = lines.order_by(None).subquery("written")
    texts = [written.c[one.name] for one in layout.fields if one.kind is Kind.TEXT]
    inside = or_(false(), *(func.strpos(text, separator) > 0 for text in texts))
    return select(func.count()).select_from(written).where(inside)


def _text(field: Field, value: ColumnElement[Any]) -> ColumnElement[str]:
    match field.kind:
        case Kind.CODE:
            texts = {int(code): literal(text, Text) for code, text in field.written.items()}
            return case(texts, value=value)
        case Kind.DATE:
            found: ColumnElement[str] = func.to_char(value, field.dates.sql)
            return (
                case((value == OPEN_END, field.opens[0]), else_=found) if field.open_end else found
            )
        case Kind.MONTH:
            return func.to_char(value, field.dates.sql)
        case Kind.MONEY:
            money = field.money
            if money.decimals != _ALWAYS_TWO_DECIMALS:
                value = cast(value, Numeric(40, money.decimals))
            found = cast(value, Text)
            if money.mark != ".":
                found = func.translate(found, literal(".", Text), literal(money.mark, Text))
            return func.coalesce(found, field.missing)
        case Kind.TEXT | Kind.COUNT:
            return func.coalesce(cast(value, Text), field.missing)


def _quoted(
    report_format: ReportFormat, field: Field, text: ColumnElement[str]
) -> ColumnElement[str]:
    """Put a cell into quotation marks where the format has them; codes and dates never need any."""
    if report_format.quoting is Quoting.NONE:
        return text
    mark, separator = literal(QUOTE, Text), literal(report_format.separator, Text)
    with_separator = field.kind is Kind.MONEY and field.money.mark == report_format.separator
    if field.kind is not Kind.TEXT and not with_separator:
        every = report_format.quoting is Quoting.ALL
        return mark.concat(text).concat(mark) if every else text
    doubled = func.replace(text, mark, literal(QUOTE * 2, Text), type_=Text)
    quoted = mark.concat(doubled).concat(mark)
    if report_format.quoting is Quoting.ALL:
        return quoted
    plain = and_(func.strpos(text, separator) == 0, func.strpos(text, mark) == 0)
    return case((plain, text), else_=quoted)
