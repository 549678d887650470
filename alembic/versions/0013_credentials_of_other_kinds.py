"""Credentials of other kinds: embed tokens that vendors' keys issue, and groups of issuers."""

import sqlalchemy as sa

from alembic import op

revision = "0013"
down_revision = "0012"

DEFINER = "SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp"
VALID_BEFORE = "k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())"
VALID = f"""{VALID_BEFORE} AND (k.parent IS NULL OR EXISTS (
    SELECT FROM api_keys p WHERE p.prefix = k.parent AND p.revoked_at IS NULL
    AND (p.expires_at IS NULL OR p.expires_at > clock_timestamp())))"""
TICKS = """
    SELECT coalesce(sum(c.ticks), 0)::bigint FROM reach_clock c
    WHERE k.licensor_id IS NOT NULL OR c.holder IN (0, k.vendor_id)"""
REACHED = """
    p.licensor_id = k.licensor_id OR p.product_id IN (
        SELECT vp.product_id FROM vendor_products vp WHERE vp.vendor_id = k.vendor_id)"""
REACH = f"""
    SELECT jsonb_build_object(
        'key', k.prefix,
        'role', k.role,
        'vendor', (SELECT v.code FROM vendors v WHERE v.vendor_id = k.vendor_id),
        'licensor', (SELECT l.code FROM licensors l WHERE l.licensor_id = k.licensor_id),
        'vendors', (
            SELECT coalesce(jsonb_object_agg(v.vendor_id, v.code), '{{}}')
            FROM vendors v
            WHERE v.vendor_id = k.vendor_id OR v.vendor_id IN (
                SELECT vp.vendor_id
                FROM vendor_products vp JOIN products p USING (product_id)
                WHERE p.licensor_id = k.licensor_id)),
        'products', (
            SELECT coalesce(jsonb_object_agg(p.product_id, p.name), '{{}}')
            FROM products p WHERE {REACHED}),
        'ticks', ({TICKS}),
        'owners', (
            SELECT coalesce(
                jsonb_object_agg(p.product_id, jsonb_build_array(l.licensor_id, l.code)), '{{}}')
            FROM products p JOIN licensors l USING (licensor_id) WHERE {REACHED})"""
KINDS = """,
        'holder', coalesce(k.vendor_id, -k.licensor_id),
        'kind', k.kind,
        'claim', k.claim,
        'digest', encode(k.digest, 'hex')"""
REGISTERED = """
        'trusted_only', k.trusted_only,
        'origins', (
            SELECT coalesce(jsonb_agg(o.origin), '[]')
            FROM vendor_origins o WHERE o.vendor_id = k.vendor_id),
        'documents', (
            SELECT coalesce(jsonb_agg(d.digest), '[]')
            FROM trusted_documents d WHERE d.vendor_id = k.vendor_id)"""
EXPIRES_BEFORE = "'expires', extract(epoch FROM k.expires_at)"
EXPIRES = """
        'own_origins', k.origins,
        'own_documents', k.documents,
        'own_purpose', k.purpose,
        'expires', extract(epoch FROM least(
            k.expires_at, (SELECT p.expires_at FROM api_keys p WHERE p.prefix = k.parent)))"""
KNOWN_BEFORE = "EXISTS (SELECT FROM vendor_origins o WHERE o.origin = asked)"
# Of tokens that have ended too: a browser asks before the page shows its next one.
KNOWN = f"{KNOWN_BEFORE} OR EXISTS (SELECT FROM api_keys k WHERE k.origins @> ARRAY[asked])"
ISSUE = f"""
CREATE FUNCTION gateway_issue_embed(
    presented bytea, named text, made bytea, seconds integer, pages text[], texts text[],
    wanted_for text
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
        (prefix, kind, digest, vendor_id, role, expires_at, parent, origins, documents,
        trusted_only, purpose)
    VALUES
        (named, 'EMBED', made, holder.vendor_id, 'VENDOR_PORTAL', ends, holder.prefix,
        pages, texts, holder.trusted_only, wanted_for);
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
    for name in ("issuer", "claim", "purpose"):
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
    op.create_index("ix_api_keys_origins", "api_keys", ["origins"], postgresql_using="gin")
    op.create_check_constraint(op.f("ck_api_keys_kind"), "api_keys", KIND)
    op.execute("GRANT DELETE ON api_keys TO gateway_operator")
    op.execute("GRANT CREATE ON SCHEMA public TO gateway_operator")
    _admission(KINDS, VALID)
    _perimeter(EXPIRES, KNOWN, VALID)
    for name, text in zip(MINE, (ISSUE, REVOKE), strict=True):
        op.execute(text)
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO gateway_service")
        op.execute(f"ALTER FUNCTION {name} OWNER TO gateway_operator")
    op.execute("REVOKE CREATE ON SCHEMA public FROM gateway_operator")


def _admission(more: str, valid: str) -> None:
    """Put other bodies into the functions that know a credential."""
    for signature, condition in (
        ("gateway_authenticate(presented bytea)", "k.digest = presented"),
        ("gateway_reauthenticate(known text)", "k.prefix = known"),
    ):
        _replace(signature, f"{REACH}{more}) FROM api_keys k WHERE {valid} AND {condition}")
    op.execute(
        "CREATE OR REPLACE FUNCTION gateway_admits(presented bytea, known bigint) RETURNS boolean "
        f"LANGUAGE plpgsql STABLE {DEFINER} SET plan_cache_mode = force_generic_plan AS $$ "
        "BEGIN RETURN EXISTS (SELECT FROM api_keys k WHERE k.digest = presented "
        f"AND {valid} AND known = ({TICKS})); END $$"
    )


def _perimeter(expires: str, known: str, valid: str) -> None:
    """Put other bodies into the functions that tell what a credential is held to."""
    mine = f"{valid} AND k.digest = presented"
    _replace(
        "gateway_terms(presented bytea)",
        f"SELECT jsonb_build_object({expires},{REGISTERED}) FROM api_keys k WHERE {mine}",
    )
    _replace(
        "gateway_document(presented bytea, wanted text)",
        "SELECT to_jsonb(d.body) FROM api_keys k "
        "JOIN trusted_documents d ON d.vendor_id = k.vendor_id "
        f"WHERE {mine} AND d.digest = wanted",
    )
    _replace("gateway_knows_origin(asked text)", f"SELECT to_jsonb({known})")


def _replace(signature: str, body: str) -> None:
    op.execute(
        f"CREATE OR REPLACE FUNCTION {signature} RETURNS jsonb LANGUAGE sql STABLE {DEFINER} "
        f"AS $${body}$$"
    )


def downgrade() -> None:
    """Forget all credentials but keys."""
    for name in MINE:
        op.execute(f"DROP FUNCTION {name}")
    op.execute("DELETE FROM api_keys WHERE kind <> 'KEY'")
    op.execute("GRANT CREATE ON SCHEMA public TO gateway_operator")
    _admission("", VALID_BEFORE)
    _perimeter(EXPIRES_BEFORE, KNOWN_BEFORE, VALID_BEFORE)
    op.execute("REVOKE CREATE ON SCHEMA public FROM gateway_operator")
    op.execute("REVOKE DELETE ON api_keys FROM gateway_operator")
    for name in ("purpose", "claim", "issuer", "documents", "origins", "parent", "kind"):
        op.drop_column("api_keys", name)
