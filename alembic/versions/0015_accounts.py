"""Accounts of people, who sign in with a password and a code, and the sessions that they open."""

import sqlalchemy as sa

from alembic import op

revision = "0015"
down_revision = "0014"

DEFINER = "SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp"
KINDS_BEFORE = (
    "CASE kind WHEN 'KEY' THEN num_nonnulls(parent, issuer, claim) = 0 "
    "WHEN 'EMBED' THEN parent IS NOT NULL AND vendor_id IS NOT NULL AND expires_at IS NOT NULL "
    "WHEN 'OIDC' THEN num_nonnulls(issuer, claim) = 2 AND parent IS NULL ELSE false END"
)
KINDS = KINDS_BEFORE.replace(
    "ELSE",
    "WHEN 'ACCOUNT' THEN claim IS NOT NULL AND num_nonnulls(parent, issuer, expires_at) = 0 "
    "WHEN 'SESSION' THEN num_nonnulls(parent, claim, expires_at) = 3 AND issuer IS NULL ELSE",
)
# An attempt counts before it is known whether it is good, so that many at once are no more than
# one after the other; a good one takes the count back.
ATTEMPT = f"""
CREATE FUNCTION gateway_attempt(named text) RETURNS jsonb
LANGUAGE sql VOLATILE {DEFINER} AS $$
    UPDATE accounts a SET
        attempts = a.attempts + 1,
        locked_until = CASE WHEN a.attempts >= 4 THEN clock_timestamp()
            + make_interval(secs => least(30 * 2 ^ least(a.attempts - 4, 7), 3600)) END
    FROM api_keys k
    WHERE a.name = named AND k.prefix = a.prefix AND k.revoked_at IS NULL
        AND coalesce(a.locked_until < clock_timestamp(), true)
    RETURNING jsonb_build_object('password', a.password, 'seed', a.seed)
$$
"""
SIGN_IN = f"""
CREATE FUNCTION gateway_sign_in(
    named text, proved text, step bigint, opened text, made bytea, seconds integer
) RETURNS timestamptz LANGUAGE plpgsql VOLATILE {DEFINER} AS $$
DECLARE
    ends timestamptz := clock_timestamp() + make_interval(secs => least(seconds, 86400));
    owner text;
BEGIN
    UPDATE accounts a SET attempts = 0, locked_until = NULL, last_step = step
    FROM api_keys k
    WHERE a.name = named AND a.password = proved AND a.last_step < step AND a.attempts > 0
        AND abs(step - floor(extract(epoch FROM clock_timestamp()) / 30)) <= 3
        AND k.prefix = a.prefix AND k.revoked_at IS NULL
    RETURNING a.prefix INTO owner;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    DELETE FROM api_keys k
    WHERE k.parent = owner AND k.expires_at < clock_timestamp() - interval '1 day';
    INSERT INTO api_keys (prefix, kind, digest, vendor_id, licensor_id, role, expires_at, parent,
        claim)
    SELECT opened, 'SESSION', made, k.vendor_id, k.licensor_id, k.role, ends, k.prefix, k.claim
    FROM api_keys k WHERE k.prefix = owner;
    RETURN ends;
END $$
"""
SIGN_OUT = f"""
CREATE FUNCTION gateway_sign_out(presented bytea) RETURNS boolean
LANGUAGE plpgsql VOLATILE {DEFINER} AS $$
BEGIN
    UPDATE api_keys k SET revoked_at = clock_timestamp()
    WHERE k.digest = presented AND k.kind = 'SESSION' AND k.revoked_at IS NULL;
    RETURN FOUND;
END $$
"""
TICK_BEFORE = f"""
CREATE OR REPLACE FUNCTION gateway_tick() RETURNS trigger LANGUAGE plpgsql {DEFINER} AS $$
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
# What is asked by a session or a token is asked of its own row each time: that one ended is no
# matter of anybody else's, and must not wait for an operator's transaction.
TICK = TICK_BEFORE.replace(
    "        ELSIF",
    """        ELSIF TG_TABLE_NAME = 'api_keys' THEN
            IF NOT EXISTS (SELECT FROM changed WHERE changed.kind NOT IN ('SESSION', 'EMBED')) THEN
                RETURN NULL;
            END IF;
        ELSIF""",
)
FUNCTIONS = {
    "gateway_attempt": ATTEMPT,
    "gateway_sign_in": SIGN_IN,
    "gateway_sign_out": SIGN_OUT,
}


def upgrade() -> None:
    """Add the table, which the operator's role alone can read, and the ways in and out."""
    op.create_table(
        "accounts",
        sa.Column("prefix", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("seed", sa.Text(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("prefix", name=op.f("pk_accounts")),
        sa.UniqueConstraint("name", name=op.f("uq_accounts_name")),
        sa.ForeignKeyConstraint(
            ["prefix"],
            ["api_keys.prefix"],
            name=op.f("fk_accounts_prefix_api_keys"),
            ondelete="CASCADE",
        ),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON accounts TO gateway_operator")
    _kinds(KINDS)
    op.execute("GRANT CREATE ON SCHEMA public TO gateway_operator")
    for name, text in FUNCTIONS.items():
        op.execute(text)
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO gateway_service")
        op.execute(f"ALTER FUNCTION {name} OWNER TO gateway_operator")
    op.execute(TICK)
    op.execute("REVOKE CREATE ON SCHEMA public FROM gateway_operator")


def _kinds(kinds: str) -> None:
    op.drop_constraint(op.f("ck_api_keys_kind"), "api_keys")
    op.create_check_constraint(op.f("ck_api_keys_kind"), "api_keys", kinds)


def downgrade() -> None:
    """Forget accounts and their sessions."""
    op.execute("GRANT CREATE ON SCHEMA public TO gateway_operator")
    op.execute(TICK_BEFORE)
    op.execute("REVOKE CREATE ON SCHEMA public FROM gateway_operator")
    for name in FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}")
    op.drop_table("accounts")
    op.execute("DELETE FROM api_keys WHERE kind = 'SESSION'")
    op.execute("DELETE FROM api_keys WHERE kind = 'ACCOUNT'")
    _kinds(KINDS_BEFORE)
