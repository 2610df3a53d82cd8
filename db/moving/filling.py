"""Filling an empty database in one transaction: until its end there is nothing, whatever happens."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Connection, Engine, LargeBinary, String, Table, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.types import TypeDecorator

from db.engine import shown
from db.models import Base
from db.moving.contents import Refused, filled_tables
from db.moving.reading import key_of
from db.moving.texts import ascii_json, storable, storable_json

Rows = Sequence[Sequence[Any]]
Write = Callable[[Rows], None]


@contextmanager
def filling(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that keeps other writers out, on tables that are empty and have no indexes but
    their keys; the indexes are made at its end, which takes a third of the time. Raises Refused where rows came
    meanwhile."""
    # Closed first: SQLite changes its journal only while nobody else is there.
    engine.dispose()
    with engine.execution_options(writes=True).connect() as connection:
        if connection.dialect.name == "sqlite":
            _ready_for_much(connection)
        with connection.begin():
            _keep_others_out(connection)
            indexes = [index for table in Base.metadata.sorted_tables for index in table.indexes]
            for index in indexes:
                index.drop(connection, checkfirst=True)
            yield connection
            for index in indexes:
                index.create(connection)


def writer(connection: Connection, table: Table) -> Write:
    """Takes rows as db.moving.reading gives them."""
    return _by_copy(connection, table) if connection.dialect.name == "postgresql" else _by_insert(connection, table)


def go_on_numbering(connection: Connection, table: Table, last: int) -> None:
    """Has PostgreSQL give out ids above all that are stored, and above `last`."""
    if connection.dialect.name != "postgresql":
        return
    key = key_of(table)
    sequence = connection.scalar(text("SELECT pg_get_serial_sequence(:table, :key)"), {"table": table.name, "key": key})
    if sequence:
        highest = connection.scalar(text(f"SELECT max({key}) FROM {table.name}"))  # noqa: S608
        if number := max(highest or 0, last):
            connection.execute(text("SELECT setval(:sequence, :number)"), {"sequence": sequence, "number": number})


def _ready_for_much(connection: Connection) -> None:
    """With SQLite's older journal new pages are written once; with the log of writes twice. Whoever opens the file
    next through db.engine has the log again."""
    driver: Any = connection.connection.driver_connection
    try:
        driver.execute("PRAGMA journal_mode=DELETE")
    except driver.OperationalError:
        raise Refused(
            f"--to: another program has {shown(connection.engine)} open; stop it, and start this again."
        ) from None
    driver.execute("PRAGMA cache_size=-131072")


def _keep_others_out(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        names = ", ".join(Base.metadata.tables)
        try:
            connection.execute(text("SET LOCAL lock_timeout = '30s'"))
            connection.execute(text("SET LOCAL client_encoding = 'UTF8'"))
            connection.execute(text(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE"))
        except OperationalError:
            raise Refused(
                f"--to: other programs hold tables of {shown(connection.engine)}; stop them, and start this again."
            ) from None
    if filled := filled_tables(connection):
        raise Refused(f"--to: another program has just written to {shown(connection.engine)} ({filled[0]}); stop it.")
    for table in reversed(Base.metadata.sorted_tables):
        connection.execute(table.delete())


def _by_insert(connection: Connection, table: Table) -> Write:
    places = ", ".join("?" * len(table.columns))
    statement = f"INSERT INTO {table.name} ({_names(table)}) VALUES ({places})"  # noqa: S608
    processors = [_for_sqlite(column, connection) for column in table.columns]

    def write(rows: Rows) -> None:
        columns = [
            values if form is None else [None if value is None else form(value) for value in values]
            for form, values in zip(processors, zip(*rows, strict=True), strict=True)
        ]
        connection.exec_driver_sql(statement, list(zip(*columns, strict=True)))

    return write


def _for_sqlite(column: Column[Any], connection: Connection) -> Callable[[Any], Any] | None:
    if isinstance(column.type, JSON):
        return ascii_json
    return column.type.dialect_impl(connection.dialect).bind_processor(connection.dialect)


def _by_copy(connection: Connection, table: Table) -> Write:
    """COPY takes a third of the time of INSERT."""
    cursor = connection.connection.cursor()
    statement = f"COPY {table.name} ({_names(table)}) FROM STDIN"
    forms = [_for_copy(column) for column in table.columns]

    def write(rows: Rows) -> None:
        columns = [
            [r"\N" if value is None else form(value) for value in values]
            for form, values in zip(forms, zip(*rows, strict=True), strict=True)
        ]
        lines = "".join("\t".join(values) + "\n" for values in zip(*columns, strict=True))
        cursor.copy_expert(statement, io.BytesIO(lines.encode()))

    return write


def _names(table: Table) -> str:
    return ", ".join(f'"{column.name}"' for column in table.columns)


# What COPY's text format gives a meaning to.
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def _for_copy(column: Column[Any]) -> Callable[[Any], str]:
    kind = column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
    if isinstance(kind, JSON):
        return lambda value: storable_json(value).translate(_ESCAPES)
    if isinstance(kind, String):
        # SQLite keeps to no lengths. What comes from GitHub is cut in the same way.
        length = kind.length
        return lambda value: storable(value)[:length].translate(_ESCAPES)
    if isinstance(kind, LargeBinary):
        return lambda value: rf"\\x{bytes(value).hex()}"
    if isinstance(kind, Boolean):
        return lambda value: "t" if value else "f"
    return _number_or_time


def _number_or_time(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else repr(value)
