"""The perimeter: origins and documents that vendors register, and keys that run nothing else.

Only the operator's role has the two tables. The service learns of a key's own rows through
functions that ask for the key; a change ticks the clock, so that it holds with the next request.
"""

import sqlalchemy as sa

from alembic import op

revision = "0012"
down_revision = "0011"

DEFINER = "SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp"
VALID = "k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())"
TERMS = f"""
    SELECT jsonb_build_object(
        'expires', extract(epoch FROM k.expires_at),
        'trusted_only', k.trusted_only,
        'origins', (
            SELECT coalesce(jsonb_agg(o.origin), '[]')
            FROM vendor_origins o WHERE o.vendor_id = k.vendor_id),
        'documents', (
            SELECT coalesce(jsonb_agg(d.digest), '[]')
            FROM trusted_documents d WHERE d.vendor_id = k.vendor_id))
    FROM api_keys k WHERE {VALID} AND k.digest = presented"""
DOCUMENT = f"""
    SELECT to_jsonb(d.body)
    FROM api_keys k JOIN trusted_documents d ON d.vendor_id = k.vendor_id
    WHERE {VALID} AND k.digest = presented AND d.digest = wanted"""
KNOWN = "SELECT to_jsonb(EXISTS (SELECT FROM vendor_origins o WHERE o.origin = asked))"
FUNCTIONS = {
    "gateway_terms(presented bytea)": TERMS,
    "gateway_document(presented bytea, wanted text)": DOCUMENT,
    "gateway_knows_origin(asked text)": KNOWN,
}
TABLES = ("vendor_origins", "trusted_documents")
EVENTS = {"INSERT": "NEW", "UPDATE": "NEW", "DELETE": "OLD"}


def upgrade() -> None:
    """Add the tables, the keys' flag and what the service may ask."""
    op.add_column(
        "api_keys",
        sa.Column("trusted_only", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.create_table(
        "vendor_origins",
        sa.Column("vendor_id", sa.Integer(), nullable=False),
        sa.Column("origin", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("vendor_id", "origin", name=op.f("pk_vendor_origins")),
    )
    op.create_index(op.f("ix_vendor_origins_origin"), "vendor_origins", ["origin"])
    op.create_table(
        "trusted_documents",
        sa.Column("vendor_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column(
            "registered_at",
            sa.DateTime(timezone=True),
            server_default=sa.func.now(),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("vendor_id", "digest", name=op.f("pk_trusted_documents")),
    )
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY operator ON {table} TO gateway_operator USING (true) WITH CHECK (true)"
        )
        op.execute(f"CREATE POLICY scope ON {table} TO gateway_service USING (false)")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO gateway_operator")
        for event, rows in EVENTS.items():
            op.execute(
                f"CREATE TRIGGER reach_{event.lower()} AFTER {event} ON {table} "
                f"REFERENCING {rows} TABLE AS changed "
                "FOR EACH STATEMENT EXECUTE FUNCTION gateway_tick()"
            )
    op.execute("GRANT CREATE ON SCHEMA public TO gateway_operator")
    for signature, body in FUNCTIONS.items():
        name = signature.partition("(")[0]
        op.execute(
            f"CREATE FUNCTION {signature} RETURNS jsonb LANGUAGE sql STABLE {DEFINER} AS $${body}$$"
        )
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO gateway_service")
        op.execute(f"ALTER FUNCTION {name} OWNER TO gateway_operator")
    op.execute("REVOKE CREATE ON SCHEMA public FROM gateway_operator")


def downgrade() -> None:
    """Drop them."""
    for signature in FUNCTIONS:
        op.execute(f"DROP FUNCTION {signature.partition('(')[0]}")
    for table in TABLES:
        op.drop_table(table)
    op.drop_column("api_keys", "trusted_only")
