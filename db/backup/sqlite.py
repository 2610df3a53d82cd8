"""Backups of SQLite by its own means: a copy of the pages as they are at one moment, while others write."""

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

# Told the pages done and the pages in all.
ProgressCallback = Callable[[int, int], None]
# 4 MB at 4 KB a page.
_PAGES = 1024


def backup(engine: Engine, file: Path, on_progress: ProgressCallback) -> None:
    """Into a file that is one alone, without a log of writes beside it."""
    with readable_connection(engine) as connection, closing(sqlite3.connect(file)) as target:
        # What a transaction sees stays the same, so that writers do not make the copy begin again and again.
        connection.exec_driver_sql("SELECT 1 FROM sqlite_master").first()
        try:
            _copy(connection.connection.driver_connection, target, on_progress)
            target.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.Error as error:
            raise DatabaseUnavailable(f"{safe_url(engine)} cannot be copied to {file.parent}: {error}.") from None


def verify(file: Path) -> None:
    """Raises Refused unless it is a whole database of this product, of this version or one before."""
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                raise BackupError(f"{file} is damaged ({' '.join(found.split())}); take another backup.")
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            revision = None
            if {"alembic_version", "repositories", "runs", "jobs"} <= tables:
                revision = connection.execute("SELECT max(version_num) FROM alembic_version").fetchone()[0]
    except sqlite3.Error as error:
        raise BackupError(f"{file} is damaged ({error}); take another backup.") from None
    verify_revision(file, revision)


def verify_revision(file: Path, revision: str | None) -> None:
    if revision is None:
        raise BackupError(f"{file} is no backup of Pipeline Health; name a file that db backup made.")
    if not is_known(revision):
        raise BackupError(newer_revision_message(str(file), revision))


def restore(engine: Engine, file: Path, on_progress: ProgressCallback) -> None:
    """In one transaction: who has the database open sees the old rows or the new ones, also after a crash."""
    # Its pages take the place of those there. Through a connection of the driver's own, because SQLAlchemy would begin
    # a transaction, and the copy wants to begin its own.
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
            "moved away first, with the files -wal and -shm beside it."
        ) from None
    finally:
        # Connections that were open know the pages of before.
        engine.dispose()


def _copy(source: Any, target: Any, watch: ProgressCallback) -> None:
    source.backup(target, pages=_PAGES, progress=lambda _, remaining, total: watch(total - remaining, total))
