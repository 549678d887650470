"""The licensor of a row's product, and the products of the same licensors."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import FromClause, ScalarSelect, select

from gateway.catalogue.models import Licensor, Product
from gateway.tenancy.session import ScopedSession


def licensor_text(row: FromClause, column: str) -> ScalarSelect[Any]:
    """Return the code or name of the licensor whose product the row's `product_id` is."""
    product, licensor = Product.table().alias("its_product"), Licensor.table()
    return (
        select(licensor.c[column])
        .where(
            product.c.product_id == row.c.product_id,
            licensor.c.licensor_id == product.c.licensor_id,
        )
        .correlate(row)
        .scalar_subquery()
    )


async def products_of_same_licensors(session: ScopedSession, names: Collection[str]) -> list[int]:
    """Return the numbers of all products in scope whose licensors those named belong to."""
    table = Product.table()
    rows = await session.rows(
        select(table.c.product_id, table.c.licensor_id, table.c.name).where(
            session.scope.covers(table)
        )
    )
    licensors = {row.licensor_id for row in rows if row.name in names}
    return sorted(row.product_id for row in rows if row.licensor_id in licensors)
