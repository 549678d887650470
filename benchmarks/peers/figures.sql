-- The monthly figures as a function, for the peers: the counts that the gateway keeps, looked up for
-- each vendor, product and month. The months are in order before any is looked up, so that a page
-- stops at its end. Row-level security holds within, for it runs as its caller.
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
SELECT g.code, g.name, g.month, coalesce(c.full_price_count, 0), coalesce(c.regulatory_count, 0),
    coalesce(c.internal_free_count, 0), coalesce(c.trial_count, 0),
    CASE WHEN c.month = g.month THEN c.new ELSE 0 END,
    CASE WHEN c.month = g.month THEN c.ended ELSE 0 END
FROM (
    SELECT vendor_id, product_id, v.code, p.name, m.month::date AS month
    FROM vendor_products
    JOIN vendors v USING (vendor_id)
    JOIN products p USING (product_id)
    CROSS JOIN generate_series(since, until, interval '1 month') AS m (month)
    ORDER BY m.month DESC, v.code, p.name
) g
LEFT JOIN LATERAL (
    SELECT * FROM monthly_deltas d
    WHERE d.vendor_id = g.vendor_id AND d.product_id = g.product_id AND d.month <= g.month
    ORDER BY d.month DESC
    LIMIT 1
) c ON true
$$;
GRANT EXECUTE ON FUNCTION benchmark.figures TO gateway_service;
