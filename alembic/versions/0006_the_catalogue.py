"""The catalogue: exchanges' pages and interface specifications; usage modes of licences."""

import sqlalchemy as sa

from alembic import op

revision = "0006"
down_revision = "0005"

PRODUCTS = "(SELECT nullif(current_setting('gateway.products', true), ''))::int[]"
BY_PRODUCT = f"product_id = ANY ({PRODUCTS})"
MODES = "usage_modes <@ '{1,2,3}' AND cardinality(usage_modes) > 0"
PUBLIC = {
    "exchange_pages": "SELECT, INSERT, DELETE",
    "interface_specs": "SELECT, INSERT, UPDATE",
}


def upgrade() -> None:
    op.add_column("exchanges", sa.Column("short_name", sa.Text(collation="C"), nullable=True))
    op.add_column(
        "exchanges", sa.Column("kind", sa.SmallInteger(), server_default="1", nullable=False)
    )
    op.add_column(
        "licences",
        sa.Column(
            "usage_modes",
            sa.ARRAY(sa.SmallInteger()),
            server_default=sa.text("'{1,2,3}'"),
            nullable=False,
        ),
    )
    op.create_check_constraint(op.f("ck_licences_usage_modes"), "licences", MODES)
    _tables()
    for table, operator in PUBLIC.items():
        op.execute(f"GRANT SELECT ON {table} TO gateway_service")
        op.execute(f"GRANT {operator} ON {table} TO gateway_operator")
    op.execute("GRANT SELECT ON product_interfaces TO gateway_service")
    op.execute("GRANT SELECT, INSERT, DELETE ON product_interfaces TO gateway_operator")
    op.execute("ALTER TABLE product_interfaces ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE product_interfaces FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY scope ON product_interfaces TO gateway_service "
        f"USING ({BY_PRODUCT}) WITH CHECK ({BY_PRODUCT})"
    )
    op.execute(
        "CREATE POLICY operator ON product_interfaces TO gateway_operator "
        "USING (true) WITH CHECK (true)"
    )


def _tables() -> None:
    op.create_table(
        "exchange_pages",
        sa.Column("exchange_id", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(collation="C"), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["exchange_id"], ["exchanges.exchange_id"], name=op.f("fk_exchange_pages_exchange_id")
        ),
        sa.PrimaryKeyConstraint("exchange_id", "title", name=op.f("pk_exchange_pages")),
    )
    op.create_table(
        "interface_specs",
        sa.Column("spec_id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("series", sa.Text(collation="C"), nullable=False),
        sa.Column("exchange_id", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(collation="C"), nullable=True),
        sa.Column("title", sa.Text(collation="C"), nullable=False),
        sa.Column("protocols", sa.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("purpose", sa.SmallInteger(), nullable=False),
        sa.Column("version", sa.Text(collation="C"), nullable=True),
        sa.Column("published_on", sa.Date(), nullable=True),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("supersedes_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("supersedes_id <> spec_id", name=op.f("ck_interface_specs_supersedes")),
        sa.ForeignKeyConstraint(
            ["exchange_id"], ["exchanges.exchange_id"], name=op.f("fk_interface_specs_exchange_id")
        ),
        sa.ForeignKeyConstraint(
            ["supersedes_id"],
            ["interface_specs.spec_id"],
            name=op.f("fk_interface_specs_supersedes_id"),
        ),
        sa.PrimaryKeyConstraint("spec_id", name=op.f("pk_interface_specs")),
        sa.UniqueConstraint("key", name=op.f("uq_interface_specs_key")),
        sa.UniqueConstraint(
            "supersedes_id",
            name=op.f("uq_interface_specs_supersedes_id"),
            deferrable=True,
            initially="DEFERRED",
        ),
    )
    op.create_index(op.f("ix_interface_specs_series"), "interface_specs", ["series"])
    op.create_table(
        "product_interfaces",
        sa.Column("product_id", sa.Integer(), nullable=False),
        sa.Column("spec_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.product_id"], name=op.f("fk_product_interfaces_product_id")
        ),
        sa.ForeignKeyConstraint(
            ["spec_id"], ["interface_specs.spec_id"], name=op.f("fk_product_interfaces_spec_id")
        ),
        sa.PrimaryKeyConstraint("product_id", "spec_id", name=op.f("pk_product_interfaces")),
    )


def downgrade() -> None:
    op.drop_table("product_interfaces")
    op.drop_table("interface_specs")
    op.drop_table("exchange_pages")
    op.drop_constraint(op.f("ck_licences_usage_modes"), "licences")
    op.drop_column("licences", "usage_modes")
    op.drop_column("exchanges", "kind")
    op.drop_column("exchanges", "short_name")
