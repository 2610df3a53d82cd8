"""Answers in a Redis that others may write to: each is sealed by a key that only programs with access to the database
have, and what does not fit its seal is as good as absent."""

import hashlib
import hmac
import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from db.engine import DatabaseUnavailable, brief_write_scope, session_scope
from db.store.access import installation_key, stored_key

log = logging.getLogger(__name__)
_PURPOSE = "answers"
_PAUSE_SECONDS = 5.0
_SIZE = hashlib.sha256().digest_size
Key = Callable[[], bytes | None]


def sealed(key: bytes, name: str, content: bytes) -> bytes:
    """The content behind its seal, which is good under this name alone."""
    return _seal(key, name, content) + content


def unsealed(key: bytes, name: str, stored: bytes) -> bytes | None:
    """The content; null where it is not what was sealed under this name by a holder of the key."""
    seal, content = stored[:_SIZE], stored[_SIZE:]
    return content if hmac.compare_digest(seal, _seal(key, name, content)) else None


def _seal(key: bytes, name: str, content: bytes) -> bytes:
    made = hmac.new(key, name.encode(), "sha256")
    made.update(b"\0")
    made.update(content)
    return made.digest()


class InstallationKey:
    """The key, read once from the database; null while that is away, and for all others while one waits for it: a
    replica may answer them meanwhile."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._lock = engine, threading.Lock()
        self._known: bytes | None = None
        self._again_at = float("-inf")

    def __call__(self) -> bytes | None:
        if self._known is None and self._lock.acquire(blocking=False):
            try:
                if self._known is None and time.monotonic() >= self._again_at:
                    self._known = self._read()
            finally:
                self._lock.release()
        return self._known

    def _read(self) -> bytes | None:
        try:
            with session_scope(self._engine) as session:
                found = stored_key(session, _PURPOSE)
            if found is None:
                with brief_write_scope(self._engine) as session:
                    found = installation_key(session, _PURPOSE)
            return found
        except (SQLAlchemyError, DatabaseUnavailable) as error:
            self._again_at = time.monotonic() + _PAUSE_SECONDS
            log.warning(
                "Answers are not shared through Redis: the key that seals them cannot be read (%s)",
                type(error).__name__,
            )
            return None
