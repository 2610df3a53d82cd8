"""Copy of all tables from one database to another, between SQLite and PostgreSQL in any combination."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

import psycopg2
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from db.backup.bulk_load import batches, bulk_load, continue_sequence, count, last_sequence_value, row_writer, snapshot
from db.backup.contents import (
    BackupError,
    nonempty_tables,
    readable_connection,
    require_empty,
    require_product_database,
    sqlite_file,
)
from db.engine import DatabaseUnavailable, safe_url
from db.migrate import check_migrated, upgrade
from db.models import Base

# Called with the number of copied rows and the total.
ProgressCallback = Callable[[int, int], None]

_EMPTY_TARGET_HINT = "the target of a copy must be empty: name a new database, or empty this one yourself."


@dataclass(frozen=True)
class TableCopy:
    """Row counts of one table: in the snapshot of the source, and in the target after the copy."""

    table: str
    rows_read: int
    rows_written: int


def copy_database(source: Engine, target: Engine, on_progress: ProgressCallback) -> list[TableCopy]:
    """Migrates the target and copies a snapshot of all tables to it. Raises BackupError if source or target is
    unusable, NotMigrated if the source has an older schema, and DatabaseUnavailable if the copy fails: the target is
    then empty, and the copy can be repeated."""
    require_product_database(source)
    check_migrated(source)
    _check_target(source, target)
    upgrade(target)
    require_empty(target, _EMPTY_TARGET_HINT)
    try:
        with snapshot(source) as reader, bulk_load(target) as connection:
            copies = _copy_tables(reader, connection, on_progress)
        _analyze(target)
    except (SQLAlchemyError, psycopg2.Error, sqlite3.Error, ValueError) as error:
        raise DatabaseUnavailable(_failure_message(target, error)) from error
    return copies


def _check_target(source: Engine, target: Engine) -> None:
    """Runs before the first connection to the target, because that would create a missing SQLite file. A copy of a
    database to itself would wait for its own lock."""
    with readable_connection(source) as connection:
        if not nonempty_tables(connection):
            raise BackupError(f"--from: {safe_url(source)} holds no data to copy.")
    path, other = sqlite_file(target), sqlite_file(source)
    if path is not None and other is not None and path.resolve() == other.resolve():
        raise BackupError(f"--to: {safe_url(target)} is the source database; name another one.")
    if path is None or path.is_file():
        require_empty(target, _EMPTY_TARGET_HINT)


def _copy_tables(reader: Connection, connection: Connection, watch: ProgressCallback) -> list[TableCopy]:
    tables = Base.metadata.sorted_tables
    counts = {table.name: count(reader, table) for table in tables}
    total, done = sum(counts.values()), 0
    watch(0, total)
    copies = []
    for table in tables:
        write = row_writer(connection, table)
        for rows in batches(reader, table):
            write(rows)
            done += len(rows)
            watch(done, total)
        continue_sequence(connection, table, last_sequence_value(reader, table))
        copies.append(TableCopy(table.name, counts[table.name], count(connection, table)))
    if incomplete := [copy.table for copy in copies if copy.rows_read != copy.rows_written]:
        raise ValueError(f"not all rows of {', '.join(incomplete)} arrived")
    return copies


def _analyze(target: Engine) -> None:
    """Updates the planner statistics of PostgreSQL."""
    if target.dialect.name == "postgresql":
        with target.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")


def _failure_message(target: Engine, error: Exception) -> str:
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()
    reason = cause[0] if cause else type(error).__name__
    return f"Copying to {safe_url(target)} failed: {reason}; nothing was written there; fix the cause and try again."
