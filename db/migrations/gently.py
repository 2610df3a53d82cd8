"""Changes of large tables that keep nobody waiting on PostgreSQL. On SQLite a change holds the write lock as long as it
takes; readers go on."""

from typing import Any

from alembic import op
from sqlalchemy import text

# How long a change waits for a table. Whoever comes after it waits behind it, so it gives up soon and is tried again.
LOCK_TIMEOUT = "1s"
_INVALID = """
SELECT 1 FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE relname = :name AND relnamespace = current_schema()::regnamespace AND NOT indisvalid
"""


def build_index(name: str, table: str, columns: list[str], **options: Any) -> None:
    """While others write. On PostgreSQL it is no part of the migration's transaction: what the migration did before is
    committed, so that all of such a migration must bear being done again; a half-built index is built anew."""
    if op.get_bind().dialect.name != "postgresql":
        op.create_index(name, table, columns, if_not_exists=True, **options)
        return
    with op.get_context().autocommit_block():
        # It waits for transactions that are at work, and nobody waits for it.
        op.execute("SET lock_timeout = 0")
        if op.get_bind().scalar(text(_INVALID), {"name": name}):
            op.drop_index(name, table, postgresql_concurrently=True)
        op.create_index(name, table, columns, if_not_exists=True, postgresql_concurrently=True, **options)
        op.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")


def remove_index(name: str, table: str) -> None:
    """As build_index."""
    if op.get_bind().dialect.name != "postgresql":
        op.drop_index(name, table, if_exists=True)
        return
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
        op.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
