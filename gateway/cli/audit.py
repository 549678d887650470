"""`gateway audit verify|checkpoint|rotate`: the audit log."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from gateway.app.house import House, audit_keys
from gateway.audit.keys import rotate, trusted_keys
from gateway.audit.verify import Checkpoint, Verified, Wanted, verify
from gateway.catalogue import registry
from gateway.cli.duty import on_duty
from gateway.cli.run import Json, console, in_house, say, tell
from gateway.errors import BadInput, Refused
from gateway.tenancy.appending import signer_of
from gateway.tenancy.operator import OperatorSession

audit = typer.Typer(help="The audit log.", no_args_is_help=True)

Vendor = Annotated[str | None, typer.Option(help="Code of the vendor whose chain it is.")]
Licensor = Annotated[str | None, typer.Option(help="Code of the data company whose chain it is.")]


@audit.command("verify")
def verify_command(
    vendor: Vendor = None,
    licensor: Licensor = None,
    since: Annotated[
        str | None,
        typer.Option("--from", help="Begin at the last checkpoint before a date (and time)."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="Checkpoints kept elsewhere, as `gateway audit checkpoint` prints them."),
    ] = None,
    json: Json = False,
) -> None:
    """Compute all chains again; name the first altered, missing or reordered entry of each."""

    async def work(house: House) -> bool:
        begin = None if since is None else _instant(since)
        kept = [] if against is None else _kept(against)
        trusted = trusted_keys(audit_keys(house.settings))
        good, entries = True, 0
        async with on_duty(house, "auditor") as session:
            holder = await _holder(session, vendor, licensor)
            async for one in verify(session, trusted, Wanted(holder, begin, kept)):
                _tell(one, json=json)
                good, entries = good and one.damage is None, entries + one.entries
        if good and not json:
            console.print(f"{entries} entries are as they were written")
        return good

    if not in_house(work):
        raise typer.Exit(1)


@audit.command("checkpoint")
def checkpoint_command() -> None:
    """Sign the ends of all chains that are not signed yet, and print the last checkpoints.

    Keep what it prints where the database's administrators can't reach it.
    """

    async def work(house: House) -> None:
        trusted = trusted_keys(audit_keys(house.settings))
        signer = signer_of(house.auditor)
        async with on_duty(house, "auditor") as session:
            found = [one async for one in verify(session, trusted, Wanted())]
            wrong = [one for one in found if one.damage and one.damage.kind != "unsigned"]
            if wrong:
                _tell(wrong[0], json=False)
                raise Refused(
                    "a damaged log is not signed",
                    "受损的日志不予签名",
                    argument=wrong[0].chain,
                    accepted="a log that gateway audit verify finds whole",
                )
            heads = [one.head for one in found if one.unsigned]
            if heads and signer is not None:
                await session.sign(heads, signer)
            async for one in verify(session, trusted, Wanted()):
                if one.checkpoint is not None:
                    say(_written(one.checkpoint))

    in_house(work)


@audit.command("rotate")
def rotate_command(json: Json = False) -> None:
    """Make another key the one that signs; the others stay trusted. Servers take it at start."""

    async def work(house: House) -> None:
        async with on_duty(house, "auditor") as session:
            before = signer_of(house.auditor)
            made = rotate(audit_keys(house.settings))
            await registry.log(
                session, "audit.key", key=made.id, before=None if before is None else before.id
            )
        tell({"key": made.id}, made.id, json=json)

    in_house(work)


def _tell(one: Verified, *, json: bool) -> None:
    damage, signed = one.damage, one.checkpoint
    result: dict[str, Any] = {"chain": one.chain, "entries": one.entries, "last": one.number}
    if signed is not None:
        result["checkpoint"] = {"number": signed.number, "signedAt": signed.signed_at}
    text = f"ok     {one.chain}: {one.entries} entries, the last is {one.number}"
    if signed is not None:
        text += f"; signed to {signed.number} on {signed.signed_at.isoformat()}"
    if damage is not None:
        at = None if damage.at is None else damage.at.isoformat()
        result["damage"] = {
            "kind": damage.kind,
            "number": damage.number,
            "at": at,
            "detail": damage.detail,
        }
        when = "" if at is None else f" of {at}"
        text = f"WRONG  {one.chain}: entry {damage.number}{when}: {damage.kind}: {damage.detail}"
    tell(result, text, json=json)


async def _holder(session: OperatorSession, vendor: str | None, licensor: str | None) -> int | None:
    if vendor is not None and licensor is not None:
        raise BadInput(
            "one chain is of a vendor or of a licensor",
            "链属于信息商或信息公司之一",
            argument="--vendor",
            accepted="either --vendor CODE or --licensor CODE, or neither for all",
        )
    if vendor is not None:
        return await registry.vendor_id(session, vendor)
    return None if licensor is None else -await registry.licensor_id(session, licensor)


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(
            f"{text!r} is not a date",
            f"“{text}”不是日期",
            argument="--from",
            accepted="YYYY-MM-DD, or a date and time such as 2026-11-21T16:00:00+08:00",
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _written(one: Checkpoint) -> str:
    return orjson.dumps(
        {
            "chain": one.chain,
            "number": one.number,
            "digest": one.digest.hex(),
            "signedAt": one.signed_at.astimezone(UTC).isoformat(),
            "key": one.key,
            "signature": one.signature.hex(),
        }
    ).decode()


def _kept(path: Path) -> list[Checkpoint]:
    try:
        return [_read(orjson.loads(line)) for line in path.read_bytes().splitlines() if line]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{path} can't be read",
            f"{path}：无法读取",
            argument="--against",
            accepted="lines as gateway audit checkpoint prints them",
        ) from error


def _read(line: dict[str, Any]) -> Checkpoint:
    return Checkpoint(
        str(line["chain"]),
        int(line["number"]),
        bytes.fromhex(line["digest"]),
        datetime.fromisoformat(line["signedAt"]),
        str(line["key"]),
        bytes.fromhex(line["signature"]),
    )
