"""Alembic's environment: one asyncpg connection, handed in by `gateway.app.migrate`."""

from alembic import context
from gateway.app.tables import metadata

BESIDE_THEIR_FUNCTIONS = {"ix_service_records_name_pieces"}
"""Indexes of expressions that only a function of the same migration knows."""


def _in_models(_: object, name: str | None, kind: str, *_more: object) -> bool:
    return kind != "index" or name not in BESIDE_THEIR_FUNCTIONS


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    compare_server_default=True,
    include_object=_in_models,
)
with context.begin_transaction():
    context.run_migrations()
