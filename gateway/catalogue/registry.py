"""Setting up the market: vendors, products, licences and prices. Every act is idempotent."""

import re
import secrets
from collections.abc import Collection, Mapping
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from sqlalchemy import Table, and_, delete, insert, select, update
from sqlalchemy.dialects import postgresql

from gateway.audit.log import record_operators
from gateway.audit.models import HOUSE
from gateway.catalogue.models import (
    Licence,
    Licensor,
    Price,
    PriceTier,
    Product,
    ProductPack,
    Vendor,
    VendorProduct,
)
from gateway.errors import BadInput, NotFound
from gateway.regulation.codes import UsageMode
from gateway.regulation.layouts import PRODUCT
from gateway.regulation.text import fault
from gateway.tenancy.operator import OperatorSession

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_NAME_BELOW = 128
_RECORD_BITS = 40
"""A licensor has room for so many records of a vendor: two to the power of it."""
_BASES = 2**22 - 1
_MAX_PRICE = Decimal("999999999999.99")
_HIGHEST_TIER = 2**31 - 1


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


async def hold_licensor(session: OperatorSession, code: str) -> int:
    """Return a licensor's number, or raise NotFound; others who hold it wait for the commit.

    Whoever adds to its products, or says something of all of them, holds it.
    """
    number = await licensor_id(session, code)
    table = Licensor.table()
    one = select(table.c.licensor_id).where(table.c.licensor_id == number)
    await session.execute(one.with_for_update(key_share=True))
    return number


async def product_id(session: OperatorSession, name: str) -> int:
    """Return a product's number, or raise NotFound."""
    table = Product.table()
    return await _number(session, table, "product_id", "name", name, "product", "信息产品")


async def add_licensor(
    session: OperatorSession, code: str, name: str, report_format: str | None = None
) -> bool:
    """Add a licensor under a random record base, or set its name and its files' format.

    Return whether anything changed.
    `report_format` is a known format's code; None leaves it as it is, at first szse-2010.
    """
    _check_code(code)
    _check_name(name, _NAME_BELOW)
    chosen: dict[str, Any] = {} if report_format is None else {"report_format": report_format}
    once = {"record_base": (secrets.randbelow(_BASES) + 1) << _RECORD_BITS}
    changed = await _put(session, Licensor.table(), {"code": code}, {"name": name} | chosen, once)
    if changed:
        number = await licensor_id(session, code)
        await log(session, "licensor.add", -number, code=code, name=name, **chosen)
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
    owner = await hold_licensor(session, licensor)
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
        await _count_as_its_licensors_others(session, name, owner)
        await log(session, "product.add", -owner, name=name, licensor=licensor)
    return changed


async def _count_as_its_licensors_others(
    session: OperatorSession, product: str, licensor: int
) -> None:
    """Give a new product the rule packs that were chosen for all products of its licensor."""
    used, its = ProductPack.table(), Product.table()
    number = await product_id(session, product)
    chosen = (
        select(used.c.from_month, used.c.name, used.c.version)
        .where(
            used.c.product_id == its.c.product_id,
            its.c.licensor_id == licensor,
            used.c.own.is_(False),
        )
        .distinct()
    )
    for row in (await session.execute(chosen)).mappings().all():
        await session.execute(insert(used).values(product_id=number, own=False, **row))


async def add_licence(
    session: OperatorSession,
    vendor: str,
    product: str,
    start: date,
    end: date | None,
    usage_modes: Collection[UsageMode] = tuple(UsageMode),
) -> bool:
    """Grant a vendor a product from a date, until a date if given; return whether it changed.

    `usage_modes` are those in which it may be provided, by default all.
    """
    _check_interval(start, end)
    if not usage_modes:
        raise BadInput(
            "a licence allows some usage mode",
            "经营许可至少允许一种信息使用方式",
            argument="usageModes",
            accepted=f"one or more of {', '.join(UsageMode.texts())}",
        )
    holder = await vendor_id(session, vendor)
    pair = {"vendor_id": holder, "product_id": await product_id(session, product)}
    modes = sorted(set(usage_modes))
    changed = await _put(
        session,
        Licence.table(),
        pair | {"valid_from": start},
        {"valid_to": end, "usage_modes": [int(mode) for mode in modes]},
    )
    await session.execute(
        postgresql.insert(VendorProduct.table()).values(pair).on_conflict_do_nothing()
    )
    if changed:
        table = Product.table()
        owner = (
            await session.execute(
                select(table.c.licensor_id).where(table.c.product_id == pair["product_id"])
            )
        ).scalar_one()
        detail: dict[str, Any] = {
            "product": product,
            "start": str(start),
            "end": str(end),
            "modes": [mode.name for mode in modes],
        }
        await log(session, "licence.add", holder, **detail)
        await log(session, "licence.add", -owner, vendor=vendor, **detail)
    return changed


async def set_price(
    session: OperatorSession,
    product: str,
    amount: Decimal,
    start: date,
    end: date | None,
    *,
    tiers: Mapping[int, Decimal] = MappingProxyType({}),
    minimum: Decimal | None = None,
) -> bool:
    """Set a product's price per full-price user and month from a date on.

    `tiers` are amounts from the so-many-th user on, `minimum` is what a month costs at least. Yuan,
    two decimals at most. The book says what was set last: tiers and a minimum that are not given
    are none. Return whether anything changed.
    """
    _check_interval(start, end)
    _check_yuan(amount, "amount")
    for first, price in tiers.items():
        if not 1 < first <= _HIGHEST_TIER:
            raise BadInput(
                f"a tier can't begin with user {first}",
                f"价格档次不能从第{first}个用户开始",
                argument="tier",
                accepted=f"2 to {_HIGHEST_TIER}; the first user has the price itself",
            )
        _check_yuan(price, "tier")
    if minimum is not None:
        _check_yuan(minimum, "minimum")
    number = await product_id(session, product)
    key = {"product_id": number, "valid_from": start}
    least = None if minimum is None else round(minimum, 2)
    content = {"amount": round(amount, 2), "valid_to": end, "minimum": least}
    changed = await _put(session, Price.table(), key, content)
    changed |= await _put_tiers(session, key, {at: round(one, 2) for at, one in tiers.items()})
    if changed:
        detail: dict[str, Any] = {"amount": str(amount), "start": str(start), "end": str(end)}
        if tiers:
            detail["tiers"] = {str(at): str(tiers[at]) for at in sorted(tiers)}
        if minimum is not None:
            detail["minimum"] = str(minimum)
        table = Product.table()
        owner = select(table.c.licensor_id).where(table.c.product_id == number)
        holder = -int((await session.execute(owner)).scalar_one())
        await log(session, "price.set", holder, product=product, **detail)
    return changed


async def _put_tiers(
    session: OperatorSession, price: dict[str, Any], wanted: Mapping[int, Decimal]
) -> bool:
    """Bring a price's tiers to the wanted ones; return whether anything changed."""
    table = PriceTier.table()
    here = and_(*(table.c[name] == value for name, value in price.items()))
    rows = await session.execute(select(table.c.from_unit, table.c.amount).where(here))
    if {row.from_unit: row.amount for row in rows} == dict(wanted):
        return False
    await session.execute(delete(table).where(here))
    for first, amount in wanted.items():
        await session.execute(insert(table).values(price | {"from_unit": first, "amount": amount}))
    return True


def _check_yuan(amount: Decimal, argument: str) -> None:
    if not amount.is_finite() or not 0 <= amount <= _MAX_PRICE or amount != round(amount, 2):
        raise BadInput(
            f"{amount} is not a price",
            f"{amount}不是价格",
            argument=argument,
            accepted="yuan, not negative, at most two decimals",
        )


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
