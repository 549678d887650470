"""The licensor of a row's product."""

from typing import Any

from sqlalchemy import FromClause, ScalarSelect, select

from gateway.catalogue.models import Licensor, Product


def licensor_text(row: FromClause, column: str) -> ScalarSelect[Any]:
    """Return the code or name of the licensor whose product the row's `product_id` is."""
    product, licensor = Product.aliased("its_product"), Licensor.table()
    return (
        select(licensor.c[column])
        .where(
            product.c.product_id == row.c.product_id,
            licensor.c.licensor_id == product.c.licensor_id,
        )
        .correlate(row)
        .scalar_subquery()
    )
