"""What a request brings to a compiled operation, given: scope, variables, date, links."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from typing import Any

import orjson
from sqlalchemy import ColumnElement

from gateway.catalogue.formats import Formats
from gateway.compiled.text import Json, marked, raw, scalar
from gateway.exports.requests import MonthlyExport, UserExport, products_of
from gateway.exports.stream import Form
from gateway.kinds import TEXT
from gateway.recording import Known, Recording, decide, derive, param, place_of
from gateway.regulation.formats.format import ReportFormat
from gateway.regulation.written import LineEnd, TextEncoding
from gateway.schema.download import Asked
from gateway.schema.selection import Selected
from gateway.tenancy.scope import AnyScope, GivenScope, Scope

Link = Callable[[UserExport | MonthlyExport, Form, ReportFormat], tuple[str, datetime]]
"""Seals an export into a link: its address, and when it expires."""


DECLINED = b"\x06"
"""The whole answer of a statement that finds that the executor has to answer; never JSON."""

HOLE = b"\x05"
"""Stands before and after what Python completes in an answer; JSON has it escaped only."""


class Uncompiled(Exception):
    """The executor answers this request; the message says why, in a word."""


@dataclass(slots=True)
class Request:
    """The roots of a recording: all but the scope are given values."""

    scope: GivenScope
    variables: Any
    today: Any
    link: Any
    formats: Any
    holes: list[Any] = field(default_factory=list)
    unless: list[ColumnElement[bool]] = field(default_factory=list)
    """What, if it holds, leaves the answer to the executor."""
    by_values: bool = False
    """Whether the best way to the rows depends on the values, so that each request is planned."""

    @classmethod
    def recorded(
        cls,
        scope: Scope,
        variables: Mapping[str, Any],
        today: date,
        link: Link,
        formats: Formats,
    ) -> tuple[Recording, "Request"]:
        """Begin a recording with a request's values."""
        recording = Recording([scope, variables, today, link, formats])
        first, *others = recording.given()
        given: list[Any] = others
        return recording, cls(GivenScope(first), *given)

    @property
    def places_of_holes(self) -> list[Any]:
        """What fills each hole: the slot of it, or itself where nothing about it is given."""
        return [place_of(fill) for fill in self.holes]

    def format_of(
        self, export: Known[UserExport | MonthlyExport], selected: Selected
    ) -> ReportFormat:
        """Return the format in which a page is written, to build the statement by."""
        code = selected.arguments.get("format")
        return decide(_chosen, self.formats, self.scope.own, export, code)

    def format_of_rows(self, scope: AnyScope, selected: Selected) -> ReportFormat:
        """Return the format of lists that belong to rows: the same for all, or Uncompiled."""
        code = selected.arguments.get("format")
        found = decide(_common, self.formats, scope.own, code)
        if found is None:
            raise Uncompiled("formats")
        return found

    def download(self, export: Known[UserExport | MonthlyExport], selected: Selected) -> Json:
        """Return a link to a whole list."""
        names = [(one.key, one.name) for one in selected.below]
        link = derive(_linked, self.link, self.formats, self.scope.own, export, *_form(selected))
        return raw(param(derive(partial(_marked_download, names), link), TEXT))

    def download_of_row(
        self, export: Known[Callable[..., UserExport]], selected: Selected, *row: ColumnElement[Any]
    ) -> Json:
        """Return a link to a list that belongs to a row, of whose values the export is made.

        Python seals it when the row is known.
        """
        names = [(one.key, one.name) for one in selected.below]
        sealer = derive(
            partial(_sealer, names),
            self.link,
            self.formats,
            self.scope.own,
            export,
            *_form(selected),
        )
        self.holes.append(sealer)
        mark = HOLE.decode()
        values = [raw(",") + scalar(value) for value in row]
        found = raw(f"{mark}[{len(self.holes) - 1}")
        for value in values:
            found = found + value
        return found + raw(f"]{mark}")


def _form(selected: Selected) -> tuple[Any, ...]:
    given = selected.arguments
    return tuple(given.get(name) for name in ("encoding", "header", "line_end", "format"))


def _chosen(
    formats: Formats, scope: Scope, export: UserExport | MonthlyExport, code: str | None
) -> ReportFormat:
    return formats.chosen(code, products_of(export, scope))


def _common(formats: Formats, scope: Scope, code: str | None) -> ReportFormat | None:
    return formats.common(scope.products.values()) if code is None else formats.named(code)


def _linked(
    link: Link,
    formats: Formats,
    scope: Scope,
    export: UserExport | MonthlyExport,
    encoding: TextEncoding | None,
    header: bool | None,
    line_end: LineEnd | None,
    code: str | None,
) -> tuple[str, datetime]:
    asked = Asked(encoding, header, line_end, code)
    return link(export, *asked.settled(formats, scope, export))


def _download(names: Sequence[tuple[str, str]], linked: tuple[str, datetime]) -> str:
    url, expires = linked
    values = {"url": url, "expiresAt": expires.isoformat(), "__typename": "Download"}
    return orjson.dumps({key: values[name] for key, name in names}).decode()


def _marked_download(names: Sequence[tuple[str, str]], linked: tuple[str, datetime]) -> str:
    return marked(_download(names, linked))


def _sealer(
    names: Sequence[tuple[str, str]],
    link: Link,
    formats: Formats,
    scope: Scope,
    export: Callable[..., UserExport],
    *form: Any,
) -> Callable[..., bytes]:
    return lambda *row: _download(
        names, _linked(link, formats, scope, export(*row), *form)
    ).encode()
