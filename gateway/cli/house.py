"""`gateway migrate|doctor|query`: the gateway itself."""

import shutil
import sys
from pathlib import Path
from typing import Annotated, Final

import orjson
import typer

from gateway.app.house import House, open_house
from gateway.app.migrate import migrate as upgrade
from gateway.app.tables import metadata
from gateway.catalogue.loading import found
from gateway.cli.duty import on_duty
from gateway.cli.run import Json, configured, console, fail, in_house, run, say, tell
from gateway.errors import BadInput
from gateway.tenancy.doctor import Finding, examine

_LEAST_FREE: Final = 2**30
_SYSTEM: Final = frozenset({"INTERNAL", "TIMEOUT", "UNAVAILABLE"})
"""Errors that are not of what was asked."""


def migrate_command(json: Json = False) -> None:
    """Upgrade the database's schema to this version."""

    async def work() -> None:
        async with open_house(configured()) as house:
            await upgraded(house)
        if json:
            tell({"migrated": True}, "", json=True)
        else:
            console.print("the schema is up to date")

    run(work)


def doctor_command(json: Json = False) -> None:
    """Check settings, database, role, row-level security, clock and disk."""

    async def work(house: House) -> bool:
        found = [*await examine(house.service, metadata), _disk(house)]
        for one in found:
            mark = "ok" if one.right else "WRONG"
            tell(
                {"name": one.name, "right": one.right, "detail": one.detail},
                f"{mark:5}  {one.name}: {one.detail}",
                json=json,
            )
        return all(one.right for one in found)

    if not in_house(work):
        raise typer.Exit(3)


def _disk(house: House) -> Finding:
    """Look at the room for what this machine keeps: the embedded database, secrets, files."""
    wanted = house.settings.data_dir.expanduser().absolute()
    place = next(one for one in (wanted, *wanted.parents) if one.exists())
    free = shutil.disk_usage(place).free
    return Finding("disk", free >= _LEAST_FREE, f"{free / 2**30:.1f} GiB are free at {place}")


async def upgraded(house: House) -> None:
    """Upgrade the schema; bring the built-in catalogue where there is none yet."""
    await upgrade(house.addresses)
    async with on_duty(house) as session:
        await found(session)


def _read(file: Path) -> str:
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        text = data.decode("utf-8-sig")
    except (OSError, ValueError):
        text = ""
    if not text.strip():
        raise BadInput(
            f"{file} can't be read",
            f"{file}：无法读取",
            argument="FILE",
            accepted="a GraphQL document in UTF-8",
        )
    return text


def query_command(
    file: Annotated[Path, typer.Argument(help="A GraphQL document; - for standard input.")],
    key: Annotated[str, typer.Option(envvar="GATEWAY_KEY", help="The API key to ask with.")],
    variables: Annotated[str, typer.Option(help="Variables as JSON.")] = "{}",
    purpose: Annotated[
        str | None, typer.Option(help="For what personal data is to be in clear; it is logged.")
    ] = None,
) -> None:
    """Run a GraphQL document on the database directly, within an API key's scope."""
    from gateway.app.ask import ask  # noqa: PLC0415 (only this command needs the schema)

    try:
        text = _read(file)
    except BadInput as error:
        fail(error)
    answer = in_house(lambda house: ask(house, key, text, variables, purpose))
    say(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
    if codes := {error["extensions"]["code"] for error in answer.get("errors", ())}:
        raise typer.Exit(3 if codes & _SYSTEM else 1)
