"""The entries of the caller's own audit log as one SQL statement, in JSON, newest first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    FromClause,
    ScalarSelect,
    any_,
    func,
    literal,
    null,
    select,
)

from gateway.audit.models import AuditCheckpoint, AuditEvent
from gateway.kinds import BIG_INTEGER, TEXT, TEXTS
from gateway.recording import param
from gateway.records.keyset import Direction, Key, Page, beyond, bounds, ordering, places
from gateway.records.known import instant
from gateway.records.rows import json_array
from gateway.tenancy.scope import Scope

_EVENTS: Final = AuditEvent.table()
_CHECKPOINTS: Final = AuditCheckpoint.table()
_TOLD: Final = ("number", "occurred_at", "actor", "action", "detail")
_SIGNED: Final = ("number", "signed_at", "key_id")


@dataclass(frozen=True, slots=True)
class EventList:
    """Which entries: from an instant on, before another, of an actor, of some actions."""

    scope: Scope
    since: datetime | None = None
    until: datetime | None = None
    actor: str | None = None
    actions: Sequence[str] | None = None


def event_keys(rows: FromClause = _EVENTS) -> list[Key]:
    """Return the order: by number, the newest first."""
    return [Key("NUMBER", rows.c.number, BIG_INTEGER, Direction.DESC)]


def event_page(events: EventList, paging: Page, *, total: bool, signed: bool) -> ScalarSelect[Any]:
    """Return one page as JSON: `{"total": n or null, "checkpoint": {…} or null, "rows": [{…}]}`.

    Rows have `place`, `number`, `occurred_at`, `actor`, `action`, `detail` and `digest`
    (hexadecimal); they are one more than the page has, where the list goes on.
    """
    keys = event_keys()
    page = (
        select(*(_EVENTS.c[name] for name in (*_TOLD, "digest")))
        .where(*_conditions(events), *beyond(keys, bounds(keys, paging, events.scope)))
        .order_by(*ordering(keys, backward=paging.backward))
        .limit(paging.limit)
        .subquery("page")
    )
    document = func.json_build_object(
        *("place", func.json_build_array(*places(event_keys(page)))),
        *(part for name in _TOLD for part in (name, page.c[name])),
        *("digest", _hexadecimal(page.c.digest)),
    )
    listed = select(json_array(document, *ordering(event_keys(page)))).select_from(page)
    number: Any = null()
    if total:
        counted = select(func.count()).select_from(_EVENTS).where(*_conditions(events))
        number = counted.scalar_subquery()
    return select(
        func.json_build_object(
            *("total", number),
            *("checkpoint", _last_checkpoint(events.scope) if signed else null()),
            *("rows", listed.scalar_subquery()),
        )
    ).scalar_subquery()


def _last_checkpoint(scope: Scope) -> ScalarSelect[Any]:
    rows = _CHECKPOINTS
    document = func.json_build_object(
        *(part for name in _SIGNED for part in (name, rows.c[name])),
        *("digest", _hexadecimal(rows.c.digest)),
        *("signature", _hexadecimal(rows.c.signature)),
    )
    return (
        select(document)
        .where(scope.covers(rows))
        .order_by(rows.c.number.desc())
        .limit(literal(1, BIG_INTEGER))
        .scalar_subquery()
    )


def _hexadecimal(value: ColumnElement[bytes]) -> ColumnElement[str]:
    return func.encode(value, literal("hex", TEXT), type_=TEXT)


def _conditions(events: EventList) -> Iterator[ColumnElement[bool]]:
    yield events.scope.covers(_EVENTS)
    if events.since is not None:
        yield _EVENTS.c.occurred_at >= instant(events.since)
    if events.until is not None:
        yield _EVENTS.c.occurred_at < instant(events.until)
    if events.actor is not None:
        yield _EVENTS.c.actor == param(events.actor, TEXT)
    if events.actions is not None:
        yield _EVENTS.c.action == any_(param(list(events.actions), TEXTS))
