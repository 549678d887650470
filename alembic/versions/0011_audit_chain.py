"""The audit log as chains: one for each tenant and one for the house, numbered, hashed, signed.

Entries come in by `gateway_append` alone, which numbers them and links each to the one before;
nobody changes or takes away any, the owner included. What was logged before is put into the chains
in the order in which it happened.
"""

import hashlib
from datetime import UTC

import orjson
import sqlalchemy as sa

from alembic import op

revision = "0011"
down_revision = "0010"

DEFINER = "SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp"
HOLDERS = "(SELECT nullif(current_setting('gateway.holders', true), ''))::int[]"
BY_HOLDER = f"holder = ANY ({HOLDERS})"
BY_VENDOR = "vendor_id = ANY ((SELECT nullif(current_setting('gateway.vendors', true), ''))::int[])"
BY_LICENSOR = (
    "licensor_id = ANY ((SELECT nullif(current_setting('gateway.licensors', true), ''))::int[])"
)
TABLES = ("audit_events", "audit_checkpoints")
# The first key of the advisory locks by which entries of one chain wait for each other.
LOCKS = 733120411
APPEND = f"""
CREATE FUNCTION gateway_append(holders integer[], texts text[]) RETURNS jsonb
LANGUAGE plpgsql {DEFINER} AS $$
DECLARE
    chain integer;
    name text;
    place bigint;
    link bytea;
    numbers bigint[];
    digests bytea[];
    heads jsonb := '[]';
BEGIN
    FOR i IN 1 .. cardinality(holders) LOOP
        IF chain IS DISTINCT FROM holders[i] THEN
            IF holders[i] < chain THEN
                RAISE EXCEPTION 'entries are not in the order of their chains';
            END IF;
            chain := holders[i];
            name := CASE
                WHEN chain > 0 THEN (SELECT 'vendor ' || v.code FROM vendors v
                    WHERE v.vendor_id = chain)
                WHEN chain < 0 THEN (SELECT 'licensor ' || l.code FROM licensors l
                    WHERE l.licensor_id = -chain)
                ELSE 'house' END;
            IF name IS NULL THEN
                RAISE EXCEPTION 'no tenant has the number %', chain;
            END IF;
            PERFORM pg_advisory_xact_lock({LOCKS}, chain);
            SELECT e.number, e.digest INTO place, link FROM audit_events e
            WHERE e.holder = chain ORDER BY e.number DESC LIMIT 1;
            IF NOT FOUND THEN
                place := 0;
                link := decode(repeat('00', 32), 'hex');
            END IF;
        END IF;
        place := place + 1;
        link := sha256(
            link || int8send(place) || convert_to(name || E'\\n' || texts[i], 'UTF8'));
        numbers[i] := place;
        digests[i] := link;
        IF holders[i + 1] IS DISTINCT FROM chain THEN
            heads := heads || jsonb_build_array(
                jsonb_build_array(chain, name, place, encode(link, 'hex')));
        END IF;
    END LOOP;
    INSERT INTO audit_events
        (holder, number, digest, occurred_at, vendor_id, actor, action, detail)
    SELECT u.holder, u.number, u.digest, e.occurred_at, greatest(u.holder, 0), e.actor, e.action,
        e.detail
    FROM unnest(holders, numbers, digests, texts) AS u(holder, number, digest, written),
        jsonb_to_record(u.written::jsonb) AS e(
            occurred_at timestamptz, actor text, action text, detail jsonb);
    RETURN heads;
END $$
"""
SIGN = f"""
CREATE FUNCTION gateway_checkpoint(
    holders integer[], numbers bigint[], digests bytea[], at timestamptz, key text,
    signatures bytea[]
) RETURNS void LANGUAGE sql {DEFINER} AS $$
    INSERT INTO audit_checkpoints (holder, number, digest, signed_at, key_id, signature)
    SELECT u.holder, u.number, u.digest, at, key, u.signature
    FROM unnest(holders, numbers, digests, signatures) AS u(holder, number, digest, signature)
    ON CONFLICT DO NOTHING
$$
"""
REFUSE = """
CREATE FUNCTION gateway_refuse() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$
"""
FUNCTIONS = {"gateway_append": APPEND, "gateway_checkpoint": SIGN}


def upgrade() -> None:
    """Number and link what is there, then close the table to all but the function."""
    op.add_column("audit_events", sa.Column("holder", sa.Integer()))
    op.add_column("audit_events", sa.Column("number", sa.BigInteger()))
    op.add_column("audit_events", sa.Column("digest", sa.LargeBinary()))
    # the owner is under the tables' policies too, and no scope is set here
    for table in ("audit_events", "vendors"):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    _link()
    op.execute("ALTER TABLE vendors FORCE ROW LEVEL SECURITY")
    for name in ("holder", "number", "digest"):
        op.alter_column("audit_events", name, nullable=False)
    op.alter_column("audit_events", "occurred_at", server_default=None)
    op.drop_constraint("pk_audit_events", "audit_events")
    op.create_primary_key(op.f("pk_audit_events"), "audit_events", ["holder", "number"])
    op.drop_column("audit_events", "event_id")
    op.execute("DROP POLICY scope ON audit_events")
    op.drop_column("audit_events", "licensor_id")
    op.create_table(
        "audit_checkpoints",
        sa.Column("holder", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("holder", "number", name=op.f("pk_audit_checkpoints")),
    )
    op.create_index("ix_audit_events_holder_occurred_at", "audit_events", ["holder", "occurred_at"])
    op.execute("REVOKE INSERT ON audit_events FROM gateway_service")
    op.execute("ALTER TABLE audit_checkpoints ENABLE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY operator ON audit_checkpoints TO gateway_operator "
        "USING (true) WITH CHECK (true)"
    )
    op.execute(REFUSE)
    op.execute("REVOKE ALL ON FUNCTION gateway_refuse FROM PUBLIC")
    for table in TABLES:
        op.execute(
            f"CREATE POLICY scope ON {table} TO gateway_service "
            f"USING ({BY_HOLDER}) WITH CHECK ({BY_HOLDER})"
        )
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"GRANT SELECT ON {table} TO gateway_service")
        op.execute(f"GRANT SELECT, INSERT ON {table} TO gateway_operator")
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION gateway_refuse()"
        )
        # also where a session says that it replays what another server did
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER append_only")
    op.execute("GRANT CREATE ON SCHEMA public TO gateway_operator")
    for name, text in FUNCTIONS.items():
        op.execute(text)
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO gateway_service")
        op.execute(f"ALTER FUNCTION {name} OWNER TO gateway_operator")
    op.execute("REVOKE CREATE ON SCHEMA public FROM gateway_operator")


def _link() -> None:
    """Put the entries of before into chains by vendor, and those for licensors into theirs too."""
    connection = op.get_bind()
    connection.execute(
        sa.text(
            "INSERT INTO audit_events "
            "(vendor_id, licensor_id, holder, occurred_at, actor, action, detail) "
            "SELECT 0, 0, -licensor_id, occurred_at, actor, action, "
            "jsonb_build_object('vendor', code) || detail "
            "FROM audit_events LEFT JOIN vendors USING (vendor_id) WHERE licensor_id <> 0"
        )
    )
    rows = connection.execute(
        sa.text(
            "SELECT e.event_id::text, e.vendor_id, coalesce(e.holder, e.vendor_id) AS holder, "
            "CASE WHEN e.holder < 0 THEN 'licensor ' || l.code "
            "WHEN e.vendor_id > 0 THEN 'vendor ' || v.code ELSE 'house' END AS chain, "
            "e.occurred_at, e.actor, e.action, e.detail::text "
            "FROM audit_events e LEFT JOIN vendors v ON v.vendor_id = e.vendor_id "
            "LEFT JOIN licensors l ON l.licensor_id = -e.holder "
            "ORDER BY 3, e.occurred_at, e.event_id"
        )
    )
    present, number, digest = None, 0, b""
    for event_id, vendor_id, holder, chain, occurred_at, actor, action, detail in rows.all():
        if holder != present:
            present, number, digest = holder, 0, bytes(32)
        number += 1
        entry = {
            "occurred_at": occurred_at.astimezone(UTC).isoformat(),
            "actor": actor,
            "action": action,
            "detail": orjson.loads(detail),
        }
        written = f"{chain}\n".encode() + orjson.dumps(entry, option=orjson.OPT_SORT_KEYS)
        digest = hashlib.sha256(digest + number.to_bytes(8, "big") + written).digest()
        connection.execute(
            sa.text(
                "UPDATE audit_events SET holder = :holder, number = :number, digest = :digest "
                "WHERE vendor_id = :vendor AND event_id = cast(:event AS uuid)"
            ),
            {
                "holder": holder,
                "number": number,
                "digest": digest,
                "vendor": vendor_id,
                "event": event_id,
            },
        )


def downgrade() -> None:
    """Let the chains go: what was logged stays, of acts and of accesses alike."""
    for name in FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}")
    op.drop_table("audit_checkpoints")
    op.execute("DROP TRIGGER append_only ON audit_events")
    op.execute("DROP FUNCTION gateway_refuse")
    op.execute("DROP POLICY scope ON audit_events")
    op.execute("REVOKE SELECT ON audit_events FROM gateway_operator")
    op.add_column(
        "audit_events", sa.Column("licensor_id", sa.Integer(), server_default="0", nullable=False)
    )
    whose = f"{BY_VENDOR} AND {BY_LICENSOR}"
    op.execute(
        "CREATE POLICY scope ON audit_events TO gateway_service "
        f"USING ({whose}) WITH CHECK ({whose})"
    )
    op.execute("GRANT INSERT ON audit_events TO gateway_service")
    op.drop_index("ix_audit_events_holder_occurred_at")
    op.add_column(
        "audit_events",
        sa.Column(
            "event_id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False
        ),
    )
    op.alter_column("audit_events", "occurred_at", server_default=sa.text("clock_timestamp()"))
    op.drop_constraint("pk_audit_events", "audit_events")
    op.create_primary_key(op.f("pk_audit_events"), "audit_events", ["vendor_id", "event_id"])
    for name in ("holder", "number", "digest"):
        op.drop_column("audit_events", name)
