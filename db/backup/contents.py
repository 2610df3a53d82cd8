"""Checks of databases and backup files.

The checks of a database do not use the models: the schema may be of another version or of another program. Files are
written to a temporary name first, so that an incomplete file never has the final name.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from db.engine import DatabaseUnavailable, check_connection, describe_failure, safe_url
from db.migrate import is_known, revision_of
from db.models import Base

REVISION_TABLE = "alembic_version"
OWN_TABLES = frozenset({*Base.metadata.tables, REVISION_TABLE})
# Programs that only read data also create rows in these tables.
_AUTOCREATED_TABLES = frozenset({REVISION_TABLE, "installation_keys"})
# Migrations insert the built-in rules. Unchanged built-in rules are not data.
_CHANGED_RULES = "SELECT 1 FROM alert_rules WHERE NOT built_in OR updated_at <> created_at"


class BackupError(Exception):
    """The operation is not possible or would lose data. The message is one line with the remedy."""


def nonempty_tables(connection: Connection) -> list[str]:
    """Names of the tables that hold rows, sorted, except rows that programs and migrations create themselves."""
    quote = connection.dialect.identifier_preparer.quote
    names = []
    for name in sorted(set(inspect(connection).get_table_names()) - _AUTOCREATED_TABLES):
        rows = _CHANGED_RULES if name == "alert_rules" else f"SELECT 1 FROM {quote(name)}"  # noqa: S608
        if connection.scalar(text(f"{rows} LIMIT 1")):
            names.append(name)
    return names


def own_tables(connection: Connection) -> list[str]:
    return sorted(OWN_TABLES & set(inspect(connection).get_table_names()))


def require_product_database(engine: Engine) -> None:
    """Raises BackupError if the database is not one of this product. The check comes before the first connection:
    SQLite would create an empty file for a mistyped name."""
    path = sqlite_file(engine)
    if path is not None and not path.is_file():
        raise BackupError(f"{_describe(engine)}: there is no file {path}; name the database to read.")
    check_connection(engine)
    with readable_connection(engine) as connection:
        revision = revision_of(connection)
    if revision is None:
        raise BackupError(f"{_describe(engine)}: {safe_url(engine)} is not a database of Pipeline Health.")
    if not is_known(revision):
        raise BackupError(newer_revision_message(f"{_describe(engine)}: {safe_url(engine)}", revision))


def require_empty(engine: Engine, hint: str) -> None:
    """Raises BackupError if the database holds rows; `hint` completes the message."""
    with readable_connection(engine) as connection:
        filled = nonempty_tables(connection)
    if filled:
        raise BackupError(f"{_describe(engine)}: {safe_url(engine)} is not empty ({_join_names(filled)}); {hint}")


def newer_revision_message(subject: str, revision: str) -> str:
    return f"{subject} is at revision {revision}, which this version does not know: update this program first."


def sqlite_file(engine: Engine) -> Path | None:
    """The file of a SQLite database; null for PostgreSQL. Raises BackupError for a database in memory."""
    if engine.dialect.name != "sqlite":
        return None
    if not engine.url.database or engine.url.database == ":memory:":
        raise BackupError(f"{_describe(engine)}: a database in memory ends with its program; name a file.")
    return Path(engine.url.database)


@contextmanager
def readable_connection(engine: Engine) -> Iterator[Connection]:
    """A connection that raises DatabaseUnavailable with one line for every database error."""
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise DatabaseUnavailable(describe_failure(engine, error)) from None


def _describe(engine: Engine) -> str:
    return str(engine.get_execution_options().get("variable", "DATABASE_URL"))


def _join_names(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


SQLITE_MAGIC, PG_DUMP = b"SQLite format 3\x00", b"PGDMP"


@contextmanager
def new_file(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """A temporary file beside `path`, readable by its owner only, that is renamed to `path` when the block succeeds.
    Raises BackupError if `path` exists and `overwrite` is false, or if its folder is not writable."""
    _require_absent(path, overwrite)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise BackupError(f"{path}: cannot write there: {error.strerror}; name a file in a folder of yours.") from None
    temporary = Path(name)
    os.close(handle)
    try:
        yield temporary
        _require_absent(path, overwrite)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_magic(path: Path) -> bytes:
    """The first 16 bytes, which identify the file format. Raises BackupError if the file cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(16)
    except OSError as error:
        raise BackupError(f"{path}: cannot be read: {error.strerror}; name a file that db backup made.") from None


def _require_absent(path: Path, overwrite: bool) -> None:
    if path.is_dir():
        raise BackupError(f"{path} is a folder; name a file in it.")
    if path.exists() and not overwrite:
        raise BackupError(f"{path} exists; name another file, or add --overwrite.")
