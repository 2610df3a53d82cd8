"""Engines and sessions for SQLite and PostgreSQL, and the tables that a sharded PostgreSQL (Citus) distributes."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, Pool, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from core.text import clean

# Citus keeps one copy on every node, so that distributed tables join them on any column.
REFERENCE_TABLES = ("repositories",)
# Distributed by repository_id and colocated: all rows of a repository are on one node. The first table is distributed
# first.
DISTRIBUTED_TABLES = (
    "runs",
    "attempts",
    "jobs",
    "job_logs",
    "job_causes",
    "log_sketches",
    "log_search_entries",
    "rollups",
    "usage_rollups",
    "rollup_marks",
    "broken_episodes",
    "run_gaps",
    "backfills",
    "sync_states",
    "workflows",
    "workflow_schedules",
    "team_repositories",
    "codeowners_files",
)
SHARD_KEY = "repository_id"

# A setting of Citus; a plain PostgreSQL accepts and ignores it.
SEQUENTIAL_MODE = text("SET LOCAL citus.multi_shard_modify_mode TO 'sequential'")

# Keyed by pool, because engines that differ only in options share one.
_sharded: WeakKeyDictionary[Pool, bool] = WeakKeyDictionary()


def is_sharded(connection: Connection) -> bool:
    """Returns whether runs are distributed. The result is cached: programs restart after `python -m db distribute`."""
    if connection.dialect.name != "postgresql":
        return False
    pool = connection.engine.pool
    if pool not in _sharded:
        _sharded[pool] = "runs" in distributed_tables(connection)
    return _sharded[pool]


def has_citus(connection: Connection) -> bool:
    return bool(connection.scalar(text("SELECT 1 FROM pg_extension WHERE extname = 'citus'")))


def distributed_tables(connection: Connection) -> set[str]:
    """Returns the names of the distributed and the reference tables; empty on a plain PostgreSQL."""
    if not has_citus(connection):
        return set()
    # Partition method "h": by hash. "n" are reference tables (replication "t") and local ones that Citus knows ("s").
    query = "SELECT CAST(logicalrelid AS text) FROM pg_dist_partition WHERE partmethod = 'h' OR repmodel = 't'"
    return {str(name).removeprefix("public.") for name in connection.scalars(text(query))}


class DatabaseUnavailable(Exception):
    """The database cannot be reached or opened; the message is one line with the remedy."""

    def __init__(self, message: str) -> None:
        super().__init__(clean(message))


def make_engine(
    url: str,
    *,
    connect_timeout_seconds: int = 5,
    variable: str = "DATABASE_URL",
    fail_fast: bool = False,
    idle_transaction_timeout: timedelta | None = None,
) -> Engine:
    """Returns an engine that has not connected yet.

    `url` is sqlite:///PATH or postgresql://…; `variable` is the environment variable that holds it, for messages.
    `fail_fast`: a connection to a host that does not answer fails after seconds, not after a quarter of an hour.
    `idle_transaction_timeout`: PostgreSQL ends a transaction in which this program sends nothing for that long, and
    releases its locks. Raises DatabaseUnavailable where the folder of an SQLite file cannot be created."""
    more: dict[str, Any] = {**_FAIL_FAST_OPTIONS} if fail_fast else {}
    if idle_transaction_timeout is not None:
        milliseconds = int(idle_transaction_timeout.total_seconds() * 1000)
        more["options"] = f"{_SESSION_OPTIONS} -c idle_in_transaction_session_timeout={milliseconds}"
    return _make_engine(url, connect_timeout_seconds, variable, more).execution_options(variable=variable)


def _make_engine(url: str, connect_timeout_seconds: int, variable: str, connect_args: dict[str, Any]) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        _make_parent_folder(parsed.database, variable)
        engine = create_engine(url, connect_args={"timeout": _BUSY_TIMEOUT_SECONDS, "check_same_thread": False})
        event.listen(engine, "do_connect", lambda *_: _make_private_file(parsed.database))
        event.listen(engine, "connect", _sqlite_pragmas)
        event.listen(engine, "begin", _sqlite_begin)
        return engine
    engine = create_engine(
        parsed.set(drivername="postgresql+psycopg2"),
        pool_pre_ping=True,
        pool_size=10,
        connect_args={"connect_timeout": connect_timeout_seconds, "options": _SESSION_OPTIONS, **connect_args},
    )
    event.listen(engine, "begin", _postgresql_begin)
    return engine


# How long a writer waits for SQLite's write lock.
_BUSY_TIMEOUT_SECONDS = 30
# Compiling a query (jit) takes longer than these queries run.
_SESSION_OPTIONS = "-c timezone=utc -c jit=off"
# Options of libpq: seconds, and tcp_user_timeout in milliseconds.
_FAIL_FAST_OPTIONS = {"keepalives_idle": 3, "keepalives_interval": 1, "keepalives_count": 3, "tcp_user_timeout": 6000}


def check_connection(engine: Engine) -> None:
    """Raises DatabaseUnavailable, with one line without the password, when a trivial query fails."""
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        raise DatabaseUnavailable(describe_failure(engine, error)) from None


def safe_url(engine: Engine) -> str:
    """Returns the URL for messages: without the password, and without parameters that could hold one."""
    parameters = {name: value for name, value in engine.url.query.items() if name in ("host", "port", "sslmode")}
    return engine.url.set(query=parameters).render_as_string(hide_password=True)


def describe_failure(engine: Engine, error: SQLAlchemyError) -> str:
    """Returns one line with the error of the database of this engine and the remedy."""
    url = safe_url(engine)
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()
    reason = clean(cause[0], 300) if cause else type(error).__name__
    variable = engine.get_execution_options().get("variable", "DATABASE_URL")
    if engine.dialect.name == "sqlite":
        return f"{variable}: cannot use {url}: {reason}; {_sqlite_remediation(reason)}."
    return f"{variable}: cannot use {url}: {reason}; is the server running and reachable, and are user and name right?"


def _sqlite_remediation(reason: str) -> str:
    """Returns the remedy for an error message of SQLite (https://www.sqlite.org/rescode.html)."""
    if "locked" in reason:
        return "another process has held its lock for too long: end that process, or try again when it is done"
    if "malformed" in reason or "not a database" in reason:
        return "restore the file from a backup, or name another file"
    if "disk is full" in reason:
        return "free space on that disk"
    return "the folder must exist and be writable for this user, or name another file"


@contextmanager
def session_scope(engine: Engine) -> Iterator[Session]:
    """Opens a session in one transaction, which is committed at the end and rolled back when the block raises."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


@contextmanager
def write_scope(engine: Engine) -> Iterator[Session]:
    """As session_scope, for a transaction that reads before it writes. On SQLite it takes the write lock at its start,
    because a reader with an outdated snapshot can never become a writer. The engine's option `before_writing`, if set,
    is called first, and may raise."""
    before_writing = engine.get_execution_options().get("before_writing")
    if before_writing:
        before_writing()
    with session_scope(engine.execution_options(writes=True)) as session:
        yield session


@contextmanager
def interactive_write_scope(engine: Engine, *, timeout_seconds: float = 5.0) -> Iterator[Session]:
    """As write_scope, for requests of people: raises OperationalError after `timeout_seconds` where another program
    holds SQLite's lock. Collectors wait for half a minute."""
    with engine.execution_options(writes=True).connect() as connection:
        raw = connection.connection.driver_connection if engine.dialect.name == "sqlite" else None
        _set_busy_timeout(raw, timeout_seconds)
        try:
            with connection.begin(), Session(connection, expire_on_commit=False) as session:
                yield session
                session.flush()
        finally:
            _set_busy_timeout(raw, _BUSY_TIMEOUT_SECONDS)


@contextmanager
def polling_write_scope(engine: Engine, *, timeout_seconds: float, poll_seconds: float = 0.002) -> Iterator[Session]:
    """As write_scope, without starvation: SQLite's own busy handler sleeps up to 0.1 s between two tries, so that a
    busy writer can keep others out for seconds. This scope tries every `poll_seconds` instead."""
    with (
        begin_write(engine, timeout_seconds=timeout_seconds, poll_seconds=poll_seconds) as connection,
        Session(connection, expire_on_commit=False) as session,
    ):
        yield session
        session.flush()


@contextmanager
def begin_write(engine: Engine, *, timeout_seconds: float, poll_seconds: float) -> Iterator[Connection]:
    """Opens a connection in a transaction that holds SQLite's write lock, committed at the end of the block.

    Tries again for `timeout_seconds`, with pauses of `poll_seconds`, while another program holds the lock; then raises
    OperationalError. Each try waits as long as the connection's busy timeout."""
    ends_at = time.monotonic() + timeout_seconds
    with engine.execution_options(writes=True).connect() as connection:
        while True:
            try:
                transaction = connection.begin()
                break
            except OperationalError as error:
                if not is_locked(error) or time.monotonic() >= ends_at:
                    raise
                time.sleep(poll_seconds)
        with transaction:
            yield connection


def _set_busy_timeout(raw: Any, seconds: float) -> None:
    if raw is not None:
        raw.execute(f"PRAGMA busy_timeout={int(seconds * 1000)}")


def is_locked(error: SQLAlchemyError) -> bool:
    """Returns whether SQLite gave up waiting for another writer."""
    return isinstance(error, OperationalError) and "database is locked" in str(error.orig)


def _make_parent_folder(database: str | None, variable: str) -> None:
    if not database or database == ":memory:" or database.startswith("file:"):
        return
    try:
        Path(database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUnavailable(
            f"{variable}: cannot create the folder {Path(database).parent}: {error.strerror}; "
            "name a file in a folder that this user may write."
        ) from None


def _make_private_file(database: str | None) -> None:
    """Creates a missing database file with access for its owner alone, because it will hold logs. SQLite gives its
    companion files the same mode. SQLite reports a folder that cannot be used."""
    if database and database != ":memory:" and not database.startswith("file:") and not Path(database).exists():
        with suppress(OSError):
            os.close(os.open(database, os.O_CREAT | os.O_WRONLY, 0o600))


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    # The driver must not open transactions by itself: it does so only before writes, and a transaction that begins as a
    # reader cannot become a writer after another program wrote (SQLITE_BUSY at once, without a timeout).
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        f"busy_timeout={_BUSY_TIMEOUT_SECONDS * 1000}",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
    connection.create_function(UNICODE_LOWER, 1, unicode_lower, deterministic=True)


# The name of the function in SQLite, whose own lower() converts ASCII only.
UNICODE_LOWER = "unicode_lower"


def unicode_lower(text: str | None) -> str | None:
    """Returns the text in lower case as PostgreSQL's lower() does: character by character, so that the text never gets
    longer and a sigma has one form within a word and at its end."""
    if not isinstance(text, str) or text.isascii():
        return text.lower() if isinstance(text, str) else text
    return "".join(character.lower()[0] for character in text)


def _sqlite_begin(connection: Any) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql_begin(connection: Connection) -> None:
    """Runs statements on one shard after the other in transactions that write: Citus refuses a write to a reference
    table after a parallel statement in the same transaction."""
    if connection.get_execution_options().get("writes", False) and is_sharded(connection):
        connection.execute(SEQUENTIAL_MODE)
