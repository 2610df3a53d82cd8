"""Reading a whole database as it is at one moment, while others write to it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import JSON, Connection, Engine, Row, Table, Text, cast, func, select, text

# Rows at a time, and of tables whose rows hold whole logs and deliveries.
_BATCH, _LARGE_BATCH = 5_000, 16
_LARGE = frozenset({"job_logs", "inbox"})


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection in one transaction that only reads, and keeps seeing what its first question saw. Writers are not
    held up: SQLite reads beside its log of writes, PostgreSQL keeps old rows."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        yield connection


def count(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def batches(connection: Connection, table: Table) -> Iterator[Sequence[Row[Any]]]:
    """All rows in the order of their key, a few at a time. JSON comes as text, so that a JSON null stays apart from
    none; all else as the models say."""
    columns = [cast(each, Text) if isinstance(each.type, JSON) else each for each in table.columns]
    size = _LARGE_BATCH if table.name in _LARGE else _BATCH
    query = select(*columns).order_by(*table.primary_key.columns).execution_options(yield_per=size)
    with connection.execute(query) as rows:
        yield from rows.partitions()


def last_number(connection: Connection, table: Table) -> int:
    """The last id that PostgreSQL gave out by itself; 0 where there is none. Rows with it may be deleted."""
    if connection.dialect.name != "postgresql":
        return 0
    return connection.scalar(_LAST_NUMBER, {"table": table.name, "column": key_of(table)}) or 0


def key_of(table: Table) -> str:
    return next(iter(table.primary_key.columns)).name


_LAST_NUMBER = text("SELECT pg_sequence_last_value(pg_get_serial_sequence(:table, :column)::regclass)")
