"""Backup into a file and restore from it, by the means of each kind of database."""

from pathlib import Path

from sqlalchemy import Engine

from db.backup import postgresql, sqlite
from db.backup.contents import DUMP, SQLITE, Refused, beginning, check_empty, check_source, new_file, sqlite_file
from db.backup.sqlite import Watch
from db.engine import check_connection, shown
from db.migrate import upgrade

_REMEDY = "add --overwrite to lose that, or name another database."


def backup(engine: Engine, file: Path, watch: Watch, *, overwrite: bool = False) -> int:
    """Writes what is stored now, whoever writes meanwhile; returns the bytes of the file. Raises Refused where there is
    nothing to save or no place for it."""
    check_source(engine)
    path = sqlite_file(engine)
    if path is not None and file.exists() and file.samefile(path):
        raise Refused(f"{file} is the database itself; name another file.")
    with new_file(file, overwrite=overwrite) as temporary:
        if path is not None:
            sqlite.backup(engine, temporary, watch)
        else:
            postgresql.backup(engine, temporary)
    return file.stat().st_size


def restore(engine: Engine, file: Path, watch: Watch, *, overwrite: bool = False) -> str | None:
    """Puts back what `backup` wrote and migrates it; returns the revision reached. Nothing is changed before the file
    is known to be whole and of this product. Raises Refused where it is not, or where the database has data."""
    path = sqlite_file(engine)
    _check_kind(engine, file)
    if path is not None:
        if path.exists() and file.samefile(path):
            raise Refused(f"{file} is the database itself; name a backup of it.")
        sqlite.check(file)
    else:
        check_connection(engine)
        sqlite.check_revision(file, postgresql.revision_of(engine, file))
    if not overwrite and (path is None or path.exists()):
        check_empty(engine, _REMEDY)
    if path is not None:
        sqlite.restore(engine, file, watch)
    else:
        postgresql.restore(engine, file)
    return upgrade(engine)


def _check_kind(engine: Engine, file: Path) -> None:
    begins = beginning(file)
    if begins.startswith(DUMP) and engine.dialect.name == "sqlite":
        raise Refused(
            f"{file} is a backup of PostgreSQL, and {shown(engine)} is SQLite: restore it to a PostgreSQL, then "
            "python -m db copy."
        )
    if begins.startswith(SQLITE) and engine.dialect.name == "postgresql":
        raise Refused(
            f"{file} is a backup of SQLite, and {shown(engine)} is PostgreSQL: "
            f"python -m db copy --from sqlite:///{file} --to URL."
        )
    if not begins.startswith((DUMP, SQLITE)):
        raise Refused(f"{file} is no backup of Pipeline Health; name a file that db backup made.")
