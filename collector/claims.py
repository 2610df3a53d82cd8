"""Sharing the repositories with other collectors on the same database."""

import logging
import os
import socket
import threading
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Engine

from collector.clock import uptime
from collector.lease import Lease
from db.engine import session_scope, write_scope
from db.queries.repositories import target_names
from db.store.claims import Share, others_alive, release, renew

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
