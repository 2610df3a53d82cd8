"""Rows in every table and values in every column, whatever tables there will be; and all rows of a database."""

import json
import zlib
from datetime import timedelta
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Engine, Float, Integer, LargeBinary, Table, insert, null, select, text
from sqlalchemy import cast as as_type
from sqlalchemy import types as sqltypes
from sqlalchemy.orm import Session

from db.models import Base
from db.sql import UtcDateTime
from tests.builders import NOON

# What formats of transport like to lose.
TEXTS = ("plain", "tab\there \\N \\. \"quoted\" 'too' line\r\nbreak\x0b\x7f", "Grüße, 東京 🚀 \ufffd", "")
DOCUMENTS: tuple[Any, ...] = (
    {"b": [1, 2.5, None, True], "a": {"ü": '🚀 \\ " \n'}},
    ["back\\slash", "tab\t", "東京"],
    [],
    {},
)
PER_TABLE = 6
# Columns of unique keys of several columns.
_UNIQUE_TOGETHER = {"name_key"}
_NUMBERED = (
    "alerts", "api_keys", "audit_events", "cause_rules", "deliveries", "digests", "notification_channels",
    "saved_views", "silences", "teams",
)  # fmt: skip


def fill_everything(engine: Engine) -> None:
    """Six rows a table: of all kinds of values, the fourth with null wherever null may be."""
    with Session(engine) as session, session.begin():
        for table in Base.metadata.sorted_tables:
            session.execute(table.delete())
        for table in Base.metadata.sorted_tables:
            for number in range(1, PER_TABLE + 1):
                session.execute(insert(table).values(_row(table, number)))
        if engine.dialect.name == "postgresql":
            for name in _NUMBERED:
                session.execute(text(f"SELECT setval('{name}_id_seq', {PER_TABLE})"))
            # Rules that were deleted had these.
            session.execute(text("SELECT setval('alert_rules_id_seq', 40)"))


def rows_of(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """All rows by table, in the order of their keys. JSON is told as text made from what it means, so that JSON's null
    stays apart from none."""
    with engine.connect() as connection:
        found = {}
        for table in Base.metadata.sorted_tables:
            columns = [as_type(each, sqltypes.Text) if _is_json(each) else each for each in table.columns]
            json_at = [place for place, each in enumerate(table.columns) if _is_json(each)]
            query = select(*columns).order_by(*table.primary_key.columns)
            found[table.name] = [_told(row, json_at) for row in connection.execute(query)]
        return found


def _told(row: Any, json_at: list[int]) -> tuple[Any, ...]:
    values = list(row)
    for place in json_at:
        if values[place] is not None:
            values[place] = json.dumps(json.loads(values[place]), sort_keys=True)
    return tuple(values)


def _row(table: Table, number: int) -> dict[str, Any]:
    return {column.name: _value(column, number) for column in table.columns}


def _value(column: Column[Any], number: int) -> Any:  # noqa: PLR0911
    if column.nullable and number == 4:
        return null()
    kind = column.type
    if isinstance(kind, UtcDateTime):
        return NOON - timedelta(days=97 * number, microseconds=number - 1)
    if isinstance(kind, sqltypes.Date):
        return (NOON - timedelta(days=97 * number)).date()
    if isinstance(kind, Boolean):
        return number % 2 == 0
    if isinstance(kind, Float):
        return (0.1 + 0.2, 1e-300, 1 / 3, -2.5, 1e15 + 0.3, 0.0)[number - 1]
    if isinstance(kind, Integer):
        small = column.primary_key or column.foreign_keys or isinstance(kind, sqltypes.SmallInteger)
        return number if small else 2**31 - number if not _is_big(kind) else 2**53 + number
    if isinstance(kind, LargeBinary):
        return zlib.compress(bytes(range(256)) * number) if number < 6 else b""
    if _is_json(column):
        return None if column.nullable and number == 5 else DOCUMENTS[number % 4]
    is_unique = column.primary_key or column.unique or column.name in _UNIQUE_TOGETHER
    written = f"{number} {TEXTS[number % 4]}" if is_unique else TEXTS[number % 4]
    return written[: getattr(kind, "length", None)]


def _is_big(kind: Any) -> bool:
    return isinstance(kind, sqltypes.BigInteger)


def _is_json(column: Column[Any]) -> bool:
    return isinstance(column.type, JSON)
