"""Streaming lines out of a server-side COPY: constant memory, one snapshot, a receipt."""

import codecs
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select

from gateway.delimited.encoding import TextEncoding
from gateway.delimited.writer import LineEnd
from gateway.regulation.fields import Layout
from gateway.regulation.formats.format import ReportFormat
from gateway.tenancy.session import COLUMN_MARK, ScopedSession

Sink = Callable[[bytes], Awaitable[None]]
_BATCH: Final = 1 << 17


@dataclass(frozen=True, slots=True)
class Form:
    """How a file is written. By default: UTF-8, no header, line feeds (reading 5)."""

    encoding: TextEncoding = TextEncoding.UTF_8
    header: bool = False
    line_end: LineEnd = LineEnd.LF

    @classmethod
    def of(
        cls,
        report_format: ReportFormat,
        encoding: TextEncoding | None = None,
        header: bool | None = None,
        line_end: LineEnd | None = None,
    ) -> "Form":
        """Return what is asked for, and the format's own for all that is not.

        Raise BadInput for an encoding that the format's files don't have.
        """
        return cls(
            report_format.encoding(encoding) or report_format.encodings[0],
            report_format.header if header is None else header,
            line_end or report_format.line_end,
        )


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was written: data rows (without the header), bytes, and the SHA-256 of the bytes."""

    rows: int
    size: int
    sha256: str


class _Writer:
    """Turns COPY's chunks into the file's bytes and hands them on in larger pieces."""

    def __init__(self, separator: str, form: Form, sink: Sink) -> None:
        self.separator = separator.encode()
        self.form, self.sink = form, sink
        self.size = 0
        self.digest = hashlib.sha256()
        self.held = bytearray()
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    async def __call__(self, chunk: bytes) -> None:
        self.held += chunk
        if len(self.held) >= _BATCH:
            await self.flush()

    async def flush(self) -> None:
        data = bytes(self.held)
        self.held.clear()
        data = data.replace(COLUMN_MARK, self.separator)
        if self.form.line_end is LineEnd.CRLF:
            data = data.replace(b"\n", b"\r\n")
        if self.form.encoding is not TextEncoding.UTF_8:
            data = self._decoder.decode(data).encode(self.form.encoding.value)
        if data:
            self.size += len(data)
            self.digest.update(data)
            await self.sink(data)


async def stream(
    session: ScopedSession,
    lines: Select[*tuple[Any, ...]],
    report_format: ReportFormat,
    layout: Layout,
    form: Form,
    sink: Sink,
) -> Receipt:
    """Write a statement's rows as lines of the layout; return the receipt after the last byte."""
    writer = _Writer(report_format.separator, form, sink)
    if form.header:
        await writer(report_format.header_line(layout).encode() + b"\n")
    rows = await session.copy_out(lines, writer)
    await writer.flush()
    return Receipt(rows, writer.size, writer.digest.hexdigest())
