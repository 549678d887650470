"""Counts of each month: kept beside the deltas that they are sums of, and found by one look."""

import sqlalchemy as sa

from alembic import op

revision = "0005"
down_revision = "0004"

CATEGORIES = ("full_price", "regulatory", "internal_free", "trial")
SUMS = ", ".join(f"sum({name}) OVER along AS {name}" for name in CATEGORIES)
GIVEN = ", ".join(f"{name}_count = s.{name}" for name in CATEGORIES)


def upgrade() -> None:
    """Add the columns and fill them."""
    for name in CATEGORIES:
        count = sa.Column(f"{name}_count", sa.Integer(), server_default="0", nullable=False)
        op.add_column("monthly_deltas", count)
    # the owner is under the table's policy too, and no scope is set here
    op.execute("ALTER TABLE monthly_deltas NO FORCE ROW LEVEL SECURITY")
    op.execute(f"""
        UPDATE monthly_deltas d SET {GIVEN}
        FROM (
            SELECT vendor_id, product_id, month, {SUMS} FROM monthly_deltas
            WINDOW along AS (PARTITION BY vendor_id, product_id ORDER BY month)
        ) s
        WHERE (d.vendor_id, d.product_id, d.month) = (s.vendor_id, s.product_id, s.month)""")
    op.execute("ALTER TABLE monthly_deltas FORCE ROW LEVEL SECURITY")
    # imports of an older release, which would leave wrong counts behind, fail
    for name in CATEGORIES:
        op.alter_column("monthly_deltas", f"{name}_count", server_default=None)


def downgrade() -> None:
    """Drop the columns."""
    for name in CATEGORIES:
        op.drop_column("monthly_deltas", f"{name}_count")
