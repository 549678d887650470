"""An import from its first byte to its commit: all of it or nothing."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from sqlalchemy import (
    ARRAY,
    Integer,
    Row,
    Table,
    any_,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.audit.log import record
from gateway.catalogue.models import Licensor
from gateway.delimited.reader import Block
from gateway.errors import Refused, Unavailable
from gateway.intake import staging
from gateway.intake.merge import Change, Merge
from gateway.intake.problems import BadLine
from gateway.intake.sources import FileSource
from gateway.intake.validate import Checked, Validator
from gateway.records.models import ImportBatch, Roster
from gateway.regulation.fields import Layout
from gateway.regulation.formats.format import ReportFormat
from gateway.regulation.layouts import SZSE_2010
from gateway.tenancy.principal import Right
from gateway.tenancy.scope import NO_LICENSOR, Scope
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
    """What an import did.

    `batch`, which counts for the vendor and the licensor, is None where nothing changed or it was a
    dry run.
    """

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
    licensor: str | None = None,
    dry_run: bool = False,
    report_format: ReportFormat = SZSE_2010,
    products: Sequence[str] | None = None,
) -> Outcome:
    """Import a file of user lines, of one licensor's products, into one vendor's roster.

    The licensor is the one whose code is given, or else whose product the file's first line has.
    Every bad line is reported, in order; if there is any, Refused is raised and nothing changes. A
    dry run goes all the way and is rolled back at the end. `products` are those that the file may
    name, by default all in scope. A snapshot speaks for that licensor alone: the records of others
    stay.
    """
    scope.require(Right.IMPORT)
    scope = scope.narrow(vendors=[vendor], products=products)
    if licensor is not None:
        scope = scope.licensed(licensor)
    owners = {scope.products[number]: code for number, (_, code) in scope.owners.items()}
    validator = Validator(frozenset(scope.products.values()), owners, report_format)
    bad = _Counter(report)
    blocks = source.blocks()
    reading = _begun(validator, blocks)
    mine = scope if validator.licensor is None else scope.licensed(validator.licensor)
    try:
        outcome = await _import(
            engine, mine, source, reading, mode, validator, bad, dry_run=dry_run
        )
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
        await _log_apart(
            engine,
            mine,
            "import.users.dry_run",
            source,
            mode,
            report_format,
            number,
            *mine.licensors,
        )
    return outcome


async def _log_apart(
    engine: AsyncEngine,
    scope: Scope,
    action: str,
    source: FileSource,
    mode: Mode,
    report_format: ReportFormat,
    numbers: dict[str, int],
    licensor_id: int = NO_LICENSOR,
) -> None:
    """Log what has been rolled back, in a transaction of its own: numbers, never contents.

    A refused file may have had lines of any licensor's products.
    """
    async with open_session(engine, scope, write=True) as session:
        await record(
            session,
            action,
            licensor_id=licensor_id,
            source=source.name,
            sha256=source.digest.hex(),
            mode=mode.value,
            format=str(report_format),
            own=None,
            **numbers,
        )


async def _import(
    engine: AsyncEngine,
    scope: Scope,
    source: FileSource,
    reading: "_Reading",
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
        lines, layout = await _stage(session, reading, validator, bad)
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
        change = await merge.compare(snapshot=mode is Mode.SNAPSHOT, lines=validator.lines)
        batch = None
        if not change.nothing:
            batch = ledger.own.last_batch + 1
            await merge.carry_out(batch=ledger.next, last_record=ledger.own.last_record)
        await record(
            session,
            "import.users",
            licensor_id=ledger.licensor_id,
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
            await _keep_books(session, ledger, batch, source, mode, validator, change)
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


@dataclass(frozen=True, slots=True)
class _Ledger:
    """A vendor's counters as they were before the import: over all licensors, and the one's own."""

    licensor_id: int
    every: Row[tuple[int, int, int, datetime]]
    own: Row[tuple[int, int, int, datetime]]

    @property
    def next(self) -> int:
        """The batch's number over all licensors."""
        return int(self.every.last_batch) + 1


async def _lock(session: ScopedSession, vendor_id: int) -> _Ledger:
    """Return the vendor's counters, locked: imports of one vendor follow one another.

    Of a file without a known product there is no licensor, and nothing will be counted.
    """
    bases = {NO_LICENSOR: 0}
    licensor = Licensor.table()
    for number in session.scope.licensors if len(session.scope.licensors) == 1 else ():
        bases[number] = await session.scalar(
            select(licensor.c.record_base).where(licensor.c.licensor_id == number)
        )
    await session.execute(
        postgresql.insert(_ROSTERS)
        .values(
            [
                {
                    "vendor_id": vendor_id,
                    "licensor_id": number,
                    "last_batch": 0,
                    "last_record": base,
                    "recorded_at": _NEVER,
                }
                for number, base in bases.items()
            ]
        )
        .on_conflict_do_nothing()
    )
    names = ("licensor_id", "last_batch", "last_record", "recorded_at")
    held = await session.rows(
        select(*(_ROSTERS.c[name] for name in names))
        .where(
            session.scope.covers(_ROSTERS),
            _ROSTERS.c.licensor_id == any_(literal(list(bases), ARRAY(Integer))),
        )
        .order_by(_ROSTERS.c.licensor_id)
        .with_for_update()
    )
    return _Ledger(held[-1].licensor_id, held[0], held[-1])


@dataclass(slots=True)
class _Reading:
    """A file under way: the blocks still to be read, and what became of the last one."""

    blocks: Iterator[Block]
    checked: Checked | None


def _begun(validator: Validator, blocks: Iterator[Block]) -> _Reading:
    """Read a file as far as its first lines."""
    reading = _Reading(blocks, _checked(validator, next(blocks, None)))
    while reading.checked is not None and not validator.lines:
        reading.checked = _checked(validator, next(blocks, None))
    return reading


def _checked(validator: Validator, block: Block | None) -> Checked | None:
    return None if block is None else validator.check(block)


class _Counter:
    """Passes bad lines on and counts them."""

    def __init__(self, report: Callable[[BadLine], None]) -> None:
        self.number, self._report = 0, report

    def __call__(self, bad: BadLine) -> None:
        self.number += 1
        self._report(bad)


async def _stage(
    session: ScopedSession, reading: _Reading, validator: Validator, bad: _Counter
) -> tuple[Table, Layout]:
    """Read, validate and copy the lines; after the first bad one only read and validate."""
    layout = validator.layout or validator.report_format.users
    table = staging.incoming(layout)
    divider = validator.divider.encode()
    await session.create(table)

    async def good() -> AsyncIterator[bytes]:
        while (checked := reading.checked) is not None:
            for line in checked.bad:
                bad(line)
            if checked.good and not bad.number:
                yield _copyable(checked.good, divider)
            reading.checked = _checked(validator, next(reading.blocks, None))

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
    ledger: _Ledger,
    batch: int,
    source: FileSource,
    mode: Mode,
    validator: Validator,
    change: Change,
) -> None:
    """Enter the batch. Its instant is read last of all, right before the commit.

    A query as of an instant after it, that came before the commit, would not have seen the batch.
    """
    (vendor_id,) = session.scope.vendors
    clock = await session.scalar(select(func.clock_timestamp()))
    at = max(clock, ledger.every.recorded_at + timedelta(microseconds=1))
    added = {"last_record": _ROSTERS.c.last_record + change.added}
    for licensor, number, more in (
        (NO_LICENSOR, ledger.next, {}),
        (ledger.licensor_id, batch, added),
    ):
        await session.execute(
            update(_ROSTERS)
            .where(session.scope.covers(_ROSTERS), _ROSTERS.c.licensor_id == licensor)
            .values(last_batch=number, recorded_at=at, **more)
        )
    await session.execute(
        insert(ImportBatch.table()).values(
            vendor_id=vendor_id,
            batch_no=ledger.next,
            licensor_id=ledger.licensor_id,
            number=batch,
            recorded_at=at,
            actor=session.scope.principal.name,
            source=source.name,
            sha256=source.digest,
            encoding=source.encoding.value,
            format_digest=validator.report_format.digest,
            mode=mode.value,
            lines=validator.lines,
            added=change.added,
            changed=change.changed,
            superseded=change.superseded,
            unchanged=change.unchanged,
        )
    )
