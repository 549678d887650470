"""Credentials of other kinds: embed tokens that vendors' keys issue, and groups of issuers."""

import sqlalchemy as sa

from alembic import op

revision = "0013"
down_revision = "0005"

DEFINER = "SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp"
VALID_BEFORE = "k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())"
VALID = f"""{VALID_BEFORE} AND (k.parent IS NULL OR EXISTS (
    SELECT FROM api_keys p WHERE p.prefix = k.parent AND p.revoked_at IS NULL
    AND (p.expires_at IS NULL OR p.expires_at > clock_timestamp())))"""
TICKS = """
    SELECT coalesce(sum(c.ticks), 0)::bigint FROM reach_clock c
    WHERE k.licensor_id IS NOT NULL OR c.holder IN (0, k.vendor_id)"""
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
TERMS = """,
        'kind', k.kind,
        'claim', k.claim,
        'digest', encode(k.digest, 'hex'),
        'origins', k.origins,
        'documents', k.documents"""
ISSUE = f"""
CREATE FUNCTION gateway_issue_embed(
    presented bytea, named text, made bytea, seconds integer, pages text[], texts text[]
) RETURNS timestamptz LANGUAGE plpgsql VOLATILE {DEFINER} AS $$
DECLARE
    holder api_keys;
    ends timestamptz := clock_timestamp() + make_interval(secs => least(seconds, 900));
BEGIN
    SELECT k.* INTO holder FROM api_keys k
    WHERE k.digest = presented AND k.kind = 'KEY' AND k.vendor_id IS NOT NULL AND {VALID};
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    DELETE FROM api_keys k
    WHERE k.parent = holder.prefix AND k.expires_at < clock_timestamp() - interval '1 day';
    INSERT INTO api_keys
        (prefix, kind, digest, vendor_id, role, expires_at, parent, origins, documents)
    VALUES
        (named, 'EMBED', made, holder.vendor_id, 'VENDOR_PORTAL', ends, holder.prefix,
        pages, texts);
    RETURN ends;
END $$
"""
REVOKE = f"""
CREATE FUNCTION gateway_revoke_embed(presented bytea, named text) RETURNS boolean
LANGUAGE plpgsql VOLATILE {DEFINER} AS $$
BEGIN
    UPDATE api_keys t SET revoked_at = coalesce(t.revoked_at, clock_timestamp())
    FROM api_keys k
    WHERE t.prefix = named AND t.kind = 'EMBED' AND t.vendor_id = k.vendor_id
        AND k.digest = presented AND k.kind = 'KEY' AND {VALID};
    RETURN FOUND;
END $$
"""
KIND = (
    "CASE kind WHEN 'KEY' THEN num_nonnulls(parent, issuer, claim) = 0 "
    "WHEN 'EMBED' THEN parent IS NOT NULL AND vendor_id IS NOT NULL AND expires_at IS NOT NULL "
    "WHEN 'OIDC' THEN num_nonnulls(issuer, claim) = 2 AND parent IS NULL ELSE false END"
)
MINE = ("gateway_issue_embed", "gateway_revoke_embed")


def upgrade() -> None:
    """Add the columns, and let the functions tell of them."""
    op.add_column("api_keys", sa.Column("kind", sa.Text(), server_default="KEY", nullable=False))
    op.add_column("api_keys", sa.Column("parent", sa.Text(collation="C"), nullable=True))
    for name in ("origins", "documents"):
        op.add_column("api_keys", sa.Column(name, sa.ARRAY(sa.Text()), nullable=True))
    for name in ("issuer", "claim"):
        op.add_column("api_keys", sa.Column(name, sa.Text(), nullable=True))
    op.create_foreign_key(
        op.f("fk_api_keys_parent_api_keys"),
        "api_keys",
        "api_keys",
        ["parent"],
        ["prefix"],
        ondelete="CASCADE",
    )
    op.create_index("ix_api_keys_parent", "api_keys", ["parent"])
    op.create_check_constraint(op.f("ck_api_keys_kind"), "api_keys", KIND)
    op.execute("GRANT DELETE ON api_keys TO gateway_operator")
    op.execute("GRANT CREATE ON SCHEMA public TO gateway_operator")
    _admission(f"{REACH}{TERMS}, 'ticks', ({TICKS})) FROM api_keys k WHERE {VALID}", VALID)
    for name, text in zip(MINE, (ISSUE, REVOKE), strict=True):
        op.execute(text)
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO gateway_service")
        op.execute(f"ALTER FUNCTION {name} OWNER TO gateway_operator")
    op.execute("REVOKE CREATE ON SCHEMA public FROM gateway_operator")


def _admission(reach: str, valid: str) -> None:
    """Put other bodies into the functions that know a credential."""
    for signature, condition in (
        ("gateway_authenticate(presented bytea)", "k.digest = presented"),
        ("gateway_reauthenticate(known text)", "k.prefix = known"),
    ):
        op.execute(
            f"CREATE OR REPLACE FUNCTION {signature} RETURNS jsonb LANGUAGE sql STABLE {DEFINER} "
            f"AS $${reach} AND {condition}$$"
        )
    op.execute(
        "CREATE OR REPLACE FUNCTION gateway_admits(presented bytea, known bigint) RETURNS boolean "
        f"LANGUAGE plpgsql STABLE {DEFINER} SET plan_cache_mode = force_generic_plan AS $$ "
        "BEGIN RETURN EXISTS (SELECT FROM api_keys k WHERE k.digest = presented "
        f"AND {valid} AND known = ({TICKS})); END $$"
    )


def downgrade() -> None:
    """Forget all credentials but keys."""
    for name in MINE:
        op.execute(f"DROP FUNCTION {name}")
    op.execute("DELETE FROM api_keys WHERE kind <> 'KEY'")
    op.execute("GRANT CREATE ON SCHEMA public TO gateway_operator")
    _admission(f"{REACH}, 'ticks', ({TICKS})) FROM api_keys k WHERE {VALID_BEFORE}", VALID_BEFORE)
    op.execute("REVOKE CREATE ON SCHEMA public FROM gateway_operator")
    op.execute("REVOKE DELETE ON api_keys FROM gateway_operator")
    for name in ("claim", "issuer", "documents", "origins", "parent", "kind"):
        op.drop_column("api_keys", name)
