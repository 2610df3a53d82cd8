"""Turning a PostgreSQL with Citus into a sharded database, table by table."""

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

# Called with the tables done and the tables in all.
ProgressCallback = Callable[[int, int], None]

# Citus takes no write to a table that refers to a reference table after a parallel read in the same transaction, and
# alerts are written by transactions that read runs. Repositories are never deleted, so the key guards nothing.
_FOREIGN_KEY = ("alerts", "fk_alerts_repository_id_repositories")


def distribute(engine: Engine, on_progress: ProgressCallback) -> list[str]:
    """Distributes what grows by repository, with the rows that are there; returns the tables that were not yet
    distributed. May be interrupted and started again. Raises Refused where the database is no Citus coordinator."""
    check_connection(engine)
    tables = [*REFERENCE_TABLES, *DISTRIBUTED_TABLES]
    with engine.connect() as connection:
        _check_coordinator(connection, engine)
    check_migrated(engine)
    with engine.connect() as connection:
        done = distributed_tables(connection)
    waiting = [table for table in tables if table not in done]
    try:
        _drop_foreign_key(engine)
        for table in waiting:
            on_progress(len(tables) - len(waiting) + waiting.index(table), len(tables))
            _distribute(engine, table)
    except SQLAlchemyError as error:
        raise DatabaseUnavailable(describe_failure(engine, error)) from None
    on_progress(len(tables), len(tables))
    return waiting


def _check_coordinator(connection: Connection, engine: Engine) -> None:
    if connection.dialect.name != "postgresql" or not has_citus(connection):
        raise BackupError(
            f"DATABASE_URL: {safe_url(engine)} is not a PostgreSQL with the extension citus; nothing was changed. "
            "See Sharding in docs/scaling.md."
        )
    if not connection.scalar(text("SELECT 1 FROM pg_dist_node WHERE groupid = 0")):
        raise BackupError(
            f"DATABASE_URL: {safe_url(engine)} does not know its own address; run there: "
            "SELECT citus_set_coordinator_host('NAME'), with a name under which the workers reach it."
        )


def _drop_foreign_key(engine: Engine) -> None:
    table, name = _FOREIGN_KEY
    with engine.begin() as connection:
        known = text("SELECT 1 FROM pg_constraint WHERE conname = :name AND conrelid = CAST(:of AS regclass)")
        if connection.scalar(known, {"name": name, "of": table}):
            connection.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT {name}"))


def _distribute(engine: Engine, table: str) -> None:
    """One transaction: an interrupted one leaves the table as it was."""
    with engine.begin() as connection:
        # Foreign keys to the reference table keep Citus from copying rows over several connections at once.
        connection.execute(SEQUENTIAL_MODE)
        if table in REFERENCE_TABLES:
            connection.execute(text("SELECT create_reference_table(:name)"), {"name": table})
            return
        first = DISTRIBUTED_TABLES[0]
        beside = "default" if table == first else first
        connection.execute(
            text("SELECT create_distributed_table(:name, :key, colocate_with => :beside)"),
            {"name": table, "key": SHARD_KEY, "beside": beside},
        )
    with engine.begin() as connection:
        # Rows that were copied to the shards still take space in the table on the coordinator.
        connection.execute(text("SELECT truncate_local_data_after_distributing_table(:name)"), {"name": table})
