"""What fills a database, done once: its rows are kept in memory and put into the databases of later tests."""

import io
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from db.models import Base

Fill = Callable[[Engine], Any]
# A sequence stands where its last number was given out.
_NUMBERS = "SELECT sequencename, last_value FROM pg_sequences WHERE last_value IS NOT NULL"


@dataclass(frozen=True)
class _Rows:
    """Of one database: `value` is what filling it returned, `at` when it began, in seconds of time.monotonic."""

    value: Any
    at: float
    content: sqlite3.Connection | dict[str, bytes]
    numbers: list[tuple[str, int]]


class Kept:
    def __init__(self) -> None:
        self._rows: dict[tuple[str, Fill], _Rows] = {}

    def fill(self, engine: Engine, fill: Fill, *, seconds: float = float("inf")) -> Any:
        """As fill(engine) on an empty database, and what that returned. Rows that are older than `seconds` are made
        anew."""
        key = engine.dialect.name, fill
        found = self._rows.get(key)
        if found and time.monotonic() - found.at < seconds:
            _put(engine, found)
            return found.value
        begun = time.monotonic()
        value = fill(engine)
        self._rows[key] = _take(engine, value, begun)
        return value


def _take(engine: Engine, value: Any, at: float) -> _Rows:
    connection = engine.raw_connection()
    try:
        if engine.dialect.name == "sqlite":
            memory = sqlite3.connect(":memory:")
            connection.driver_connection.backup(memory)
            return _Rows(value, at, memory, [])
        with connection.cursor() as cursor:
            content = {table.name: _copy_out(cursor, table.name) for table in Base.metadata.sorted_tables}
            cursor.execute(_NUMBERS)
            return _Rows(value, at, {name: rows for name, rows in content.items() if rows}, cursor.fetchall())
    finally:
        connection.close()


def _copy_out(cursor: Any, table: str) -> bytes:
    found = io.BytesIO()
    cursor.copy_expert(f"COPY {table} TO STDOUT", found)
    return found.getvalue()


def _put(engine: Engine, rows: _Rows) -> None:
    connection = engine.raw_connection()
    try:
        if isinstance(rows.content, sqlite3.Connection):
            rows.content.backup(connection.driver_connection)
            return
        with connection.cursor() as cursor:
            for table, content in rows.content.items():
                cursor.copy_expert(f"COPY {table} FROM STDIN", io.BytesIO(content))
            for name, number in rows.numbers:
                cursor.execute("SELECT setval(%s::regclass, %s)", (name, number))
        connection.commit()
    finally:
        connection.close()
