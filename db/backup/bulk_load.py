"""Bulk read and bulk load of a database.

The read uses one snapshot and does not block writers. The load is one transaction on empty tables: if it fails, the
tables stay empty. Text that PostgreSQL refuses is sanitized on the way.
"""

import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Engine,
    LargeBinary,
    Row,
    String,
    Table,
    Text,
    cast,
    func,
    select,
    text,
)
from sqlalchemy.exc import OperationalError
from sqlalchemy.types import TypeDecorator

from core.text import UNSTORABLE_CHARACTERS
from db.backup.contents import BackupError, nonempty_tables
from db.engine import safe_url
from db.models import Base

_UNSTORABLE_ESCAPE = re.compile(r"\\u(0000|[dD][89a-fA-F])|[\x00\ud800-\udfff]")


def sanitize_text(text: str) -> str:
    """Replaces characters that PostgreSQL cannot store with U+FFFD."""
    return UNSTORABLE_CHARACTERS.sub("\ufffd", text) if UNSTORABLE_CHARACTERS.search(text) else text


def sanitize_json(text: str) -> str:
    """Does the same in a JSON document, which may contain such characters as escapes."""
    if not _UNSTORABLE_ESCAPE.search(text):
        return text
    document = json.loads(text, strict=False)
    cleaned = _sanitize_value(document)
    return text if cleaned == document else json.dumps(cleaned)


def ascii_json(text: str) -> str:
    """Returns the document in the ASCII form that is stored in SQLite, so that equal documents are equal text."""
    return text if text.isascii() else json.dumps(json.loads(text))


def _sanitize_value(value: Any) -> Any:
    if isinstance(value, str):
        return sanitize_text(value)
    if isinstance(value, list):
        return [_sanitize_value(item) for item in value]
    if isinstance(value, dict):
        return {sanitize_text(name): _sanitize_value(item) for name, item in value.items()}
    return value


# Rows in a batch. The smaller size is for tables whose rows hold complete logs or deliveries.
_BATCH, _LARGE_BATCH = 5_000, 16
_LARGE_TABLES = frozenset({"job_logs", "inbox", "log_search_entries", "log_search_segments", "log_sketches"})


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection in a read-only transaction that keeps the snapshot of its first query. Writers are not blocked:
    SQLite reads beside its write-ahead log, PostgreSQL keeps old row versions."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        yield connection


def count(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def batches(connection: Connection, table: Table) -> Iterator[Sequence[Row[Any]]]:
    """Yields all rows in batches, ordered by primary key. JSON columns are read as text, so that a JSON null differs
    from SQL NULL; other columns have the types of the models."""
    columns = [cast(column, Text) if isinstance(column.type, JSON) else column for column in table.columns]
    size = _LARGE_BATCH if table.name in _LARGE_TABLES else _BATCH
    query = select(*columns).order_by(*table.primary_key.columns).execution_options(yield_per=size)
    with connection.execute(query) as rows:
        yield from rows.partitions()


def last_sequence_value(connection: Connection, table: Table) -> int:
    """The last id that the table's sequence generated; 0 without a sequence. Its row may be deleted."""
    if connection.dialect.name != "postgresql":
        query = text("SELECT seq FROM sqlite_sequence WHERE name = :table")
        return (connection.scalar(query, {"table": table.name}) or 0) if has_sqlite_sequence(table) else 0
    return connection.scalar(_LAST_SEQUENCE_VALUE, {"table": table.name, "column": primary_key_columns(table)}) or 0


def has_sqlite_sequence(table: Table) -> bool:
    """Whether SQLite never generates an id of the table again. It does so for other tables, whose ids are not part of
    links."""
    return bool(table.dialect_options["sqlite"]["autoincrement"])


def primary_key_columns(table: Table) -> str:
    return next(iter(table.primary_key.columns)).name


_LAST_SEQUENCE_VALUE = text("SELECT pg_sequence_last_value(pg_get_serial_sequence(:table, :column)::regclass)")


Rows = Sequence[Sequence[Any]]
RowWriter = Callable[[Rows], None]


@contextmanager
def bulk_load(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that locks out other writers, on empty tables without secondary indexes. The
    indexes are created at the end, which takes a third of the time. Raises BackupError if another program has inserted
    rows."""
    # Close pooled connections first: SQLite changes the journal mode only for a single connection.
    engine.dispose()
    with engine.execution_options(writes=True).connect() as connection:
        if connection.dialect.name == "sqlite":
            _prepare_sqlite(connection)
        with connection.begin():
            _lock_tables(connection)
            indexes = [index for table in Base.metadata.sorted_tables for index in table.indexes]
            for index in indexes:
                index.drop(connection, checkfirst=True)
            yield connection
            for index in indexes:
                index.create(connection)


def row_writer(connection: Connection, table: Table) -> RowWriter:
    """Returns a function that inserts rows in the form that `batches` yields."""
    return (
        _copy_writer(connection, table)
        if connection.dialect.name == "postgresql"
        else _insert_writer(connection, table)
    )


def continue_sequence(connection: Connection, table: Table, last_id: int) -> None:
    """Sets the table's sequence to the highest stored id or to `last_id`, whichever is higher."""
    if connection.dialect.name != "postgresql":
        if has_sqlite_sequence(table):
            _continue_sqlite_sequence(connection, table, last_id)
        return
    key = primary_key_columns(table)
    sequence = connection.scalar(text("SELECT pg_get_serial_sequence(:table, :key)"), {"table": table.name, "key": key})
    if sequence:
        highest = connection.scalar(text(f"SELECT max({key}) FROM {table.name}"))  # noqa: S608
        if number := max(highest or 0, last_id):
            connection.execute(text("SELECT setval(:sequence, :number)"), {"sequence": sequence, "number": number})


def _continue_sqlite_sequence(connection: Connection, table: Table, last_id: int) -> None:
    """SQLite has set the sequence to the highest id, if there are rows."""
    values = {"table": table.name, "number": last_id}
    if connection.scalar(text("SELECT 1 FROM sqlite_sequence WHERE name = :table"), values) is None:
        connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, 0)"), values)
    connection.execute(text("UPDATE sqlite_sequence SET seq = max(seq, :number) WHERE name = :table"), values)


def _prepare_sqlite(connection: Connection) -> None:
    """Switches to the rollback journal, which writes new pages once; the write-ahead log writes them twice. The next
    connection through db.engine switches back."""
    driver: Any = connection.connection.driver_connection
    try:
        driver.execute("PRAGMA journal_mode=DELETE")
    except driver.OperationalError:
        raise BackupError(
            f"--to: another program has {safe_url(connection.engine)} open; stop it and try again."
        ) from None
    driver.execute("PRAGMA cache_size=-131072")


def _lock_tables(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        names = ", ".join(Base.metadata.tables)
        try:
            connection.execute(text("SET LOCAL lock_timeout = '30s'"))
            connection.execute(text("SET LOCAL client_encoding = 'UTF8'"))
            connection.execute(text(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE"))
        except OperationalError:
            raise BackupError(
                f"--to: other programs lock tables of {safe_url(connection.engine)}; stop them and try again."
            ) from None
    if filled := nonempty_tables(connection):
        raise BackupError(
            f"--to: another program has just written to {safe_url(connection.engine)} ({filled[0]}); stop it."
        )
    for table in reversed(Base.metadata.sorted_tables):
        connection.execute(table.delete())


def _insert_writer(connection: Connection, table: Table) -> RowWriter:
    placeholders = ", ".join("?" * len(table.columns))
    statement = f"INSERT INTO {table.name} ({_column_list(table)}) VALUES ({placeholders})"  # noqa: S608
    converters = [_sqlite_converter(column, connection) for column in table.columns]

    def write(rows: Rows) -> None:
        columns = [
            values if convert is None else [None if value is None else convert(value) for value in values]
            for convert, values in zip(converters, zip(*rows, strict=True), strict=True)
        ]
        connection.exec_driver_sql(statement, list(zip(*columns, strict=True)))

    return write


def _sqlite_converter(column: Column[Any], connection: Connection) -> Callable[[Any], Any] | None:
    if isinstance(column.type, JSON):
        return ascii_json
    return column.type.dialect_impl(connection.dialect).bind_processor(connection.dialect)


def _copy_writer(connection: Connection, table: Table) -> RowWriter:
    """Uses COPY, which takes a third of the time of INSERT."""
    cursor = connection.connection.cursor()
    statement = f"COPY {table.name} ({_column_list(table)}) FROM STDIN"
    converters = [_copy_converter(column) for column in table.columns]

    def write(rows: Rows) -> None:
        columns = [
            [r"\N" if value is None else convert(value) for value in values]
            for convert, values in zip(converters, zip(*rows, strict=True), strict=True)
        ]
        lines = "".join("\t".join(values) + "\n" for values in zip(*columns, strict=True))
        cursor.copy_expert(statement, io.BytesIO(lines.encode()))

    return write


def _column_list(table: Table) -> str:
    return ", ".join(f'"{column.name}"' for column in table.columns)


# Characters with a meaning in COPY's text format.
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def _copy_converter(column: Column[Any]) -> Callable[[Any], str]:
    kind = column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
    if isinstance(kind, JSON):
        return lambda value: sanitize_json(value).translate(_ESCAPES)
    if isinstance(kind, String):
        # SQLite does not enforce lengths. Values from GitHub are truncated in the same way.
        length = kind.length
        return lambda value: sanitize_text(value)[:length].translate(_ESCAPES)
    if isinstance(kind, LargeBinary):
        return lambda value: rf"\\x{bytes(value).hex()}"
    if isinstance(kind, Boolean):
        return lambda value: "t" if value else "f"
    return _plain_text


def _plain_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else repr(value)
