"""An import from its first byte to its commit: all of it or nothing."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from sqlalchemy import Row, Table, func, insert, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.audit.log import record
from gateway.catalogue.licensors import products_of_same_licensors
from gateway.errors import Refused, Unavailable
from gateway.intake import staging
from gateway.intake.merge import Change, Merge
from gateway.intake.problems import BadLine
from gateway.intake.sources import FileSource
from gateway.intake.validate import Validator
from gateway.records.models import ImportBatch, Roster
from gateway.regulation.fields import Layout
from gateway.regulation.formats.format import ReportFormat
from gateway.regulation.layouts import SZSE_2010
from gateway.tenancy.principal import Right
from gateway.tenancy.scope import Scope
from gateway.tenancy.session import COLUMN_MARK, ScopedSession, open_session

_ROSTERS = Roster.table()
_MANY = 1000
"""Changed records from which on the planner's statistics are brought up to date at once."""
_NEVER = datetime(1, 1, 2, tzinfo=UTC)


class Mode(Enum):
    """What a file is: the whole roster, or lines to insert or update."""

    SNAPSHOT = "snapshot"
    DELTA = "delta"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an import did. `batch` is None where nothing changed or it was a dry run."""

    lines: int
    change: Change
    batch: int | None
    dry_run: bool


async def import_users(
    engine: AsyncEngine,
    scope: Scope,
    vendor: str,
    source: FileSource,
    mode: Mode,
    *,
    report: Callable[[BadLine], None],
    dry_run: bool = False,
    report_format: ReportFormat = SZSE_2010,
    products: Sequence[str] | None = None,
) -> Outcome:
    """Import a file of user lines into one vendor's roster.

    Every bad line is reported, in order; if there is any, Refused is raised and nothing changes. A
    dry run goes all the way and is rolled back at the end. `products` are those that the file may
    name, by default all in scope. A snapshot speaks for the data companies whose products it names:
    the records of others stay.
    """
    scope.require(Right.IMPORT)
    scope = scope.narrow(vendors=[vendor], products=products)
    validator = Validator(frozenset(scope.products.values()), report_format)
    bad = _Counter(report)
    try:
        outcome = await _import(engine, scope, source, mode, validator, bad, dry_run=dry_run)
    except Refused:
        number = {"lines": validator.lines, "bad": bad.number, "dry_run": dry_run}
        await _log_apart(engine, scope, "import.users.refused", source, mode, report_format, number)
        raise
    if dry_run:
        change = outcome.change
        number = {
            "lines": outcome.lines,
            "added": change.added,
            "changed": change.changed,
            "superseded": change.superseded,
        }
        await _log_apart(engine, scope, "import.users.dry_run", source, mode, report_format, number)
    return outcome


async def _log_apart(
    engine: AsyncEngine,
    scope: Scope,
    action: str,
    source: FileSource,
    mode: Mode,
    report_format: ReportFormat,
    numbers: dict[str, int],
) -> None:
    """Log what has been rolled back, in a transaction of its own: numbers, never contents."""
    async with open_session(engine, scope, write=True) as session:
        await record(
            session,
            action,
            source=source.name,
            sha256=source.digest.hex(),
            mode=mode.value,
            format=str(report_format),
            **numbers,
        )


async def _import(
    engine: AsyncEngine,
    scope: Scope,
    source: FileSource,
    mode: Mode,
    validator: Validator,
    bad: "_Counter",
    *,
    dry_run: bool,
) -> Outcome:
    (vendor_id,) = scope.vendors
    async with open_session(engine, scope, write=True) as session:
        await session.tune(work_mem="256MB", statement_timeout="0")
        ledger = await _lock(session, vendor_id)
        lines, layout = await _stage(session, source, validator, bad)
        if not validator.lines:
            raise Refused(
                "the file has no lines; nothing was changed", "文件没有内容；未作任何更改"
            )
        if bad.number:
            raise Refused(
                f"{bad.number} of {validator.lines} lines refused; nothing was changed",
                f"共{validator.lines}行，其中{bad.number}行被拒绝；未作任何更改",
            )
        merge = Merge(session, vendor_id, lines, layout)
        change = await merge.compare(
            snapshot=mode is Mode.SNAPSHOT,
            lines=validator.lines,
            products=await products_of_same_licensors(session, validator.named),
        )
        batch = None
        if not change.nothing:
            batch = ledger.last_batch + 1
            await merge.carry_out(batch=batch, last_record=ledger.last_record)
        await record(
            session,
            "import.users",
            source=source.name,
            sha256=source.digest.hex(),
            mode=mode.value,
            format=str(validator.report_format),
            batch=batch,
            lines=validator.lines,
            added=change.added,
            changed=change.changed,
            superseded=change.superseded,
        )
        if batch is not None:
            await _keep_books(session, ledger, batch, source, mode, validator.lines, change)
        if dry_run:
            session.discard()
            batch = None
    if batch is not None and change.added + change.changed + change.superseded >= _MANY:
        # the batch is in: what fails from here on must not say otherwise
        with suppress(Unavailable):
            async with open_session(engine, scope, write=True) as session:
                await session.tune(statement_timeout="0")
                await session.execute(select(func.gateway_analyze()))
    return Outcome(validator.lines, change, batch, dry_run)


async def _lock(session: ScopedSession, vendor_id: int) -> Row[tuple[int, int, datetime]]:
    """Return the vendor's counters, locked: imports of one vendor follow one another."""
    await session.execute(
        postgresql.insert(_ROSTERS)
        .values(vendor_id=vendor_id, last_batch=0, last_record=0, recorded_at=_NEVER)
        .on_conflict_do_nothing()
    )
    return (
        await session.rows(
            select(_ROSTERS.c.last_batch, _ROSTERS.c.last_record, _ROSTERS.c.recorded_at)
            .where(session.scope.covers(_ROSTERS))
            .with_for_update()
        )
    )[0]


class _Counter:
    """Passes bad lines on and counts them."""

    def __init__(self, report: Callable[[BadLine], None]) -> None:
        self.number, self._report = 0, report

    def __call__(self, bad: BadLine) -> None:
        self.number += 1
        self._report(bad)


async def _stage(
    session: ScopedSession, source: FileSource, validator: Validator, bad: _Counter
) -> tuple[Table, Layout]:
    """Read, validate and copy the lines; after the first bad one only read and validate."""
    blocks = source.blocks()
    first = next(blocks, None)
    checked = validator.check(first) if first is not None else None
    layout = validator.layout or validator.report_format.users
    table = staging.incoming(layout)
    divider = validator.divider.encode()
    await session.create(table)

    async def good() -> AsyncIterator[bytes]:
        nonlocal checked
        while checked is not None:
            for line in checked.bad:
                bad(line)
            if checked.good and not bad.number:
                yield _copyable(checked.good, divider)
            block = next(blocks, None)
            checked = validator.check(block) if block is not None else None

    await session.copy_in(table, list(table.c.keys()), good())
    if (whole := validator.finish()) is not None:
        bad(whole)
    return table, layout


def _copyable(lines: list[str], divider: bytes) -> bytes:
    """Write lines for COPY: no validated value holds the mark, its quote mark or a line break."""
    data = "\n".join(lines).encode()
    if divider != COLUMN_MARK:
        data = data.replace(divider, COLUMN_MARK)
    return data + b"\n"


async def _keep_books(
    session: ScopedSession,
    ledger: Row[tuple[int, int, datetime]],
    batch: int,
    source: FileSource,
    mode: Mode,
    lines: int,
    change: Change,
) -> None:
    """Enter the batch. Its instant is read last of all, right before the commit.

    A query as of an instant after it, that came before the commit, would not have seen the batch.
    """
    (vendor_id,) = session.scope.vendors
    clock = await session.scalar(select(func.clock_timestamp()))
    at = max(clock, ledger.recorded_at + timedelta(microseconds=1))
    await session.execute(
        update(_ROSTERS)
        .where(session.scope.covers(_ROSTERS))
        .values(
            last_batch=batch,
            last_record=_ROSTERS.c.last_record + change.added,
            recorded_at=at,
        )
    )
    await session.execute(
        insert(ImportBatch.table()).values(
            vendor_id=vendor_id,
            batch_no=batch,
            recorded_at=at,
            actor=session.scope.principal.name,
            source=source.name,
            sha256=source.digest,
            encoding=source.encoding.value,
            mode=mode.value,
            lines=lines,
            added=change.added,
            changed=change.changed,
            superseded=change.superseded,
            unchanged=change.unchanged,
        )
    )
