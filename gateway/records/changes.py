"""What a vendor's imports changed between two instants, in the order of the recorded clock."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from functools import partial
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    ScalarSelect,
    Select,
    and_,
    case,
    exists,
    func,
    literal,
    null,
    select,
    union_all,
)

from gateway.catalogue.models import Product, Vendor
from gateway.kinds import BIG_INTEGER, INSTANT, INTEGER
from gateway.records.keyset import Direction, Key, Page, beyond, bounds, ordering
from gateway.records.known import BATCHES, CURRENT, OPEN_END, VERSIONS, instant, once_individual
from gateway.records.models import CONTENT, KEY, ImportBatch
from gateway.records.personal import as_seen
from gateway.records.rows import Rows, json_array
from gateway.records.said import Said, licensor_of
from gateway.tenancy.scope import AnyScope

_PROVENANCE = ("number", "recorded_at", "actor", "source", "mode")


class ChangeKind(IntEnum):
    """What happened to a record."""

    ADDED = 1
    CHANGED = 2
    SUPERSEDED = 3


@dataclass(frozen=True, slots=True)
class ChangeList:
    """Which changes: of the one vendor in scope, recorded after `since` and not after `until`."""

    scope: AnyScope
    since: datetime
    until: datetime | None = None
    kinds: Sequence[ChangeKind] = tuple(ChangeKind)
    reach: AnyScope | None = None
    """The scope before products were picked from it: where a user has other lines."""


def change_keys(rows: FromClause, scope: AnyScope | None = None) -> list[Key]:
    """Return the order: by batch, then by record; a batch changes a record once.

    A batch's own number counts over all licensors: cursors have its instant in its place, which
    the `scope` leads back to it.
    """
    bound = None if scope is None else partial(_last_batch, scope)
    return [
        Key("RECORDED", rows.c.batch_no, INSTANT, Direction.ASC, bound=bound),
        Key("ID", rows.c.record_id, BIG_INTEGER, Direction.ASC),
    ]


def change_rows(changes: ChangeList, paging: Page) -> Rows:
    """Return a page's changes: kind, key, what was said before and after, and the batch."""
    parts = [part.subquery() for part in _parts(changes)]
    within = bounds(change_keys(parts[0]), paging, changes.scope)
    cut = [
        select(*part.c)
        .where(*beyond(change_keys(part, changes.scope), within))
        .order_by(*ordering(change_keys(part), backward=paging.backward))
        .limit(paging.limit)
        for part in parts
    ]
    found = union_all(*cut).subquery("found")
    first = (
        select(*found.c)
        .order_by(*ordering(change_keys(found), backward=paging.backward))
        .limit(paging.limit)
        .subquery("first")
    )
    vendor, product = Vendor.table(), Product.table()
    batch = ImportBatch.aliased("batch")
    inner = (
        select(
            *first.c,
            vendor.c.code.label("vendor_code"),
            vendor.c.name.label("vendor_name"),
            product.c.name.label("product_name"),
            *(batch.c[name] for name in _PROVENANCE),
        )
        .where(
            changes.scope.covers(vendor),
            vendor.c.vendor_id == first.c.vendor_id,
            changes.scope.covers(product),
            product.c.product_id == first.c.product_id,
            changes.scope.covers(batch),
            batch.c.vendor_id == first.c.vendor_id,
            batch.c.batch_no == first.c.batch_no,
        )
        .subquery("page")
    )

    def values(row: FromClause) -> Mapping[str, ColumnElement[Any]]:
        names = ("kind", "vendor_code", "vendor_name", "product_name", *KEY, *_PROVENANCE)
        return Said({**{name: row.c[name] for name in names}, **licensor_of(row)})

    return Rows(
        inner, paging, change_keys, lambda row: [row.c.recorded_at, row.c.record_id], values
    )


def change_page(changes: ChangeList, paging: Page, *, counted: bool) -> ScalarSelect[Any]:
    """Return one page as JSON: `{"numbers": {kind: n} or null, "rows": [{"place": [...], ...}]}`.

    Each row has `kind`, the key, `before` and `after` (null where there is none), its batch, and
    in `changed` of each column whether the two differ.
    Rows are one more than the page has, where the list goes on.
    """
    rows = change_rows(changes, paging)
    row = rows.page
    document = func.json_build_object(
        *("place", rows.place(row)),
        *(part for pair in rows.values(row).items() for part in pair),
        *("before", _document(row, "before", changes.reach or changes.scope)),
        *("after", _document(row, "after", changes.reach or changes.scope)),
        "changed",
        func.json_build_object(*(part for pair in differences(row).items() for part in pair)),
    )
    listed = rows.select(row, json_array(document, *ordering(rows.keys(row))))
    numbers: Any = null()
    if counted:
        every = numbers_of(changes)
        numbers = every.select(
            func.json_build_object(
                *(part for kind in ChangeKind for part in (kind.name, every.values[kind]))
            )
        )
    return select(
        func.json_build_object("numbers", numbers, "rows", listed.scalar_subquery())
    ).scalar_subquery()


def state(
    rows: FromClause, when: str, scope: AnyScope
) -> tuple[ColumnElement[bool], dict[str, ColumnElement[Any]]]:
    """Return whether a change's line was there `before` or `after`, and what it said, by name."""
    values: dict[str, Any] = {name: rows.c[f"{when}_{name}"] for name in CONTENT}
    values |= as_seen(scope, values, partial(once_individual, scope, rows))
    end = values["end_date"]
    values["end_date"] = func.nullif(end, OPEN_END)
    return end.is_not(None), values


def differences(rows: FromClause) -> dict[str, ColumnElement[bool]]:
    """Return of each column whether a change made it different, also where masks are alike."""
    return {
        name: rows.c[f"before_{name}"].is_distinct_from(rows.c[f"after_{name}"]) for name in CONTENT
    }


def _document(rows: FromClause, when: str, scope: AnyScope) -> ColumnElement[Any]:
    there, values = state(rows, when, scope)
    document = func.json_build_object(*(part for pair in values.items() for part in pair))
    return case((there, document))


@dataclass(frozen=True, slots=True)
class Numbers:
    """How many changes there are in the whole list: aggregates over all of them."""

    every: FromClause

    @property
    def values(self) -> dict[ChangeKind, ColumnElement[int]]:
        """The number of each kind."""
        kinds = self.every.c.kind
        return {kind: func.count().filter(kinds == int(kind)) for kind in ChangeKind}

    @property
    def total(self) -> ColumnElement[int]:
        """The number of all."""
        return func.count()

    def counted(self) -> FromClause:
        """Return the one row of the numbers, named as the kinds in small letters."""
        values = (value.label(kind.name.lower()) for kind, value in self.values.items())
        return select(*values).select_from(self.every).subquery("counts")

    def select(self, aggregate: ColumnElement[Any]) -> ScalarSelect[Any]:
        """Return an aggregate over the list."""
        return select(aggregate).select_from(self.every).scalar_subquery()


def numbers_of(changes: ChangeList) -> Numbers:
    """Return the numbers of the list's changes."""
    parts = (part.subquery() for part in _parts(changes))
    return Numbers(union_all(*(select(part.c.kind) for part in parts)).subquery("every"))


def _parts(changes: ChangeList) -> Iterator[Select[*tuple[Any, ...]]]:
    """Yield the selects of the versions that began, and of those that ended for good."""
    kinds = changes.kinds
    if ChangeKind.ADDED in kinds or ChangeKind.CHANGED in kinds:
        for table, name in ((CURRENT, "now"), (VERSIONS, "then")):
            yield _begun(changes, table.alias(name), VERSIONS.alias(f"before_{name}"))
    if ChangeKind.SUPERSEDED in kinds:
        yield _gone(changes)


def _begun(changes: ChangeList, rows: FromClause, old: FromClause) -> Select[*tuple[Any, ...]]:
    """Select versions with what their records said before, if they were there."""
    scope = changes.scope
    is_new = old.c.record_id.is_(None)
    kinds = [
        condition
        for kind, condition in ((ChangeKind.ADDED, is_new), (ChangeKind.CHANGED, ~is_new))
        if kind in changes.kinds
    ]
    return (
        select(
            *(rows.c[name] for name in ("vendor_id", "batch_no", "record_id", *KEY)),
            case((is_new, int(ChangeKind.ADDED)), else_=int(ChangeKind.CHANGED)).label("kind"),
            *(old.c[name].label(f"before_{name}") for name in CONTENT),
            *(rows.c[name].label(f"after_{name}") for name in CONTENT),
        )
        .select_from(
            rows.outerjoin(
                old,
                and_(
                    scope.covers(old),
                    old.c.vendor_id == rows.c.vendor_id,
                    old.c.record_id == rows.c.record_id,
                    old.c.closed_by == rows.c.batch_no,
                ),
            )
        )
        .where(
            scope.covers(rows),
            *_between(changes, rows.c.batch_no),
            *(kinds if len(kinds) == 1 else ()),
        )
    )


def _gone(changes: ChangeList) -> Select[*tuple[Any, ...]]:
    """Select versions that no version of their records follows at once."""
    rows = VERSIONS.alias("gone")
    went_on = []
    for table, name in ((CURRENT, "next_now"), (VERSIONS, "next_then")):
        following = table.alias(name)
        went_on.append(
            exists()
            .where(
                changes.scope.covers(following),
                following.c.vendor_id == rows.c.vendor_id,
                following.c.record_id == rows.c.record_id,
                following.c.batch_no == rows.c.closed_by,
            )
            .correlate(rows)
        )
    return select(
        rows.c.vendor_id,
        rows.c.closed_by.label("batch_no"),
        rows.c.record_id,
        *(rows.c[name] for name in KEY),
        literal(int(ChangeKind.SUPERSEDED), INTEGER).label("kind"),
        *(rows.c[name].label(f"before_{name}") for name in CONTENT),
        *(literal(None, rows.c[name].type).label(f"after_{name}") for name in CONTENT),
    ).where(
        changes.scope.covers(rows),
        *_between(changes, rows.c.closed_by),
        *(~one for one in went_on),
    )


def _between(changes: ChangeList, batch: ColumnElement[int]) -> Iterator[ColumnElement[bool]]:
    yield batch > _last_batch(changes.scope, changes.since)
    if changes.until is not None:
        yield batch <= _last_batch(changes.scope, changes.until)


def _last_batch(scope: AnyScope, at: datetime) -> ScalarSelect[Any]:
    """Return the number of the vendor's last batch at an instant; 0 before the first."""
    return (
        select(func.coalesce(func.max(BATCHES.c.batch_no), 0))
        .where(scope.covers(BATCHES), BATCHES.c.recorded_at <= instant(at))
        .scalar_subquery()
    )
