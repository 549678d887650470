"""Admission: whether a caller who is known already still is who they were, asked cheaply.

`reach_clock` counts what changes the reach of keys: per vendor (its number is the holder) the
products that it holds, under 0 the
catalogue. Imports tick their own vendor's clock only, so that they do not wait for each other.
"""

import sqlalchemy as sa

from alembic import op

revision = "0004"
down_revision = "0003"

DEFINER = "SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp"
TICKS = """
    SELECT coalesce(sum(c.ticks), 0)::bigint FROM reach_clock c
    WHERE k.licensor_id IS NOT NULL OR c.holder IN (0, k.vendor_id)"""
VALID = "k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())"
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
                SELECT vp.product_id FROM vendor_products vp WHERE vp.vendor_id = k.vendor_id))"""
ADMITS = f"""
CREATE FUNCTION gateway_admits(presented bytea, known bigint) RETURNS boolean
LANGUAGE plpgsql STABLE {DEFINER} SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM api_keys k WHERE k.digest = presented AND {VALID} AND known = ({TICKS}));
END $$
"""
TICK = f"""
CREATE FUNCTION gateway_tick() RETURNS trigger LANGUAGE plpgsql {DEFINER} AS $$
BEGIN
    IF TG_OP <> 'TRUNCATE' THEN
        IF TG_TABLE_NAME = 'vendor_products' THEN
            INSERT INTO reach_clock AS c SELECT DISTINCT changed.vendor_id, 1 FROM changed
            ON CONFLICT (holder) DO UPDATE SET ticks = c.ticks + 1;
            RETURN NULL;
        ELSIF NOT EXISTS (SELECT FROM changed) THEN
            RETURN NULL;
        END IF;
    END IF;
    INSERT INTO reach_clock AS c VALUES (0, 1)
    ON CONFLICT (holder) DO UPDATE SET ticks = c.ticks + 1;
    RETURN NULL;
END $$
"""
EVENTS = {
    "insert": "INSERT ON {} REFERENCING NEW TABLE AS changed",
    "update": "UPDATE ON {} REFERENCING NEW TABLE AS changed",
    "delete": "DELETE ON {} REFERENCING OLD TABLE AS changed",
    "truncate": "TRUNCATE ON {}",
    "leave": "UPDATE ON {} REFERENCING OLD TABLE AS changed",
}
WATCHED = dict.fromkeys(
    ("licensors", "products", "vendors"), ("insert", "update", "delete", "truncate")
)
WATCHED["vendor_products"] = tuple(EVENTS)  # a row may leave one vendor for another
WATCHED["api_keys"] = ("update",)


def upgrade() -> None:
    op.create_table(
        "reach_clock",
        sa.Column("holder", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ticks", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("holder", name=op.f("pk_reach_clock")),
    )
    op.execute("ALTER TABLE reach_clock ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE reach_clock FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY operator ON reach_clock TO gateway_operator USING (true) WITH CHECK (true)"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON reach_clock TO gateway_operator")
    op.execute("GRANT CREATE ON SCHEMA public TO gateway_operator")
    for name, text in (("gateway_admits", ADMITS), ("gateway_tick", TICK)):
        op.execute(text)
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION gateway_admits TO gateway_service")
    for table, events in WATCHED.items():
        for event in events:
            op.execute(
                f"CREATE TRIGGER reach_{event} AFTER {EVENTS[event].format(table)} "
                "FOR EACH STATEMENT EXECUTE FUNCTION gateway_tick()"
            )
    for name in ("gateway_admits", "gateway_tick"):
        op.execute(f"ALTER FUNCTION {name} OWNER TO gateway_operator")
    _authenticate(f"{REACH}, 'ticks', ({TICKS})) FROM api_keys k WHERE {VALID}")
    op.execute("REVOKE CREATE ON SCHEMA public FROM gateway_operator")


def _authenticate(body: str) -> None:
    """Put another body into the functions that tell who holds a key."""
    for signature, condition in (
        ("gateway_authenticate(presented bytea)", "k.digest = presented"),
        ("gateway_reauthenticate(known text)", "k.prefix = known"),
    ):
        name = signature.partition("(")[0]
        op.execute(f"DROP FUNCTION {name}")
        op.execute(
            f"CREATE FUNCTION {signature} RETURNS jsonb LANGUAGE sql STABLE {DEFINER} "
            f"AS $${body} AND {condition}$$"
        )
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO gateway_service")
        op.execute(f"ALTER FUNCTION {name} OWNER TO gateway_operator")


def downgrade() -> None:
    op.execute("GRANT CREATE ON SCHEMA public TO gateway_operator")
    _authenticate(f"{REACH}) FROM api_keys k WHERE {VALID}")
    op.execute("REVOKE CREATE ON SCHEMA public FROM gateway_operator")
    for table, events in WATCHED.items():
        for event in events:
            op.execute(f"DROP TRIGGER reach_{event} ON {table}")
    op.execute("DROP FUNCTION gateway_admits")
    op.execute("DROP FUNCTION gateway_tick")
    op.drop_table("reach_clock")
