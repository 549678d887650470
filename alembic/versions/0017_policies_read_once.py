"""Row-level security reads its settings once for a statement, and misleads the planner no more.

The cast stood outside of the subquery and was made for each row that a policy filters. And the
planner, which does not know the setting's values, took a tenth of the vendors for what a policy
leaves, on top of what the statement's own predicate leaves: of the records it found a hundredth of
what was there, and chose indexes for that. Their policy is written such that it counts for nothing.
"""

from collections.abc import Callable

from alembic import op

revision = "0017"
down_revision = "0016"

AXES = {
    "vendor_id": "vendors",
    "product_id": "products",
    "licensor_id": "licensors",
    "holder": "holders",
}
TABLES = {
    ("vendor_id",): ("vendors",),
    ("product_id",): (
        *("products", "prices", "price_tiers", "product_interfaces", "product_packs"),
        "finding_thresholds",
    ),
    ("vendor_id", "product_id"): (
        *("licences", "approvals", "vendor_products", "monthly_deltas", "service_record_versions"),
    ),
    ("vendor_id", "licensor_id"): ("rosters", "import_batches"),
    ("holder",): ("audit_events", "audit_checkpoints"),
}
RECORDS = "service_records"
VISIBLE = (
    "EXISTS (SELECT FROM licensors l JOIN products p USING (licensor_id) "
    "WHERE l.report_format = report_formats.code AND p.{})"
)


def _before(axis: str) -> str:
    setting = f"current_setting('gateway.{AXES[axis]}', true)"
    return f"{axis} = ANY ((SELECT nullif({setting}, ''))::int[])"


def _once(axis: str) -> str:
    setting = f"current_setting('gateway.{AXES[axis]}', true)"
    # the second cast makes it an array, where a subquery alone would be a list of rows
    return f"{axis} = ANY ((SELECT nullif({setting}, '')::int[])::int[])"


def _granted(axis: str) -> str:
    """What nearly all rows are expected to pass (0.995), and no index serves."""
    return f"nullif({_once(axis)}, false) IS NOT NULL"


def upgrade() -> None:
    """Write the policies anew."""
    _put_all(_once)
    _put(RECORDS, _granted, ("vendor_id", "product_id"))


def downgrade() -> None:
    """Write them as they were."""
    _put_all(_before)
    _put(RECORDS, _before, ("vendor_id", "product_id"))


def _put_all(condition: Callable[[str], str]) -> None:
    for axes, tables in TABLES.items():
        for table in tables:
            _put(table, condition, axes)
    visible = VISIBLE.format(condition("product_id"))
    op.execute(f"ALTER POLICY scope ON report_formats USING ({visible})")


def _put(table: str, condition: Callable[[str], str], axes: tuple[str, ...]) -> None:
    whose = " AND ".join(map(condition, axes))
    op.execute(f"ALTER POLICY scope ON {table} USING ({whose}) WITH CHECK ({whose})")
