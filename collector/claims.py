"""Sharing the repositories with other collectors on the same database."""

import os
import socket
import threading
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Engine

from db.engine import session_scope, write_scope
from db.queries.repositories import target_names
from db.store.claims import Share, release, renew

RENEW_SECONDS = 8.0


def holder_name(engine: Engine) -> str:
    """In a container the same after a restart, which then need not wait for its own old claims. An SQLite file has
    one collector: whoever starts takes over at once."""
    return host_name() if engine.dialect.name == "sqlite" else f"{host_name()}/{os.getpid()}"


def host_name() -> str:
    return socket.gethostname()[:60]


class Claims:
    def __init__(self, engine: Engine, holder: str, clock: Callable[[], datetime]) -> None:
        self._engine, self.holder, self._clock = engine, holder, clock
        self._lock = threading.Lock()
        self._busy: frozenset[str] = frozenset()
        # Alone until told otherwise: a command that ends takes no part in the sharing.
        self.share = Share(frozenset(), frozenset(), 1, leads=True)

    def renew(self) -> Share:
        """To be called every RENEW_SECONDS, whatever else goes on."""
        with self._lock, write_scope(self._engine) as session:
            names = target_names(session)
            self.share = renew(session, self.holder, names, self._clock(), busy=self._busy)
            return self.share

    def working_on(self, names: frozenset[str]) -> None:
        """These are not given back now: another collector would do the same work at the same time."""
        self._busy = names

    def release(self) -> None:
        with self._lock, session_scope(self._engine) as session:
            release(session, self.holder)
