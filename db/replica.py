"""Who only reads asks a replica while there is one that lives and keeps up, and the database itself otherwise.

A thread for each looks at them every two seconds, so that no question waits for that, and neither look for the other.
How far the replica is behind is told by places in PostgreSQL's log: when was the database last where the replica is
now? Its own clock does not tell: where nothing is written, its last transaction is old and nothing is missing."""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

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
# A look that does not come to an end for this long says enough of the replica.
_CHECK_TIMEOUT_SECONDS = 8.0
# Serialization (a conflict with what is replayed), deadlock, shut down, crashed, starting up; a table or a column that
# is not there yet.
_REPLICA_SQLSTATES = ("40001", "40P01", "57P01", "57P02", "57P03", "42P01", "42703")
# Where it has written to; and what is to be written yet of changes that are seen already (synchronous_commit = off).
_WRITE_POSITION = """
SELECT pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_lsn() END, '0/0'), 0,
       pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_insert_lsn() END, '0/0')
"""
# One that was promoted writes a log of its own.
_REPLAY_POSITION = """
SELECT pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() END, '0/0'),
       extract(epoch FROM now() - pg_last_xact_replay_timestamp()), NULL
"""
_HEARTBEAT = (
    text("SELECT data_version, seen_at FROM heartbeats WHERE name = :name")
    .bindparams(name=COLLECTOR_HEARTBEAT)
    .columns(seen_at=DateTime())
)
_REPLICA_FAILURE_ATTRIBUTE = "ask_again"
_UNREACHABLE, _DISCONNECTED = "DATABASE_REPLICA_URL: cannot use it; the log says why", "it broke off; the log says why"


@dataclass(frozen=True)
class ReplicaStatus:
    """What answers, and why; `lag_seconds` is null where it is not known."""

    from_replica: bool
    lag_seconds: float | None
    reason: str


@dataclass(frozen=True)
class _DatabaseState:
    """A database at one moment. `place` in the log in bytes, `end` of what everybody sees; null where it has none.
    `idle` seconds since the last transaction that was replayed."""

    log_position: int | None
    insert_position: int | None
    idle_seconds: float
    version: int
    heartbeat_at: datetime | None
    revision: str | None


def reads_replica(session: Session) -> bool:
    """True where the statements of this session run on the replica."""
    return bool(session.info.get("replica"))


class ReplicaRouter:
    """`primary` is the database itself. Without a replica it answers everything, and nothing is looked at."""

    def __init__(
        self, url: str, replica_url: str | None = None, *, max_lag_seconds: float = DEFAULT_MAX_LAG_SECONDS
    ) -> None:
        self.primary = make_engine(url)
        self.replica = _replica_engine(replica_url, _CONNECT_SECONDS) if replica_url else None
        self._most, self._every = max_lag_seconds, CHECK_INTERVAL_SECONDS
        self._marks: deque[tuple[float, int]] = deque(maxlen=int(2 * max_lag_seconds / CHECK_INTERVAL_SECONDS) + 2)
        self._lock, self._over = threading.Lock(), threading.Event()
        self._trusted, self._reason = False, "it was not looked at yet"
        self._lag: float | None = None
        self._logged = ""
        self._looked_at = float("-inf")
        # What was read from the database itself, or written, must be there before the replica answers again.
        self._version, self._must_catch_up, self._needed = 0, False, 0
        self._since = float("-inf")
        # The database itself is away.
        self._alone = False
        if self.replica is not None and replica_url:
            event.listen(self.replica, "handle_error", self._on_error)
            self._primary: tuple[float, _DatabaseState | None] | None = None
            self._primary_asked_at = time.monotonic()
            for look, address in ((self._poll_primary, url), (self._poll_replica, replica_url)):
                threading.Thread(target=look, args=(address,), daemon=True).start()

    @property
    def engine(self) -> Engine:
        """What answers now."""
        if self.replica is not None and self._trusted:
            if time.monotonic() - self._looked_at < max(_CHECK_TIMEOUT_SECONDS, 4 * self._every):
                return self.replica
            self._use_primary("it does not answer")
        return self.primary

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session in one transaction, on what answers now. All its statements see the same state of the database,
        whatever is written meanwhile: a figure that takes several of them is that of one moment. An error that the
        replica alone is to blame for says so: see asks_again."""
        with self._connect() as connection, Session(connection, expire_on_commit=False) as opened, opened.begin():
            opened.info["replica"] = connection.engine is self.replica
            yield opened

    def is_stale_read(self, session: Session, version: int) -> bool:
        """True where the data of this version is older than what was read before: ask again, of the database itself.
        That one is believed."""
        if session.info.get("replica") and version < self._version and not self._alone:
            self._use_primary("it is behind what was shown")
            return True
        self._version = version
        return False

    def record_write(self) -> None:
        """Something was changed in the database itself: who did it shall see it."""
        with self._lock:
            if self.replica is not None:
                self._require_catch_up("it catches up")

    def status(self) -> ReplicaStatus:
        on_replica = self.engine is self.replica
        return ReplicaStatus(on_replica, self._lag, "" if on_replica else self._reason)

    def close(self) -> None:
        self._over.set()
        for engine in (self.primary, self.replica):
            if engine is not None:
                engine.dispose()

    def evaluate(self, primary: _DatabaseState | None, replica: _DatabaseState | str, checked_at: float) -> None:
        """Decides by how both stood since `asked_at`; a replica that could not be asked is told by the reason. Where
        the database itself is away, an older answer is better than none."""
        now = time.monotonic()
        if isinstance(replica, str):
            self._use_primary(_UNREACHABLE, log_reason=replica)
            return
        self._looked_at = now
        if replica.revision != head_revision():
            self._use_primary(f"its schema is at {replica.revision}")
            return
        with self._lock:
            self._alone = primary is None
            if primary is not None:
                self._lag = self._lag_behind(now, checked_at, primary, replica)
                if self._lag > self._most:
                    self._use_primary_locked(f"it is {self._lag:,.0f} s behind, more than DATABASE_REPLICA_MAX_LAG")
                elif self._trusted or self._caught_up(primary, replica, checked_at):
                    self._use_replica()
            else:
                self._lag = None
                self._use_replica()

    def _lag_behind(self, now: float, asked_at: float, primary: _DatabaseState, replica: _DatabaseState) -> float:
        """In seconds, by the log; without one by the sign of life that the collector writes."""
        if primary.log_position is None or replica.log_position is None:
            return (
                max((primary.heartbeat_at - replica.heartbeat_at).total_seconds(), 0.0)
                if primary.heartbeat_at and replica.heartbeat_at
                else 0.0
            )
        if not self._marks or self._marks[-1][0] < asked_at:
            self._marks.append((asked_at, primary.log_position))
        if replica.log_position >= primary.log_position:
            return 0.0
        reached = [at for at, place in self._marks if place <= replica.log_position]
        return now - reached[-1] if reached else max(now - self._marks[0][0], replica.idle_seconds)

    def _caught_up(self, primary: _DatabaseState, replica: _DatabaseState, asked_at: float) -> bool:
        if not self._must_catch_up:
            return True
        if asked_at < self._since:
            return False  # the place of the database may be that of before the change
        self._needed = self._needed or primary.insert_position or 0
        self._reason = "it catches up"
        return replica.version >= max(primary.version, self._version) and (replica.log_position or 0) >= self._needed

    def _use_replica(self) -> None:
        if not self._trusted:
            log.info("The replica answers.")
        self._trusted, self._must_catch_up, self._needed = True, False, 0

    def _use_primary(self, reason: str, log_reason: str = "") -> None:
        with self._lock:
            self._lag = None
            self._use_primary_locked(reason, log_reason)

    def _use_primary_locked(self, reason: str, log_reason: str = "") -> None:
        """`why` stands in the log alone: it may name addresses, and the reason is told to strangers."""
        told = log_reason or reason
        if self._trusted or self._logged != told:
            self._logged = told
            log.warning("The database itself answers, not its replica: %s.", told)
        self._require_catch_up(reason)

    def _require_catch_up(self, reason: str) -> None:
        self._trusted, self._must_catch_up, self._needed, self._reason = False, True, 0, reason
        self._since = time.monotonic()

    def _connect(self) -> Connection:
        engine = self.engine
        try:
            return _begin_snapshot(engine.connect())
        except OperationalError:
            if engine is self.primary:
                raise
            return _begin_snapshot(self.primary.connect())  # _broke has said why

    def _on_error(self, context: ExceptionContext) -> None:
        """A question to the replica failed in a way that the database itself would not."""
        code = getattr(context.original_exception, "pgcode", None)
        if not context.is_disconnect and code not in _REPLICA_SQLSTATES and context.connection is not None:
            return
        self._use_primary(_DISCONNECTED, log_reason=str(context.original_exception).strip().splitlines()[0])
        if context.sqlalchemy_exception is not None:
            setattr(context.sqlalchemy_exception, _REPLICA_FAILURE_ATTRIBUTE, True)

    def _poll_primary(self, url: str) -> None:
        """How the database itself stands. One that takes the question and does not answer keeps only this waiting."""
        primary = _replica_engine(url, _CONNECT_SECONDS)
        while not self._over.is_set():
            self._primary_asked_at = time.monotonic()
            there = _probe(primary, _WRITE_POSITION)
            self._primary = self._primary_asked_at, there if isinstance(there, _DatabaseState) else None
            self._over.wait(self._every)
        primary.dispose()

    def _poll_replica(self, replica_url: str) -> None:
        """With connections of its own: those of the questions may all be in use."""
        replica = _replica_engine(replica_url, _CONNECT_SECONDS)
        while not self._over.is_set():
            told = self._primary
            silent = time.monotonic() - self._primary_asked_at > max(_CHECK_TIMEOUT_SECONDS, 4 * self._every)
            if told is not None or silent:
                asked_at, primary = (time.monotonic(), None) if told is None or silent else told
                self.evaluate(primary, _probe(replica, _REPLAY_POSITION), asked_at)
            self._over.wait(self._every if told is not None else min(self._every, 0.05))
        replica.dispose()


def _begin_snapshot(connection: Connection) -> Connection:
    """PostgreSQL takes one at the first statement of a transaction and keeps it; SQLite with a write-ahead log always
    does."""
    if connection.dialect.name == "postgresql":
        return connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return connection


def is_replica_failure(error: BaseException) -> bool:
    """The replica is to blame, and is not asked any more for now: the same question may be asked again."""
    return bool(getattr(error, _REPLICA_FAILURE_ATTRIBUTE, False))


def _replica_engine(url: str, seconds: int) -> Engine:
    return make_engine(url, connect_timeout_seconds=seconds, variable="DATABASE_REPLICA_URL", fail_fast=True)


def _probe(engine: Engine, position_sql: str) -> _DatabaseState | str:
    """How it stands, or the one line that says why it cannot be asked."""
    try:
        with engine.connect() as connection:
            place, end, idle = None, None, 0.0
            if connection.dialect.name == "postgresql":
                found = connection.execute(text(position_sql)).one()
                place, end = (None if each is None else int(each) for each in (found[0], found[2]))
                idle = float(found[1] or 0.0)
            beat: Any = connection.execute(_HEARTBEAT).first() or (0, None)
            return _DatabaseState(place, end, idle, int(beat[0]), beat[1], revision_of(connection))
    except SQLAlchemyError as error:
        return describe_failure(engine, error)
