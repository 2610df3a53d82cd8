"""Changes of large tables without long locks.

On PostgreSQL a change does not block other programs. On SQLite a change holds the write lock until it ends, and other
programs can write between two changes; readers are not blocked.
"""

import time
from typing import Any

from alembic import op
from sqlalchemy import func, literal_column, select, text
from sqlalchemy import table as sa_table

# Limit of the wait for a table lock. Later statements queue behind the waiting change, so it stops and is retried.
LOCK_TIMEOUT = "1s"
_VERSION = text("SELECT version_num FROM alembic_version")
_INVALID_INDEX = """
SELECT 1 FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE relname = :name AND relnamespace = current_schema()::regnamespace AND NOT indisvalid
"""


# The pause between two tries of a program that waits for SQLite's write lock.
_RELEASE_SECONDS = 0.2
# A change of a smaller table does not take a noticeable time.
LARGE_TABLE_ROWS = 10_000


class ConcurrentMigration(Exception):
    """Another program has migrated in the meantime; the revision must be read again."""


def create_index(name: str, table: str, columns: list[str], **options: Any) -> None:
    """Creates an index without blocking writers on PostgreSQL, and between their transactions on SQLite. It commits the
    previous steps of the migration, so every step of such a migration must be repeatable. An invalid index, left by an
    interruption, is dropped and created again."""
    if op.get_bind().dialect.name != "postgresql":
        _yield_write_lock(table)
        op.create_index(name, table, columns, if_not_exists=True, **options)
        return
    with op.get_context().autocommit_block():
        # The statement waits for running transactions, and it does not block other statements.
        op.execute("SET lock_timeout = 0")
        if op.get_bind().scalar(text(_INVALID_INDEX), {"name": name}):
            op.drop_index(name, table, postgresql_concurrently=True)
        op.create_index(name, table, columns, if_not_exists=True, postgresql_concurrently=True, **options)
        op.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")


def drop_index(name: str, table: str) -> None:
    """Drops an index with the same locks and commits as create_index."""
    if op.get_bind().dialect.name != "postgresql":
        _yield_write_lock(table)
        op.drop_index(name, table, if_exists=True)
        return
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
        op.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")


def _yield_write_lock(table: str) -> None:
    """Commits and begins a new transaction if the table is large (SQLite only). Raises ConcurrentMigration if another
    program has migrated between the two."""
    connection = op.get_bind()
    if (
        connection.scalar(select(func.max(literal_column("rowid"))).select_from(sa_table(table))) or 0
    ) < LARGE_TABLE_ROWS:
        return
    version = connection.scalar(_VERSION)
    connection.exec_driver_sql("COMMIT")
    time.sleep(_RELEASE_SECONDS)
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    if connection.scalar(_VERSION) != version:
        raise ConcurrentMigration
