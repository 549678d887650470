"""Setting up the market: vendors, products, licences and prices. Every act is idempotent."""

import re
import secrets
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Table, and_, insert, select, update
from sqlalchemy.dialects import postgresql

from gateway.audit.log import record_operators
from gateway.audit.models import HOUSE
from gateway.catalogue.models import Licence, Licensor, Price, Product, Vendor, VendorProduct
from gateway.errors import BadInput, NotFound
from gateway.regulation.layouts import PRODUCT
from gateway.regulation.text import fault
from gateway.tenancy.operator import OperatorSession

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_NAME_BELOW = 128
_MAX_PRICE = Decimal("999999999999.99")


async def log(session: OperatorSession, action: str, holder: int = HOUSE, **detail: Any) -> None:
    """Log an act of the operator for a vendor, or a licensor by its number below zero."""
    record_operators(session, action, detail, holder)


async def vendor_id(session: OperatorSession, code: str) -> int:
    """Return a vendor's number, or raise NotFound."""
    return await _number(session, Vendor.table(), "vendor_id", "code", code, "vendor", "信息商")


async def licensor_id(session: OperatorSession, code: str) -> int:
    """Return a licensor's number, or raise NotFound."""
    table = Licensor.table()
    return await _number(session, table, "licensor_id", "code", code, "licensor", "信息公司")


async def product_id(session: OperatorSession, name: str) -> int:
    """Return a product's number, or raise NotFound."""
    table = Product.table()
    return await _number(session, table, "product_id", "name", name, "product", "信息产品")


async def add_licensor(session: OperatorSession, code: str, name: str) -> bool:
    """Add a licensor, or set its name; return whether anything changed."""
    _check_code(code)
    _check_name(name, _NAME_BELOW)
    changed = await _put(session, Licensor.table(), {"code": code}, {"name": name})
    if changed:
        number = await licensor_id(session, code)
        await log(session, "licensor.add", -number, code=code, name=name)
    return changed


async def add_vendor(session: OperatorSession, code: str, name: str) -> bool:
    """Add a vendor under a random number, or set its name; return whether anything changed."""
    _check_code(code)
    _check_name(name, _NAME_BELOW)
    number = secrets.randbelow(2**31 - 1) + 1
    changed = await _put(
        session, Vendor.table(), {"code": code}, {"name": name}, {"vendor_id": number}
    )
    number = await vendor_id(session, code)
    if changed:
        await log(session, "vendor.add", number, code=code, name=name)
    return changed


async def add_product(session: OperatorSession, name: str, licensor: str) -> bool:
    """Add a product of a licensor; return whether it is new. Its licensor can't be changed."""
    _check_name(name, PRODUCT.below or _NAME_BELOW)
    owner = await licensor_id(session, licensor)
    table = Product.table()
    held = (await session.execute(select(table.c.licensor_id).where(table.c.name == name))).scalar()
    if held is not None and held != owner:
        raise BadInput(
            f"product {name!r} belongs to another licensor",
            f"信息产品“{name}”属于另一家信息公司",
            argument="licensor",
            accepted="the licensor that the product was added with",
        )
    changed = await _put(session, table, {"name": name}, {"licensor_id": owner})
    if changed:
        await log(session, "product.add", -owner, name=name, licensor=licensor)
    return changed


async def add_licence(
    session: OperatorSession, vendor: str, product: str, start: date, end: date | None
) -> bool:
    """Grant a vendor a product from a date, until a date if given; return whether it changed."""
    _check_interval(start, end)
    holder = await vendor_id(session, vendor)
    pair = {"vendor_id": holder, "product_id": await product_id(session, product)}
    changed = await _put(session, Licence.table(), pair | {"valid_from": start}, {"valid_to": end})
    await session.execute(
        postgresql.insert(VendorProduct.table()).values(pair).on_conflict_do_nothing()
    )
    if changed:
        await log(session, "licence.add", holder, product=product, start=str(start), end=str(end))
    return changed


async def set_price(
    session: OperatorSession, product: str, amount: Decimal, start: date, end: date | None
) -> bool:
    """Set a product's price per full-price user and month from a date on.

    Yuan, two decimals at most. Return whether anything changed.
    """
    _check_interval(start, end)
    if not amount.is_finite() or not 0 <= amount <= _MAX_PRICE or amount != round(amount, 2):
        raise BadInput(
            f"{amount} is not a price",
            f"{amount}不是价格",
            argument="amount",
            accepted="yuan, not negative, at most two decimals",
        )
    number = await product_id(session, product)
    changed = await _put(
        session,
        Price.table(),
        {"product_id": number, "valid_from": start},
        {"amount": round(amount, 2), "valid_to": end},
    )
    if changed:
        detail = {"amount": str(amount), "start": str(start), "end": str(end)}
        table = Product.table()
        owner = select(table.c.licensor_id).where(table.c.product_id == number)
        holder = -int((await session.execute(owner)).scalar_one())
        await log(session, "price.set", holder, product=product, **detail)
    return changed


async def _number(
    session: OperatorSession,
    table: Table,
    number: str,
    column: str,
    name: str,
    kind: str,
    kind_zh: str,
) -> int:
    found: int | None = (
        await session.execute(select(table.c[number]).where(table.c[column] == name))
    ).scalar()
    if found is None:
        raise NotFound.of(kind, kind_zh, name, argument=kind)
    return found


async def _put(
    session: OperatorSession,
    table: Table,
    key: dict[str, Any],
    content: dict[str, Any],
    once: dict[str, Any] | None = None,
) -> bool:
    """Insert a row or bring it to the wanted content; return whether anything changed."""
    here = and_(*(table.c[name] == value for name, value in key.items()))
    row = (await session.execute(select(table).where(here).with_for_update())).first()
    if row is None:
        await session.execute(insert(table).values(key | content | (once or {})))
        return True
    if all(getattr(row, name) == value for name, value in content.items()):
        return False
    await session.execute(update(table).where(here).values(content))
    return True


def _check_code(code: str) -> None:
    if not _CODE.fullmatch(code):
        raise BadInput(
            f"{code!r} is not a code",
            f"“{code}”不是代码",
            argument="code",
            accepted="1 to 32 ASCII letters, digits, - and _, the first a letter or digit",
        )


def _check_name(name: str, below: int) -> None:
    wrong = fault(name, below)
    if wrong is not None or name != name.strip():
        raise BadInput(
            f"{name!r} is not a name ({wrong or 'space at an end'})",
            f"“{name}”不是名称",
            argument="name",
            accepted=f"1 to {below - 1} characters, without ||, control characters, | at an end",
        )


def _check_interval(start: date, end: date | None) -> None:
    if end is not None and end < start:
        raise BadInput(
            f"{end} is before {start}",
            f"{end}早于{start}",
            argument="to",
            accepted=f"{start} or later",
        )
