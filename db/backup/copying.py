"""Copying everything from one database into another, of either kind."""

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

# Told the rows done and the rows in all.
ProgressCallback = Callable[[int, int], None]

_EMPTY_TARGET_HINT = "copying adds to nothing: name a new database, or empty this one yourself."


@dataclass(frozen=True)
class TableCopy:
    """Rows of a table in the snapshot of the source, and in the target once it is filled."""

    table: str
    rows_read: int
    rows_written: int


def copy_database(source: Engine, target: Engine, on_progress: ProgressCallback) -> list[TableCopy]:
    """Copies all tables as they are at one moment; the target is migrated first. Raises Refused where one of the two
    cannot serve, NotMigrated where the source is of an older version, and DatabaseUnavailable for what fails in the
    middle: the target then holds nothing, and the same may be started again."""
    require_product_database(source)
    check_migrated(source)
    _check_target(source, target)
    upgrade(target)
    require_empty(target, _EMPTY_TARGET_HINT)
    try:
        with snapshot(source) as reader, bulk_load(target) as connection:
            counted = _copy_tables(reader, connection, on_progress)
        _analyze(target)
    except (SQLAlchemyError, psycopg2.Error, sqlite3.Error, ValueError) as error:
        raise DatabaseUnavailable(_failure_message(target, error)) from error
    return counted


def _check_target(source: Engine, target: Engine) -> None:
    """Before the target is touched: a file that is not there is not made for nothing, and the same database twice
    would wait for itself."""
    with readable_connection(source) as connection:
        if not nonempty_tables(connection):
            raise BackupError(f"--from: {safe_url(source)} holds nothing that could be copied.")
    path, other = sqlite_file(target), sqlite_file(source)
    if path is not None and other is not None and path.resolve() == other.resolve():
        raise BackupError(f"--to: {safe_url(target)} is the database that is read; name another one.")
    if path is None or path.is_file():
        require_empty(target, _EMPTY_TARGET_HINT)


def _copy_tables(reader: Connection, connection: Connection, watch: ProgressCallback) -> list[TableCopy]:
    tables = Base.metadata.sorted_tables
    counts = {table.name: count(reader, table) for table in tables}
    total, done = sum(counts.values()), 0
    watch(0, total)
    counted = []
    for table in tables:
        write = row_writer(connection, table)
        for rows in batches(reader, table):
            write(rows)
            done += len(rows)
            watch(done, total)
        continue_sequence(connection, table, last_sequence_value(reader, table))
        counted.append(TableCopy(table.name, counts[table.name], count(connection, table)))
    if wrong := [each.table for each in counted if each.rows_read != each.rows_written]:
        raise ValueError(f"not all rows of {', '.join(wrong)} arrived")
    return counted


def _analyze(target: Engine) -> None:
    """Has the database plan by what it holds now."""
    if target.dialect.name == "postgresql":
        with target.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")


def _failure_message(target: Engine, error: Exception) -> str:
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()
    reason = cause[0] if cause else type(error).__name__
    return (
        f"Copying to {safe_url(target)} failed: {reason}; nothing was written there: "
        "start again once the cause is gone."
    )
