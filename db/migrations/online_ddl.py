"""Changes of large tables that keep nobody waiting on PostgreSQL. On SQLite a change holds the write lock as long as it
takes, and between two of them others write; readers go on."""

import time
from typing import Any

from alembic import op
from sqlalchemy import func, literal_column, select, text
from sqlalchemy import table as sa_table

# How long a change waits for a table. Whoever comes after it waits behind it, so it gives up soon and is tried again.
LOCK_TIMEOUT = "1s"
_VERSION = text("SELECT version_num FROM alembic_version")
_INVALID_INDEX = """
SELECT 1 FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE relname = :name AND relnamespace = current_schema()::regnamespace AND NOT indisvalid
"""


# As long as one who waits for SQLite's write lock sleeps between two tries.
_RELEASE_SECONDS = 0.2
# Less is done before anybody notices.
LARGE_TABLE_ROWS = 10_000


class ConcurrentMigration(Exception):
    """Another program has migrated meanwhile: look again where the schema is."""


def create_index(name: str, table: str, columns: list[str], **options: Any) -> None:
    """While others write, or between their transactions. It is no part of the migration's transaction: what the
    migration did before is committed, so that all of such a migration must bear being done again; an index that is half
    built is built anew."""
    if op.get_bind().dialect.name != "postgresql":
        _yield_write_lock(table)
        op.create_index(name, table, columns, if_not_exists=True, **options)
        return
    with op.get_context().autocommit_block():
        # It waits for transactions that are at work, and nobody waits for it.
        op.execute("SET lock_timeout = 0")
        if op.get_bind().scalar(text(_INVALID_INDEX), {"name": name}):
            op.drop_index(name, table, postgresql_concurrently=True)
        op.create_index(name, table, columns, if_not_exists=True, postgresql_concurrently=True, **options)
        op.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")


def drop_index(name: str, table: str) -> None:
    """As build_index."""
    if op.get_bind().dialect.name != "postgresql":
        _yield_write_lock(table)
        op.drop_index(name, table, if_exists=True)
        return
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
        op.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")


def _yield_write_lock(table: str) -> None:
    """On SQLite, where the table is large: ends the transaction and begins the next. Raises Overtaken where a program
    that got its turn between them has migrated on."""
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
