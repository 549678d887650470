"""`gateway origin …` and `gateway document …`: what vendors register at the perimeter."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.catalogue import registry
from gateway.cli.catalogue import told
from gateway.cli.duty import acting
from gateway.cli.run import Json, tell
from gateway.errors import BadInput, CostLimit, Unavailable
from gateway.resolvers.query import build_schema
from gateway.schema.documents import checked, hold_to_length
from gateway.tenancy import registered
from gateway.tenancy.operator import OperatorSession

origin = typer.Typer(help="Web pages from which a vendor's callers may ask.", no_args_is_help=True)
document = typer.Typer(help="Documents that vendors register.", no_args_is_help=True)

Vendor = Annotated[str, typer.Option(help="Code of the vendor.")]


@origin.command("add")
def add_origin(address: str, vendor: Vendor, json: Json = False) -> None:
    """Let pages of an origin (https://portal.example) ask with the vendor's credentials."""

    async def work(session: OperatorSession) -> bool:
        number = await registry.vendor_id(session, vendor)
        changed = await registered.add_origin(session, number, address)
        if changed:
            await registry.log(session, "origin.add", number, origin=address)
        return changed

    told(acting("security", work), f"origin {address}", json)


@origin.command("remove")
def remove_origin(address: str, vendor: Vendor, json: Json = False) -> None:
    """Take an origin back, at once."""

    async def work(session: OperatorSession) -> bool:
        number = await registry.vendor_id(session, vendor)
        await registered.remove_origin(session, number, address)
        await registry.log(session, "origin.remove", number, origin=address)
        return True

    told(acting("security", work), f"origin {address} removed", json)


@origin.command("list")
def list_origins(vendor: Vendor, json: Json = False) -> None:
    """List a vendor's origins."""

    async def work(session: OperatorSession) -> list[str]:
        number = await registry.vendor_id(session, vendor)
        await registry.log(session, "origin.list", number)
        return await registered.origins_of(session, number)

    found = acting("security", work)
    tell({"origins": found}, "\n".join(found), json=json)


@document.command("add")
def add_document(
    file: Path,
    vendor: Vendor,
    name: Annotated[str | None, typer.Option(help="Its name in lists; the file's.")] = None,
    json: Json = False,
) -> None:
    """Register a document and print its digest, by which it is asked for."""

    async def work(session: OperatorSession) -> tuple[bool, str]:
        body = _read(file)
        digest = registered.digest_of_document(body)
        number = await registry.vendor_id(session, vendor)
        changed = await registered.add_document(session, number, name or file.stem, body)
        if changed:
            await registry.log(session, "document.add", number, digest=digest)
        return changed, digest

    changed, digest = acting("security", work)
    tell({"changed": changed, "documentId": f"sha256:{digest}"}, f"sha256:{digest}", json=json)


@document.command("remove")
def remove_document(digest: str, vendor: Vendor, json: Json = False) -> None:
    """Take a document back, at once."""

    async def work(session: OperatorSession) -> bool:
        number = await registry.vendor_id(session, vendor)
        await registered.remove_document(session, number, digest)
        await registry.log(session, "document.remove", number, digest=digest)
        return True

    told(acting("security", work), f"document {digest} removed", json)


@document.command("list")
def list_documents(vendor: Vendor, json: Json = False) -> None:
    """List a vendor's documents: digest and name."""

    async def work(session: OperatorSession) -> list[dict[str, str]]:
        number = await registry.vendor_id(session, vendor)
        await registry.log(session, "document.list", number)
        return await registered.documents_of(session, number)

    found = acting("security", work)
    lines = [f"sha256:{one['digest']} {one['name']}" for one in found]
    tell({"documents": found}, "\n".join(lines), json=json)


def _read(file: Path) -> str:
    """Read a document that this version's schema accepts, within its limits."""
    try:
        body = file.read_bytes().decode()  # as it is: its digest is the file's
    except UnicodeDecodeError:
        raise _misfit(file) from None
    except OSError as error:
        raise Unavailable(f"{file}: {error.strerror}", f"无法读取{file}") from None
    try:
        hold_to_length(body)
        fits = checked(build_schema(), body) is not None
    except CostLimit as error:
        error.argument = "FILE"
        raise
    if not fits:
        raise _misfit(file)
    return body


def _misfit(file: Path) -> BadInput:
    return BadInput(
        f"{file} is not a document of this schema",
        f"{file}不是符合本架构的文档",
        argument="FILE",
        accepted="GraphQL in UTF-8 that is valid against schema.graphql",
    )
