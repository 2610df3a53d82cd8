"""Column types that mean the same on SQLite and PostgreSQL."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, DateTime, Dialect, Float, Integer, Text, cast, extract
from sqlalchemy.types import TypeDecorator

from db.telemetry.foreign import clean

BigId = BigInteger().with_variant(Integer(), "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, stored in UTC. SQLite knows no zones, so a naive time is refused rather than guessed."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone cannot be stored: {value.isoformat()}")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else _in_utc(value)

    def result_processor(self, dialect: Dialect, coltype: Any) -> Callable[[Any], datetime | None] | None:
        """One call a value where SQLite stores text: of a page of runs, times are most of the work."""
        return _of_text if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


class Remark(TypeDecorator[str]):
    """One line on what went wrong, which may repeat what a server said: cleaned before it is stored."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else clean(value)


def stored_moment(value: str) -> datetime:
    """Of a time as SQLite stores it."""
    return _in_utc(datetime.fromisoformat(value))


def _of_text(value: str | None) -> datetime | None:
    return None if value is None else stored_moment(value)


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def epoch_seconds(column: Any) -> ColumnElement[float]:
    """Seconds since 1970 of a time, without the cost of making a datetime of it."""
    return cast(extract("epoch", column), Float)
