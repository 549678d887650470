"""Findings: thresholds of licensors, and the index of phone numbers."""

import sqlalchemy as sa

from alembic import op

revision = "0009"
down_revision = "0008"

PRODUCTS = "(SELECT nullif(current_setting('gateway.products', true), ''))::int[]"
BY_PRODUCT = f"product_id = ANY ({PRODUCTS})"
POLICIES = {
    "finding_thresholds": BY_PRODUCT,
}
INDEX = "ix_service_records_vendor_phone"


def upgrade() -> None:
    op.create_table(
        "finding_thresholds",
        sa.Column("product_id", sa.Integer(), nullable=False),
        sa.Column("rule", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("value", sa.Numeric(precision=12, scale=4), nullable=True),
        sa.CheckConstraint("value >= 0", name=op.f("ck_finding_thresholds_value")),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.product_id"], name=op.f("fk_finding_thresholds_product_id")
        ),
        sa.PrimaryKeyConstraint("product_id", "rule", "name", name=op.f("pk_finding_thresholds")),
    )
    for table, whose in POLICIES.items():
        op.execute(f"GRANT SELECT ON {table} TO gateway_service")
        op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO gateway_operator")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY scope ON {table} TO gateway_service "
            f"USING ({whose}) WITH CHECK ({whose})"
        )
        op.execute(
            f"CREATE POLICY operator ON {table} TO gateway_operator USING (true) WITH CHECK (true)"
        )
    op.create_index(INDEX, "service_records", ("vendor_id", "phone", "record_id"))


def downgrade() -> None:
    op.drop_index(INDEX, "service_records")
    for table in POLICIES:
        op.drop_table(table)
