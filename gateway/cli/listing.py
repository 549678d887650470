"""`gateway catalogue load|check`: exchanges, interface specifications and products as data."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import orjson
import typer

from gateway.app.house import House
from gateway.catalogue.listing import Listing
from gateway.catalogue.loading import BUILT_IN, Loaded, built_in, load
from gateway.catalogue.problems import ListingRefused
from gateway.catalogue.reader import MOST_BYTES, outside, read_listing
from gateway.cli.duty import on_duty
from gateway.cli.run import Json, console, fail, in_house, say, tell
from gateway.errors import BadInput

catalogue = typer.Typer(
    help="The catalogue of exchanges and interface specifications.", no_args_is_help=True
)

File = Annotated[Path, typer.Argument(help="A catalogue file in TOML; - for standard input.")]


@catalogue.command("check")
def check_catalogue(file: File, json: Json = False) -> None:
    """Validate a catalogue file with no database: every problem with its entry and field."""
    try:
        listing = read_listing(_read(file))
    except ListingRefused as error:
        _refuse(error, json)
    except BadInput as error:
        fail(error)
    elsewhere = outside(listing)
    counts = _counts(listing)
    text = ", ".join(f"{number} {name}" for name, number in counts.items())
    if elsewhere:
        text += f"\nto be in the catalogue when it is loaded: {', '.join(elsewhere)}"
    tell({**counts, "outside": elsewhere}, text, json=json)


@catalogue.command("load")
def load_catalogue(
    file: Annotated[
        Path | None,
        typer.Argument(help="A catalogue file in TOML, - for standard input; or the built-in."),
    ] = None,
    json: Json = False,
) -> None:
    """Bring the catalogue to what a file says; what it does not name stays as it is."""
    try:
        data = built_in() if file is None else _read(file)
    except BadInput as error:
        fail(error)
    source = BUILT_IN if file is None else file.name

    async def work(house: House) -> Loaded | ListingRefused:
        try:
            async with on_duty(house) as session:
                return await load(session, data, source)
        except ListingRefused as error:
            return error

    done = in_house(work)
    if isinstance(done, ListingRefused):
        _refuse(done, json)
    result = {"added": done.added, "changed": done.changed, "unchanged": done.unchanged}
    lines = [f"added {one}" for one in done.added]
    lines += [f"changed {one}: {', '.join(fields)}" for one, fields in done.changed.items()]
    lines.append(
        f"{len(done.added)} added, {len(done.changed)} changed, {done.unchanged} as before"
    )
    tell(result, "\n".join(lines), json=json)


def _counts(listing: Listing) -> dict[str, int]:
    return {
        "exchanges": len(listing.exchanges),
        "interface_specs": len(listing.specs),
        "products": len(listing.products),
    }


def _read(file: Path) -> bytes:
    """Read a file, not much more of it than can be accepted."""
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(MOST_BYTES + 1)
        with file.open("rb") as opened:
            return opened.read(MOST_BYTES + 1)
    except (OSError, ValueError):
        raise BadInput(
            f"{file} can't be read",
            f"{file}：无法读取",
            argument="FILE",
            accepted="a catalogue file in TOML",
        ) from None


def _refuse(error: ListingRefused, json: bool) -> NoReturn:
    for problem in error.problems:
        say(orjson.dumps(problem.json()).decode() if json else problem.text())
    console.print(f"{len(error.problems)} problems; nothing was changed", markup=False)
    raise typer.Exit(error.exit_code)
