"""Rows for every table of whatever revision a database is at, by what the database says of itself."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Engine, MetaData, Table, UniqueConstraint, insert, null, select
from sqlalchemy import types as kinds

from tests.builders import NOON
from tests.db.everything import DOCUMENTS, TEXTS

Key = tuple[Any, ...]
Rows = dict[str, dict[Key, dict[str, Any]]]
# Words that migrations look for.
STATES = {
    "alerts": ("firing", "resolved"),
    "deliveries": ("pending", "sent", "dead"),
    "job_logs": ("stored", "pending", "expired", "missing"),
    "run_gaps": ("open", "absent"),
    "inbox": ("pending", "applied"),
}


def tables_of(engine: Engine) -> list[Table]:
    """As they are now, those that others refer to first."""
    found = MetaData()
    found.reflect(engine)
    return [each for each in found.sorted_tables if each.name != "alembic_version"]


def fill(engine: Engine, tables: list[Table], numbers: Iterable[int]) -> Rows:
    """A row of each number in every table: keys are made of it, so that rows of one number belong together. Even ones
    have null wherever null may be. The answer is what was written, by table and key."""
    listed, written = list(numbers), Rows()
    with engine.begin() as connection:
        for table in tables:
            for number in listed:
                connection.execute(insert(table).values({each.name: _value(each, number) for each in table.columns}))
    for table in tables:
        keys = [_plain(_value(each, number) for each in table.primary_key.columns) for number in listed]
        written[table.name] = {
            key: row for key, row in read(engine, [table])[table.name].items() if _plain(key) in keys
        }
        assert len(written[table.name]) == len(listed), table.name
    return written


def read(engine: Engine, tables: list[Table]) -> Rows:
    """All rows, by the names of their columns."""
    with engine.connect() as connection:
        return {
            table.name: {
                tuple(row[each.name] for each in table.primary_key.columns): dict(row)
                for row in connection.execute(select(table)).mappings()
            }
            for table in tables
        }


def _plain(key: Iterable[Any]) -> Key:
    """PostgreSQL gives times with a zone, SQLite without."""
    return tuple(each.replace(tzinfo=None) if isinstance(each, datetime) else each for each in key)


def _value(column: Column[Any], number: int) -> Any:  # noqa: PLR0911
    kind, table = column.type, column.table.name
    if column.nullable and number % 2 == 0:
        return null()
    if isinstance(kind, kinds.DateTime):
        moment = NOON - timedelta(days=97 * number, microseconds=number)
        return moment if kind.timezone else moment.replace(tzinfo=None)
    if isinstance(kind, kinds.Date):
        return (NOON - timedelta(days=97 * number)).date()
    if isinstance(kind, kinds.Boolean):
        return number % 2 == 0
    if isinstance(kind, kinds.Float | kinds.Double):
        return (0.1 + 0.2, 1e-300, 1 / 3, -2.5)[number % 4]
    if isinstance(kind, kinds.Integer):
        small = column.primary_key or column.foreign_keys or isinstance(kind, kinds.SmallInteger)
        return number if small else 2**31 - number
    if isinstance(kind, kinds.LargeBinary):
        return bytes(range(256)) * (number % 4)
    if isinstance(kind, kinds.JSON):
        return DOCUMENTS[number % 4]
    if table == "claims" and column.name == "kind":
        # At most one row has the kind leader: test_upgrades has a test of that.
        return ("liveness", "repository")[number % 2]
    if column.name == "state" and table in STATES:
        return STATES[table][number % len(STATES[table])]
    text = f"{number} {TEXTS[number % 4]}" if _is_unique(column) else TEXTS[number % 4]
    return text[: getattr(kind, "length", None)]


def _is_unique(column: Column[Any]) -> bool:
    named = [each for each in column.table.constraints if isinstance(each, UniqueConstraint)]
    return column.primary_key or any(column.name in each.columns for each in named)
