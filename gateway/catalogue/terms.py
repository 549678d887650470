"""Setting what a vendor's licences for a product cover besides their dates."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from gateway.catalogue import registry
from gateway.catalogue.models import LicenceTerms
from gateway.regulation.codes import UsageMode
from gateway.tenancy.operator import OperatorSession


async def set_usage_modes(
    session: OperatorSession, vendor: str, product: str, modes: Collection[UsageMode] | None
) -> bool:
    """Say which usage modes a vendor's licences for a product cover; None: all of them.

    Return whether anything changed.
    """
    table = LicenceTerms.table()
    holder = await registry.vendor_id(session, vendor)
    pair = {"vendor_id": holder, "product_id": await registry.product_id(session, product)}
    here = (table.c[name] == value for name, value in pair.items())
    held = (await session.execute(select(table.c.usage_modes).where(*here))).scalar()
    wanted = None if modes is None else sorted(int(mode) for mode in set(modes))
    if held == wanted:
        return False
    adding = insert(table).values(pair | {"usage_modes": wanted})
    await session.execute(
        adding.on_conflict_do_update(
            index_elements=tuple(pair), set_={"usage_modes": adding.excluded.usage_modes}
        )
    )
    names = None if modes is None else [UsageMode(one).name for one in wanted or ()]
    await registry.log(session, "licence.modes", holder, product=product, modes=names)
    return True
