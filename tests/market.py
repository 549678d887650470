"""A small market for tests: two licensors, their products, vendors, prices; loading and asking."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path

from gateway.app.house import House
from gateway.catalogue import registry
from gateway.intake.problems import BadLine
from gateway.intake.run import Mode, Outcome, import_users
from gateway.intake.sources import FileSource
from gateway.tenancy.issue import Holder, issue
from gateway.tenancy.operator import open_operator
from gateway.tenancy.principal import Role
from gateway.tenancy.scope import Scope

ENHANCED, BASIC, FOREIGN = "增强行情", "基本行情", "Hong Kong Level 2"
PRODUCTS = (ENHANCED, BASIC)
PRICE = Decimal("12.34")


async def found(house: House, *vendors: str) -> None:
    """Set up licensors SZSEINFO (ENHANCED, BASIC) and HKEX (FOREIGN), and vendors by code."""
    async with open_operator(house.operator, "test") as session:
        await registry.add_licensor(session, "HKEX", "香港交易所")
        for name in PRODUCTS:
            await registry.add_product(session, name, "SZSEINFO")
        await registry.add_product(session, FOREIGN, "HKEX")
        await registry.set_price(session, ENHANCED, PRICE, date(2000, 1, 1), None)
        for code in vendors:
            await registry.add_vendor(session, code, f"{code}信息有限公司")


async def operator(house: House) -> Scope:
    """Return the operator's scope as it is now."""
    async with open_operator(house.operator, "test") as session:
        return await session.scope()


async def load(
    house: House,
    vendor: str,
    lines: Iterable[str] | bytes,
    place: Path,
    mode: Mode = Mode.SNAPSHOT,
    *,
    dry_run: bool = False,
    bad: list[BadLine] | None = None,
    licensor: str | None = None,
    source: str | None = None,
) -> Outcome:
    """Import lines (or a file's raw bytes) through the real intake."""
    path = place / (source or f"{vendor}.txt")
    path.write_bytes(
        lines if isinstance(lines, bytes) else "".join(f"{x}\n" for x in lines).encode()
    )
    refused: list[BadLine] = [] if bad is None else bad
    return await import_users(
        house.service,
        await operator(house),
        vendor,
        FileSource(path),
        mode,
        report=refused.append,
        licensor=licensor,
        dry_run=dry_run,
    )


async def key(
    house: House, *, vendor: str | None = None, licensor: str | None = None, role: Role
) -> str:
    """Issue an API key and return its text."""
    async with open_operator(house.security, "test") as session:
        holder = (
            Holder(vendor_id=await registry.vendor_id(session, vendor))
            if vendor
            else Holder(licensor_id=await registry.licensor_id(session, licensor or "SZSEINFO"))
        )
        made, _ = await issue(session, holder, role, days=None)
        return made.text
