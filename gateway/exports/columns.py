"""A format's columns as SQL text, in its order: the database does the formatting."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Numeric,
    Select,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
)

from gateway.kinds import TEXT
from gateway.records.known import OPEN_END
from gateway.regulation.fields import Field, Kind, Layout
from gateway.regulation.formats.format import ReportFormat
from gateway.regulation.formats.obstacles import Hindrance, Obstacle, obstacles
from gateway.regulation.written import QUOTE, Quoting

_ALWAYS_TWO_DECIMALS = 2


def cells(
    report_format: ReportFormat,
    layout: Layout,
    columns: Mapping[str, ColumnElement[Any]],
    refusal: str | None = None,
) -> list[ColumnElement[str]]:
    """Return a line's cells as text, of columns named as the layout's fields.

    `refusal` stands in the place of a value that can't be written; without it all of them can.
    """
    found = () if refusal is None else obstacles(report_format, layout)
    texts: list[ColumnElement[str]] = []
    for field in layout.fields:
        column = columns[field.name]
        text = _quoted(report_format, field, _text(field, column))
        if ways := [met(one, column) for one in found if one.field == field]:
            text = case((or_(*ways), literal(refusal, TEXT)), else_=text)
        texts.append(text.label(field.name))
    return texts


def unwritable(
    found: Sequence[Obstacle],
    columns: Mapping[str, ColumnElement[Any]],
    rows: Select[*tuple[Any, ...]],
    example: str,
) -> Select[*tuple[Any, ...]]:
    """Return, for each obstacle, how many lines meet it, and the least value of `example` there."""
    names = dict.fromkeys((example, *(one.field.name for one in found)))
    texts = [cast(columns[name], TEXT).label(name) for name in names]
    written = rows.order_by(None).add_columns(*texts).subquery("written")
    return select(
        *(
            part.filter(met(one, written.c[one.field.name]))
            for one in found
            for part in (func.count(), func.min(written.c[example]))
        )
    ).select_from(written)


def met(one: Obstacle, text: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return whether a column's text can't be written for an obstacle: as `Obstacle.meets`."""
    space = literal(" ", TEXT)
    match one.hindrance:
        case Hindrance.SEPARATOR:
            return func.strpos(text, literal(one.separator, TEXT)) > 0
        case Hindrance.SPACE_BEFORE:
            return func.left(text, 1) == space
        case Hindrance.SPACE_BEHIND:
            return func.right(text, 1) == space
        case Hindrance.MARK:
            return text == literal(one.field.missing, TEXT)
        case Hindrance.MISSING:
            return text.is_(None)
        case Hindrance.TOO_LONG:
            return func.char_length(text) >= one.below


def _text(field: Field, value: ColumnElement[Any]) -> ColumnElement[str]:
    match field.kind:
        case Kind.CODE:
            texts = {int(code): literal(text, TEXT) for code, text in field.written.items()}
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
            found = cast(value, TEXT)
            if money.mark != ".":
                found = func.translate(found, literal(".", TEXT), literal(money.mark, TEXT))
            return func.coalesce(found, field.missing)
        case Kind.TEXT | Kind.COUNT:
            return func.coalesce(cast(value, TEXT), field.missing)


def _quoted(
    report_format: ReportFormat, field: Field, text: ColumnElement[str]
) -> ColumnElement[str]:
    """Put a cell into quotation marks where the format has them; codes and dates never need any."""
    if report_format.quoting is Quoting.NONE:
        return text
    mark, separator = literal(QUOTE, TEXT), literal(report_format.separator, TEXT)
    with_separator = field.kind is Kind.MONEY and field.money.mark == report_format.separator
    if field.kind is not Kind.TEXT and not with_separator:
        every = report_format.quoting is Quoting.ALL
        return mark.concat(text).concat(mark) if every else text
    doubled = func.replace(text, mark, literal(QUOTE * 2, TEXT), type_=TEXT)
    quoted = mark.concat(doubled).concat(mark)
    if report_format.quoting is Quoting.ALL:
        return quoted
    plain = and_(func.strpos(text, separator) == 0, func.strpos(text, mark) == 0)
    return case((plain, text), else_=quoted)
