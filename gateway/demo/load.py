"""Loading the demo market: through the registry and the real intake, as an operator would."""

import asyncio
import tempfile
from importlib.resources import files
from pathlib import Path

from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.catalogue import registry
from gateway.catalogue.loading import BUILT_IN, built_in, load
from gateway.config.clock import today
from gateway.demo import irregular, market, reports
from gateway.demo.licensors import LICENSORS
from gateway.errors import BadInput
from gateway.intake.problems import BadLine
from gateway.intake.run import Mode, import_users
from gateway.intake.sources import FileSource
from gateway.regulation.codes import UsageMode
from gateway.regulation.formats.format import ReportFormat
from gateway.tenancy.issue import Holder, issue
from gateway.tenancy.operator import OperatorSession, open_operator
from gateway.tenancy.principal import Role

_ACTOR, _SECURITY = "operator:demo", "security:demo"
_LINKS = "interfaces.toml"


async def found_demo(
    service: AsyncEngine,
    operator: AsyncEngine,
    security: AsyncEngine,
    scale: float,
    console: Console,
) -> dict[str, str]:
    """Set up the demo market where it is missing.

    Return fresh keys of two licensors and a vendor, and the vendor's code: licensor, other, vendor,
    code. A database that holds other vendors is left alone: BadInput.
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
        shapes = await _found_market(session)
        scope = await session.scope()
    with tempfile.TemporaryDirectory(prefix="gateway-demo-") as place:
        for licensor in LICENSORS:
            console.print(f"{licensor.english} ({licensor.name})", markup=False)
            shape = shapes[licensor.code]
            for vendor in licensor.rosters:
                path = Path(place) / f"{vendor.code}.{shape.extension}"
                await asyncio.to_thread(_write, path, vendor, shape, scale)
                outcome = await import_users(
                    *(service, scope, vendor.code, FileSource(path), Mode.SNAPSHOT),
                    report=_impossible,
                    licensor=licensor.code,
                    report_format=shape,
                )
                lines = f"  {vendor.code} {vendor.name}: {outcome.lines} records"
                console.print(lines, markup=False)
    return await _issue_keys(security)


async def _found_market(session: OperatorSession) -> dict[str, ReportFormat]:
    """Set the market up; return the format of each data company's reports."""
    await load(session, built_in(), BUILT_IN)
    prices = market.prices(today())
    begin = min(price.valid_from for price in prices)
    shapes = {one.code: await reports.found_format(session, one.code) for one in LICENSORS}
    for licensor in LICENSORS:
        code = licensor.code
        await registry.add_licensor(session, code, licensor.name, shapes[code].code)
        for name in sorted(licensor.products):
            await registry.add_product(session, name, licensor.code)
            if licensor.price is not None:
                await registry.set_price(session, name, licensor.price, begin, None)
        for vendor in licensor.rosters:
            await registry.add_vendor(session, vendor.code, vendor.name)
            end, modes = None, tuple(UsageMode)
            if vendor in market.VENDORS:
                end = irregular.last_licensed_day(vendor.code, today())
                modes = irregular.MODES.get(vendor.code, modes)
            for name in vendor.products:
                if (vendor.code, name) not in irregular.UNLICENSED:
                    await registry.add_licence(session, vendor.code, name, begin, end, modes)
    links = files("gateway.demo").joinpath(_LINKS).read_bytes()
    await load(session, links, _LINKS)
    for price in prices:
        await registry.set_price(session, price.product, price.amount, price.valid_from, None)
    return shapes


def _write(
    path: Path, vendor: market.DemoVendor, report_format: ReportFormat, scale: float
) -> None:
    end = report_format.line_end.value
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = reports.report(vendor, report_format, today(), scale)
        file.writelines(f"{line}{end}" for line in lines)


def _impossible(bad: BadLine) -> None:
    raise AssertionError(bad.problems[0].text())


async def _issue_keys(security: AsyncEngine) -> dict[str, str]:
    code = market.VENDORS[0].code
    async with open_operator(security, _SECURITY) as session:
        keys = {"code": code}
        for name, licensor in zip(("licensor", "other"), LICENSORS, strict=False):
            holder = Holder(licensor_id=await registry.licensor_id(session, licensor.code))
            key, _ = await issue(session, holder, Role.LICENSOR_ANALYST, days=30)
            await registry.log(
                session, "key.issue", holder.number, key=key.prefix, role="LICENSOR_ANALYST"
            )
            keys[name] = key.text
        number = await registry.vendor_id(session, code)
        key, _ = await issue(session, Holder(vendor_id=number), Role.VENDOR_OPERATOR, days=30)
        await registry.log(session, "key.issue", number, key=key.prefix, role="VENDOR_OPERATOR")
        keys["vendor"] = key.text
    return keys
