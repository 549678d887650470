"""Report formats: the layouts of data companies' files, as data."""

import sqlalchemy as sa

from alembic import op

revision = "0007"
down_revision = "0006"

# A caller sees the formats of the data companies whose products it reaches.
VISIBLE = """
    EXISTS (
        SELECT FROM licensors l JOIN products p USING (licensor_id)
        WHERE l.report_format = report_formats.code AND p.product_id = ANY (
            (SELECT nullif(current_setting('gateway.products', true), ''))::int[]))
"""


def upgrade() -> None:
    """Add the table, and each data company's choice."""
    op.create_table(
        "report_formats",
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column(
            "added_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("code", "version", name=op.f("pk_report_formats")),
    )
    op.add_column(
        "licensors",
        sa.Column(
            "report_format",
            sa.Text(collation="C"),
            server_default="szse-2010",
            nullable=False,
        ),
    )
    op.execute("ALTER TABLE report_formats ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE report_formats FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY scope ON report_formats FOR SELECT TO gateway_service USING ({VISIBLE})"
    )
    op.execute(
        "CREATE POLICY operator ON report_formats TO gateway_operator "
        "USING (true) WITH CHECK (true)"
    )
    op.execute("GRANT SELECT ON report_formats TO gateway_service")
    op.execute("GRANT SELECT, INSERT ON report_formats TO gateway_operator")
    # what a caller was admitted with holds no longer when a format gets a new version
    op.execute(
        "CREATE TRIGGER reach_insert AFTER INSERT ON report_formats "
        "REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION gateway_tick()"
    )


def downgrade() -> None:
    """Drop both."""
    op.drop_table("report_formats")
    op.drop_column("licensors", "report_format")
