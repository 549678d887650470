"""Indexes of the regulation's queries, and the function that looks into those of IDs and names."""

from alembic import op

revision = "0003"
down_revision = "0002"

RECORDS = "service_records"
# name -> columns: each sort within one vendor, and over all vendors. A key of few values comes
# first in either case: lists sorted by it are gathered value by value.
SORTS = {
    "user_id": ("user_id", "vendor_id", "record_id"),
    "user_name": ("user_name", "vendor_id", "record_id"),
    "start_date": ("start_date", "vendor_id", "record_id"),
    "end_date": ("end_date", "vendor_id", "record_id"),
    "vendor_user_name": ("vendor_id", "user_name", "record_id"),
    "vendor_start_date": ("vendor_id", "start_date", "record_id"),
    "vendor_end_date": ("vendor_id", "end_date", "record_id"),
    "user_type": ("user_type", "vendor_id", "record_id"),
    "fee_category": ("fee_category", "vendor_id", "record_id"),
    "product": ("product_id", "vendor_id", "record_id"),
    "batch": ("vendor_id", "batch_no", "record_id"),
}
# All one- and two-character pieces of a name, each behind the vendor's number: what one vendor's
# names have in them says nothing, not even by the time it takes, to a search at another.
PIECES = r"""string_to_array(substr(
    regexp_replace(lower(user_name), '(.)', E'\x01' || vendor_id || E':\\1', 'g')
    || regexp_replace(lower(user_name), '(..?)', E'\x01' || vendor_id || E':\\1', 'g')
    || regexp_replace(substr(lower(user_name), 2), '(..?)', E'\x01' || vendor_id || E':\\1', 'g'),
    2), E'\x01')"""
FIND = f"""
CREATE FUNCTION gateway_find(wanted int[], low text, high text, part text, most bigint)
RETURNS SETOF service_records
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    vendors int[] := ARRAY(
        SELECT unnest(nullif(current_setting('gateway.vendors', true), '')::int[])
        INTERSECT SELECT unnest(wanted));
    products int[] := nullif(current_setting('gateway.products', true), '')::int[];
BEGIN
    IF low IS NOT NULL THEN
        -- in the order of the one index that should serve: others bring in too many rows
        RETURN QUERY SELECT f.*
            FROM unnest(vendors) v,
            LATERAL (
                SELECT r.* FROM service_records r
                WHERE r.vendor_id = v AND r.product_id = ANY (products)
                    AND lower(r.user_id) BETWEEN low AND high
                ORDER BY lower(r.user_id), r.record_id
                LIMIT most) f
            LIMIT most;
    END IF;
    -- no name is longer, and the pieces of a long text take their time
    IF length(part) < 64 THEN
        -- + 0 keeps the planner from reading all of a vendor's rows beside the pieces' few
        RETURN QUERY SELECT f.*
            FROM (
                SELECT v AS vendor_id, ARRAY(
                    SELECT v || ':' || substr(part, i, least(2, length(part)))
                    FROM generate_series(1, greatest(1, length(part) - 1)) i) AS pieces
                FROM unnest(vendors) v) v,
            LATERAL (
                SELECT r.* FROM service_records r
                WHERE r.vendor_id + 0 = v.vendor_id AND r.product_id + 0 = ANY (products)
                    AND {PIECES} @> v.pieces
                    AND strpos(lower(r.user_name), part) > 0
                LIMIT most) f
            LIMIT most;
    END IF;
END $$
"""


def upgrade() -> None:
    for name, columns in SORTS.items():
        op.create_index(f"ix_{RECORDS}_{name}", RECORDS, columns)
    op.execute(
        f"CREATE INDEX ix_{RECORDS}_service_status ON {RECORDS} "
        "(service_status, vendor_id, record_id) WHERE service_status IS NOT NULL"
    )
    op.execute(
        f"CREATE INDEX ix_{RECORDS}_user_id_lower ON {RECORDS} "
        "(vendor_id, lower(user_id), record_id)"
    )
    op.execute(f"CREATE INDEX ix_{RECORDS}_name_pieces ON {RECORDS} USING gin (({PIECES}))")
    # a role that no one is: the function runs as it, and no policy of other tables lets it in
    op.execute(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'gateway_finder') "
        "THEN CREATE ROLE gateway_finder NOLOGIN; END IF; "
        "IF current_setting('server_version_num')::int < 160000 THEN "
        "IF NOT pg_has_role(current_user, 'gateway_finder', 'MEMBER') THEN "
        "GRANT gateway_finder TO CURRENT_USER; END IF; "
        "ELSIF NOT pg_has_role(current_user, 'gateway_finder', 'SET') THEN "
        "EXECUTE 'GRANT gateway_finder TO CURRENT_USER WITH SET TRUE, INHERIT TRUE'; "
        "END IF; END $$"
    )
    op.execute("GRANT USAGE, CREATE ON SCHEMA public TO gateway_finder")
    op.execute(f"GRANT SELECT ON {RECORDS} TO gateway_finder")
    op.execute(f"CREATE POLICY finder ON {RECORDS} FOR SELECT TO gateway_finder USING (true)")
    op.execute(FIND)
    # while it is still ours: of a role that we may act as but inherit nothing from, we can't
    op.execute("REVOKE ALL ON FUNCTION gateway_find FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION gateway_find TO gateway_service")
    op.execute("ALTER FUNCTION gateway_find OWNER TO gateway_finder")
    op.execute("REVOKE CREATE ON SCHEMA public FROM gateway_finder")
    op.execute(f"ANALYZE {RECORDS}")


def downgrade() -> None:
    op.execute("DROP FUNCTION gateway_find")
    op.execute(f"DROP POLICY finder ON {RECORDS}")
    op.execute(f"REVOKE ALL ON {RECORDS} FROM gateway_finder")
    op.execute("REVOKE ALL ON SCHEMA public FROM gateway_finder")
    for name in (*SORTS, "service_status", "user_id_lower", "name_pieces"):
        op.drop_index(f"ix_{RECORDS}_{name}", RECORDS)
