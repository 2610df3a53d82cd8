"""Conversion of a PostgreSQL database with Citus to a sharded database, table by table."""

from collections.abc import Callable

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from db.backup.contents import BackupError
from db.engine import (
    DISTRIBUTED_TABLES,
    REFERENCE_TABLES,
    SEQUENTIAL_MODE,
    SHARD_KEY,
    DatabaseUnavailable,
    check_connection,
    describe_failure,
    distributed_tables,
    has_citus,
    safe_url,
)
from db.migrate import check_migrated

# Called with the number of distributed tables and the total.
ProgressCallback = Callable[[int, int], None]

# Citus refuses a write to a table with a foreign key to a reference table after a parallel read in the same
# transaction, and transactions that write alerts read runs. Repositories are never deleted, so the foreign key is not
# needed.
_FOREIGN_KEY = ("alerts", "fk_alerts_repository_id_repositories")


def distribute(engine: Engine, on_progress: ProgressCallback) -> list[str]:
    """Distributes the tables that grow by repository, including their rows; returns the tables that were not
    distributed before. It can be interrupted and repeated. Raises BackupError if the database is not a Citus
    coordinator."""
    check_connection(engine)
    tables = [*REFERENCE_TABLES, *DISTRIBUTED_TABLES]
    with engine.connect() as connection:
        _check_coordinator(connection, engine)
    check_migrated(engine)
    with engine.connect() as connection:
        done = distributed_tables(connection)
    pending = [table for table in tables if table not in done]
    try:
        _drop_foreign_key(engine)
        for table in pending:
            on_progress(len(tables) - len(pending) + pending.index(table), len(tables))
            _distribute(engine, table)
    except SQLAlchemyError as error:
        raise DatabaseUnavailable(describe_failure(engine, error)) from None
    on_progress(len(tables), len(tables))
    return pending


def _check_coordinator(connection: Connection, engine: Engine) -> None:
    if connection.dialect.name != "postgresql" or not has_citus(connection):
        raise BackupError(
            f"DATABASE_URL: {safe_url(engine)} is not a PostgreSQL database with the extension citus; nothing was "
            "changed. See Sharding in docs/scaling.md."
        )
    if not connection.scalar(text("SELECT 1 FROM pg_dist_node WHERE groupid = 0")):
        raise BackupError(
            f"DATABASE_URL: {safe_url(engine)} does not know its own address; run there: "
            "SELECT citus_set_coordinator_host('NAME'), with a name by which the workers reach it."
        )


def _drop_foreign_key(engine: Engine) -> None:
    table, name = _FOREIGN_KEY
    with engine.begin() as connection:
        exists = text("SELECT 1 FROM pg_constraint WHERE conname = :name AND conrelid = CAST(:of AS regclass)")
        if connection.scalar(exists, {"name": name, "of": table}):
            connection.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT {name}"))


def _distribute(engine: Engine, table: str) -> None:
    """Distributes one table in one transaction, so that an interruption leaves the table unchanged."""
    with engine.begin() as connection:
        # Foreign keys to the reference table keep Citus from copying rows over several connections at once.
        connection.execute(SEQUENTIAL_MODE)
        if table in REFERENCE_TABLES:
            connection.execute(text("SELECT create_reference_table(:name)"), {"name": table})
            return
        first = DISTRIBUTED_TABLES[0]
        colocation = "default" if table == first else first
        connection.execute(
            text("SELECT create_distributed_table(:name, :key, colocate_with => :colocation)"),
            {"name": table, "key": SHARD_KEY, "colocation": colocation},
        )
    with engine.begin() as connection:
        # Rows that were copied to the shards still take space in the table on the coordinator.
        connection.execute(text("SELECT truncate_local_data_after_distributing_table(:name)"), {"name": table})
