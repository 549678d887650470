"""Rule packs and where they are in use, volume tiers and minimum fees, written approvals."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0008"
down_revision = "0007"

VENDORS = "(SELECT nullif(current_setting('gateway.vendors', true), ''))::int[]"
PRODUCTS = "(SELECT nullif(current_setting('gateway.products', true), ''))::int[]"
BY_PRODUCT = f"product_id = ANY ({PRODUCTS})"
BY_BOTH = f"vendor_id = ANY ({VENDORS}) AND {BY_PRODUCT}"

# table -> (whose rows, what the operator may do); the service may read
ACCESS = {
    "rule_packs": (None, "SELECT, INSERT"),
    "product_packs": (BY_PRODUCT, "SELECT, INSERT, UPDATE"),
    "price_tiers": (BY_PRODUCT, "SELECT, INSERT, DELETE"),
    "approvals": (BY_BOTH, "SELECT, INSERT, UPDATE"),
}


def upgrade() -> None:
    """Add the tables, their walls and the minimum."""
    op.add_column("prices", sa.Column("minimum", sa.Numeric(precision=14, scale=2), nullable=True))
    op.create_check_constraint(op.f("ck_prices_minimum"), "prices", "minimum >= 0")
    _tables()
    for table, (whose, operator) in ACCESS.items():
        op.execute(f"GRANT SELECT ON {table} TO gateway_service")
        op.execute(f"GRANT {operator} ON {table} TO gateway_operator")
        if whose is None:
            continue
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY scope ON {table} TO gateway_service "
            f"USING ({whose}) WITH CHECK ({whose})"
        )
        op.execute(
            f"CREATE POLICY operator ON {table} TO gateway_operator USING (true) WITH CHECK (true)"
        )


def _tables() -> None:
    op.create_table(
        "rule_packs",
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("options", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("pk_rule_packs")),
    )
    op.create_table(
        "product_packs",
        sa.Column("product_id", sa.Integer(), nullable=False),
        sa.Column("own", sa.Boolean(), autoincrement=False, nullable=False),
        sa.Column("from_month", sa.Date(), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.product_id"], name=op.f("fk_product_packs_product_id")
        ),
        sa.PrimaryKeyConstraint("product_id", "own", "from_month", name=op.f("pk_product_packs")),
    )
    op.create_table(
        "price_tiers",
        sa.Column("product_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("from_unit", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("amount", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.CheckConstraint("from_unit > 1", name=op.f("ck_price_tiers_from_unit")),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_price_tiers_amount")),
        sa.ForeignKeyConstraint(
            ["product_id", "valid_from"],
            ["prices.product_id", "prices.valid_from"],
            name="fk_price_tiers_price",
        ),
        sa.PrimaryKeyConstraint(
            "product_id", "valid_from", "from_unit", name=op.f("pk_price_tiers")
        ),
    )
    op.create_table(
        "approvals",
        sa.Column("vendor_id", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Text(collation="C"), nullable=False),
        sa.Column("fee_category", sa.SmallInteger(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("reference", sa.Text(collation="C"), nullable=False),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_approvals_validity")),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.product_id"], name=op.f("fk_approvals_product_id")
        ),
        sa.ForeignKeyConstraint(
            ["vendor_id"], ["vendors.vendor_id"], name=op.f("fk_approvals_vendor_id")
        ),
        sa.PrimaryKeyConstraint(
            *("vendor_id", "product_id", "user_id", "fee_category", "valid_from"),
            name=op.f("pk_approvals"),
        ),
    )


def downgrade() -> None:
    """Drop them."""
    for table in reversed(ACCESS):
        op.drop_table(table)
    op.drop_column("prices", "minimum")
