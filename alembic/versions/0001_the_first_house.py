"""The first house."""

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0001"
down_revision = None

VENDORS = "(SELECT nullif(current_setting('gateway.vendors', true), ''))::int[]"
PRODUCTS = "(SELECT nullif(current_setting('gateway.products', true), ''))::int[]"
BY_VENDOR = f"vendor_id = ANY ({VENDORS})"
BY_PRODUCT = f"product_id = ANY ({PRODUCTS})"
BY_BOTH = f"{BY_VENDOR} AND {BY_PRODUCT}"

# table -> (whose rows, what the service may do, what the operator may do)
ACCESS = {
    "licensors": (None, "SELECT", "SELECT, INSERT, UPDATE"),
    "exchanges": (None, "SELECT", "SELECT, INSERT, UPDATE"),
    "products": (BY_PRODUCT, "SELECT", "SELECT, INSERT, UPDATE"),
    "prices": (BY_PRODUCT, "SELECT", "SELECT, INSERT, UPDATE"),
    "vendors": (BY_VENDOR, "SELECT", "SELECT, INSERT, UPDATE"),
    "licences": (BY_BOTH, "SELECT", "SELECT, INSERT, UPDATE"),
    "vendor_products": (BY_BOTH, "SELECT, INSERT", "SELECT, INSERT"),
    "api_keys": ("false", "", "SELECT, INSERT, UPDATE"),
    "audit_events": (BY_VENDOR, "SELECT, INSERT", "INSERT"),
    "rosters": (BY_VENDOR, "SELECT, INSERT, UPDATE", ""),
    "import_batches": (BY_VENDOR, "SELECT, INSERT", ""),
    "service_records": (BY_BOTH, "SELECT, INSERT, UPDATE, DELETE", ""),
    "service_record_versions": (BY_BOTH, "SELECT, INSERT", ""),
    "monthly_deltas": (BY_BOTH, "SELECT, INSERT, UPDATE, DELETE", ""),
}

# Who holds a key, and what it reaches now. The functions run as the operator's role, because the
# service's own role can read no key and, before it has a scope, no vendor.
REACH = """
    SELECT jsonb_build_object(
        'key', k.prefix,
        'role', k.role,
        'vendor', (SELECT v.code FROM vendors v WHERE v.vendor_id = k.vendor_id),
        'licensor', (SELECT l.code FROM licensors l WHERE l.licensor_id = k.licensor_id),
        'vendors', (
            SELECT coalesce(jsonb_object_agg(v.vendor_id, v.code), '{}')
            FROM vendors v
            WHERE v.vendor_id = k.vendor_id OR v.vendor_id IN (
                SELECT vp.vendor_id
                FROM vendor_products vp JOIN products p USING (product_id)
                WHERE p.licensor_id = k.licensor_id)),
        'products', (
            SELECT coalesce(jsonb_object_agg(p.product_id, p.name), '{}')
            FROM products p
            WHERE p.licensor_id = k.licensor_id OR p.product_id IN (
                SELECT vp.product_id FROM vendor_products vp WHERE vp.vendor_id = k.vendor_id)))
    FROM api_keys k
    WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
"""
MARKET = """
    SELECT jsonb_build_object(
        'vendors', (SELECT coalesce(jsonb_object_agg(vendor_id, code), '{}') FROM vendors),
        'products', (SELECT coalesce(jsonb_object_agg(product_id, name), '{}') FROM products))
"""
# Statistics right after a large import, not when autovacuum comes round: without them the next
# statement on the new rows is planned as if there were none. The service can't ANALYZE by itself
# (the privilege MAINTAIN is PostgreSQL 17's), so that the tables' owner does it.
ANALYZE = """
    CREATE FUNCTION gateway_analyze() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
    BEGIN ANALYZE (SKIP_LOCKED) service_records, service_record_versions, monthly_deltas; END $$
"""
FUNCTIONS = {
    "gateway_authenticate(presented bytea)": (
        f"{REACH} AND k.digest = presented",
        "gateway_service",
    ),
    "gateway_reauthenticate(known text)": (f"{REACH} AND k.prefix = known", "gateway_service"),
    "gateway_market()": (MARKET, "gateway_operator"),
}


def upgrade() -> None:
    _tables()
    op.execute("INSERT INTO licensors (code, name) VALUES ('SZSEINFO', '深圳证券信息有限公司')")
    op.execute("INSERT INTO exchanges (code, name) VALUES ('SZSE', '深圳证券交易所')")
    for statement in _walls():
        op.execute(statement)


def _tables() -> None:
    op.create_table(
        "api_keys",
        sa.Column("prefix", sa.Text(collation="C"), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("vendor_id", sa.Integer(), nullable=True),
        sa.Column("licensor_id", sa.Integer(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "num_nonnulls(vendor_id, licensor_id) = 1", name=op.f("ck_api_keys_holder")
        ),
        sa.PrimaryKeyConstraint("prefix", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_keys_digest")),
    )
    op.create_table(
        "audit_events",
        sa.Column("vendor_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "event_id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False
        ),
        sa.Column(
            "occurred_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("vendor_id", "event_id", name=op.f("pk_audit_events")),
    )
    op.create_table(
        "exchanges",
        sa.Column("exchange_id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("exchange_id", name=op.f("pk_exchanges")),
        sa.UniqueConstraint("code", name=op.f("uq_exchanges_code")),
    )
    op.create_table(
        "licensors",
        sa.Column("licensor_id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("licensor_id", name=op.f("pk_licensors")),
        sa.UniqueConstraint("code", name=op.f("uq_licensors_code")),
    )
    op.create_table(
        "service_record_versions",
        sa.Column("vendor_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("record_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("product_id", sa.Integer(), nullable=False),
        sa.Column("batch_no", sa.Integer(), nullable=False),
        sa.Column("start_date", sa.Date(), nullable=False),
        sa.Column("end_date", sa.Date(), nullable=False),
        sa.Column("user_type", sa.SmallInteger(), nullable=False),
        sa.Column("fee_category", sa.SmallInteger(), nullable=False),
        sa.Column("usage_mode", sa.SmallInteger(), nullable=False),
        sa.Column("service_status", sa.SmallInteger(), nullable=True),
        sa.Column("user_id", sa.Text(collation="C"), nullable=False),
        sa.Column("user_name", sa.Text(collation="C"), nullable=False),
        sa.Column("address", sa.Text(collation="C"), nullable=True),
        sa.Column("contact", sa.Text(collation="C"), nullable=True),
        sa.Column("phone", sa.Text(collation="C"), nullable=True),
        sa.Column("recorded_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_by", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "vendor_id", "record_id", "recorded_from", name=op.f("pk_service_record_versions")
        ),
    )
    op.create_table(
        "service_records",
        sa.Column("vendor_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("record_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("product_id", sa.Integer(), nullable=False),
        sa.Column("batch_no", sa.Integer(), nullable=False),
        sa.Column("start_date", sa.Date(), nullable=False),
        sa.Column("end_date", sa.Date(), nullable=False),
        sa.Column("user_type", sa.SmallInteger(), nullable=False),
        sa.Column("fee_category", sa.SmallInteger(), nullable=False),
        sa.Column("usage_mode", sa.SmallInteger(), nullable=False),
        sa.Column("service_status", sa.SmallInteger(), nullable=True),
        sa.Column("user_id", sa.Text(collation="C"), nullable=False),
        sa.Column("user_name", sa.Text(collation="C"), nullable=False),
        sa.Column("address", sa.Text(collation="C"), nullable=True),
        sa.Column("contact", sa.Text(collation="C"), nullable=True),
        sa.Column("phone", sa.Text(collation="C"), nullable=True),
        sa.Column("recorded_from", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("end_date >= start_date", name=op.f("ck_service_records_dates")),
        sa.PrimaryKeyConstraint("vendor_id", "record_id", name=op.f("pk_service_records")),
        sa.UniqueConstraint(
            "vendor_id", "user_id", "product_id", "usage_mode", "start_date", name="natural_key"
        ),
    )
    op.create_table(
        "vendors",
        sa.Column("vendor_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("vendor_id", name=op.f("pk_vendors")),
        sa.UniqueConstraint("code", name=op.f("uq_vendors_code")),
    )
    op.create_table(
        "import_batches",
        sa.Column("vendor_id", sa.Integer(), nullable=False),
        sa.Column("batch_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("encoding", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("lines", sa.BigInteger(), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.Column("superseded", sa.BigInteger(), nullable=False),
        sa.Column("unchanged", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["vendor_id"], ["vendors.vendor_id"], name=op.f("fk_import_batches_vendor_id")
        ),
        sa.PrimaryKeyConstraint("vendor_id", "batch_no", name=op.f("pk_import_batches")),
    )
    op.create_table(
        "products",
        sa.Column("product_id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("licensor_id", sa.Integer(), nullable=False),
        sa.Column("exchange_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.ForeignKeyConstraint(
            ["exchange_id"], ["exchanges.exchange_id"], name=op.f("fk_products_exchange_id")
        ),
        sa.ForeignKeyConstraint(
            ["licensor_id"], ["licensors.licensor_id"], name=op.f("fk_products_licensor_id")
        ),
        sa.PrimaryKeyConstraint("product_id", name=op.f("pk_products")),
        sa.UniqueConstraint("name", name=op.f("uq_products_name")),
    )
    op.create_table(
        "rosters",
        sa.Column("vendor_id", sa.Integer(), nullable=False),
        sa.Column("last_batch", sa.Integer(), nullable=False),
        sa.Column("last_record", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["vendor_id"], ["vendors.vendor_id"], name=op.f("fk_rosters_vendor_id")
        ),
        sa.PrimaryKeyConstraint("vendor_id", name=op.f("pk_rosters")),
    )
    op.create_table(
        "licences",
        sa.Column("vendor_id", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.Integer(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_licences_validity")),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.product_id"], name=op.f("fk_licences_product_id")
        ),
        sa.ForeignKeyConstraint(
            ["vendor_id"], ["vendors.vendor_id"], name=op.f("fk_licences_vendor_id")
        ),
        sa.PrimaryKeyConstraint("vendor_id", "product_id", "valid_from", name=op.f("pk_licences")),
    )
    op.create_table(
        "monthly_deltas",
        sa.Column("vendor_id", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.Integer(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("full_price", sa.Integer(), nullable=False),
        sa.Column("regulatory", sa.Integer(), nullable=False),
        sa.Column("internal_free", sa.Integer(), nullable=False),
        sa.Column("trial", sa.Integer(), nullable=False),
        sa.Column("new", sa.Integer(), nullable=False),
        sa.Column("ended", sa.Integer(), nullable=False),
        sa.Column("cancelled", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.product_id"], name=op.f("fk_monthly_deltas_product_id")
        ),
        sa.ForeignKeyConstraint(
            ["vendor_id"], ["vendors.vendor_id"], name=op.f("fk_monthly_deltas_vendor_id")
        ),
        sa.PrimaryKeyConstraint("vendor_id", "product_id", "month", name=op.f("pk_monthly_deltas")),
    )
    op.create_table(
        "prices",
        sa.Column("product_id", sa.Integer(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("amount", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_prices_amount")),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_prices_validity")),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.product_id"], name=op.f("fk_prices_product_id")
        ),
        sa.PrimaryKeyConstraint("product_id", "valid_from", name=op.f("pk_prices")),
    )
    op.create_table(
        "vendor_products",
        sa.Column("vendor_id", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.product_id"], name=op.f("fk_vendor_products_product_id")
        ),
        sa.ForeignKeyConstraint(
            ["vendor_id"], ["vendors.vendor_id"], name=op.f("fk_vendor_products_vendor_id")
        ),
        sa.PrimaryKeyConstraint("vendor_id", "product_id", name=op.f("pk_vendor_products")),
    )


def _walls() -> Iterator[str]:
    for role in ("gateway_service", "gateway_operator"):
        yield (
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') "
            f"THEN CREATE ROLE {role} NOLOGIN; END IF; END $$"
        )
        yield f"GRANT USAGE ON SCHEMA public TO {role}"
        yield (
            "DO $$ BEGIN EXECUTE format("
            f"'GRANT TEMPORARY ON DATABASE %I TO {role}', current_database()); END $$"
        )
    for table, (whose, service, operator) in ACCESS.items():
        if service:
            yield f"GRANT {service} ON {table} TO gateway_service"
        if operator:
            yield f"GRANT {operator} ON {table} TO gateway_operator"
        if whose is None:
            continue
        yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
        yield f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY"
        yield (
            f"CREATE POLICY scope ON {table} TO gateway_service "
            f"USING ({whose}) WITH CHECK ({whose})"
        )
        if operator:
            yield (
                f"CREATE POLICY operator ON {table} TO gateway_operator "
                "USING (true) WITH CHECK (true)"
            )
    for role in ("gateway_service", "gateway_operator"):
        # since PostgreSQL 16 a role's maker may grant it, also to itself, but not act as it
        yield (
            "DO $$ BEGIN "
            "IF current_setting('server_version_num')::int < 160000 THEN "
            f"IF NOT pg_has_role(current_user, '{role}', 'MEMBER') THEN "
            f"GRANT {role} TO CURRENT_USER; END IF; "
            f"ELSIF NOT pg_has_role(current_user, '{role}', 'SET') THEN "
            f"EXECUTE 'GRANT {role} TO CURRENT_USER WITH SET TRUE, INHERIT TRUE'; "
            "END IF; END $$"
        )
    yield "GRANT CREATE ON SCHEMA public TO gateway_operator"
    for signature, (body, caller) in FUNCTIONS.items():
        name = signature.partition("(")[0]
        yield (
            f"CREATE FUNCTION {signature} RETURNS jsonb LANGUAGE sql STABLE SECURITY DEFINER "
            f"SET search_path = pg_catalog, public, pg_temp AS $${body}$$"
        )
        yield f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC"
        yield f"GRANT EXECUTE ON FUNCTION {name} TO {caller}"
        yield f"ALTER FUNCTION {name} OWNER TO gateway_operator"
    yield "REVOKE CREATE ON SCHEMA public FROM gateway_operator"
    yield ANALYZE
    yield "REVOKE ALL ON FUNCTION gateway_analyze FROM PUBLIC"
    yield "GRANT EXECUTE ON FUNCTION gateway_analyze TO gateway_service"


def downgrade() -> None:
    op.execute("DROP FUNCTION gateway_analyze")
    for signature in FUNCTIONS:
        op.execute(f"DROP FUNCTION {signature.partition('(')[0]}")
    op.drop_table("vendor_products")
    op.drop_table("prices")
    op.drop_table("monthly_deltas")
    op.drop_table("licences")
    op.drop_table("rosters")
    op.drop_table("products")
    op.drop_table("import_batches")
    op.drop_table("vendors")
    op.drop_table("service_records")
    op.drop_table("service_record_versions")
    op.drop_table("licensors")
    op.drop_table("exchanges")
    op.drop_table("audit_events")
    op.drop_table("api_keys")
