"""Teams: what they are and own, their figures, and the changes of administrators."""

from collections.abc import Mapping
from dataclasses import dataclass

from app import session
from app.data import team_scopes, viewer
from app.data.caching import cache_resource
from app.data.connection import read_session, utc_now, write_session
from app.data.outages import serve_stale
from core.roles import Role
from db.definitions.scope import Scope, Window
from db.repositories.repository_queries import list_repositories
from health.metrics.definitions.formulas import Metrics
from health.metrics.team_groups import largest_team_groups
from health.teams import service
from health.teams.definition import MAX_TEAMS, Team, team_key
from health.teams.service import Owned, Unowned


@dataclass(frozen=True)
class TeamsOverview:
    """`owned`: by the key of the team; teams without repositories and workflows are missing. `repositories`: all
    monitored ones."""

    teams: list[Team]
    owned: Mapping[str, Owned]
    unowned: Unowned
    repositories: tuple[str, ...]


@serve_stale
@cache_resource(ttl=2, max_entries=2)
def load_teams() -> TeamsOverview:
    """The teams that the user may see."""
    with read_session() as database:
        return TeamsOverview(
            service.visible_teams(database),
            service.owned_by_team(database),
            service.unowned(database),
            tuple(row.repo for row in list_repositories(database)),
        )


@serve_stale
@cache_resource(ttl=60, max_entries=32)
def team_figures(scope: Scope, window: Window, version: int) -> Mapping[str, Metrics]:
    """The figures of each team with runs, by key; NO_TEAM has those of what no team owns."""
    with read_session() as database:
        groups = largest_team_groups(database, scope, window, limit=MAX_TEAMS + 1, now=utc_now()).groups
    return {team_key(group.key): group.metrics for group in groups if group.key}


def save_team(name: str, fields: Mapping[str, object]) -> None:
    """Creates the team of the dashboard or replaces its fields. Raises InvalidTeam, ActionRefused, Unavailable."""
    actor = session.current_actor()
    with write_session(Role.ADMIN) as database:
        service.save_team(database, name, fields, utc_now(), actor=actor)
    _forget()


def delete_team(name: str) -> None:
    """A team that was deleted before is no error. Raises InvalidTeam, ActionRefused, Unavailable."""
    actor = session.current_actor()
    with write_session(Role.ADMIN) as database:
        service.delete_team(database, name, utc_now(), actor=actor)
    _forget()


def _forget() -> None:
    viewer.forget()
    load_teams.clear()
    team_figures.clear()
    team_scopes.forget()
