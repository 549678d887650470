"""Files of lists: in which format they are, and a link to the whole list, streamed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import strawberry

from gateway.catalogue.formats import Formats
from gateway.delimited.writer import lines
from gateway.errors import BadInput
from gateway.exports.requests import MonthlyExport, UserExport, products_of
from gateway.exports.stream import Form
from gateway.regulation.fields import Layout
from gateway.regulation.formats.format import ReportFormat
from gateway.regulation.formats.obstacles import obstacles
from gateway.schema.context import Info
from gateway.schema.enums import LineEnd, TextEncoding
from gateway.schema.needs import needs
from gateway.tenancy.principal import Right
from gateway.tenancy.scope import Scope


@strawberry.type(description="A link to a file in a report format.", directives=needs(Right.EXPORT))
class Download:
    """A sealed link."""

    url: str = strawberry.field(description="Good for anyone who has it, until it expires.")
    expires_at: datetime


Format = Annotated[
    str | None,
    strawberry.argument(
        description="Code of a report format, as szse-2010, or with its version, as szse-2010@1. "
        "By default the one of the data company whose products the list is of; szse-2010 where "
        "there are several with different ones."
    ),
]
Encoding = Annotated[
    TextEncoding | None, strawberry.argument(description="By default the format's first.")
]
Header = Annotated[
    bool | None,
    strawberry.argument(
        description="Begin with a line of headings; by default as the format does."
    ),
]
End = Annotated[LineEnd | None, strawberry.argument(description="By default the format's.")]


@dataclass(frozen=True, slots=True)
class Asked:
    """How a file is asked for; what is not, the format decides."""

    encoding: TextEncoding | None
    header: bool | None
    line_end: LineEnd | None
    format: str | None

    def settled(
        self, formats: Formats, scope: Scope, export: UserExport | MonthlyExport
    ) -> tuple[Form, ReportFormat]:
        """Return the form and the format of an export; BadInput for what can't be."""
        found = formats.chosen(self.format, products_of(export, scope))
        return Form.of(found, self.encoding, self.header, self.line_end), found


async def format_of(
    info: Info, export: UserExport | MonthlyExport, code: str | None
) -> ReportFormat:
    """Return the format in which a list is written."""
    formats = await info.context.formats()
    return formats.chosen(code, products_of(export, info.context.scope))


async def link(info: Info, export: UserExport | MonthlyExport, asked: Asked) -> Download:
    """Seal an export into a link."""
    formats = await info.context.formats()
    form, report_format = asked.settled(formats, info.context.scope, export)
    url, expires = info.context.link(export, form, report_format)
    return Download(url=url, expires_at=expires)


def page_text(
    report_format: ReportFormat, layout: Layout, rows: Iterable[Mapping[str, object]]
) -> str:
    """Return rows as lines; BadInput where a value can't stand in the format's."""
    found = obstacles(report_format, layout)
    texts: list[list[str]] = []
    for row in rows:
        for one in found:
            value = row[one.field.name]
            if one.meets(None if value is None else str(value)):
                raise BadInput(
                    f"{one.field.heading} {one.said}: it can't be written in {report_format.code}",
                    f"{one.field.heading}{one.said_zh}，不能以{report_format.code}写出",
                    argument="format",
                    accepted="a format that holds the value, as the data company's own",
                )
        texts.append([field.text(row[field.name]) for field in layout.fields])
    return lines(texts, report_format=report_format)
