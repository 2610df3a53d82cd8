"""The names of teams, and scopes that are limited to what teams own.

A change of a team does not change the version of the data, so that both are read again after some seconds."""

from collections.abc import Mapping, Sequence

from app.data.caching import cache_resource
from app.data.connection import read_session
from app.data.outages import serve_stale
from db.definitions.scope import Scope
from health.teams.definition import NO_TEAM, team_key
from health.teams.service import narrow, visible_teams

_SECONDS = 10


@serve_stale
@cache_resource(ttl=_SECONDS, max_entries=8)
def team_names(version: int) -> Mapping[str, str]:
    """The name of each team by its key."""
    with read_session() as session:
        return {team.key: team.name for team in visible_teams(session)}


def narrowed(scope: Scope, teams: Sequence[str], version: int) -> Scope:
    """The scope limited to what the teams own; unchanged without teams."""
    return _narrowed(scope, tuple(sorted({team_key(name) for name in teams})), version) if teams else scope


@serve_stale
@cache_resource(ttl=_SECONDS, max_entries=128)
def _narrowed(scope: Scope, keys: tuple[str, ...], version: int) -> Scope:
    with read_session() as session:
        return narrow(session, scope, keys)


def unknown_teams(version: int, names: Sequence[str]) -> tuple[str, ...]:
    """Those of the names that no team has."""
    known = team_names(version) if names else {}
    return tuple(name for name in names if team_key(name) not in (*known, NO_TEAM))


def stored_team_names(version: int, names: Sequence[str]) -> tuple[str, ...]:
    """The names as they are stored: the filter accepts them in any case."""
    known = team_names(version) if names else {}
    return tuple(known.get(team_key(name), NO_TEAM if team_key(name) == NO_TEAM else name) for name in names)


def forget() -> None:
    """Forgets what is cached, after a change of a team."""
    team_names.clear()
    _narrowed.clear()
