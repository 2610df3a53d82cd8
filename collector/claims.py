"""Claims on repositories, which several collectors share, and the lock of an SQLite file, which has one collector.

Claims expire by the server's clock. After a process was stopped (SIGSTOP, a suspended machine, no CPU time) another
collector may have taken over its repositories, and work that was in progress must not be written. Three mechanisms
ensure that:

- No write transaction begins when the latest renewal is too long ago.
- Work that began before the lease expired writes nothing afterwards, even if the claims were renewed.
- The server ends a transaction that began earlier before the claims expire (see SETTLE_MARGIN).

The lock of an SQLite file is a lock of the operating system on a file beside it, which is released when the process
ends for any reason. Other programs, and commands that end by themselves, do not take it.
"""

import errno
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from sqlalchemy import Engine

from core.clock import uptime
from core.work import current_task
from db.collection.claims import LEASE_DURATION, Assignment, has_other_collectors, release_claims, renew_claims
from db.engine import session_scope, write_scope
from db.repositories.repository_queries import resolved_target_names

try:
    import fcntl
except ImportError:  # Windows, where a second collector is not detected
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

# PostgreSQL ends an idle transaction after this time; the rest of LEASE_DURATION is for transactions to begin.
SETTLE_MARGIN = LEASE_DURATION / 2
_SUFFIX = "-collector"
_MAX_LENGTH = 200
# The process that took the lock writes its name a moment later.
_TRIES, _PAUSE_SECONDS = 5, 0.05
# POSIX errors of a lock that another process holds; other errors mean a file system without locks.
_LOCKED_ERRNOS = (errno.EACCES, errno.EAGAIN)
RENEW_SECONDS = 5.0


class LeaseExpired(Exception):
    """This process was stopped for so long that another collector may hold its claims; the message is one line."""


class Lease:
    """Before the first renewal every write is allowed: commands do not take part in sharing. Safe to use from several
    threads. `monotonic`: seconds, which must pass while the process is stopped."""

    def __init__(self, monotonic: Callable[[], float] = uptime, duration: timedelta | None = None) -> None:
        self._monotonic, self._duration = monotonic, (duration or LEASE_DURATION - SETTLE_MARGIN).total_seconds()
        self._lock = threading.Lock()
        self._renewed_at: float | None = None
        self._expired_at: float | None = None

    def mark_renewed(self, since: float) -> None:
        """The claims were renewed by a statement that was sent at `since`, in seconds of uptime()."""
        with self._lock:
            if self._is_expired():
                self._expired_at = self._monotonic()
            self._renewed_at = since

    def mark_released(self) -> None:
        """The claims were released: work that began before may not write."""
        with self._lock:
            self._expired_at = self._monotonic()

    @property
    def is_expired(self) -> bool:
        """Whether the latest renewal is too long ago."""
        with self._lock:
            return self._is_expired()

    def check(self) -> None:
        """Raises LeaseExpired if the task of this thread must not write."""
        task = current_task()
        with self._lock:
            is_older = task is not None and self._expired_at is not None and task.started_at < self._expired_at
            if self._is_expired() or is_older:
                raise LeaseExpired("not stored: this collector was stopped, and another one may hold its claims now")

    def _is_expired(self) -> bool:
        return self._renewed_at is not None and self._monotonic() - self._renewed_at > self._duration


class CollectorAlreadyRunning(Exception):
    """Another collector uses this SQLite file; the message names it in one line."""


def acquire_file_lock(engine: Engine) -> IO[str] | None:
    """The lock, held until the returned file is closed; null for PostgreSQL, which collectors can share. Raises
    CollectorAlreadyRunning, and OSError if no file can be written or locked beside the database."""
    name = engine.url.database
    if fcntl is None or engine.dialect.name != "sqlite" or not name or name == ":memory:" or name.startswith("file:"):
        return None
    # A link to the file is the same file.
    path = Path(os.path.realpath(name) + _SUFFIX)
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8", errors="replace")
    try:
        # A POSIX lock belongs to this process: a child that outlives it does not hold it.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _LOCKED_ERRNOS:
            file.close()
            raise
        holder = _read(file)
        file.close()
        raise CollectorAlreadyRunning(
            f"DATABASE_URL: {name} already has a collector ({holder}); stop that one, or use PostgreSQL, which several "
            "collectors can share."
        ) from None
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()[:60]}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
    file.flush()
    return file


def _read(file: IO[str]) -> str:
    for _ in range(_TRIES):
        file.seek(0)
        if text := " ".join(file.read(_MAX_LENGTH).split()):
            return text
        time.sleep(_PAUSE_SECONDS)
    return "unknown"


def holder_name(engine: Engine) -> str:
    """The name of this collector in claims and heartbeats. In a container it is the same after a restart, so that the
    collector need not wait for its own old claims to expire. On SQLite it is the host name."""
    return host_name() if engine.dialect.name == "sqlite" else f"{host_name()}/{os.getpid()}"


def host_name() -> str:
    return socket.gethostname()[:60]


class ClaimManager:
    """`is_stalled`: whether a task makes no progress; other collectors then take over the repositories."""

    def __init__(
        self,
        engine: Engine,
        holder: str,
        clock: Callable[[], datetime],
        is_stalled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._engine, self.holder, self._clock, self._is_stalled = engine, holder, clock, is_stalled
        self._is_released = False
        self.lease = Lease()
        self._lock = threading.Lock()
        self._busy: frozenset[str] = frozenset()
        # A command does not take part in sharing: it is the leader and holds nothing.
        self._assignment = Assignment(frozenset(), frozenset(), 1, is_leader=True)

    @property
    def assignment(self) -> Assignment:
        """The repositories that this collector holds; none while its lease is expired."""
        assignment = self._assignment
        return self._empty_assignment() if self.lease.is_expired else assignment

    @assignment.setter
    def assignment(self, assignment: Assignment) -> None:
        self._assignment = assignment

    def renew(self) -> Assignment:
        """Renews the claims. Must be called every RENEW_SECONDS."""
        stalled = self._is_stalled()
        with self._lock:
            start = uptime()
            self._assignment = self._renew(stalled=stalled)
            # No other collector takes over an SQLite file.
            if self._engine.dialect.name != "sqlite":
                self.lease.mark_renewed(start)
            return self._assignment

    def _renew(self, *, stalled: bool) -> Assignment:
        with write_scope(self._engine) as session:
            if stalled and has_other_collectors(session, self.holder, self._clock()):
                self.lease.mark_released()
                release_claims(session, self.holder)
                self._log_release(released=True)
                return self._empty_assignment()
            self._log_release(released=False)
            names = resolved_target_names(session)
            return renew_claims(session, self.holder, names, self._clock(), pinned=self._busy)

    def _empty_assignment(self) -> Assignment:
        return Assignment(frozenset(), frozenset(), self._assignment.collectors, is_leader=False)

    def _log_release(self, *, released: bool) -> None:
        if released and not self._is_released:
            log.error("A task makes no progress: this collector releases its repositories to the others until it does.")
        self._is_released = released

    def set_busy(self, names: frozenset[str]) -> None:
        """Repositories that are being synced are not released: another collector would sync them at the same time."""
        self._busy = names

    def release(self) -> None:
        with self._lock, session_scope(self._engine) as session:
            release_claims(session, self.holder)
