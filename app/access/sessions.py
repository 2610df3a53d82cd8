"""Sessions that ended because somebody signed out: each has a generation, and signing out raises that of the person."""

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from app.access.login import LoginConfig
from app.access.policy import AccessDenied, User

CLAIM = "pipeline_health_generation"
# How long another process may take a session for good that ended.
CACHE_SECONDS = 2.0
_RETRY_SECONDS = 5.0
_MAX_PEOPLE = 10_000
SIGNED_OUT = "You have signed out."


class Sessions:
    """`use` says how generations are read and raised; both return null while the database cannot be used. Then what was
    read last counts, of everybody: a database that does not answer is not waited for once for each person."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By person: the generation, and when it is to be read again.
        self._generations: dict[str, tuple[int, float]] = {}
        # When the database is read again after it could not be used.
        self._retry_at = 0.0
        self._read: Callable[[str], int | None] = lambda _: None
        self._increment: Callable[[str], int | None] = lambda _: None

    def set_store(self, read: Callable[[str], int | None], increment: Callable[[str], int | None]) -> None:
        self._read, self._increment = read, increment
        self.clear()

    def clear(self) -> None:
        with self._lock:
            self._generations.clear()
            self._retry_at = 0.0

    def is_cached(self, claims: Mapping[str, Any]) -> bool:
        """Whether `judge` answers without waiting."""
        return time.monotonic() < max(self._generations.get(person_id(claims), (0, 0.0))[1], self._retry_at)

    def authorize(self, config: LoginConfig, claims: Mapping[str, Any]) -> User | AccessDenied:
        """What the rules say of somebody whose session has not ended."""
        found = config.authorize(claims)
        if isinstance(found, User) and _generation(claims) < self.generation(claims):
            return AccessDenied(found.name, SIGNED_OUT, session_expired=True)
        return found

    def generation(self, claims: Mapping[str, Any], *, refresh: bool = False) -> int:
        """That of the person, at most FRESH_SECONDS old; `anew`: read now."""
        who = person_id(claims)
        last, again_at = self._generations.get(who, (0, 0.0))
        if not refresh and time.monotonic() < max(again_at, self._retry_at):
            return last
        found = self._read(who)
        if found is None:
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            return last
        self._retry_at = 0.0
        return self._cache(who, found)

    def revoke(self, claims: Mapping[str, Any]) -> bool:
        """Ends all sessions of this person; false where the database cannot be used."""
        who = person_id(claims)
        found = self._increment(who)
        if found is not None:
            self._cache(who, found)
        return found is not None

    def _cache(self, person_key: str, generation: int) -> int:
        with self._lock:
            if len(self._generations) >= _MAX_PEOPLE:
                self._generations.clear()
            self._generations[person_key] = generation, time.monotonic() + CACHE_SECONDS
        return generation


def person_id(claims: Mapping[str, Any]) -> str:
    """By the provider and its name for them, as a hash: https://openid.net/specs/openid-connect-core-1_0.html#IDToken"""
    return hashlib.sha256(f"{claims.get('iss', '')}\n{claims.get('sub', '')}".encode()).hexdigest()


def _generation(claims: Mapping[str, Any]) -> int:
    found = claims.get(CLAIM, 0)
    return found if isinstance(found, int) else 0


SESSIONS = Sessions()
