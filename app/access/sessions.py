"""Sessions that ended because somebody signed out: each has a generation, and signing out raises that of the person."""

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from app.access.login import Login
from app.access.policy import Account, Refusal

CLAIM = "pipeline_health_generation"
# How long another process may take a session for good that ended.
FRESH_SECONDS = 2.0
_PAUSE_SECONDS = 5.0
_MOST_PEOPLE = 10_000
SIGNED_OUT = "You have signed out."


class Sessions:
    """`use` says how generations are read and raised; both return null while the database cannot be used. Then what was
    read last counts, of everybody: a database that does not answer is not waited for once for each person."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By person: the generation, and when it is to be read again.
        self._known: dict[str, tuple[int, float]] = {}
        # When the database is read again after it could not be used.
        self._again_at = 0.0
        self._read: Callable[[str], int | None] = lambda _: None
        self._raise: Callable[[str], int | None] = lambda _: None

    def use(self, read: Callable[[str], int | None], raise_: Callable[[str], int | None]) -> None:
        self._read, self._raise = read, raise_
        self.forget()

    def forget(self) -> None:
        with self._lock:
            self._known.clear()
            self._again_at = 0.0

    def is_fresh(self, claims: Mapping[str, Any]) -> bool:
        """Whether `judge` answers without waiting."""
        return time.monotonic() < max(self._known.get(person(claims), (0, 0.0))[1], self._again_at)

    def judge(self, known: Login, claims: Mapping[str, Any]) -> Account | Refusal:
        """What the rules say of somebody whose session has not ended."""
        found = known.judge(claims)
        if isinstance(found, Account) and _generation(claims) < self.generation(claims):
            return Refusal(found.name, SIGNED_OUT, ended=True)
        return found

    def generation(self, claims: Mapping[str, Any], *, anew: bool = False) -> int:
        """That of the person, at most FRESH_SECONDS old; `anew`: read now."""
        who = person(claims)
        last, again_at = self._known.get(who, (0, 0.0))
        if not anew and time.monotonic() < max(again_at, self._again_at):
            return last
        found = self._read(who)
        if found is None:
            self._again_at = time.monotonic() + _PAUSE_SECONDS
            return last
        self._again_at = 0.0
        return self._note(who, found)

    def end(self, claims: Mapping[str, Any]) -> bool:
        """Ends all sessions of this person; false where the database cannot be used."""
        who = person(claims)
        found = self._raise(who)
        if found is not None:
            self._note(who, found)
        return found is not None

    def _note(self, who: str, generation: int) -> int:
        with self._lock:
            if len(self._known) >= _MOST_PEOPLE:
                self._known.clear()
            self._known[who] = generation, time.monotonic() + FRESH_SECONDS
        return generation


def person(claims: Mapping[str, Any]) -> str:
    """By the provider and its name for them, as a hash: https://openid.net/specs/openid-connect-core-1_0.html#IDToken"""
    return hashlib.sha256(f"{claims.get('iss', '')}\n{claims.get('sub', '')}".encode()).hexdigest()


def _generation(claims: Mapping[str, Any]) -> int:
    found = claims.get(CLAIM, 0)
    return found if isinstance(found, int) else 0


SESSIONS = Sessions()
