"""Sessions that ended by signing out.

Every session has the generation that its user had when it began. Signing out increments the user's generation, which
ends all sessions of lower ones.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from app.access.login import LoginConfig
from app.access.policy import AccessDenied, User

CLAIM = "pipeline_health_generation"
# The time for which another process may still accept a session that has ended.
CACHE_SECONDS = 2.0
_RETRY_SECONDS = 5.0
_MAX_PEOPLE = 10_000
SIGNED_OUT = "You have signed out."


class Sessions:
    """A cache of generations. While the database is unavailable, the cached generations are used for all users, and
    requests do not wait for the database one after another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Person id to (generation, when it is to be read again).
        self._generations: dict[str, tuple[int, float]] = {}
        # When the database is to be tried again after a failure.
        self._retry_at = 0.0
        self._read: Callable[[str], int | None] = lambda _: None
        self._increment: Callable[[str], int | None] = lambda _: None

    def set_store(self, read: Callable[[str], int | None], increment: Callable[[str], int | None]) -> None:
        """Sets the functions that read and increment the generation of a person id; both return null while the database
        is unavailable."""
        self._read, self._increment = read, increment
        self.clear()

    def clear(self) -> None:
        with self._lock:
            self._generations.clear()
            self._retry_at = 0.0

    def is_cached(self, claims: Mapping[str, Any]) -> bool:
        """Whether `authorize` returns without reading the database."""
        _, expires_at = self._generations.get(person_id(claims), (0, 0.0))
        return time.monotonic() < max(expires_at, self._retry_at)

    def authorize(self, config: LoginConfig, claims: Mapping[str, Any]) -> User | AccessDenied:
        """What the policy decides about a user whose session has not ended by signing out."""
        access = config.authorize(claims)
        if isinstance(access, User) and _session_generation(claims) < self.generation(claims):
            return AccessDenied(access.name, SIGNED_OUT, session_expired=True)
        return access

    def generation(self, claims: Mapping[str, Any], *, refresh: bool = False) -> int:
        """The generation of the user, at most CACHE_SECONDS old. With `refresh` it is read from the database."""
        person = person_id(claims)
        cached, expires_at = self._generations.get(person, (0, 0.0))
        if not refresh and time.monotonic() < max(expires_at, self._retry_at):
            return cached
        generation = self._read(person)
        if generation is None:
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            return cached
        self._retry_at = 0.0
        return self._cache(person, generation)

    def revoke(self, claims: Mapping[str, Any]) -> bool:
        """Ends all sessions of the user. False while the database is unavailable."""
        person = person_id(claims)
        generation = self._increment(person)
        if generation is not None:
            self._cache(person, generation)
        return generation is not None

    def _cache(self, person: str, generation: int) -> int:
        with self._lock:
            if len(self._generations) >= _MAX_PEOPLE:
                self._generations.clear()
            self._generations[person] = generation, time.monotonic() + CACHE_SECONDS
        return generation


def person_id(claims: Mapping[str, Any]) -> str:
    """By the provider and its name for them, as a hash:
    https://openid.net/specs/openid-connect-core-1_0.html#IDToken"""
    return hashlib.sha256(f"{claims.get('iss', '')}\n{claims.get('sub', '')}".encode()).hexdigest()


def _session_generation(claims: Mapping[str, Any]) -> int:
    generation = claims.get(CLAIM, 0)
    return generation if isinstance(generation, int) else 0


SESSIONS = Sessions()
