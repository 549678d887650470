"""Downloads: a link to the whole list, streamed when it is followed."""

from datetime import datetime

import strawberry

from gateway.delimited.encoding import TextEncoding
from gateway.delimited.writer import LineEnd
from gateway.exports.requests import MonthlyExport, UserExport
from gateway.exports.stream import Form
from gateway.schema.context import Info


@strawberry.type(description="A link to a file in the regulation's || form.")
class Download:
    """A sealed link."""

    url: str = strawberry.field(description="Good for anyone who has it, until it expires.")
    expires_at: datetime


def link(
    info: Info,
    export: UserExport | MonthlyExport,
    encoding: TextEncoding | None,
    header: bool | None,
    line_end: LineEnd | None,
) -> Download:
    """Seal an export into a link."""
    url, expires = info.context.link(export, form_of(encoding, header, line_end))
    return Download(url=url, expires_at=expires)


def form_of(encoding: TextEncoding | None, header: bool | None, line_end: LineEnd | None) -> Form:
    """Return a file's form; null stands for the default."""
    return Form(encoding or TextEncoding.UTF_8, bool(header), line_end or LineEnd.LF)
