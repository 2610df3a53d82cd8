"""Bringing a database to this version's schema, and saying where it stands."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from db.engine import DatabaseUnavailable, check_connection, describe_failure

_SCRIPTS = Path(__file__).parent / "migrations"
# Any constant: programs that start at the same time take this PostgreSQL advisory lock in turn.
_LOCK = 7_233_019


class NotMigrated(Exception):
    """The schema is not this version's; the message is one line with the remedy."""


def upgrade(engine: Engine, revision: str = "head") -> str | None:
    """Migrates forward, safely with several programs starting at once; returns the revision reached. Raises NotMigrated
    where a newer version has migrated it."""
    check_connection(engine)
    try:
        with engine.execution_options(sqlite_immediate=True).begin() as connection:
            _wait_for_turn(connection)
            _refuse_newer(revision_of(connection))
            command.upgrade(_config(connection), revision)
            return MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError as error:
        raise DatabaseUnavailable(describe_failure(engine, error)) from error


def downgrade(engine: Engine, revision: str) -> None:
    with engine.begin() as connection:
        _wait_for_turn(connection)
        command.downgrade(_config(connection), revision)


def current_revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return revision_of(connection)


def revision_of(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def is_known(revision: str) -> bool:
    """False for a revision of a later version."""
    return any(script.revision == revision for script in ScriptDirectory(str(_SCRIPTS)).walk_revisions())


def head_revision() -> str:
    return ScriptDirectory(str(_SCRIPTS)).get_current_head() or ""


def check_migrated(engine: Engine) -> None:
    """Raises DatabaseUnavailable or NotMigrated unless the schema is this version's."""
    check_connection(engine)
    found, wanted = current_revision(engine), head_revision()
    _refuse_newer(found)
    if found != wanted:
        state = f"at revision {found}, not {wanted}" if found else "not migrated"
        raise NotMigrated(f"The database is {state}; run `python -m db upgrade` (make run does it by itself).")


def _refuse_newer(revision: str | None) -> None:
    if revision is not None and not is_known(revision):
        raise NotMigrated(f"The database is at revision {revision}, of a newer version; update this program.")


def _wait_for_turn(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["connection"] = connection
    return config
