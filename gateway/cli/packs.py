"""`gateway pack …`, `gateway approval …`: rule packs and written approvals."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.catalogue.approvals import load_approvals, read_approvals
from gateway.catalogue.packs import add_pack, use_pack
from gateway.cli.catalogue import SZSE_INFO, told
from gateway.cli.duty import acting
from gateway.cli.run import Json, fail, tell
from gateway.errors import BadInput, GatewayError
from gateway.regulation.months import Month
from gateway.regulation.packs import RulePack
from gateway.tenancy.operator import OperatorSession

pack = typer.Typer(help="Rule packs: how users count.", no_args_is_help=True)
approval = typer.Typer(help="Written approvals of free users (书面认可).", no_args_is_help=True)

_MOST_BYTES = 64 * 1024 * 1024


@pack.command("add")
def add_pack_command(
    file: Annotated[Path, typer.Argument(help="A definition in TOML: docs/rule-packs.md.")],
    json: Json = False,
) -> None:
    """Add a rule pack, or a further version of one. A version never changes."""
    try:
        definition = RulePack.parse(_text(file))
    except GatewayError as error:
        fail(error)
    told(acting("operator", lambda s: add_pack(s, definition)), f"rule pack {definition}", json)


@pack.command("use")
def use_pack_command(
    name: Annotated[str, typer.Argument(help="NAME, or NAME@VERSION; else the latest version.")],
    start: Annotated[str, typer.Option("--from", help="First month: YYYYMM.")],
    licensor: Annotated[str, typer.Option(help="Code of the data company.")] = SZSE_INFO,
    product: Annotated[
        str | None, typer.Option(help="One of its products; all of them if not given.")
    ] = None,
    json: Json = False,
) -> None:
    """Count a data company's products, or one of them, by a rule pack from a month on."""

    async def work(session: OperatorSession) -> RulePack:
        since = Month.parse(start, argument="--from")
        return await use_pack(session, name, licensor, product, since)

    used = acting("operator", work)
    where = licensor if product is None else f"{licensor} {product}"
    result = {"rulePack": str(used), "licensor": licensor, "product": product, "from": start}
    tell(result, f"{where}: {used} from {start}", json=json)


@approval.command("load")
def load_approvals_command(
    file: Annotated[Path, typer.Argument(help="A || file of approvals, 6 columns.")],
    vendor: Annotated[str, typer.Option(help="Code of the vendor whose users they are of.")],
    json: Json = False,
) -> None:
    """Load approvals: all of the file or nothing."""
    try:
        lines = read_approvals(_text(file))
    except GatewayError as error:
        fail(error)
    changed = acting("operator", lambda s: load_approvals(s, vendor, lines))
    text = f"{len(lines)} approvals, {changed} new or changed"
    tell({"lines": len(lines), "changed": changed}, text, json=json)


def _text(file: Path) -> str:
    """Read a file of text, in UTF-8 or GB18030."""
    try:
        with file.open("rb") as opened:
            data = opened.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{file}: {getattr(error, 'strerror', error)}",
            f"{file}：无法读取",
            argument="FILE",
            accepted="a file that can be read",
        ) from error
    if len(data) > _MOST_BYTES:
        raise BadInput(
            f"{file} is too large", f"{file}过大", argument="FILE", accepted="64 MiB at most"
        )
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise BadInput(
        f"{file} is neither UTF-8 nor GB18030",
        f"{file}既不是UTF-8也不是GB18030",
        argument="FILE",
        accepted="UTF-8 or GB18030",
    )
