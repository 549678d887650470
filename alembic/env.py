"""Alembic's environment: one asyncpg connection, handed in by `gateway.app.migrate`."""

from alembic import context
from gateway.app.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
