"""How long this process may count on what it claimed in the database.

Claims end by the server's clock when they are not renewed in time: after a process stood still (SIGSTOP, a machine
that was suspended or had no processor), another one has taken over what it held. What it was at must not be written
then. Three things together see to that: no transaction that writes begins once the latest renewal is too long ago;
work that was begun before such a lapse writes nothing after it, even where the claims were taken again; and the server
ends a transaction that was begun before it, before the claims end (see SETTLED_WITHIN)."""

import threading
from collections.abc import Callable
from datetime import timedelta

from collector.clock import uptime
from collector.work import current
from db.store.claims import LEASE

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
