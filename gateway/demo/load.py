"""Loading the demo market: through the registry and the real intake, as an operator would."""

import asyncio
import tempfile
from datetime import date
from pathlib import Path

from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.catalogue import registry
from gateway.config.clock import today
from gateway.demo import market, second
from gateway.errors import BadInput
from gateway.intake.problems import BadLine
from gateway.intake.run import Mode, import_users
from gateway.intake.sources import FileSource
from gateway.tenancy.issue import Holder, issue
from gateway.tenancy.operator import OperatorSession, open_operator
from gateway.tenancy.principal import Role

SZSE_INFO = "SZSEINFO"
_ACTOR = "operator:demo"


async def found_demo(
    service: AsyncEngine, operator: AsyncEngine, scale: float, console: Console
) -> dict[str, str]:
    """Set up the demo market where it is missing; return fresh keys: licensor, vendor, code.

    A database that holds other vendors is left alone: BadInput.
    """
    codes = {vendor.code for vendor in market.VENDORS}
    async with open_operator(operator, _ACTOR) as session:
        held = set((await session.scope()).vendors.values())
        if held - codes:
            raise BadInput(
                "this database holds other vendors than the demo's",
                "该数据库已有演示之外的信息商",
                argument="GATEWAY_DATA_DIR",
                accepted="a data directory of its own for the demo, or none: .gateway-demo",
            )
        begin = await _found_market(session)
        second_format = await second.found_second(session, begin)
        scope = await session.scope()
    with tempfile.TemporaryDirectory(prefix="gateway-demo-") as place:
        for vendor in market.VENDORS:
            path = Path(place) / f"{vendor.code}.txt"
            await asyncio.to_thread(_write, path, vendor, scale)
            outcome = await import_users(
                service, scope, vendor.code, FileSource(path), Mode.SNAPSHOT, report=_impossible
            )
            console.print(f"{vendor.code} {vendor.name}: {outcome.lines} records", markup=False)
        vendor = second.VENDOR
        path = Path(place) / f"{second.CODE}.csv"
        lines = list(second.report(second_format, today(), scale))
        path.write_text("".join(f"{line}\r\n" for line in lines), encoding="utf-8", newline="")
        if len(lines) > 1:
            outcome = await import_users(
                service,
                scope,
                vendor.code,
                FileSource(path),
                Mode.SNAPSHOT,
                report=_impossible,
                report_format=second_format,
                products=[second.PRODUCT],
            )
            console.print(
                f"{vendor.code} {vendor.name}: {outcome.lines} records for {second.CODE}",
                markup=False,
            )
    return await _issue_keys(operator)


async def _found_market(session: OperatorSession) -> date:
    """Set the market up; return the first day of its licences."""
    for name in sorted({name for vendor in market.VENDORS for name in vendor.products}):
        await registry.add_product(session, name, SZSE_INFO)
    for price in market.prices(today()):
        await registry.set_price(session, price.product, price.amount, price.valid_from, None)
    begin = min(price.valid_from for price in market.prices(today()))
    for vendor in market.VENDORS:
        await registry.add_vendor(session, vendor.code, vendor.name)
        for name in vendor.products:
            await registry.add_licence(session, vendor.code, name, begin, None)
    return begin


def _write(path: Path, vendor: market.DemoVendor, scale: float) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in market.roster(vendor, today(), scale=scale))


def _impossible(bad: BadLine) -> None:
    raise AssertionError(bad.problems[0].text())


async def _issue_keys(operator: AsyncEngine) -> dict[str, str]:
    code = market.VENDORS[0].code
    async with open_operator(operator, _ACTOR) as session:
        licensor = Holder(licensor_id=await registry.licensor_id(session, SZSE_INFO))
        vendor = Holder(vendor_id=await registry.vendor_id(session, code))
        first, _ = await issue(session, licensor, Role.LICENSOR_ANALYST, days=30)
        second, _ = await issue(session, vendor, Role.VENDOR_OPERATOR, days=30)
        await registry.log(session, "key.issue", key=first.prefix, role="LICENSOR_ANALYST")
        await registry.log(
            session, "key.issue", vendor.vendor_id or 0, key=second.prefix, role="VENDOR_OPERATOR"
        )
    return {"licensor": first.text, "vendor": second.text, "code": code}
