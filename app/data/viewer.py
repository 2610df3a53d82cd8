"""The user for whom data is read, and the repositories that this user may see.

A page is computed in a thread of its own, which Streamlit's context belongs to; a request of another route, and the
warm start, name the user by `viewing`. What is neither has no user, and with a login sees no repository."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from cachetools import TTLCache

from app import session
from app.access.login import login
from app.access.policy import AccessDenied, User
from core.roles import Role
from db.visibility import Visibility
from health.teams.service import Person

# The time after which another process applies a change of a team.
CACHE_SECONDS = 2.0
_MAX_PEOPLE = 10_000
# An administrator, or anybody without a login.
EVERYTHING = Person(is_admin=True)
_NOTHING: frozenset[int] = frozenset()
_person: ContextVar[Person | None] = ContextVar("person")
# Returns the visible repositories in a tuple; null while the database is unavailable.
Source = Callable[[Person], tuple[Visibility] | None]


class _Visibilities:
    """What each person may see, at most CACHE_SECONDS old; during an outage as it was last read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fresh: TTLCache[Person, tuple[Visibility]] = TTLCache(_MAX_PEOPLE, CACHE_SECONDS)
        self._last: dict[Person, tuple[Visibility]] = {}
        self.source: Source = lambda _: None

    def of(self, person: Person) -> Visibility:
        with self._lock:
            cached = self._fresh.get(person)
        if cached is None:
            cached = self.source(person)
            with self._lock:
                if cached is None:
                    return self._last.get(person, (_NOTHING,))[0]
                if len(self._last) >= _MAX_PEOPLE:
                    self._last.clear()
                self._fresh[person] = self._last[person] = cached
        return cached[0]

    def clear(self) -> None:
        with self._lock:
            self._fresh.clear()
            self._last.clear()


_visibilities = _Visibilities()


def set_source(source: Source) -> None:
    """Sets the function that reads what a person may see."""
    _visibilities.source = source
    _visibilities.clear()


def forget() -> None:
    """Forgets what people may see, after a change of a team."""
    _visibilities.clear()


def person_of(user: User | AccessDenied | None) -> Person | None:
    """The user as a member of teams; null for a user without access."""
    return Person(user.identities, is_admin=user.role is Role.ADMIN) if isinstance(user, User) else None


@contextmanager
def viewing(person: Person | None) -> Iterator[None]:
    """Data is read for this person; null for nobody, to whom all repositories are hidden."""
    token = _person.set(person)
    try:
        yield
    finally:
        _person.reset(token)


def current_visibility() -> Visibility:
    """The ids of the repositories that the current user may see; None for all of them."""
    if login() is None:
        return None
    try:
        person = _person.get()
    except LookupError:
        person = person_of(session.current_user())
    return _NOTHING if person is None else _visibilities.of(person)
