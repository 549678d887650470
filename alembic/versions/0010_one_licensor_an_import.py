"""An import is of one licensor's products: its number, its records' numbers and its log are too.

Batches that brought products of several licensors are divided, and records of vendors that deal in
products of other licensors than SZSE Info are numbered anew, for each licensor by itself. What
remains of the file as a whole (its lines and those that changed nothing) is not known by licensor:
a divided batch counts as lines what it added and changed.
"""

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from alembic import op

revision = "0010"
down_revision = "0009"

DEFINER = "SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp"
RECORD_BASE = "(floor(random() * 4194303) + 1)::bigint << 40"
BY_VENDOR = "vendor_id = ANY ((SELECT nullif(current_setting('gateway.vendors', true), ''))::int[])"
BY_LICENSOR = (
    "licensor_id = ANY ((SELECT nullif(current_setting('gateway.licensors', true), ''))::int[])"
)
WITH_LICENSOR = ("import_batches", "rosters", "audit_events")
READ = ("service_records", "service_record_versions", "products", "api_keys")
RECORDS = ("service_records", "service_record_versions")
TICKS = """
    SELECT coalesce(sum(c.ticks), 0)::bigint FROM reach_clock c
    WHERE k.licensor_id IS NOT NULL OR c.holder IN (0, k.vendor_id)"""
VALID = "k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())"
REACHED = """
    p.licensor_id = k.licensor_id OR p.product_id IN (
        SELECT vp.product_id FROM vendor_products vp WHERE vp.vendor_id = k.vendor_id)"""
OWNERS = """
    SELECT coalesce(jsonb_object_agg(p.product_id, jsonb_build_array(l.licensor_id, l.code)), '{}')
    FROM products p JOIN licensors l USING (licensor_id)"""
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
        'ticks', ({TICKS})"""
MARKET = """
    SELECT jsonb_build_object(
        'vendors', (SELECT coalesce(jsonb_object_agg(vendor_id, code), '{}') FROM vendors),
        'products', (SELECT coalesce(jsonb_object_agg(product_id, name), '{}') FROM products)"""
ASKED = {
    "gateway_authenticate(presented bytea)": "k.digest = presented",
    "gateway_reauthenticate(known text)": "k.prefix = known",
}

# Which licensors' products each batch brought or took; a batch of nobody is the first licensor's.
PARTS = """
    CREATE TEMPORARY TABLE parts ON COMMIT DROP AS
    WITH told AS (
        SELECT DISTINCT vendor_id, batch_no, product_id FROM service_records
        UNION SELECT vendor_id, batch_no, product_id FROM service_record_versions
        UNION SELECT vendor_id, closed_by, product_id FROM service_record_versions),
    brought AS (
        SELECT DISTINCT b.vendor_id, b.batch_no, b.recorded_at,
            coalesce(p.licensor_id, (SELECT min(licensor_id) FROM licensors)) AS licensor_id
        FROM import_batches b LEFT JOIN told USING (vendor_id, batch_no)
        LEFT JOIN products p USING (product_id)),
    counted AS (
        SELECT *, row_number() OVER (PARTITION BY vendor_id ORDER BY batch_no, licensor_id)
            - dense_rank() OVER (PARTITION BY vendor_id ORDER BY batch_no) AS shift,
            row_number() OVER (PARTITION BY vendor_id, batch_no ORDER BY licensor_id) - 1 AS part,
            count(*) OVER (PARTITION BY vendor_id, batch_no) AS parts,
            row_number() OVER (PARTITION BY vendor_id, licensor_id ORDER BY batch_no) AS number
        FROM brought)
    SELECT vendor_id, licensor_id, batch_no AS old, (batch_no + shift)::int AS new,
        number::int AS number, recorded_at + part * interval '1 microsecond' AS recorded_at,
        parts > 1 AS divided
    FROM counted
"""
NUMBERS = """
    CREATE TEMPORARY TABLE numbers ON COMMIT DROP AS
    SELECT vendor_id, record_id AS old, licensor_id, record_base
        + dense_rank() OVER (PARTITION BY vendor_id, licensor_id ORDER BY record_id) AS new
    FROM (
        SELECT vendor_id, record_id, product_id FROM service_records
        UNION SELECT vendor_id, record_id, product_id FROM service_record_versions) r
    JOIN products USING (product_id) JOIN licensors USING (licensor_id)
    WHERE vendor_id IN (
        SELECT vendor_id FROM parts JOIN licensors USING (licensor_id) WHERE record_base <> 0)
"""
# A number that another row has for the moment is no hindrance below zero.
MOVES = (
    *(
        f"UPDATE {table} r SET {column} = -p.new FROM parts p, products o "
        f"WHERE p.vendor_id = r.vendor_id AND p.old = r.{column} AND p.new <> p.old "
        "AND o.product_id = r.product_id AND p.licensor_id = o.licensor_id"
        for table, column in (*((one, "batch_no") for one in RECORDS), (RECORDS[1], "closed_by"))
    ),
    *(
        f"UPDATE {table} SET {column} = -{column} WHERE {column} < 0"
        for table, column in (*((one, "batch_no") for one in RECORDS), (RECORDS[1], "closed_by"))
    ),
    *(
        f"UPDATE {table} r SET record_id = -n.new FROM numbers n "
        "WHERE (n.vendor_id, n.old) = (r.vendor_id, r.record_id)"
        for table in RECORDS
    ),
    *(f"UPDATE {table} SET record_id = -record_id WHERE record_id < 0" for table in RECORDS),
)
BEGUN = (
    "(SELECT vendor_id, record_id, batch_no FROM service_records "
    "UNION ALL SELECT vendor_id, record_id, batch_no FROM service_record_versions)"
)
DIVIDED = f"""
    UPDATE import_batches b SET unchanged = 0, added = s.begun - s.changed,
        changed = s.changed, superseded = s.closed - s.changed, lines = s.begun
    FROM (
        SELECT p.vendor_id, p.new,
            (SELECT count(*) FROM {BEGUN} r
             WHERE (r.vendor_id, r.batch_no) = (p.vendor_id, p.new)) AS begun,
            (SELECT count(*) FROM service_record_versions v
             WHERE (v.vendor_id, v.closed_by) = (p.vendor_id, p.new)) AS closed,
            (SELECT count(*) FROM service_record_versions v JOIN {BEGUN} r
             ON (r.vendor_id, r.record_id, r.batch_no) = (v.vendor_id, v.record_id, v.closed_by)
             WHERE (v.vendor_id, v.closed_by) = (p.vendor_id, p.new)) AS changed
        FROM parts p WHERE p.divided) s
    WHERE (b.vendor_id, b.batch_no) = (s.vendor_id, s.new)
"""
# An act is a licensor's if its key did it, or if it is of a product or an import of its own.
LOGGED = """
    UPDATE audit_events e SET licensor_id = coalesce(
        (SELECT k.licensor_id FROM api_keys k WHERE 'key:' || k.prefix = e.actor),
        (SELECT p.licensor_id FROM products p WHERE p.name = e.detail ->> 'product'),
        (SELECT min(p.licensor_id) FROM parts p
         WHERE p.vendor_id = e.vendor_id AND p.old = (e.detail ->> 'batch')::int AND NOT p.divided),
        0)
"""


def upgrade() -> None:
    """Add the axis, fill it, and put the walls on it."""
    op.add_column("licensors", sa.Column("record_base", sa.BigInteger()))
    op.execute(
        "UPDATE licensors SET record_base = "
        f"CASE code WHEN 'SZSEINFO' THEN 0 ELSE {RECORD_BASE} END"
    )
    op.alter_column("licensors", "record_base", nullable=False)
    op.create_unique_constraint(op.f("uq_licensors_record_base"), "licensors", ["record_base"])
    op.add_column("import_batches", sa.Column("licensor_id", sa.Integer()))
    op.add_column("import_batches", sa.Column("number", sa.Integer()))
    for table in ("rosters", "audit_events"):
        op.add_column(
            table, sa.Column("licensor_id", sa.Integer(), server_default="0", nullable=False)
        )
    op.alter_column("rosters", "licensor_id", server_default=None)
    # the owner is under the tables' policies too, and no scope is set here
    for statement in (*_forced(on=False), *_filled(), *_forced(on=True)):
        op.execute(statement)
    op.alter_column("import_batches", "licensor_id", nullable=False)
    op.alter_column("import_batches", "number", nullable=False)
    op.create_foreign_key(
        op.f("fk_import_batches_licensor_id"),
        *("import_batches", "licensors", ["licensor_id"], ["licensor_id"]),
    )
    op.create_unique_constraint("number", "import_batches", ["vendor_id", "licensor_id", "number"])
    _policies(f"{BY_VENDOR} AND {BY_LICENSOR}")
    _functions(f", 'owners', ({OWNERS} WHERE {REACHED}))", f", 'owners', ({OWNERS}))")


def _forced(*, on: bool) -> Iterator[str]:
    for table in (*WITH_LICENSOR, *READ):
        yield f"ALTER TABLE {table} {'' if on else 'NO '}FORCE ROW LEVEL SECURITY"


def _filled() -> Sequence[str]:
    return (
        PARTS,
        LOGGED,
        "CREATE TEMPORARY TABLE kept ON COMMIT DROP AS SELECT * FROM import_batches",
        "DELETE FROM import_batches",
        "INSERT INTO import_batches (vendor_id, batch_no, licensor_id, number, recorded_at, actor, "
        "source, sha256, encoding, mode, lines, added, changed, superseded, unchanged) "
        "SELECT p.vendor_id, p.new, p.licensor_id, p.number, p.recorded_at, k.actor, "
        "k.source, k.sha256, k.encoding, k.mode, k.lines, k.added, k.changed, k.superseded, "
        "k.unchanged FROM parts p JOIN kept k ON (k.vendor_id, k.batch_no) = (p.vendor_id, p.old)",
        NUMBERS,
        *MOVES,
        DIVIDED,
        "ALTER TABLE rosters DROP CONSTRAINT pk_rosters",
        "ALTER TABLE rosters ADD CONSTRAINT pk_rosters PRIMARY KEY (vendor_id, licensor_id)",
        "INSERT INTO rosters (vendor_id, licensor_id, last_batch, last_record, recorded_at) "
        "SELECT p.vendor_id, p.licensor_id, max(p.number), coalesce(("
        "SELECT max(n.new) FROM numbers n "
        "WHERE (n.vendor_id, n.licensor_id) = (p.vendor_id, p.licensor_id)), ("
        "SELECT r.last_record FROM rosters r WHERE r.vendor_id = p.vendor_id "
        "AND r.licensor_id = 0)), max(p.recorded_at) "
        "FROM parts p GROUP BY p.vendor_id, p.licensor_id",
        "UPDATE rosters r SET last_record = 0, last_batch = coalesce(("
        "SELECT max(p.new) FROM parts p WHERE p.vendor_id = r.vendor_id), last_batch), "
        "recorded_at = coalesce(greatest(recorded_at, ("
        "SELECT max(p.recorded_at) FROM parts p WHERE p.vendor_id = r.vendor_id)), recorded_at) "
        "WHERE licensor_id = 0",
        *(f"DROP TABLE {name}" for name in ("parts", "numbers", "kept")),
    )


def _policies(whose: str) -> None:
    for table in WITH_LICENSOR:
        op.execute(f"DROP POLICY scope ON {table}")
        op.execute(
            f"CREATE POLICY scope ON {table} TO gateway_service "
            f"USING ({whose}) WITH CHECK ({whose})"
        )


def _functions(of_key: str, of_market: str) -> None:
    """Put another end to what the functions say of a reach."""
    bodies = {
        signature: (f"{REACH}{of_key} FROM api_keys k WHERE {VALID} AND {condition}", "service")
        for signature, condition in ASKED.items()
    }
    bodies["gateway_market()"] = (f"{MARKET}{of_market}", "operator")
    op.execute("GRANT CREATE ON SCHEMA public TO gateway_operator")
    for signature, (body, caller) in bodies.items():
        name = signature.partition("(")[0]
        op.execute(f"DROP FUNCTION {name}")
        op.execute(
            f"CREATE FUNCTION {signature} RETURNS jsonb LANGUAGE sql STABLE {DEFINER} AS $${body}$$"
        )
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO gateway_{caller}")
        op.execute(f"ALTER FUNCTION {name} OWNER TO gateway_operator")
    op.execute("REVOKE CREATE ON SCHEMA public FROM gateway_operator")


def downgrade() -> None:
    """Count over all licensors again. Numbers that were given remain."""
    _functions(")", ")")
    _policies(BY_VENDOR)
    for statement in (
        *_forced(on=False),
        "UPDATE rosters r SET last_record = ("
        "SELECT max(o.last_record) FROM rosters o WHERE o.vendor_id = r.vendor_id) "
        "WHERE licensor_id = 0",
        "DELETE FROM rosters WHERE licensor_id <> 0",
        "ALTER TABLE rosters DROP CONSTRAINT pk_rosters",
        "ALTER TABLE rosters ADD CONSTRAINT pk_rosters PRIMARY KEY (vendor_id)",
        *_forced(on=True),
    ):
        op.execute(statement)
    op.drop_constraint("number", "import_batches")
    op.drop_column("import_batches", "number")
    op.drop_column("licensors", "record_base")
    for table in WITH_LICENSOR:
        op.drop_column(table, "licensor_id")
