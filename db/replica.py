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

from db.engine import describe_failure, make_engine
from db.migrate import head_revision, revision_of

log = logging.getLogger(__name__)
DEFAULT_LAG_SECONDS = 30.0
LOOK_SECONDS = 2.0
_CONNECT_SECONDS = 2
# A look that does not come to an end for this long says enough of the replica.
_SILENT_SECONDS = 8.0
# Serialization (a conflict with what is replayed), deadlock, shut down, crashed, starting up; a table or a column that
# is not there yet.
_FAULTS = ("40001", "40P01", "57P01", "57P02", "57P03", "42P01", "42703")
# Where it has written to; and what is to be written yet of changes that are seen already (synchronous_commit = off).
_PLACE = """
SELECT pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_lsn() END, '0/0'), 0,
       pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_insert_lsn() END, '0/0')
"""
# One that was promoted writes a log of its own.
_REPLAYED = """
SELECT pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() END, '0/0'),
       extract(epoch FROM now() - pg_last_xact_replay_timestamp()), NULL
"""
_BEAT = text("SELECT data_version, seen_at FROM heartbeats WHERE name = 'collector'").columns(seen_at=DateTime())
_MARK = "ask_again"
_UNASKED, _BROKEN = "DATABASE_REPLICA_URL: cannot use it; the log says why", "it broke off; the log says why"


@dataclass(frozen=True)
class Standing:
    """What answers, and why; `lag_seconds` is null where it is not known."""

    from_replica: bool
    lag_seconds: float | None
    reason: str


@dataclass(frozen=True)
class _Seen:
    """A database at one moment. `place` in the log in bytes, `end` of what everybody sees; null where it has none.
    `idle` seconds since the last transaction that was replayed."""

    place: int | None
    end: int | None
    idle: float
    version: int
    beat: datetime | None
    revision: str | None


class Reader:
    """`primary` is the database itself. Without a replica it answers everything, and nothing is looked at."""

    def __init__(
        self, url: str, replica_url: str | None = None, *, max_lag_seconds: float = DEFAULT_LAG_SECONDS
    ) -> None:
        self.primary = make_engine(url)
        self.replica = _replica(replica_url, _CONNECT_SECONDS) if replica_url else None
        self._most, self._every = max_lag_seconds, LOOK_SECONDS
        self._marks: deque[tuple[float, int]] = deque(maxlen=int(2 * max_lag_seconds / LOOK_SECONDS) + 2)
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
            event.listen(self.replica, "handle_error", self._broke)
            self._primary: tuple[float, _Seen | None] | None = None
            self._primary_asked_at = time.monotonic()
            for look, address in ((self._keep_asking, url), (self._keep_looking, replica_url)):
                threading.Thread(target=look, args=(address,), daemon=True).start()

    @property
    def engine(self) -> Engine:
        """What answers now."""
        if self.replica is not None and self._trusted:
            if time.monotonic() - self._looked_at < max(_SILENT_SECONDS, 4 * self._every):
                return self.replica
            self._leave("it does not answer")
        return self.primary

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session in one transaction, on what answers now. All its statements see the same state of the database,
        whatever is written meanwhile: a figure that takes several of them is that of one moment. An error that the
        replica alone is to blame for says so: see asks_again."""
        with self._connect() as connection, Session(connection, expire_on_commit=False) as opened, opened.begin():
            opened.info["replica"] = connection.engine is self.replica
            yield opened

    def went_back(self, session: Session, version: int) -> bool:
        """True where the data of this version is older than what was read before: ask again, of the database itself.
        That one is believed."""
        if session.info.get("replica") and version < self._version and not self._alone:
            self._leave("it is behind what was shown")
            return True
        self._version = version
        return False

    def wrote(self) -> None:
        """Something was changed in the database itself: who did it shall see it."""
        with self._lock:
            if self.replica is not None:
                self._begin_again("it catches up")

    def standing(self) -> Standing:
        on_replica = self.engine is self.replica
        return Standing(on_replica, self._lag, "" if on_replica else self._reason)

    def close(self) -> None:
        self._over.set()
        for engine in (self.primary, self.replica):
            if engine is not None:
                engine.dispose()

    def look(self, primary: _Seen | None, replica: _Seen | str, asked_at: float) -> None:
        """Decides by how both stood since `asked_at`; a replica that could not be asked is told by the reason. Where
        the database itself is away, an older answer is better than none."""
        now = time.monotonic()
        if isinstance(replica, str):
            self._leave(_UNASKED, why=replica)
            return
        self._looked_at = now
        if replica.revision != head_revision():
            self._leave(f"its schema is at {replica.revision}")
            return
        with self._lock:
            self._alone = primary is None
            if primary is not None:
                self._lag = self._behind(now, asked_at, primary, replica)
                if self._lag > self._most:
                    self._leave_now(f"it is {self._lag:,.0f} s behind, more than DATABASE_REPLICA_MAX_LAG")
                elif self._trusted or self._caught_up(primary, replica, asked_at):
                    self._trust()
            else:
                self._lag = None
                self._trust()

    def _behind(self, now: float, asked_at: float, primary: _Seen, replica: _Seen) -> float:
        """In seconds, by the log; without one by the sign of life that the collector writes."""
        if primary.place is None or replica.place is None:
            return max((primary.beat - replica.beat).total_seconds(), 0.0) if primary.beat and replica.beat else 0.0
        if not self._marks or self._marks[-1][0] < asked_at:
            self._marks.append((asked_at, primary.place))
        if replica.place >= primary.place:
            return 0.0
        reached = [at for at, place in self._marks if place <= replica.place]
        return now - reached[-1] if reached else max(now - self._marks[0][0], replica.idle)

    def _caught_up(self, primary: _Seen, replica: _Seen, asked_at: float) -> bool:
        if not self._must_catch_up:
            return True
        if asked_at < self._since:
            return False  # the place of the database may be that of before the change
        self._needed = self._needed or primary.end or 0
        self._reason = "it catches up"
        return replica.version >= max(primary.version, self._version) and (replica.place or 0) >= self._needed

    def _trust(self) -> None:
        if not self._trusted:
            log.info("The replica answers.")
        self._trusted, self._must_catch_up, self._needed = True, False, 0

    def _leave(self, reason: str, why: str = "") -> None:
        with self._lock:
            self._lag = None
            self._leave_now(reason, why)

    def _leave_now(self, reason: str, why: str = "") -> None:
        """`why` stands in the log alone: it may name addresses, and the reason is told to strangers."""
        told = why or reason
        if self._trusted or self._logged != told:
            self._logged = told
            log.warning("The database itself answers, not its replica: %s.", told)
        self._begin_again(reason)

    def _begin_again(self, reason: str) -> None:
        self._trusted, self._must_catch_up, self._needed, self._reason = False, True, 0, reason
        self._since = time.monotonic()

    def _connect(self) -> Connection:
        engine = self.engine
        try:
            return _in_snapshot(engine.connect())
        except OperationalError:
            if engine is self.primary:
                raise
            return _in_snapshot(self.primary.connect())  # _broke has said why

    def _broke(self, context: ExceptionContext) -> None:
        """A question to the replica failed in a way that the database itself would not."""
        code = getattr(context.original_exception, "pgcode", None)
        if not context.is_disconnect and code not in _FAULTS and context.connection is not None:
            return
        self._leave(_BROKEN, why=str(context.original_exception).strip().splitlines()[0])
        if context.sqlalchemy_exception is not None:
            setattr(context.sqlalchemy_exception, _MARK, True)

    def _keep_asking(self, url: str) -> None:
        """How the database itself stands. One that takes the question and does not answer keeps only this waiting."""
        primary = _replica(url, _CONNECT_SECONDS)
        while not self._over.is_set():
            self._primary_asked_at = time.monotonic()
            there = _ask(primary, _PLACE)
            self._primary = self._primary_asked_at, there if isinstance(there, _Seen) else None
            self._over.wait(self._every)
        primary.dispose()

    def _keep_looking(self, replica_url: str) -> None:
        """With connections of its own: those of the questions may all be in use."""
        replica = _replica(replica_url, _CONNECT_SECONDS)
        while not self._over.is_set():
            told = self._primary
            silent = time.monotonic() - self._primary_asked_at > max(_SILENT_SECONDS, 4 * self._every)
            if told is not None or silent:
                asked_at, primary = (time.monotonic(), None) if told is None or silent else told
                self.look(primary, _ask(replica, _REPLAYED), asked_at)
            self._over.wait(self._every if told is not None else min(self._every, 0.05))
        replica.dispose()


def _in_snapshot(connection: Connection) -> Connection:
    """PostgreSQL takes one at the first statement of a transaction and keeps it; SQLite with a write-ahead log always
    does."""
    if connection.dialect.name == "postgresql":
        return connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return connection


def asks_again(error: BaseException) -> bool:
    """The replica is to blame, and is not asked any more for now: the same question may be asked again."""
    return bool(getattr(error, _MARK, False))


def _replica(url: str, seconds: int) -> Engine:
    return make_engine(url, connect_timeout_seconds=seconds, variable="DATABASE_REPLICA_URL", impatient=True)


def _ask(engine: Engine, place_of: str) -> _Seen | str:
    """How it stands, or the one line that says why it cannot be asked."""
    try:
        with engine.connect() as connection:
            place, end, idle = None, None, 0.0
            if connection.dialect.name == "postgresql":
                found = connection.execute(text(place_of)).one()
                place, end = (None if each is None else int(each) for each in (found[0], found[2]))
                idle = float(found[1] or 0.0)
            beat: Any = connection.execute(_BEAT).first() or (0, None)
            return _Seen(place, end, idle, int(beat[0]), beat[1], revision_of(connection))
    except SQLAlchemyError as error:
        return describe_failure(engine, error)
