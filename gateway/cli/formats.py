"""`gateway format …`: report formats, and how other commands find the one that they are to use."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.app.house import House
from gateway.catalogue.formats import add_format, all_formats
from gateway.cli.catalogue import told
from gateway.cli.duty import acting, on_duty
from gateway.cli.run import Json, in_house, run, say, tell
from gateway.errors import BadInput
from gateway.regulation.formats.describing import as_json, as_markdown
from gateway.regulation.formats.format import ReportFormat
from gateway.regulation.formats.reading import MAX_SIZE, builtin_formats, read_format
from gateway.tenancy.operator import OperatorSession

formats = typer.Typer(help="Report formats: data companies' own layouts.", no_args_is_help=True)

Named = Annotated[
    str | None,
    typer.Option("--format", help="A report format: its CODE, CODE@VERSION, or a FILE.toml."),
]
_File = Annotated[Path, typer.Argument(help="A format's TOML file.")]


@formats.command("add")
def add_command(file: _File, json: Json = False) -> None:
    """Store a format, or a new version of one."""

    async def work(session: OperatorSession) -> tuple[ReportFormat, bool]:
        return await add_format(session, _content(file), file.name)

    added, new = acting("operator", work)
    told(new, f"format {added}", json)


@formats.command("check")
def check_command(file: _File, json: Json = False) -> None:
    """Validate a format's file, with no database."""

    async def work() -> ReportFormat:
        return from_file(file)

    found = run(work)
    tell({"code": found.code, "version": found.version}, f"format {found}: good", json=json)


@formats.command("show")
def show_command(
    code: Annotated[str, typer.Argument(help="CODE, CODE@VERSION or FILE.toml.")],
    json: Json = False,
) -> None:
    """Describe a format: how its files are written, and their columns as tables."""
    found = anywhere(code)
    if json:
        tell(as_json(found), "", json=True)
    else:
        say(as_markdown(found))


@formats.command("list")
def list_command(json: Json = False) -> None:
    """List the formats, all versions of each."""

    async def work(house: House) -> list[ReportFormat]:
        async with on_duty(house) as session:
            known = (await all_formats(session)).known
        return sorted(set(known.values()), key=lambda one: (one.code, one.version))

    for one in in_house(work):
        listed = {"code": one.code, "version": one.version, "title": one.title}
        tell(listed, f"{one} {one.title}", json=json)


def anywhere(named: str) -> ReportFormat:
    """Return a format; the database is asked only for what is no file and not built in."""

    async def work() -> ReportFormat | None:
        return without_database(named)

    found: ReportFormat = run(work) or acting("operator", lambda session: among(session, named))
    return found


async def among(session: OperatorSession, named: str) -> ReportFormat:
    """Return a format by its file, or by its code; BadInput for none."""
    return without_database(named) or (await all_formats(session)).named(named)


def without_database(named: str) -> ReportFormat | None:
    """Return a format from its file, or one that comes with the gateway."""
    if named.endswith(".toml"):
        return from_file(Path(named))
    return next((one for one in builtin_formats().values() if named in {one.code, str(one)}), None)


def from_file(path: Path) -> ReportFormat:
    """Read a format's file."""
    return read_format(_content(path), path.name)


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(4 * MAX_SIZE + 1)
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(
            f"{path}: not UTF-8", f"{path}：不是UTF-8", argument="FILE", accepted="TOML in UTF-8"
        ) from None
    except (OSError, ValueError) as error:  # a path with NUL is no OSError
        raise BadInput(
            f"{path}: {getattr(error, 'strerror', error)}",
            f"{path}：无法读取",
            argument="FILE",
            accepted="a file that can be read",
        ) from error
