-- The monthly figures as a function, for the peers: sums of the deltas that the gateway keeps, for
-- each vendor, product and month. Row-level security holds within, for it runs as its caller.
CREATE SCHEMA IF NOT EXISTS benchmark;
GRANT USAGE ON SCHEMA benchmark TO gateway_service;
DROP FUNCTION IF EXISTS benchmark.figures;
DROP TYPE IF EXISTS benchmark.figure;
CREATE TYPE benchmark.figure AS (
    vendor_code text,
    product_name text,
    month date,
    full_price_count int,
    regulatory_count int,
    internal_free_count int,
    trial_count int,
    new_count int,
    ended_count int
);
CREATE FUNCTION benchmark.figures(since date, until date) RETURNS SETOF benchmark.figure
LANGUAGE sql STABLE SECURITY INVOKER AS $$
SELECT v.code, p.name, f.month, f.full_price::int, f.regulatory::int, f.internal_free::int,
    f.trial::int, f.new, f.ended
FROM (
    SELECT vendor_id, product_id, month, shown,
        max(new) OVER same AS new, max(ended) OVER same AS ended,
        sum(full_price) OVER past AS full_price, sum(regulatory) OVER past AS regulatory,
        sum(internal_free) OVER past AS internal_free, sum(trial) OVER past AS trial
    FROM (
        SELECT vendor_id, product_id, month, full_price, regulatory, internal_free, trial, new,
            ended, false AS shown
        FROM monthly_deltas
        WHERE month <= until
        UNION ALL
        SELECT vendor_id, product_id, month::date, 0, 0, 0, 0, 0, 0, true
        FROM vendor_products, generate_series(since, until, interval '1 month') AS month
    ) points
    WINDOW past AS (PARTITION BY vendor_id, product_id ORDER BY month),
        same AS (PARTITION BY vendor_id, product_id, month)
) f
JOIN vendors v USING (vendor_id)
JOIN products p USING (product_id)
WHERE f.shown
ORDER BY f.month DESC, v.code, p.name
$$;
GRANT EXECUTE ON FUNCTION benchmark.figures TO gateway_service;
