"""Routes read-only sessions to the replica while it is reachable and its lag is below the limit; otherwise to the
primary.

Two threads check the primary and the replica every two seconds, so that no query waits for a check, and neither check
for the other. The lag is measured by positions in PostgreSQL's write-ahead log: the time since the primary was last at
the position of the replica. The time of the replica's last transaction is no measure: where nothing is written, it
is old although nothing is missing."""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, DateTime, Engine, ExceptionContext, event, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from db.collection.heartbeat_detail import COLLECTOR_HEARTBEAT
from db.engine import describe_failure, make_engine
from db.migrate import head_revision, revision_of

log = logging.getLogger(__name__)
DEFAULT_MAX_LAG_SECONDS = 30.0
CHECK_INTERVAL_SECONDS = 2.0
_CONNECT_SECONDS = 2
# A check that takes longer than this counts as failed.
_CHECK_TIMEOUT_SECONDS = 8.0
# Serialization failure (a conflict with replay), deadlock, shutdown, crash, start-up; a table or column that is not
# replicated yet.
_REPLICA_SQLSTATES = ("40001", "40P01", "57P01", "57P02", "57P03", "42P01", "42703")
# The positions of what is written, and of changes that are visible and not written yet (synchronous_commit = off).
_WRITE_POSITION = """
SELECT pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_lsn() END, '0/0'), 0,
       pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_insert_lsn() END, '0/0')
"""
# A promoted replica writes a log of its own.
_REPLAY_POSITION = """
SELECT pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() END, '0/0'),
       extract(epoch FROM now() - pg_last_xact_replay_timestamp()), NULL
"""
_HEARTBEAT = (
    text("SELECT data_version, seen_at FROM heartbeats WHERE name = :name")
    .bindparams(name=COLLECTOR_HEARTBEAT)
    .columns(seen_at=DateTime())
)
_REPLICA_FAILURE_ATTRIBUTE = "replica_failure"
_UNREACHABLE, _DISCONNECTED = "DATABASE_REPLICA_URL: cannot use it; see the log", "its connection was lost; see the log"


@dataclass(frozen=True)
class ReplicaStatus:
    """The database that serves reads, and the reason where it is the primary; `lag_seconds` is null where unknown."""

    from_replica: bool
    lag_seconds: float | None
    reason: str


@dataclass(frozen=True)
class _DatabaseState:
    """The state of a database at one moment. `log_position` is the written or replayed position in the log in bytes,
    `insert_position` the end of visible changes; null without a log. `idle_seconds` is the time since the last replayed
    transaction."""

    log_position: int | None
    insert_position: int | None
    idle_seconds: float
    version: int
    heartbeat_at: datetime | None
    revision: str | None


def reads_replica(session: Session) -> bool:
    """Returns whether the statements of this session run on the replica."""
    return bool(session.info.get("replica"))


class ReplicaRouter:
    """Routes reads to `primary` or `replica`. Without a replica all reads go to the primary, and `start` does
    nothing."""

    def __init__(
        self, url: str, replica_url: str | None = None, *, max_lag_seconds: float = DEFAULT_MAX_LAG_SECONDS
    ) -> None:
        self.primary = make_engine(url)
        self.replica = _replica_engine(replica_url, _CONNECT_SECONDS) if replica_url else None
        self._max_lag, self._interval = max_lag_seconds, CHECK_INTERVAL_SECONDS
        self._marks: deque[tuple[float, int]] = deque(maxlen=int(2 * max_lag_seconds / CHECK_INTERVAL_SECONDS) + 2)
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._trusted, self._reason = False, "it has not been checked yet"
        self._lag: float | None = None
        self._logged = ""
        self._checked_at = float("-inf")
        # Data that was read from the primary, or written, must be on the replica before it serves reads again.
        self._version, self._must_catch_up, self._needed_position = 0, False, 0
        self._catch_up_since = float("-inf")
        self._primary_unreachable = False
        self._threads: list[threading.Thread] = []
        self._primary: tuple[float, _DatabaseState | None] | None = None
        self._primary_check_at = time.monotonic()
        self._urls = url, replica_url
        if self.replica is not None:
            event.listen(self.replica, "handle_error", self._on_error)

    def start(self) -> "ReplicaRouter":
        """Starts the threads that check the primary and the replica; until the first check all reads go to the
        primary. Returns the router. `close` ends the threads."""
        url, replica_url = self._urls
        if replica_url and not self._threads:
            self._primary_check_at = time.monotonic()
            self._threads = [
                threading.Thread(target=self._poll_primary, args=(url,), name="replica-router-primary", daemon=True),
                threading.Thread(
                    target=self._poll_replica, args=(replica_url,), name="replica-router-replica", daemon=True
                ),
            ]
            for thread in self._threads:
                thread.start()
        return self

    @property
    def engine(self) -> Engine:
        """The engine that serves reads now."""
        if self.replica is not None and self._trusted:
            if time.monotonic() - self._checked_at < max(_CHECK_TIMEOUT_SECONDS, 4 * self._interval):
                return self.replica
            self._use_primary("it does not respond")
        return self.primary

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Opens a session in one transaction on the database that serves reads now. All its statements see one
        snapshot, so that a figure of several statements belongs to one moment. An error that only the replica caused is
        marked: see is_replica_failure."""
        with self._connect() as connection, Session(connection, expire_on_commit=False) as opened, opened.begin():
            opened.info["replica"] = connection.engine is self.replica
            yield opened

    def is_stale_read(self, session: Session, version: int) -> bool:
        """Returns whether a replica served data of an older version than was read before. Reads then go to the primary,
        whose version is always accepted, and the caller repeats the query."""
        if session.info.get("replica") and version < self._version and not self._primary_unreachable:
            self._use_primary("it is behind data that was already read")
            return True
        self._version = version
        return False

    def record_write(self) -> None:
        """Routes reads to the primary until the replica has the change that was just written."""
        with self._lock:
            if self.replica is not None:
                self._require_catch_up("it is catching up")

    def status(self) -> ReplicaStatus:
        on_replica = self.engine is self.replica
        return ReplicaStatus(on_replica, self._lag, "" if on_replica else self._reason)

    def close(self) -> None:
        """Ends the threads and closes all connections. A check of an unreachable database may outlast the call."""
        self._stop.set()
        ends_at = time.monotonic() + _CONNECT_SECONDS
        for thread in self._threads:
            thread.join(max(ends_at - time.monotonic(), 0.0))
        for engine in (self.primary, self.replica):
            if engine is not None:
                engine.dispose()

    def evaluate(self, primary: _DatabaseState | None, replica: _DatabaseState | str, checked_at: float) -> None:
        """Chooses the database by the states of both as of `checked_at`; for a replica that cannot be checked,
        `replica` is the reason. Where the primary is unreachable, old data is better than none."""
        now = time.monotonic()
        if isinstance(replica, str):
            self._use_primary(_UNREACHABLE, log_reason=replica)
            return
        self._checked_at = now
        if replica.revision != head_revision():
            self._use_primary(f"its schema is at {replica.revision}")
            return
        with self._lock:
            self._primary_unreachable = primary is None
            if primary is not None:
                self._lag = self._lag_behind(now, checked_at, primary, replica)
                if self._lag > self._max_lag:
                    self._use_primary_locked(f"it is {self._lag:,.0f} s behind, more than DATABASE_REPLICA_MAX_LAG")
                elif self._trusted or self._caught_up(primary, replica, checked_at):
                    self._use_replica()
            else:
                self._lag = None
                self._use_replica()

    def _lag_behind(self, now: float, checked_at: float, primary: _DatabaseState, replica: _DatabaseState) -> float:
        """Returns the lag in seconds by log positions; without a log by the collector's heartbeat."""
        if primary.log_position is None or replica.log_position is None:
            return (
                max((primary.heartbeat_at - replica.heartbeat_at).total_seconds(), 0.0)
                if primary.heartbeat_at and replica.heartbeat_at
                else 0.0
            )
        if not self._marks or self._marks[-1][0] < checked_at:
            self._marks.append((checked_at, primary.log_position))
        if replica.log_position >= primary.log_position:
            return 0.0
        reached = [at for at, position in self._marks if position <= replica.log_position]
        return now - reached[-1] if reached else max(now - self._marks[0][0], replica.idle_seconds)

    def _caught_up(self, primary: _DatabaseState, replica: _DatabaseState, checked_at: float) -> bool:
        if not self._must_catch_up:
            return True
        if checked_at < self._catch_up_since:
            return False  # The position of the primary may be from before the change.
        self._needed_position = self._needed_position or primary.insert_position or 0
        self._reason = "it is catching up"
        return (
            replica.version >= max(primary.version, self._version)
            and (replica.log_position or 0) >= self._needed_position
        )

    def _use_replica(self) -> None:
        if not self._trusted:
            log.info("Reads go to the replica.")
        self._trusted, self._must_catch_up, self._needed_position = True, False, 0

    def _use_primary(self, reason: str, log_reason: str = "") -> None:
        with self._lock:
            self._lag = None
            self._use_primary_locked(reason, log_reason)

    def _use_primary_locked(self, reason: str, log_reason: str = "") -> None:
        """`log_reason` goes to the log only: it may hold addresses, and `reason` is public."""
        line = log_reason or reason
        if self._trusted or self._logged != line:
            self._logged = line
            log.warning("Reads go to the primary, not to the replica: %s.", line)
        self._require_catch_up(reason)

    def _require_catch_up(self, reason: str) -> None:
        self._trusted, self._must_catch_up, self._needed_position, self._reason = False, True, 0, reason
        self._catch_up_since = time.monotonic()

    def _connect(self) -> Connection:
        engine = self.engine
        try:
            return _begin_snapshot(engine.connect())
        except OperationalError:
            if engine is self.primary:
                raise
            return _begin_snapshot(self.primary.connect())  # _on_error has logged the reason.

    def _on_error(self, context: ExceptionContext) -> None:
        """Handles an error of the replica that the primary would not have: routes reads to the primary and marks the
        error."""
        code = getattr(context.original_exception, "pgcode", None)
        if not context.is_disconnect and code not in _REPLICA_SQLSTATES and context.connection is not None:
            return
        self._use_primary(_DISCONNECTED, log_reason=str(context.original_exception).strip().splitlines()[0])
        if context.sqlalchemy_exception is not None:
            setattr(context.sqlalchemy_exception, _REPLICA_FAILURE_ATTRIBUTE, True)

    def _poll_primary(self, url: str) -> None:
        """Polls the state of the primary. A primary that hangs blocks only this thread."""
        primary = _replica_engine(url, _CONNECT_SECONDS)
        while not self._stop.is_set():
            self._primary_check_at = time.monotonic()
            state = _probe(primary, _WRITE_POSITION)
            self._primary = self._primary_check_at, state if isinstance(state, _DatabaseState) else None
            self._stop.wait(self._interval)
        primary.dispose()

    def _poll_replica(self, replica_url: str) -> None:
        """Polls the state of the replica over its own connection: those of the pool may all be in use."""
        replica = _replica_engine(replica_url, _CONNECT_SECONDS)
        while not self._stop.is_set():
            latest = self._primary
            overdue = time.monotonic() - self._primary_check_at > max(_CHECK_TIMEOUT_SECONDS, 4 * self._interval)
            if latest is not None or overdue:
                checked_at, primary = (time.monotonic(), None) if latest is None or overdue else latest
                self.evaluate(primary, _probe(replica, _REPLAY_POSITION), checked_at)
            self._stop.wait(self._interval if latest is not None else min(self._interval, 0.05))
        replica.dispose()


def _begin_snapshot(connection: Connection) -> Connection:
    """Makes the transactions of the connection read from one snapshot, as SQLite with a write-ahead log always does."""
    if connection.dialect.name == "postgresql":
        return connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return connection


def is_replica_failure(error: BaseException) -> bool:
    """Returns whether only the replica caused the error. Reads go to the primary by then, so that the caller can repeat
    the query."""
    return bool(getattr(error, _REPLICA_FAILURE_ATTRIBUTE, False))


def _replica_engine(url: str, seconds: int) -> Engine:
    return make_engine(url, connect_timeout_seconds=seconds, variable="DATABASE_REPLICA_URL", fail_fast=True)


def _probe(engine: Engine, position_sql: str) -> _DatabaseState | str:
    """Returns the state of the database, or one line with the reason where it cannot be reached."""
    try:
        with engine.connect() as connection:
            position, insert_position, idle = None, None, 0.0
            if connection.dialect.name == "postgresql":
                row = connection.execute(text(position_sql)).one()
                position, insert_position = (None if value is None else int(value) for value in (row[0], row[2]))
                idle = float(row[1] or 0.0)
            version, heartbeat_at = connection.execute(_HEARTBEAT).first() or (0, None)
            return _DatabaseState(position, insert_position, idle, int(version), heartbeat_at, revision_of(connection))
    except SQLAlchemyError as error:
        return describe_failure(engine, error)
