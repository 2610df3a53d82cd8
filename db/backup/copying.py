"""Copying everything from one database into another, of either kind."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

import psycopg2
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from db.backup.bulk_load import batches, count, filling, go_on_numbering, last_number, snapshot, writer
from db.backup.contents import Refused, check_empty, check_source, filled_tables, reading, sqlite_file
from db.engine import DatabaseUnavailable, shown
from db.migrate import check_migrated, upgrade
from db.models import Base

# Told the rows done and the rows in all.
Watch = Callable[[int, int], None]

_REMEDY = "copying adds to nothing: name a new database, or empty this one yourself."


@dataclass(frozen=True)
class Counted:
    """Rows of a table in the snapshot of the source, and in the target once it is filled."""

    table: str
    read: int
    written: int


def copy_database(source: Engine, target: Engine, watch: Watch) -> list[Counted]:
    """Copies all tables as they are at one moment; the target is migrated first. Raises Refused where one of the two
    cannot serve, NotMigrated where the source is of an older version, and DatabaseUnavailable for what fails in the
    middle: the target then holds nothing, and the same may be started again."""
    check_source(source)
    check_migrated(source)
    _check_target(source, target)
    upgrade(target)
    check_empty(target, _REMEDY)
    try:
        with snapshot(source) as reader, filling(target) as connection:
            counted = _copy_tables(reader, connection, watch)
        _look_at_the_rows(target)
    except (SQLAlchemyError, psycopg2.Error, sqlite3.Error, ValueError) as error:
        raise DatabaseUnavailable(_failed(target, error)) from error
    return counted


def _check_target(source: Engine, target: Engine) -> None:
    """Before the target is touched: a file that is not there is not made for nothing, and the same database twice
    would wait for itself."""
    with reading(source) as connection:
        if not filled_tables(connection):
            raise Refused(f"--from: {shown(source)} holds nothing that could be copied.")
    path, other = sqlite_file(target), sqlite_file(source)
    if path is not None and other is not None and path.resolve() == other.resolve():
        raise Refused(f"--to: {shown(target)} is the database that is read; name another one.")
    if path is None or path.is_file():
        check_empty(target, _REMEDY)


def _copy_tables(reader: Connection, connection: Connection, watch: Watch) -> list[Counted]:
    tables = Base.metadata.sorted_tables
    counts = {table.name: count(reader, table) for table in tables}
    total, done = sum(counts.values()), 0
    watch(0, total)
    counted = []
    for table in tables:
        write = writer(connection, table)
        for rows in batches(reader, table):
            write(rows)
            done += len(rows)
            watch(done, total)
        go_on_numbering(connection, table, last_number(reader, table))
        counted.append(Counted(table.name, counts[table.name], count(connection, table)))
    if wrong := [each.table for each in counted if each.read != each.written]:
        raise ValueError(f"not all rows of {', '.join(wrong)} arrived")
    return counted


def _look_at_the_rows(target: Engine) -> None:
    """Has the database plan by what it holds now."""
    if target.dialect.name == "postgresql":
        with target.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")


def _failed(target: Engine, error: Exception) -> str:
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()
    return (
        f"Copying to {shown(target)} failed: {cause[0] if cause else type(error).__name__}; nothing was written there: "
        "start again once the cause is gone."
    )
