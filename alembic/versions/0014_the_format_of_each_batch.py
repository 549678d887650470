"""The report format by which each batch was read: what its values can be."""

import sqlalchemy as sa

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the column; of batches before it the format is not known."""
    op.add_column("import_batches", sa.Column("format_digest", sa.Text(), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("import_batches", "format_digest")
