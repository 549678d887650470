"""`gateway licensor|vendor|product|licence|price|key …`: setting up the market."""

import re
from collections.abc import Awaitable, Callable
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

import typer

from gateway.app.house import House
from gateway.catalogue import registry
from gateway.cli.run import Json, actor, in_house, tell
from gateway.errors import BadInput
from gateway.regulation.months import Month
from gateway.tenancy import issue as keys
from gateway.tenancy.operator import OperatorSession, open_operator

licensor = typer.Typer(help="Data companies (信息公司).", no_args_is_help=True)
vendor = typer.Typer(help="Vendors (信息商).", no_args_is_help=True)
product = typer.Typer(help="Products (信息产品).", no_args_is_help=True)
licence = typer.Typer(help="Licences (经营许可).", no_args_is_help=True)
price = typer.Typer(help="The price book.", no_args_is_help=True)
key = typer.Typer(help="API keys.", no_args_is_help=True)

From = Annotated[str, typer.Option("--from", help="First day: YYYYMMDD, YYYY-MM-DD or YYYYMM.")]
To = Annotated[
    str | None, typer.Option("--to", help="Last day, or YYYYMM for a month's; open if not given.")
]
SZSE_INFO = "SZSEINFO"


_YUAN = re.compile(r"\d{1,15}(\.\d{1,9})?", re.ASCII)
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


def _as_operator(work: Callable[[OperatorSession], Awaitable[Any]]) -> Any:
    async def opened(house: House) -> Any:
        async with open_operator(house.operator, actor()) as session:
            return await work(session)

    return in_house(opened)


def _told(changed: bool, what: str, json: bool) -> None:
    tell({"changed": changed, "what": what}, what if changed else f"{what}: as it was", json=json)


@licensor.command("add")
def add_licensor(code: str, name: str, json: Json = False) -> None:
    """Add a data company, or set its name."""
    _told(_as_operator(lambda s: registry.add_licensor(s, code, name)), f"licensor {code}", json)


@vendor.command("add")
def add_vendor(code: str, name: str, json: Json = False) -> None:
    """Add a vendor, or set its name."""
    _told(_as_operator(lambda s: registry.add_vendor(s, code, name)), f"vendor {code}", json)


@product.command("add")
def add_product(
    name: str,
    licensor: Annotated[str, typer.Option(help="Code of the data company.")] = SZSE_INFO,
    json: Json = False,
) -> None:
    """Add a product of a data company."""
    _told(_as_operator(lambda s: registry.add_product(s, name, licensor)), f"product {name}", json)


@licence.command("add")
def add_licence(vendor: str, product: str, start: From, to: To = None, json: Json = False) -> None:
    """Grant a vendor a product from a day on, until a day if given."""

    async def work(session: OperatorSession) -> bool:
        end = None if to is None else day(to, "--to", last=True)
        return await registry.add_licence(session, vendor, product, day(start, "--from"), end)

    _told(_as_operator(work), f"licence {vendor} {product}", json)


@price.command("set")
def set_price(
    product: str,
    amount: Annotated[str, typer.Argument(help="Yuan per full-price user and month.")],
    start: From,
    to: To = None,
    json: Json = False,
) -> None:
    """Set a product's price from a day on."""

    async def work(session: OperatorSession) -> bool:
        if not _YUAN.fullmatch(amount):
            raise BadInput(
                f"{amount!r} is not a price",
                f"“{amount}”不是价格",
                argument="AMOUNT",
                accepted="yuan, not negative, at most two decimals",
            )
        yuan = Decimal(amount)
        end = None if to is None else day(to, "--to", last=True)
        return await registry.set_price(session, product, yuan, day(start, "--from"), end)

    _told(_as_operator(work), f"price {product} {amount}", json)


@key.command("issue")
def issue_key(
    role: Annotated[str, typer.Option(help="analyst, administrator, operator or portal.")],
    vendor: Annotated[str | None, typer.Option(help="Code of the vendor that holds it.")] = None,
    licensor: Annotated[str | None, typer.Option(help="Code of the data company.")] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=3660, help="Days until it expires.")
    ] = None,
    json: Json = False,
) -> None:
    """Issue an API key and print it: the only time it can be seen."""

    async def work(session: OperatorSession) -> dict[str, Any]:
        if (vendor is None) == (licensor is None):
            raise BadInput(
                "a key belongs to a vendor or to a licensor",
                "密钥属于信息商或信息公司之一",
                argument="--vendor",
                accepted="either --vendor CODE or --licensor CODE",
            )
        if vendor is not None:
            holder = keys.Holder(vendor_id=await registry.vendor_id(session, vendor))
        else:
            holder = keys.Holder(licensor_id=await registry.licensor_id(session, str(licensor)))
        granted = keys.role_for(role, holder)
        made, expires = await keys.issue(session, holder, granted, days=days)
        await registry.log(session, "key.issue", holder.number, key=made.prefix, role=granted.value)
        return {"key": made.text, "role": granted.value, "expiresAt": expires}

    result = _as_operator(work)
    tell(result, result["key"], json=json)


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

    _told(_as_operator(work), f"key {prefix} revoked", json)
