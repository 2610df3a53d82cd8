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
from core.work import current
from db.collection.claims import LEASE, Share, others_alive, release, renew
from db.engine import session_scope, write_scope
from db.repositories.repository_queries import target_names

# PostgreSQL ends a transaction of a collector that stands still after this long: the rest of LEASE is for it to begin.
SETTLED_WITHIN = LEASE / 2


class Lapsed(Exception):
    """This process stood still for so long that its claims may be another's; the message is one line."""


class Lease:
    """Before the first renewal nothing is refused: a command that ends takes no part in the sharing. Safe to use from
    several threads. `passed` can be replaced: seconds that go on while the process stands still."""

    def __init__(self, passed: Callable[[], float] = uptime, lasts: timedelta | None = None) -> None:
        self._passed, self._lasts = passed, (lasts or LEASE - SETTLED_WITHIN).total_seconds()
        self._lock = threading.Lock()
        self._renewed_at: float | None = None
        self._lapsed_at: float | None = None

    def renewed(self, since: float) -> None:
        """The claims were renewed by a statement that was sent at `since`, a moment of uptime()."""
        with self._lock:
            if self._is_over():
                self._lapsed_at = self._passed()
            self._renewed_at = since

    def given_up(self) -> None:
        """The claims are left to others: what was begun before writes nothing under them."""
        with self._lock:
            self._lapsed_at = self._passed()

    @property
    def is_over(self) -> bool:
        """Whether the latest renewal is too long ago."""
        with self._lock:
            return self._is_over()

    def check(self) -> None:
        """Raises Lapsed where the piece of work of this thread must not write."""
        piece = current()
        with self._lock:
            begun_before = piece is not None and self._lapsed_at is not None and piece.begun_at < self._lapsed_at
            if self._is_over() or begun_before:
                raise Lapsed("not stored: this collector stood still, and another one may hold its claims now")

    def _is_over(self) -> bool:
        return self._renewed_at is not None and self._passed() - self._renewed_at > self._lasts


try:
    import fcntl
except ImportError:  # Windows, where a second collector is not noticed
    fcntl = None  # type: ignore[assignment]

_SUFFIX = "-collector"
_LONGEST = 200
# Whoever has just taken the lock writes its name a moment later.
_TRIES, _PAUSE_SECONDS = 5, 0.05
# What POSIX says of a lock that another process has; anything else is a file system without locks.
_TAKEN = (errno.EACCES, errno.EAGAIN)


class HasCollector(Exception):
    """Another collector serves this file; the message is one line that says which."""


def hold(engine: Engine) -> IO[str] | None:
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
        if error.errno not in _TAKEN:
            file.close()
            raise
        holder = _read(file)
        file.close()
        raise HasCollector(
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
        if text := " ".join(file.read(_LONGEST).split()):
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


class Claims:
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
        self._share = Share(frozenset(), frozenset(), 1, leads=True)

    @property
    def share(self) -> Share:
        """What this collector holds; nothing after it stood still, until it has renewed its claims."""
        share = self._share
        return Share(frozenset(), frozenset(), share.collectors, leads=False) if self.lease.is_over else share

    @share.setter
    def share(self, share: Share) -> None:
        self._share = share

    def renew(self) -> Share:
        """To be called every RENEW_SECONDS, whatever else goes on."""
        stalled = self._is_stalled()
        with self._lock:
            begun = uptime()
            share = self._renew(stalled=stalled)
            # An SQLite file has one collector, and nobody takes over from it.
            if self._engine.dialect.name != "sqlite":
                self.lease.renewed(begun)
            self._share = share
            return share

    def _renew(self, *, stalled: bool) -> Share:
        with write_scope(self._engine) as session:
            if stalled and others_alive(session, self.holder, self._clock()):
                self.lease.given_up()
                release(session, self.holder)
                self._note(let_go=True)
                return Share(frozenset(), frozenset(), self._share.collectors, leads=False)
            self._note(let_go=False)
            names = target_names(session)
            return renew(session, self.holder, names, self._clock(), busy=self._busy)

    def _note(self, *, let_go: bool) -> None:
        if let_go and not self._let_go:
            log.error("Work makes no progress: what this collector held is left to the others until it does.")
        self._let_go = let_go

    def working_on(self, names: frozenset[str]) -> None:
        """These are not given back now: another collector would do the same work at the same time."""
        self._busy = names

    def release(self) -> None:
        with self._lock, session_scope(self._engine) as session:
            release(session, self.holder)
