"""Column types that mean the same on SQLite and PostgreSQL.

Execution of the statements of many figures: rows as the driver gives them, without the work that the unit of work
does for each statement and row.

Texts that hold other texts, whatever the case of their letters.

Adding rows that another program may add at the same moment.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    CursorResult,
    DateTime,
    Dialect,
    Executable,
    Float,
    Integer,
    Text,
    cast,
    extract,
    literal,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

from core.text import clean
from db.engine import UNICODE_LOWER

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
        return None if value is None else _as_utc(value)

    def result_processor(self, dialect: Dialect, coltype: Any) -> Callable[[Any], datetime | None] | None:
        """One call a value where SQLite stores text: of a page of runs, times are most of the work."""
        return _parse_text if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


class ErrorText(TypeDecorator[str]):
    """One line on what went wrong, which may repeat what a server said: cleaned before it is stored."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else clean(value)


def parse_stored_time(value: str) -> datetime:
    """Of a time as SQLite stores it."""
    return _as_utc(datetime.fromisoformat(value))


def _parse_text(value: str | None) -> datetime | None:
    return None if value is None else parse_stored_time(value)


def _as_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def epoch_seconds(column: Any) -> ColumnElement[float]:
    """Seconds since 1970 of a time, without the cost of making a datetime of it."""
    return cast(extract("epoch", column), Float)


def execute(
    session: Session, statement: Executable, parameters: Mapping[str, Any] | None = None
) -> CursorResult[*tuple[Any, ...]]:
    """The rows of a statement of columns, in the session's transaction and after its pending changes. A statement that
    is built once, with bound parameters, costs a third of one that is built for each question."""
    session.flush()
    return session.connection().execute(statement, parameters)


_ESCAPE = "/"


def contains_text(column: Any, needle: str) -> ColumnElement[bool]:
    """True where the column's text holds the words, letters of all scripts compared without their case. SQLite's own
    comparison knows the case of ASCII only: for other words it calls Python for each row, which takes longer."""
    if needle.isascii():
        found: ColumnElement[bool] = column.icontains(needle, autoescape=True)
        return found
    escaped = "".join(f"{_ESCAPE}{each}" if each in f"%_{_ESCAPE}" else each for each in needle)
    return _Like(column, literal(f"%{escaped}%"))


class _Like(FunctionElement[bool]):
    """Of a text and a pattern."""

    type = Boolean()
    inherit_cache = True


@compiles(_Like)
def _compile_default(element: _Like, compiler: Any, **more: Any) -> str:
    text, pattern = (compiler.process(each, **more) for each in element.clauses)
    return f"({text} ILIKE {pattern} ESCAPE '{_ESCAPE}')"


@compiles(_Like, "sqlite")
def _compile_sqlite(element: _Like, compiler: Any, **more: Any) -> str:
    text, pattern = (f"{UNICODE_LOWER}({compiler.process(each, **more)})" for each in element.clauses)
    return f"({text} LIKE {pattern} ESCAPE '{_ESCAPE}')"


def insert_ignore(session: Session, model: type[DeclarativeBase], rows: Sequence[Mapping[str, Any]]) -> int:
    """Adds those whose key is not there, and returns how many. To look first and add then is not enough: PostgreSQL
    lets two do so at once, and breaks off the one that comes second."""
    if not rows:
        return 0
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(model.__table__).on_conflict_do_nothing()
    return int(session.execute(statement.values([dict(row) for row in rows])).rowcount)  # type: ignore[attr-defined]
