"""Backup to a file and restore from a file, with the tools of SQLite or PostgreSQL."""

from pathlib import Path

from sqlalchemy import Engine

from db.backup import postgresql, sqlite
from db.backup.contents import (
    PG_DUMP,
    SQLITE_MAGIC,
    BackupError,
    new_file,
    read_magic,
    require_empty,
    require_product_database,
    sqlite_file,
)
from db.backup.sqlite import ProgressCallback
from db.engine import check_connection, safe_url
from db.migrate import upgrade

_OVERWRITE_HINT = "add --overwrite to lose that, or name another database."


def backup(engine: Engine, file: Path, on_progress: ProgressCallback, *, overwrite: bool = False) -> int:
    """Writes a consistent snapshot of the database to `file`, also while other programs write; returns the size of the
    file in bytes. Raises BackupError if the database is not one of this product or the file cannot be written."""
    require_product_database(engine)
    path = sqlite_file(engine)
    if path is not None and file.exists() and file.samefile(path):
        raise BackupError(f"{file} is the database itself; name another file.")
    with new_file(file, overwrite=overwrite) as temporary:
        if path is not None:
            sqlite.backup(engine, temporary, on_progress)
        else:
            postgresql.backup(engine, temporary)
    return file.stat().st_size


def restore(engine: Engine, file: Path, on_progress: ProgressCallback, *, overwrite: bool = False) -> str | None:
    """Restores a file that `backup` wrote and migrates the database; returns the revision reached. The file is verified
    before anything changes. Raises BackupError if the file is damaged or not of this product, or if the database has
    data and `overwrite` is false."""
    path = sqlite_file(engine)
    _check_kind(engine, file)
    if path is not None:
        if path.exists() and file.samefile(path):
            raise BackupError(f"{file} is the database itself; name a backup of it.")
        sqlite.verify(file)
    else:
        check_connection(engine)
        sqlite.verify_revision(file, postgresql.revision_of(engine, file))
    if not overwrite and (path is None or path.exists()):
        require_empty(engine, _OVERWRITE_HINT)
    if path is not None:
        sqlite.restore(engine, file, on_progress)
    else:
        postgresql.restore(engine, file)
    return upgrade(engine)


def _check_kind(engine: Engine, file: Path) -> None:
    magic = read_magic(file)
    if magic.startswith(PG_DUMP) and engine.dialect.name == "sqlite":
        raise BackupError(
            f"{file} is a backup of PostgreSQL, and {safe_url(engine)} is SQLite: restore it to a PostgreSQL "
            "database, then run python -m db copy."
        )
    if magic.startswith(SQLITE_MAGIC) and engine.dialect.name == "postgresql":
        raise BackupError(
            f"{file} is a backup of SQLite, and {safe_url(engine)} is PostgreSQL: "
            f"python -m db copy --from sqlite:///{file} --to URL."
        )
    if not magic.startswith((PG_DUMP, SQLITE_MAGIC)):
        raise BackupError(f"{file} is not a backup of Pipeline Health; name a file that db backup made.")
