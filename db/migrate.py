"""Migrations: bring a database to the schema of this version, and report its revision."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from db.engine import DatabaseUnavailable, begin_write, check_connection, describe_failure
from db.migrations.online_ddl import LOCK_TIMEOUT, ConcurrentMigration

log = logging.getLogger(__name__)
_SCRIPTS = Path(__file__).parent / "migrations"
# The key of the PostgreSQL advisory lock by which programs that start at the same time migrate in turn.
_LOCK = 7_233_019
_LOCK_POLL_SECONDS = 0.1
# PostgreSQL's lock_not_available and deadlock_detected: another program holds the table.
_LOCK_ERRORS = ("55P03", "40P01")
_INSUFFICIENT_PRIVILEGE = "42501"
_RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
_LOCK_TIMEOUT_SECONDS = 1800.0


class NotMigrated(Exception):
    """The schema is not that of this version; the message is one line with the remedy."""


class NewerSchema(NotMigrated):
    """A later version has migrated the database."""


class DowngradeError(Exception):
    """The database cannot be migrated back to that revision; the message is one line with the reason."""


@dataclass(frozen=True)
class MigrationStep:
    """A migration that was applied, forward to `revision` or back from it, and its duration in seconds."""

    revision: str
    title: str
    seconds: float


OnStep = Callable[[MigrationStep], None]


def upgrade(engine: Engine, revision: str = "head", on_step: OnStep | None = None) -> str | None:
    """Migrates forward and returns the revision reached. Several programs may call it at the same time. Raises
    NotMigrated where a newer version has migrated the database, or where this role may not migrate it."""
    check_connection(engine)
    target = head_revision() if revision == "head" else revision
    try:
        return _apply(engine, lambda current: _upgrade_path(current, target), _upgrade_step, on_step)
    except SQLAlchemyError as error:
        if getattr(getattr(error, "orig", None), "pgcode", None) == _INSUFFICIENT_PRIVILEGE:
            state = f"at revision {current_revision(engine)}, not {target}"
            raise NotMigrated(
                f"The database is {state}, and {engine.url.username} may not migrate it; run `python -m db upgrade` "
                "as its owner."
            ) from None
        raise DatabaseUnavailable(describe_failure(engine, error)) from error


def downgrade(engine: Engine, revision: str, on_step: OnStep | None = None) -> str | None:
    """Migrates back, and returns the revision reached. `base` is the empty database."""
    return _apply(engine, lambda current: _downgrade_path(current, revision), _downgrade_step, on_step)


def downgrade_losses(engine: Engine, revision: str) -> list[str]:
    """Returns one line for each migration that would be reverted, newest first, with the data that is lost. Raises
    DowngradeError unless the revision is an earlier one, and NotMigrated where a newer version has migrated the
    database."""
    current = current_revision(engine)
    _reject_newer(current)
    if revision == "base" or not is_known(revision):
        known = ", ".join(script.revision for script in reversed(_scripts()))
        raise DowngradeError(f"There is no revision {revision[:40]!r}; known revisions are {known}.")
    if current is None or revision >= current:
        raise DowngradeError(f"The database is at revision {current or 'none'}; {revision} is not an earlier one.")
    return [
        f"{script.revision} ({_title(script)}): {script.module.loses}" for script in _downgrade_path(current, revision)
    ]


def current_revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return revision_of(connection)


def revision_of(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def is_known(revision: str) -> bool:
    """Returns whether this version knows the revision."""
    return any(script.revision == revision for script in _scripts())


def head_revision() -> str:
    return _directory().get_current_head() or ""


def check_migrated(engine: Engine) -> None:
    """Raises DatabaseUnavailable or NotMigrated unless the schema is this version's."""
    check_connection(engine)
    with engine.connect() as connection:
        check_revision(connection)


def check_revision(connection: Connection) -> None:
    """Raises NotMigrated unless the schema is this version's."""
    current, head = revision_of(connection), head_revision()
    _reject_newer(current)
    if current != head:
        state = f"at revision {current}, not {head}" if current else "not migrated"
        raise NotMigrated(f"The database is {state}; run `python -m db upgrade` (`make run` does so automatically).")


def _reject_newer(revision: str | None) -> None:
    if revision is not None and not is_known(revision):
        raise NewerSchema(f"The database is at revision {revision}, of a newer version; update this program.")


def _apply(
    engine: Engine,
    path: Callable[[str | None], list[Script]],
    migrate: Callable[[Connection, Script], None],
    on_step: OnStep | None,
) -> str | None:
    """Applies the migrations one by one, each in its own transaction, so that other programs can work between them."""
    with _migration_lock(engine) as step:
        while True:
            started_at, applied = time.monotonic(), False
            with suppress(ConcurrentMigration), step() as connection:
                current = revision_of(connection)
                _reject_newer(current)
                remaining = path(current)
                if not remaining:
                    return current
                _with_lock_retries(connection, migrate, remaining[0])
                applied = True
            if on_step and applied:
                seconds = time.monotonic() - started_at
                on_step(MigrationStep(remaining[0].revision, _title(remaining[0]), seconds))


@contextmanager
def _migration_lock(engine: Engine) -> Iterator[Callable[[], AbstractContextManager[Connection]]]:
    """Holds the lock of migrations; yields a context manager that opens the connection of one step. On SQLite a step
    takes the write lock before it reads the revision; on PostgreSQL one lock is held for all steps."""
    if engine.dialect.name != "postgresql":
        yield lambda: _sqlite_step(engine)
        return
    with engine.connect() as connection:
        # Polled: a waiting statement would block CREATE INDEX CONCURRENTLY, which waits for open transactions.
        while not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK}):
            connection.rollback()
            time.sleep(_LOCK_POLL_SECONDS)

        @contextmanager
        def step() -> Iterator[Connection]:
            yield connection
            connection.rollback()

        try:
            yield step
        finally:
            _unlock(connection)


@contextmanager
def _sqlite_step(engine: Engine) -> Iterator[Connection]:
    """Waits longer for the lock than SQLite does: another program's migration may hold it."""
    with begin_write(engine, timeout_seconds=_LOCK_TIMEOUT_SECONDS, poll_seconds=0) as connection:
        yield connection


def _unlock(connection: Connection) -> None:
    """Releases the lock; a broken connection has released it already."""
    if connection.invalidated or connection.closed:
        return
    connection.rollback()
    connection.execute(text("RESET lock_timeout"))
    connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
    connection.commit()


def _with_lock_retries(connection: Connection, migrate: Callable[[Connection, Script], None], script: Script) -> None:
    """Applies the step, and retries it while another program holds the table. Each try waits for a second at most, so
    that other statements do not queue behind it for long."""
    ends_at = time.monotonic() + _LOCK_TIMEOUT_SECONDS
    tries = 0
    while True:
        if connection.dialect.name == "postgresql":
            # A try that failed while an index was built has changed lock_timeout.
            connection.rollback()
            connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
            # Alembic opens its own transactions where none is open.
            connection.commit()
        try:
            migrate(connection, script)
            return
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", None) not in _LOCK_ERRORS or time.monotonic() >= ends_at:
                raise
            connection.rollback()
            if tries % 10 == 0:
                log.warning("A long transaction (a backup?) holds a table that the migration changes; trying again.")
            time.sleep(_RETRY_SECONDS[min(tries, len(_RETRY_SECONDS) - 1)])
            tries += 1


def _upgrade_step(connection: Connection, script: Script) -> None:
    _run(connection, lambda current, _: _directory()._upgrade_revs(script.revision, current))


def _downgrade_step(connection: Connection, script: Script) -> None:
    below = script.down_revision or "base"
    _run(connection, lambda current, _: _directory()._downgrade_revs(str(below), current))


def _run(connection: Connection, steps: Callable[[Any, Any], Any]) -> None:
    """Runs one step as alembic.command does.

    alembic.command itself and the functions of ScriptDirectory that begin with an underscore do the same; the commands
    read and execute all migration files again at each step, which this module runs one by one."""
    config = Config()
    config.attributes["connection"] = connection
    with EnvironmentContext(config, _directory(), fn=steps):
        _directory().run_env()


@cache
def _directory() -> ScriptDirectory:
    return ScriptDirectory(str(_SCRIPTS))


def _scripts() -> list[Script]:
    """Returns the migrations, newest first. Revisions are numbers with leading zeros, so that their text sorts."""
    return list(_directory().walk_revisions())


def _upgrade_path(current: str | None, target: str) -> list[Script]:
    return [script for script in reversed(_scripts()) if (current or "") < script.revision <= target]


def _downgrade_path(current: str | None, target: str) -> list[Script]:
    low = "" if target == "base" else target
    return [script for script in _scripts() if low < script.revision <= (current or "")]


def _title(script: Script) -> str:
    """Returns the first line of the file's docstring."""
    return (script.doc or "").strip().splitlines()[0]
