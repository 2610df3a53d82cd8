"""How long this process may count on what it claimed in the database.

Claims end by the server's clock when they are not renewed in time: after a process stood still (SIGSTOP, a machine
that was suspended or had no processor), another one has taken over what it held. What it was at must not be written
then. Three things together see to that: no transaction that writes begins once the latest renewal is too long ago;
work that was begun before such a lapse writes nothing after it, even where the claims were taken again; and the server
ends a transaction that was begun before it, before the claims end (see SETTLED_WITHIN).

An SQLite file has one collector: a lock beside it that the operating system lets go when the process ends, however
it ends. Other programs, and the commands that end by themselves, do not ask for it.

Sharing the repositories with other collectors on the same database.
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

# PostgreSQL ends a transaction of a collector that stands still after this long: the rest of LEASE is for it to begin.
SETTLE_MARGIN = LEASE_DURATION / 2


class LeaseExpired(Exception):
    """This process stood still for so long that its claims may be another's; the message is one line."""


class Lease:
    """Before the first renewal nothing is refused: a command that ends takes no part in the sharing. Safe to use from
    several threads. `passed` can be replaced: seconds that go on while the process stands still."""

    def __init__(self, monotonic: Callable[[], float] = uptime, duration: timedelta | None = None) -> None:
        self._passed, self._lasts = monotonic, (duration or LEASE_DURATION - SETTLE_MARGIN).total_seconds()
        self._lock = threading.Lock()
        self._renewed_at: float | None = None
        self._lapsed_at: float | None = None

    def mark_renewed(self, since: float) -> None:
        """The claims were renewed by a statement that was sent at `since`, a moment of uptime()."""
        with self._lock:
            if self._is_expired():
                self._lapsed_at = self._passed()
            self._renewed_at = since

    def mark_released(self) -> None:
        """The claims are left to others: what was begun before writes nothing under them."""
        with self._lock:
            self._lapsed_at = self._passed()

    @property
    def is_expired(self) -> bool:
        """Whether the latest renewal is too long ago."""
        with self._lock:
            return self._is_expired()

    def check(self) -> None:
        """Raises Lapsed where the piece of work of this thread must not write."""
        piece = current_task()
        with self._lock:
            begun_before = piece is not None and self._lapsed_at is not None and piece.started_at < self._lapsed_at
            if self._is_expired() or begun_before:
                raise LeaseExpired("not stored: this collector stood still, and another one may hold its claims now")

    def _is_expired(self) -> bool:
        return self._renewed_at is not None and self._passed() - self._renewed_at > self._lasts


try:
    import fcntl
except ImportError:  # Windows, where a second collector is not noticed
    fcntl = None  # type: ignore[assignment]

_SUFFIX = "-collector"
_MAX_LENGTH = 200
# Whoever has just taken the lock writes its name a moment later.
_TRIES, _PAUSE_SECONDS = 5, 0.05
# What POSIX says of a lock that another process has; anything else is a file system without locks.
_LOCKED_ERRNOS = (errno.EACCES, errno.EAGAIN)


class CollectorAlreadyRunning(Exception):
    """Another collector serves this file; the message is one line that says which."""


def acquire_file_lock(engine: Engine) -> IO[str] | None:
    """Keeps other collectors from the file for as long as the result lives; null for PostgreSQL, which many may share.
    Raises HasCollector, and OSError where nothing can be written or locked beside the file."""
    name = engine.url.database
    if fcntl is None or engine.dialect.name != "sqlite" or not name or name == ":memory:" or name.startswith("file:"):
        return None
    # By whatever name: a link to the file is the same file.
    path = Path(os.path.realpath(name) + _SUFFIX)
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8", errors="replace")
    try:
        # Of this process alone: a child that outlives it does not keep the lock.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _LOCKED_ERRNOS:
            file.close()
            raise
        holder = _read(file)
        file.close()
        raise CollectorAlreadyRunning(
            f"DATABASE_URL: {name} has a collector already ({holder}); stop that one, or use PostgreSQL, which several "
            "can share."
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
    return "which does not say its name"


log = logging.getLogger(__name__)
RENEW_SECONDS = 5.0


def holder_name(engine: Engine) -> str:
    """In a container the same after a restart, which then need not wait for its own old claims. An SQLite file has
    one collector: whoever starts takes over at once."""
    return host_name() if engine.dialect.name == "sqlite" else f"{host_name()}/{os.getpid()}"


def host_name() -> str:
    return socket.gethostname()[:60]


class ClaimManager:
    """`is_stalled`: whether the work of this collector makes no progress. Another one then takes over what it holds."""

    def __init__(
        self,
        engine: Engine,
        holder: str,
        clock: Callable[[], datetime],
        is_stalled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._engine, self.holder, self._clock, self._is_stalled = engine, holder, clock, is_stalled
        self._let_go = False
        self.lease = Lease()
        self._lock = threading.Lock()
        self._busy: frozenset[str] = frozenset()
        # Alone until told otherwise: a command that ends takes no part in the sharing.
        self._share = Assignment(frozenset(), frozenset(), 1, is_leader=True)

    @property
    def assignment(self) -> Assignment:
        """What this collector holds; nothing after it stood still, until it has renewed its claims."""
        share = self._share
        return (
            Assignment(frozenset(), frozenset(), share.collectors, is_leader=False) if self.lease.is_expired else share
        )

    @assignment.setter
    def assignment(self, share: Assignment) -> None:
        self._share = share

    def renew(self) -> Assignment:
        """To be called every RENEW_SECONDS, whatever else goes on."""
        stalled = self._is_stalled()
        with self._lock:
            begun = uptime()
            share = self._renew(stalled=stalled)
            # An SQLite file has one collector, and nobody takes over from it.
            if self._engine.dialect.name != "sqlite":
                self.lease.mark_renewed(begun)
            self._share = share
            return share

    def _renew(self, *, stalled: bool) -> Assignment:
        with write_scope(self._engine) as session:
            if stalled and has_other_collectors(session, self.holder, self._clock()):
                self.lease.mark_released()
                release_claims(session, self.holder)
                self._log_release(let_go=True)
                return Assignment(frozenset(), frozenset(), self._share.collectors, is_leader=False)
            self._log_release(let_go=False)
            names = resolved_target_names(session)
            return renew_claims(session, self.holder, names, self._clock(), pinned=self._busy)

    def _log_release(self, *, let_go: bool) -> None:
        if let_go and not self._let_go:
            log.error("Work makes no progress: what this collector held is left to the others until it does.")
        self._let_go = let_go

    def set_busy(self, names: frozenset[str]) -> None:
        """These are not given back now: another collector would do the same work at the same time."""
        self._busy = names

    def release(self) -> None:
        with self._lock, session_scope(self._engine) as session:
            release_claims(session, self.holder)
