"""`gateway check`, `gateway import users`, `gateway export users|monthly`."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, TypeVar

import orjson
import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TimeRemainingColumn,
)

from gateway.app.house import House
from gateway.catalogue.formats import all_formats, products_held, reported
from gateway.cli.catalogue import day
from gateway.cli.duty import AT_THE_COMMAND_LINE, Purpose, on_duty, stated
from gateway.cli.formats import Named, among, anywhere
from gateway.cli.run import Json, console, in_house, run, tell
from gateway.config.clock import today
from gateway.delimited.encoding import TextEncoding
from gateway.delimited.writer import LineEnd
from gateway.errors import BadInput, Refused
from gateway.exports.files import to_file
from gateway.exports.requests import MonthlyExport, UserExport, run_export
from gateway.exports.stream import Form, Receipt, Sink
from gateway.intake.check import check as check_file
from gateway.intake.problems import BadLine
from gateway.intake.run import Mode, import_users
from gateway.intake.sources import FileSource
from gateway.records.filters import DateJoin, UserFilter
from gateway.regulation.codes import Code, FeeCategory, ServiceStatus
from gateway.regulation.formats.format import ReportFormat
from gateway.regulation.formats.reading import DEFAULT
from gateway.regulation.months import Month
from gateway.statistics.grid import months_between

imports = typer.Typer(help="Bring files in.", no_args_is_help=True)
exports = typer.Typer(help="Write the downloads.", no_args_is_help=True)

Encoding = Annotated[str, typer.Option(help="utf-8, gb18030, or auto to tell it from the content.")]
OutputEncoding = Annotated[
    str | None, typer.Option("--encoding", help="utf-8 or gb18030; if not given, the format's.")
]
Header = Annotated[
    bool | None,
    typer.Option("--header/--no-header", help="Begin with a line of headings, or do not."),
]
Crlf = Annotated[
    bool | None, typer.Option("--crlf/--lf", help="End lines with CR LF, or with LF alone.")
]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", help="Standard output if not given, or -.")
]
_SHOWN = 20
_STANDARD = {"-", "/dev/stdout"}
C = TypeVar("C", bound=Code)


def _encoding(name: str) -> TextEncoding | None:
    names = {"utf-8": TextEncoding.UTF_8, "utf8": TextEncoding.UTF_8}
    names |= {"gb18030": TextEncoding.GB18030, "gbk": TextEncoding.GB18030}
    if name.lower() == "auto":
        return None
    if name.lower() not in names:
        raise BadInput(
            f"{name!r} is not an encoding",
            f"“{name}”不是编码",
            argument="--encoding",
            accepted="utf-8, gb18030 or auto",
        )
    return names[name.lower()]


@dataclass(frozen=True, slots=True)
class _Written:
    """How a file is to be written; what is None is the format's matter."""

    format: str | None
    encoding: str | None
    header: bool | None
    crlf: bool | None

    def form(self, report_format: ReportFormat) -> Form:
        """Return the form; `auto` has no meaning here, and is the format's own."""
        ends = {None: None, True: LineEnd.CRLF, False: LineEnd.LF}
        encoding = None if self.encoding is None else _encoding(self.encoding)
        return Form.of(report_format, encoding, self.header, ends[self.crlf])


def _progress(path: Path) -> tuple[Progress, Callable[[int], None]]:
    """Return a progress bar over a file's bytes, shown on a terminal only."""
    bar = Progress(
        "{task.description}",
        BarColumn(),
        TaskProgressColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    task = bar.add_task(path.name, total=_size(path))
    return bar, lambda amount: bar.advance(task, amount)


def _size(path: Path) -> int | None:
    """Return a plain file's size; what can't be read is told when it is read."""
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None


def check(
    file: Annotated[Path, typer.Argument(help="A file of users, as the report format has it.")],
    report_format: Named = None,
    encoding: Encoding = "auto",
    json: Json = False,
) -> None:
    """Validate a file with no database: every problem with its line, column, rule and reason."""
    found = anywhere(report_format or DEFAULT)

    async def work() -> tuple[int, int]:
        bad = 0

        def report(line: BadLine) -> None:
            nonlocal bad
            bad += 1
            for problem in line.problems:
                said = orjson.dumps(problem.json()).decode() if json else problem.text()
                sys.stdout.write(said + "\n")

        bar, advance = _progress(file)
        with bar:
            source = FileSource(file, found.encoding(_encoding(encoding)), advance)
            validator = check_file(source, report, found)
        return validator.lines, bad

    lines, bad = run(work)
    if json:
        tell({"lines": lines, "bad": bad}, "", json=True)
    else:
        console.print(f"{file}: {lines} lines, {bad} bad", markup=False)
    if bad:
        raise typer.Exit(1)


def _is_there(path: Path) -> bool:
    """Say whether something has this path; nothing has one that is too long."""
    try:
        path.stat()
    except OSError:
        return False
    return True


class _ErrorFile:
    """Collects rejected lines beside the import; appears under its name when all are there.

    What is no plain file, as a device or a pipe, is written to in the end, and never removed.
    """

    def __init__(self, path: Path, source: Path, encoding: Callable[[], TextEncoding]) -> None:
        self.path, self._encoding = path, encoding
        self._direct = _is_there(path) and not path.is_file()
        if _is_there(path) and path.is_dir():
            raise self._unwritable("Is a directory")
        if _is_there(path) and _is_there(source) and path.samefile(source):
            raise self._unwritable("Is the file to import")
        beside = Path(tempfile.gettempdir()) / "rejected" if self._direct else path
        self._part = Path(f"{beside}.{os.getpid()}.part")
        self._file: BinaryIO | None = None
        self.number = 0

    def __call__(self, bad: BadLine) -> None:
        if self._file is None:
            try:
                self._file = self._part.open("wb")
            except OSError as error:
                raise self._unwritable(error.strerror) from error
        self.number += 1
        if self.number <= _SHOWN:
            for problem in bad.problems:
                console.print(problem.text(), markup=False)
        text = "".join(f"{line}\n" for line in bad.mendable())
        self._file.write(text.encode("utf-8", "backslashreplace"))

    def finish(self, *, keep: bool) -> None:
        """Give the file its name, or remove it."""
        try:
            if self._file is not None:
                self._file.close()
                if keep:
                    self._keep()
            elif keep and not self._direct and _is_there(self.path):
                self.path.unlink()
        finally:
            if self._file is not None:
                self._part.unlink(missing_ok=True)

    def _keep(self) -> None:
        # only now is it certain which encoding the file itself has
        if self._encoding() is not TextEncoding.UTF_8:
            _transcode(self._part, self._encoding())
        if self._direct:
            with self._part.open("rb") as held, self.path.open("wb") as out:
                shutil.copyfileobj(held, out)
        else:
            self._part.replace(self.path)

    def _unwritable(self, reason: str | None) -> BadInput:
        return BadInput(
            f"{self.path}: {reason}",
            f"{self.path}：无法写入",
            argument="--errors",
            accepted="a path that can be written",
        )


def _transcode(path: Path, encoding: TextEncoding) -> None:
    """Write a UTF-8 file anew in another encoding."""
    anew = Path(f"{path}.{encoding.value}")
    with (
        path.open(encoding="utf-8", newline="") as old,
        anew.open("w", encoding=encoding.value, newline="") as new,
    ):
        new.writelines(old)
    anew.replace(path)


@imports.command("users")
def import_users_command(
    file: Annotated[Path, typer.Argument(help="A file of users, as the report format has it.")],
    vendor: Annotated[str, typer.Option(help="Code of the vendor whose users they are.")],
    report_format: Named = None,
    mode: Annotated[
        Mode,
        typer.Option(
            help="snapshot: the file is the whole roster of a licensor's products. "
            "delta: insert or update."
        ),
    ] = Mode.SNAPSHOT,
    licensor: Annotated[
        str | None,
        typer.Option(
            help="Code of the data company; the first line's product says it if not given."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing.")] = False,
    encoding: Encoding = "auto",
    errors: Annotated[
        Path | None, typer.Option(help="Where rejected lines go; FILE.rejected if not given.")
    ] = None,
    json: Json = False,
) -> None:
    """Import a vendor's users of one licensor's products: all of the file or nothing."""

    async def work(house: House) -> None:
        async with on_duty(house) as session:
            scope = (await session.scope()).narrow(vendors=[vendor])
            named = None if report_format is None else await among(session, report_format)
            told = await reported(session, vendor, licensor, named)
        bar, advance = _progress(file)
        source = FileSource(file, told.report_format.encoding(_encoding(encoding)), advance)
        place = errors or Path(f"{file}.rejected")
        rejected = _ErrorFile(place, file, lambda: source.encoding)
        complete = False
        try:
            with bar:
                outcome = await import_users(
                    *(house.service, scope, vendor, source, mode),
                    report=rejected,
                    licensor=licensor,
                    dry_run=dry_run,
                    report_format=told.report_format,
                    products=told.products,
                )
            complete = True
        except Refused:
            complete = True
            if rejected.number > _SHOWN:
                console.print(f"… and {rejected.number - _SHOWN} more")
            console.print(f"rejected lines, with reasons: {rejected.path}", markup=False)
            raise
        finally:
            rejected.finish(keep=complete)
        change = outcome.change
        counts = {
            "lines": outcome.lines,
            "added": change.added,
            "changed": change.changed,
            "superseded": change.superseded,
            "unchanged": change.unchanged,
        }
        text = ", ".join(f"{number} {name}" for name, number in counts.items())
        if dry_run:
            text = f"dry run, nothing was changed: {text}"
        elif change.nothing:
            text = f"nothing to change: {text}"
        else:
            text = f"batch {outcome.batch}: {text}"
        tell({"batch": outcome.batch, "dryRun": dry_run, **counts}, text, json=json)

    in_house(work)


@exports.command("users")
def export_users_command(
    vendor: Annotated[list[str], typer.Option(help="Code of a vendor; may be repeated.")],
    product: Annotated[list[str] | None, typer.Option(help="Name of a product.")] = None,
    licensor: Annotated[
        str | None, typer.Option(help="Code of a data company: its products only.")
    ] = None,
    search: Annotated[
        str | None, typer.Option(help="Prefix of the user ID or part of the name.")
    ] = None,
    category: Annotated[
        list[str] | None, typer.Option(help="FULL_PRICE, REGULATORY, INTERNAL_FREE or TRIAL.")
    ] = None,
    status: Annotated[list[str] | None, typer.Option(help="ACTIVE, EXPIRED or CANCELLED.")] = None,
    start_before: Annotated[
        str | None, typer.Option(help="Service starts before this day.")
    ] = None,
    end_after: Annotated[str | None, typer.Option(help="Service ends after this day.")] = None,
    both: Annotated[
        bool, typer.Option("--both", help="Both date conditions hold, not either.")
    ] = False,
    counted_in: Annotated[str | None, typer.Option(help="Counted in this month: YYYYMM.")] = None,
    output: Output = None,
    report_format: Named = None,
    encoding: OutputEncoding = None,
    header: Header = None,
    crlf: Crlf = None,
    purpose: Purpose = AT_THE_COMMAND_LINE,
    json: Json = False,
) -> None:
    """Write the user download (一、1), sorted by user ID."""

    async def work(house: House) -> None:
        products = tuple(product) if product else None
        if licensor is not None:
            async with on_duty(house) as session:
                (await session.scope()).narrow(vendors=vendor, products=products)
                held = await products_held(session, vendor, licensor)
            products = tuple(one for one in held if products is None or one in products)
        wanted = UserExport(
            vendors=tuple(vendor),
            products=products,
            filter=UserFilter(
                search=search,
                fee_categories=_codes(FeeCategory, category, "--category"),
                service_statuses=_codes(ServiceStatus, status, "--status"),
                start_before=day(start_before, "--start-before") if start_before else None,
                end_after=day(end_after, "--end-after") if end_after else None,
                date_join=DateJoin.AND if both else DateJoin.OR,
                counted_in=Month.parse(counted_in, argument="--counted-in") if counted_in else None,
            ),
        )
        written = _Written(report_format, encoding, header, crlf)
        await _export(house, wanted, written, output, purpose, json=json)

    in_house(work)


@exports.command("monthly")
def export_monthly_command(
    vendor: Annotated[list[str], typer.Option(help="Code of a vendor; may be repeated.")],
    product: Annotated[str, typer.Option(help="Name of the product: one file is for one.")],
    start: Annotated[str | None, typer.Option("--from", help="First month: YYYYMM.")] = None,
    to: Annotated[str | None, typer.Option(help="Last month: YYYYMM.")] = None,
    pack: Annotated[
        str | None, typer.Option(help="Count by this rule pack: NAME or NAME@VERSION.")
    ] = None,
    output: Output = None,
    report_format: Named = None,
    encoding: OutputEncoding = None,
    header: Header = None,
    crlf: Crlf = None,
    json: Json = False,
) -> None:
    """Write the monthly download (一、2), oldest month first."""

    async def work(house: House) -> None:
        first = Month.parse(start, argument="--from") if start else None
        last = Month.parse(to, argument="--to") if to else None
        if first is not None and last is not None and last < first:
            raise BadInput(
                f"{last} is before {first}",
                f"{last}早于{first}",
                argument="--to",
                accepted=f"{first} or later",
            )
        months = months_between(today(), first, last, None)
        wanted = MonthlyExport(months, tuple(vendor), (product,), rule_pack=pack)
        written = _Written(report_format, encoding, header, crlf)
        await _export(house, wanted, written, output, AT_THE_COMMAND_LINE, json=json)

    in_house(work)


async def _export(
    house: House,
    wanted: UserExport | MonthlyExport,
    written: _Written,
    output: Path | None,
    purpose: str,
    *,
    json: bool,
) -> None:
    async with on_duty(house) as session:
        scope = (await session.scope()).narrow(vendors=wanted.vendors, products=wanted.products)
        if written.format is not None:
            report_format = await among(session, written.format)
        else:
            products = wanted.products
            if products is None:
                products = tuple(await products_held(session, wanted.vendors or ()))
            report_format = (await all_formats(session)).chosen(None, products)
    form = written.form(report_format)

    async def write(sink: Sink) -> Receipt:
        with stated(purpose):
            return await run_export(house.service, scope, wanted, form, sink, report_format)

    if output is None or str(output) in _STANDARD:
        output = None

        async def to_stdout(data: bytes) -> None:
            sys.stdout.buffer.write(data)

        receipt = await write(to_stdout)
        sys.stdout.buffer.flush()
    else:
        receipt = await to_file(output, write)
    told = {"rows": receipt.rows, "bytes": receipt.size, "sha256": receipt.sha256}
    text = f"{receipt.rows} rows, {receipt.size} bytes, SHA-256 {receipt.sha256}"
    if output is not None:
        tell({"file": str(output), **told}, f"{output}: {text}", json=json)
    else:
        console.print(orjson.dumps(told).decode() if json else text, markup=False)


def _codes(kind: type[C], names: list[str] | None, where: str) -> tuple[C, ...] | None:
    """Read codes by name or by the regulation's text."""
    if not names:
        return None
    known: dict[str, C] = {**kind.__members__, **kind.texts()}
    for name in names:
        if name not in known:
            raise BadInput(
                f"{name!r} is not a code",
                f"“{name}”不是代码",
                argument=where,
                accepted=", ".join(known),
            )
    return tuple(known[name] for name in names)
