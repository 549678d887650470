"""The program `gateway`."""

import io
import logging
import sys
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

from gateway import __version__

COMMANDS: Final = {
    "demo": "serving.demo_command",
    "serve": "serving.serve_command",
    "migrate": "house.migrate_command",
    "doctor": "house.doctor_command",
    "query": "house.query_command",
    "check": "files.check",
    "import": "files.imports",
    "export": "files.exports",
    "format": "formats.formats",
    "licensor": "catalogue.licensor",
    "vendor": "catalogue.vendor",
    "product": "catalogue.product",
    "licence": "catalogue.licence",
    "findings": "findings.findings",
    "price": "catalogue.price",
    "pack": "packs.pack",
    "approval": "packs.approval",
    "key": "catalogue.key",
    "catalogue": "listing.catalogue",
    "origin": "perimeter.origin",
    "document": "perimeter.document",
    "oidc": "catalogue.oidc",
    "account": "accounts.account",
    "audit": "audit.audit",
}
"""Where each command is, in `gateway.cli`: a function, or a Typer with commands of its own."""


class _Lazily(TyperGroup):
    """Commands that are imported when they are asked for: no command needs what all others do."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands: dict[str, Any] = dict.fromkeys(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command; None if there is none of the name."""
        if cmd_name in self.commands and self.commands[cmd_name] is None:
            self.commands[cmd_name] = _command(cmd_name)
        return self.commands.get(cmd_name)


def _command(name: str) -> Any:
    module, _, attribute = COMMANDS[name].partition(".")
    found = getattr(import_module(f"gateway.cli.{module}"), attribute)
    if isinstance(found, typer.Typer):
        command: Any = get_group(found)
    else:
        alone = typer.Typer(add_completion=False)
        alone.command(name)(found)
        command = get_command(alone)
    command.name = name
    return command


program = typer.Typer(
    cls=_Lazily,
    help="The compliance gateway: vendors' users, monthly figures and fees.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@program.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """See and prove who a vendor's users are, how many counted, and what is due."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # a name that the terminal's encoding lacks is shown escaped, as on standard error
        sys.stdout.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
