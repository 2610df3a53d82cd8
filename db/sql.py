"""Column types, expressions and statements that work the same on SQLite and PostgreSQL."""

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
    column,
    extract,
    false,
    literal,
    select,
    tuple_,
    values,
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
    """An aware time, stored in UTC. A naive time raises ValueError, because SQLite stores no time zone."""

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
        """Parses SQLite's text with one call for each value: times are most of the work for a page of runs."""
        return _parse_text if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


class ErrorText(TypeDecorator[str]):
    """One line about an error, which can contain text of a server; control characters are removed before it is
    stored."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else clean(value)


def parse_stored_time(value: str) -> datetime:
    """Parses a time as SQLite stores it."""
    return _as_utc(datetime.fromisoformat(value))


def _parse_text(value: str | None) -> datetime | None:
    return None if value is None else parse_stored_time(value)


def _as_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def epoch_seconds(column: Any) -> ColumnElement[float]:
    """Seconds since 1970, without the cost of a datetime object."""
    return cast(extract("epoch", column), Float)


def execute(
    session: Session, statement: Executable, parameters: Mapping[str, Any] | None = None
) -> CursorResult[*tuple[Any, ...]]:
    """Executes a statement of columns in the session's transaction, after its pending changes. The rows are those of
    the driver, without the cost of the unit of work. A statement that is built once, with bound parameters, takes a
    third of the time of one that is built for each query."""
    session.flush()
    return session.connection().execute(statement, parameters)


def key_table(keys: Sequence[tuple[int, int]]) -> Any:
    """A table of the keys with the columns `repository_id` and `id`, to be joined. With it, unlike with a list of keys,
    SQLite looks up each row by its primary key although other conditions have indexes."""
    columns = column("repository_id", BigId), column("id", BigId)
    return values(*columns, name="wanted").data(list(keys)).cte()


def is_one_of(columns: Sequence[Any], keys: Sequence[Sequence[Any]]) -> ColumnElement[bool]:
    """Whether the values of the columns are one of the keys. With a list of row values instead of a table of keys,
    SQLite reads the whole table although an index has these columns."""
    if not keys:
        return false()
    names = [column(f"key_{number}", typed.type) for number, typed in enumerate(columns)]
    wanted = values(*names, name="wanted").data([tuple(key) for key in keys]).cte()
    return tuple_(*columns).in_(select(*wanted.c))


_ESCAPE = "/"


def contains_text(column: Any, needle: str) -> ColumnElement[bool]:
    """Whether the column contains `needle`, without regard to case in all scripts. SQLite ignores the case of ASCII
    letters only, so for other texts it calls a slower Python function for each row."""
    if needle.isascii():
        condition: ColumnElement[bool] = column.icontains(needle, autoescape=True)
        return condition
    escaped = "".join(f"{_ESCAPE}{character}" if character in f"%_{_ESCAPE}" else character for character in needle)
    return _Like(column, literal(f"%{escaped}%"))


def contains_letters(column: Any, letters: str) -> ColumnElement[bool]:
    """Whether the column contains these letters in this order, with anything between them, without regard to case."""
    escaped = (f"{_ESCAPE}{letter}" if letter in f"%_{_ESCAPE}" else letter for letter in letters)
    pattern = f"%{'%'.join(escaped)}%"
    if letters.isascii():
        condition: ColumnElement[bool] = column.ilike(pattern, escape=_ESCAPE)
        return condition
    return _Like(column, literal(pattern))


class _Like(FunctionElement[bool]):
    """Case-insensitive LIKE of a text and a pattern."""

    type = Boolean()
    inherit_cache = True


@compiles(_Like)
def _compile_default(element: _Like, compiler: Any, **more: Any) -> str:
    text, pattern = (compiler.process(clause, **more) for clause in element.clauses)
    return f"({text} ILIKE {pattern} ESCAPE '{_ESCAPE}')"


@compiles(_Like, "sqlite")
def _compile_sqlite(element: _Like, compiler: Any, **more: Any) -> str:
    text, pattern = (f"{UNICODE_LOWER}({compiler.process(clause, **more)})" for clause in element.clauses)
    return f"({text} LIKE {pattern} ESCAPE '{_ESCAPE}')"


def insert_ignore(session: Session, model: type[DeclarativeBase], rows: Sequence[Mapping[str, Any]]) -> int:
    """Inserts the rows whose keys do not exist; returns their number. A query followed by an insert is not enough: two
    transactions can do so at the same time, and the second insert fails."""
    if not rows:
        return 0
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(model.__table__).on_conflict_do_nothing()
    return int(session.execute(statement.values([dict(row) for row in rows])).rowcount)  # type: ignore[attr-defined]
