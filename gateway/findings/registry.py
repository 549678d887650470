"""Setting the thresholds of a licensor's products. Every act is idempotent, and in the log."""

from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from gateway.catalogue import registry
from gateway.catalogue.models import Product
from gateway.errors import BadInput
from gateway.findings.book import RULES
from gateway.findings.models import FindingThreshold
from gateway.findings.rule import Threshold
from gateway.findings.thresholds import value_of
from gateway.tenancy.operator import OperatorSession

_TABLE = FindingThreshold.table()
_KEY = ("product_id", "rule", "name")


async def set_threshold(
    session: OperatorSession,
    rule: str,
    name: str,
    value: Decimal | None,
    *,
    licensor: str,
    product: str | None = None,
) -> bool:
    """Set a threshold for a licensor's products, or one of them; None: the package's again.

    Return whether anything changed.
    """
    threshold = _threshold(rule, name)
    given = None if value is None else value_of(threshold, value, f"{rule}.{name}")
    numbers = await _products(session, licensor, product)
    found = await session.execute(
        select(_TABLE.c.product_id, _TABLE.c.value).where(
            _TABLE.c.rule == rule, _TABLE.c.name == name
        )
    )
    held = {row.product_id: row.value for row in found}
    changed = [number for number in numbers if held.get(number) != given]
    if not changed:
        return False
    adding = insert(_TABLE).values(
        [{"product_id": one, "rule": rule, "name": name, "value": given} for one in changed]
    )
    await session.execute(
        adding.on_conflict_do_update(index_elements=_KEY, set_={"value": adding.excluded.value})
    )
    await registry.log(
        session,
        "threshold.set",
        -await registry.licensor_id(session, licensor),
        licensor=licensor,
        product=product,
        threshold=f"{rule}.{name}",
        value=None if given is None else str(given),
    )
    return True


def _threshold(rule: str, name: str) -> Threshold:
    known = {
        (code.value, one.name): one for code, found in RULES.items() for one in found.thresholds
    }
    if (rule, name) not in known:
        raise BadInput(
            f"{rule}.{name} is not a threshold",
            f"{rule}.{name}不是阈值",
            argument="NAME",
            accepted=", ".join(f"{one} {two}" for one, two in known),
        )
    return known[rule, name]


async def _products(session: OperatorSession, licensor: str, product: str | None) -> Sequence[int]:
    owner = await registry.licensor_id(session, licensor)
    table = Product.table()
    found = await session.execute(
        select(table.c.name, table.c.product_id).where(table.c.licensor_id == owner)
    )
    mine = {row.name: row.product_id for row in found}
    if product is None:
        return sorted(mine.values())
    if product not in mine:
        raise BadInput(
            f"{product!r} is not a product of {licensor}",
            f"“{product}”不是{licensor}的信息产品",
            argument="--product",
            accepted=", ".join(sorted(mine)) or "no product yet",
        )
    return [mine[product]]
