"""`gateway licensor|vendor|product|licence|price|key …`: setting up the market."""

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

import typer

from gateway.catalogue import registry
from gateway.catalogue.formats import all_formats
from gateway.cli.duty import acting
from gateway.cli.run import Json, tell
from gateway.errors import BadInput
from gateway.regulation.codes import UsageMode
from gateway.regulation.months import Month
from gateway.tenancy import issue as keys
from gateway.tenancy.operator import OperatorSession

licensor = typer.Typer(help="Data companies (信息公司).", no_args_is_help=True)
vendor = typer.Typer(help="Vendors (信息商).", no_args_is_help=True)
product = typer.Typer(help="Products (信息产品).", no_args_is_help=True)
licence = typer.Typer(help="Licences (经营许可).", no_args_is_help=True)
price = typer.Typer(help="The price book.", no_args_is_help=True)
key = typer.Typer(help="API keys.", no_args_is_help=True)
oidc = typer.Typer(help="Access by tokens of OpenID Connect issuers.", no_args_is_help=True)

From = Annotated[str, typer.Option("--from", help="First day: YYYYMMDD, YYYY-MM-DD or YYYYMM.")]
To = Annotated[
    str | None, typer.Option("--to", help="Last day, or YYYYMM for a month's; open if not given.")
]
SZSE_INFO = "SZSEINFO"
_MODES = UsageMode.texts()


_YUAN = re.compile(r"\d{1,15}(\.\d{1,9})?", re.ASCII)
_UNIT = re.compile(r"[1-9]\d{0,9}", re.ASCII)
_DAY = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})", re.ASCII)


def day(text: str, argument: str, *, last: bool = False) -> date:
    """Read a date, or a month as its first or last day."""
    try:
        if found := _DAY.fullmatch(text):
            return date(int(found[1]), int(found[2]), int(found[3]))
        month = Month.parse(text)
    except (ValueError, BadInput):
        raise BadInput(
            f"{text!r} is not a date",
            f"“{text}”不是日期",
            argument=argument,
            accepted="YYYYMMDD, YYYY-MM-DD or YYYYMM",
        ) from None
    return month.last if last else month.first


def _usage_mode(text: str) -> UsageMode:
    """Read a usage mode by its text in files or its name."""
    found = _MODES.get(text) or UsageMode.__members__.get(text)
    if found is None:
        raise BadInput(
            f"{text!r} is not a usage mode",
            f"“{text}”不是信息使用方式",
            argument="--mode",
            accepted=", ".join((*_MODES, *UsageMode.__members__)),
        )
    return found


def told(changed: bool, what: str, json: bool) -> None:
    """Tell what was done, or that nothing had to be."""
    tell({"changed": changed, "what": what}, what if changed else f"{what}: as it was", json=json)


@licensor.command("add")
def add_licensor(
    code: str,
    name: str,
    report_format: Annotated[
        str | None, typer.Option("--format", help="Code of its files' report format.")
    ] = None,
    json: Json = False,
) -> None:
    """Add a data company, or set its name and its report format."""

    async def work(session: OperatorSession) -> bool:
        chosen = None
        if report_format is not None:
            chosen = (await all_formats(session)).named(report_format).code
        return await registry.add_licensor(session, code, name, chosen)

    told(acting("operator", work), f"licensor {code}", json)


@vendor.command("add")
def add_vendor(code: str, name: str, json: Json = False) -> None:
    """Add a vendor, or set its name."""
    told(acting("operator", lambda s: registry.add_vendor(s, code, name)), f"vendor {code}", json)


@product.command("add")
def add_product(
    name: str,
    licensor: Annotated[str, typer.Option(help="Code of the data company.")] = SZSE_INFO,
    json: Json = False,
) -> None:
    """Add a product of a data company."""
    told(
        acting("operator", lambda s: registry.add_product(s, name, licensor)),
        f"product {name}",
        json,
    )


@licence.command("add")
def add_licence(
    vendor: str,
    product: str,
    start: From,
    to: To = None,
    mode: Annotated[
        list[str] | None,
        typer.Option(help="A usage mode that it allows: Web, 终端 or datafeed; all if not given."),
    ] = None,
    json: Json = False,
) -> None:
    """Grant a vendor a product from a day on, until a day if given."""

    async def work(session: OperatorSession) -> bool:
        end = None if to is None else day(to, "--to", last=True)
        first, modes = day(start, "--from"), [_usage_mode(one) for one in mode or _MODES]
        return await registry.add_licence(session, vendor, product, first, end, modes)

    told(acting("operator", work), f"licence {vendor} {product}", json)


@price.command("set")
def set_price(
    product: str,
    amount: Annotated[str, typer.Argument(help="Yuan per full-price user and month.")],
    start: From,
    to: To = None,
    tier: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FROM=AMOUNT",
            help="Yuan from the FROM-th user on; may be repeated. Rule packs with tiers use it.",
        ),
    ] = None,
    minimum: Annotated[
        str | None, typer.Option(help="Yuan that a month with full-price users costs at least.")
    ] = None,
    json: Json = False,
) -> None:
    """Set a product's price from a day on, its volume tiers and its minimum fee.

    Tiers and a minimum that are not given are none.
    """

    async def work(session: OperatorSession) -> bool:
        yuan = _yuan(amount, "AMOUNT")
        end = None if to is None else day(to, "--to", last=True)
        return await registry.set_price(
            *(session, product, yuan, day(start, "--from"), end),
            tiers=_tiers(tier or []),
            minimum=None if minimum is None else _yuan(minimum, "--minimum"),
        )

    told(acting("operator", work), f"price {product} {amount}", json)


def _yuan(text: str, argument: str) -> Decimal:
    if not _YUAN.fullmatch(text):
        raise BadInput(
            f"{text!r} is not a price",
            f"“{text}”不是价格",
            argument=argument,
            accepted="yuan, not negative, at most two decimals",
        )
    return Decimal(text)


def _tiers(texts: list[str]) -> dict[int, Decimal]:
    found: dict[int, Decimal] = {}
    for text in texts:
        first, _, amount = text.partition("=")
        if not _UNIT.fullmatch(first) or not _YUAN.fullmatch(amount) or int(first) in found:
            raise BadInput(
                f"{text!r} is not a tier, or not the only one from there",
                f"“{text}”不是价格档次，或与另一档重复",
                argument="--tier",
                accepted="FROM=AMOUNT, for instance 101=25.00, each FROM once",
            )
        found[int(first)] = Decimal(amount)
    return found


@key.command("issue")
def issue_key(
    role: Annotated[str, typer.Option(help="analyst, administrator, operator or portal.")],
    vendor: Annotated[str | None, typer.Option(help="Code of the vendor that holds it.")] = None,
    licensor: Annotated[str | None, typer.Option(help="Code of the data company.")] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=3660, help="Days until it expires.")
    ] = None,
    trusted_only: Annotated[
        bool, typer.Option("--trusted-only", help="It runs the vendor's registered documents only.")
    ] = False,
    json: Json = False,
) -> None:
    """Issue an API key and print it: the only time it can be seen."""

    async def work(session: OperatorSession) -> dict[str, Any]:
        holder = await holder_of(session, vendor, licensor)
        granted = keys.role_for(role, holder)
        made, expires = await keys.issue(
            session, holder, granted, days=days, trusted_only=trusted_only
        )
        await registry.log(session, "key.issue", holder.number, key=made.prefix, role=granted.value)
        return {"key": made.text, "role": granted.value, "expiresAt": expires}

    result = acting("security", work)
    tell(result, result["key"], json=json)


async def holder_of(
    session: OperatorSession, vendor: str | None, licensor: str | None
) -> keys.Holder:
    """Return whom a credential belongs to; BadInput for both or neither."""
    if (vendor is None) == (licensor is None):
        raise BadInput(
            "a key belongs to a vendor or to a licensor",
            "密钥属于信息商或信息公司之一",
            argument="--vendor",
            accepted="either --vendor CODE or --licensor CODE",
        )
    if vendor is not None:
        return keys.Holder(vendor_id=await registry.vendor_id(session, vendor))
    return keys.Holder(licensor_id=await registry.licensor_id(session, str(licensor)))


@key.command("revoke")
def revoke_key(
    prefix: Annotated[str, typer.Argument(help="The eight characters after gw_.")],
    json: Json = False,
) -> None:
    """Revoke a key, at once."""

    async def work(session: OperatorSession) -> bool:
        holder = await keys.revoke(session, prefix)
        await registry.log(session, "key.revoke", holder.number, key=prefix)
        return True

    told(acting("security", work), f"key {prefix} revoked", json)


@oidc.command("grant")
def grant_claim(
    value: Annotated[str, typer.Argument(help="The claim's value, for instance a group's name.")],
    issuer: Annotated[str, typer.Option(help="The issuer, as GATEWAY_OIDC names it.")],
    role: Annotated[str, typer.Option(help="analyst, administrator, operator or portal.")],
    vendor: Annotated[str | None, typer.Option(help="Code of the vendor.")] = None,
    licensor: Annotated[str | None, typer.Option(help="Code of the data company.")] = None,
    json: Json = False,
) -> None:
    """Let whoever has a value of the issuer's claim ask; `gateway key revoke` takes it back."""

    async def work(session: OperatorSession) -> tuple[str, bool]:
        holder = await holder_of(session, vendor, licensor)
        granted = keys.role_for(role, holder)
        prefix, changed = await keys.grant(session, holder, granted, issuer, value)
        if changed:
            await registry.log(
                session,
                "oidc.grant",
                holder.number,
                key=prefix,
                role=granted.value,
                issuer=issuer,
                claim=value,
            )
        return prefix, changed

    prefix, changed = acting("security", work)
    told(changed, f"grant {prefix}: {value}", json)
