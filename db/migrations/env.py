"""Runs migrations over the connection that db.migrate hands over."""

from alembic import context

from db.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
    # Where a transaction is open already (SQLite), it is the one.
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
