"""Batches are the recorded clock: versions carry batch numbers in the place of instants."""

import sqlalchemy as sa

from alembic import op

revision = "0002"
down_revision = "0001"

VERSIONS = "service_record_versions"
NATURAL_KEY = ("vendor_id", "user_id", "product_id", "usage_mode", "start_date")


def upgrade() -> None:
    op.drop_constraint("pk_service_record_versions", VERSIONS)
    op.drop_column(VERSIONS, "recorded_to")
    op.drop_column(VERSIONS, "recorded_from")
    op.drop_column("service_records", "recorded_from")
    op.create_primary_key(
        "pk_service_record_versions", VERSIONS, ["vendor_id", "record_id", "batch_no"]
    )
    op.create_index("ix_service_record_versions_natural_key", VERSIONS, NATURAL_KEY)
    op.create_index(
        "ix_service_record_versions_batch", VERSIONS, ["vendor_id", "batch_no", "record_id"]
    )
    op.create_index(
        "ix_service_record_versions_closed", VERSIONS, ["vendor_id", "closed_by", "record_id"]
    )


def downgrade() -> None:
    op.drop_index("ix_service_record_versions_closed", VERSIONS)
    op.drop_index("ix_service_record_versions_batch", VERSIONS)
    op.drop_index("ix_service_record_versions_natural_key", VERSIONS)
    op.drop_constraint("pk_service_record_versions", VERSIONS)
    _instant("service_records", "recorded_from", "batch_no")
    _instant(VERSIONS, "recorded_from", "batch_no")
    _instant(VERSIONS, "recorded_to", "closed_by")
    op.create_primary_key(
        "pk_service_record_versions", VERSIONS, ["vendor_id", "record_id", "recorded_from"]
    )


def _instant(table: str, column: str, batch: str) -> None:
    """Write the instants of batches back into the rows. The owner too is held by the policies."""
    op.add_column(table, sa.Column(column, sa.DateTime(timezone=True)))
    op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE import_batches NO FORCE ROW LEVEL SECURITY")
    op.execute(
        f"UPDATE {table} r SET {column} = b.recorded_at "
        f"FROM import_batches b WHERE (b.vendor_id, b.batch_no) = (r.vendor_id, r.{batch})"
    )
    op.execute("ALTER TABLE import_batches FORCE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.alter_column(table, column, nullable=False)
