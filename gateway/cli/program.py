"""The program `gateway`."""

import io
import logging
import sys
from typing import Annotated

import typer

from gateway import __version__
from gateway.cli import (
    accounts,
    audit,
    catalogue,
    files,
    findings,
    formats,
    house,
    listing,
    packs,
    perimeter,
)

program = typer.Typer(
    help="The compliance gateway: vendors' users, monthly figures and fees.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
program.command("demo")(house.demo_command)
program.command("serve")(house.serve_command)
program.command("migrate")(house.migrate_command)
program.command("doctor")(house.doctor_command)
program.command("query")(house.query_command)
program.command("check")(files.check)
program.add_typer(files.imports, name="import")
program.add_typer(files.exports, name="export")
program.add_typer(formats.formats, name="format")
program.add_typer(catalogue.licensor, name="licensor")
program.add_typer(catalogue.vendor, name="vendor")
program.add_typer(catalogue.product, name="product")
program.add_typer(catalogue.licence, name="licence")
program.add_typer(findings.findings, name="findings")
program.add_typer(catalogue.price, name="price")
program.add_typer(packs.pack, name="pack")
program.add_typer(packs.approval, name="approval")
program.add_typer(catalogue.key, name="key")
program.add_typer(listing.catalogue, name="catalogue")
program.add_typer(perimeter.origin, name="origin")
program.add_typer(perimeter.document, name="document")
program.add_typer(catalogue.oidc, name="oidc")
program.add_typer(accounts.account, name="account")
program.add_typer(audit.audit, name="audit")


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
