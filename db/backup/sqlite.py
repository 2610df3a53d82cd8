"""Backup and restore of SQLite with its online backup API, which does not block writers."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from db.backup.contents import BackupError, newer_revision_message, readable_connection
from db.engine import DatabaseUnavailable, safe_url
from db.migrate import is_known

# Called with the number of copied pages and the total.
ProgressCallback = Callable[[int, int], None]
# Pages in a step: 4 MB of pages of 4 KB.
_PAGES = 1024


def backup(engine: Engine, file: Path, on_progress: ProgressCallback) -> None:
    """Writes a snapshot to a single file without a write-ahead log beside it."""
    with readable_connection(engine) as connection, closing(sqlite3.connect(file)) as target:
        # The open transaction keeps its snapshot; without it every write of another program would restart the copy.
        connection.exec_driver_sql("SELECT 1 FROM sqlite_master").first()
        try:
            _copy(connection.connection.driver_connection, target, on_progress)
            target.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.Error as error:
            raise DatabaseUnavailable(f"{safe_url(engine)} cannot be copied to {file.parent}: {error}.") from None


def verify(file: Path) -> None:
    """Raises BackupError unless the file is an intact database of this product with a known schema revision."""
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            integrity = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if integrity != "ok":
                raise BackupError(f"{file} is damaged ({' '.join(integrity.split())}); take another backup.")
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            revision = None
            if {"alembic_version", "repositories", "runs", "jobs"} <= tables:
                revision = connection.execute("SELECT max(version_num) FROM alembic_version").fetchone()[0]
    except sqlite3.Error as error:
        raise BackupError(f"{file} is damaged ({error}); take another backup.") from None
    verify_revision(file, revision)


def verify_revision(file: Path, revision: str | None) -> None:
    if revision is None:
        raise BackupError(f"{file} is not a backup of Pipeline Health; name a file that db backup made.")
    if not is_known(revision):
        raise BackupError(newer_revision_message(str(file), revision))


def restore(engine: Engine, file: Path, on_progress: ProgressCallback) -> None:
    """Replaces the pages of the database in one transaction: other connections read the old rows or the new ones, also
    after a crash."""
    # A connection of the driver is needed: SQLAlchemy would begin a transaction, and the copy begins its own.
    try:
        with (
            closing(engine.raw_connection()) as target,
            closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as source,
        ):
            _copy(source, target.driver_connection, on_progress)
    except (sqlite3.Error, SQLAlchemyError) as error:
        cause = getattr(error, "orig", None) or error
        raise DatabaseUnavailable(
            f"{file} cannot be restored to {safe_url(engine)}: {cause}; a database that is damaged itself must be "
            "moved away first, with its -wal and -shm files."
        ) from None
    finally:
        # Pooled connections have cached the previous pages.
        engine.dispose()


def _copy(source: Any, target: Any, watch: ProgressCallback) -> None:
    source.backup(target, pages=_PAGES, progress=lambda _, remaining, total: watch(total - remaining, total))
