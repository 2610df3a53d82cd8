"""The repositories that the caller of a request may see."""

import threading

from cachetools import TTLCache
from sqlalchemy.orm import Session
from starlette.types import Scope

from api.keyring import Principal, caller_of
from core.roles import Role
from db.visibility import Visibility, restrict
from health.teams.service import Person, visible_repositories

# The time after which another process applies a change of a team.
CACHE_SECONDS = 2.0
_MAX_PEOPLE = 10_000
# A caller without a key: of badges, which public pages contain, and of metrics and health checks, which have a key of
# their own.
PUBLIC = Person()


def person_of(caller: Principal | None) -> Person:
    """A key that is limited to a team or to repositories reads only those; of the others, only keys with the scope
    `admin` read the repositories of private teams."""
    if caller is None:
        return PUBLIC
    teams = frozenset({caller.team_key} if caller.team_key else ())
    return Person(is_admin=caller.role is Role.ADMIN, team_keys=teams, repositories=caller.repositories)


class Visibilities:
    """What each caller may see, at most CACHE_SECONDS old. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cache: TTLCache[Person, tuple[Visibility]] = TTLCache(_MAX_PEOPLE, CACHE_SECONDS)

    def cached(self, person: Person) -> tuple[Visibility] | None:
        """The visible repositories in a tuple, without reading the database; null if that is necessary."""
        if person.is_admin and not person.team_keys and not person.repositories:
            return (None,)
        with self._lock:
            return self._cache.get(person)

    def restrict(self, session: Session, person: Person) -> None:
        """Restricts a new session to what the person may see, which the session reads if necessary."""
        cached = self.cached(person)
        if cached is None:
            cached = (visible_repositories(session, person),)
            with self._lock:
                self._cache[person] = cached
        restrict(session, cached[0])

    def restrict_to_caller(self, session: Session, scope: Scope) -> None:
        """Restricts a new session to what the caller of the request may see."""
        self.restrict(session, person_of(caller_of(scope).principal))
