"""Which tables a sharded PostgreSQL (Citus) distributes, and whether the database at hand is one.

Engines and sessions for SQLite and PostgreSQL.
"""

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

# One copy on every node: joined with distributed tables on any column.
REFERENCE_TABLES = ("repositories",)
# By repository_id, their shards side by side: rows of a repository are on one node. The first one is distributed first.
DISTRIBUTED_TABLES = (
    "runs", "attempts", "jobs", "job_logs", "rollups", "usage_rollups", "rollup_marks", "broken_episodes", "run_gaps",
    "backfills", "sync_states", "workflows", "workflow_schedules",
)  # fmt: skip
SHARD_KEY = "repository_id"

# A setting of Citus; a PostgreSQL without it takes it, too, and does nothing.
SEQUENTIAL_MODE = text("SET LOCAL citus.multi_shard_modify_mode TO 'sequential'")

# By pool, which an engine shares with those that differ from it in options alone.
_sharded: WeakKeyDictionary[Pool, bool] = WeakKeyDictionary()


def is_sharded(connection: Connection) -> bool:
    """Whether runs are distributed. Read once for each engine: programs restart after `python -m db distribute`."""
    if connection.dialect.name != "postgresql":
        return False
    pool = connection.engine.pool
    if pool not in _sharded:
        _sharded[pool] = "runs" in distributed_tables(connection)
    return _sharded[pool]


def has_citus(connection: Connection) -> bool:
    return bool(connection.scalar(text("SELECT 1 FROM pg_extension WHERE extname = 'citus'")))


def distributed_tables(connection: Connection) -> set[str]:
    """Names of the tables that Citus distributes or copies to all nodes; empty on a plain PostgreSQL."""
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
    url: str, *, connect_timeout_seconds: int = 5, variable: str = "DATABASE_URL", fail_fast: bool = False,
    idle_transaction_timeout: timedelta | None = None,
) -> Engine:  # fmt: skip
    """An engine that has not connected yet. `url` is sqlite:///PATH or postgresql://…; `variable` is the one that
    named it, for messages. `impatient`: a machine that went away without a word is given up after seconds, not after a
    quarter of an hour. `settled_within`: PostgreSQL ends a transaction in which this program sends nothing for so
    long, and with it its locks, for which others wait."""
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


# How long a writer waits for another one's lock on an SQLite file.
_BUSY_TIMEOUT_SECONDS = 30
# Compiling a question takes longer than the questions asked here.
_SESSION_OPTIONS = "-c timezone=utc -c jit=off"
# Of libpq, in seconds, and milliseconds.
_FAIL_FAST_OPTIONS = {"keepalives_idle": 3, "keepalives_interval": 1, "keepalives_count": 3, "tcp_user_timeout": 6000}


def check_connection(engine: Engine) -> None:
    """Raises DatabaseUnavailable, in one line without the password, when a trivial query does not work."""
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        raise DatabaseUnavailable(describe_failure(engine, error)) from None


def safe_url(engine: Engine) -> str:
    """The URL for people: without password, and without the query, where libpq takes another one."""
    kept = {name: value for name, value in engine.url.query.items() if name in ("host", "port", "sslmode")}
    return engine.url.set(query=kept).render_as_string(hide_password=True)


def describe_failure(engine: Engine, error: SQLAlchemyError) -> str:
    """One line that says what is wrong with DATABASE_URL and what to do."""
    url = safe_url(engine)
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()
    reason = clean(cause[0], 300) if cause else type(error).__name__
    variable = engine.get_execution_options().get("variable", "DATABASE_URL")
    if engine.dialect.name == "sqlite":
        return f"{variable}: cannot use {url}: {reason}; {_sqlite_remediation(reason)}."
    return f"{variable}: cannot use {url}: {reason}; is the server running and reachable, and are user and name right?"


def _sqlite_remediation(reason: str) -> str:
    """By SQLite's own message: https://www.sqlite.org/rescode.html."""
    if "locked" in reason:
        return "another process has held its lock for too long: end that process, or try again when it is done"
    if "malformed" in reason or "not a database" in reason:
        return "restore the file from a backup, or name another file"
    if "disk is full" in reason:
        return "free space on that disk"
    return "the folder must exist and be writable for this user, or name another file"


@contextmanager
def session_scope(engine: Engine) -> Iterator[Session]:
    """A session in one transaction: committed at the end, rolled back when the block raises."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


@contextmanager
def write_scope(engine: Engine) -> Iterator[Session]:
    """As session_scope, for a transaction that reads before it writes: on SQLite it takes the write lock at its
    start, because a reader whose snapshot is out of date cannot become a writer however long it waits. Where the engine
    has an option `before_writing`, that is called first, and may raise."""
    before_writing = engine.get_execution_options().get("before_writing")
    if before_writing:
        before_writing()
    with session_scope(engine.execution_options(writes=True)) as session:
        yield session


@contextmanager
def interactive_write_scope(engine: Engine, *, timeout_seconds: float = 5.0) -> Iterator[Session]:
    """As write_scope, for what a person waits for: where another program holds SQLite's lock it raises OperationalError
    after `patience_seconds`, not after the half minute that collectors wait."""
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
    """As write_scope, for one who must not starve: SQLite's own waiting sleeps up to 0.1 s between two tries, and
    against a busy writer that can go on for seconds. Asks for the lock every `pause_seconds` instead."""
    ends = time.monotonic() + timeout_seconds
    with engine.execution_options(writes=True).connect() as connection:
        while True:
            try:
                transaction = connection.begin()
                break
            except OperationalError as error:
                if "locked" not in str(error.orig) or time.monotonic() >= ends:
                    raise
                time.sleep(poll_seconds)
        with transaction, Session(connection, expire_on_commit=False) as session:
            yield session
            session.flush()


def _set_busy_timeout(raw: Any, seconds: float) -> None:
    if raw is not None:
        raw.execute(f"PRAGMA busy_timeout={int(seconds * 1000)}")


def is_locked(error: SQLAlchemyError) -> bool:
    """True where SQLite gave up waiting for another writer."""
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
    """Logs are in it: a new file is for its owner alone. SQLite gives the files beside it the same rights. What is
    wrong with its folder is left for SQLite to report."""
    if database and database != ":memory:" and not database.startswith("file:") and not Path(database).exists():
        with suppress(OSError):
            os.close(os.open(database, os.O_CREAT | os.O_WRONLY, 0o600))


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    # The driver must not open transactions by itself: it does so only before writes, and a transaction that
    # begins as a reader cannot become a writer after somebody else wrote (SQLITE_BUSY at once, no timeout).
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", f"busy_timeout={_BUSY_TIMEOUT_SECONDS * 1000}",
                   "foreign_keys=ON"):  # fmt: skip
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
    connection.create_function(UNICODE_LOWER, 1, unicode_lower, deterministic=True)


# SQLite's own lower() knows ASCII only.
UNICODE_LOWER = "unicode_lower"


def unicode_lower(text: str | None) -> str | None:
    """As PostgreSQL's lower(): each character by itself, so that a text never gets longer, and a sigma is the same in
    the middle of a word and at its end."""
    if not isinstance(text, str) or text.isascii():
        return text.lower() if isinstance(text, str) else text
    return "".join(character.lower()[0] for character in text)


def _sqlite_begin(connection: Any) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql_begin(connection: Connection) -> None:
    """Citus refuses a write to a reference table after statements of the same transaction ran on several shards at
    once: in transactions that write they run one after the other."""
    if connection.get_execution_options().get("writes", False) and is_sharded(connection):
        connection.execute(SEQUENTIAL_MODE)
