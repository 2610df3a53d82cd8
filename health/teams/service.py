"""The functions of teams that programs call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.audit import FILE, Actor
from db.enums import TeamSource
from db.models import Repository, TeamRepository
from db.sql import execute
from db.visibility import is_restricted
from health.teams.definition import InvalidTeam, Team, TeamDefinition, team_key
from health.teams.ownership import Owned, Unowned, owned_by_team, owner_keys, refresh_ownership, unowned
from health.teams.resolution import WHOLE_REPOSITORY, RepositoryNames
from health.teams.scopes import narrow
from health.teams.stored_teams import delete_definition, get_team, list_teams, save_definition, store_definitions

__all__ = [
    "InvalidTeam",
    "Owned",
    "Person",
    "Team",
    "Unowned",
    "delete_team",
    "get_team",
    "list_teams",
    "narrow",
    "owned_by_team",
    "owners_of",
    "refresh_ownership",
    "save_team",
    "store_file_teams",
    "store_github_teams",
    "teams_of",
    "unowned",
    "visible_repositories",
    "visible_teams",
]


@dataclass(frozen=True)
class Person:
    """A reader. `identities`: e-mail addresses, logins and groups of the login. An API key may be limited to
    `team_keys` or to `repositories` (patterns of owner/name); both empty: it is not limited."""

    identities: frozenset[str] = frozenset()
    is_admin: bool = False
    team_keys: frozenset[str] = frozenset()
    repositories: tuple[str, ...] = ()


def owners_of(session: Session, repository_id: int, workflow_id: int | None = None) -> list[Team]:
    """The teams that own the workflow, by name; if none owns it by itself, those of its repository."""
    keys = set(owner_keys(session, repository_id, workflow_id))
    return [team for team in list_teams(session) if team.key in keys] if keys else []


def visible_teams(session: Session) -> list[Team]:
    """All teams; in a session that is restricted to visible repositories without the private teams of which it sees
    nothing."""
    teams = list_teams(session)
    if not is_restricted(session):
        return teams
    owned = owned_by_team(session)
    return [team for team in teams if not team.private or team.key in owned]


def save_team(session: Session, name: str, fields: Mapping[str, object], now: datetime, *, actor: Actor) -> Team:
    """Creates the team of the dashboard or replaces its fields, and refreshes what teams own. Returns the team with
    the fields of all sources. Raises InvalidTeam."""
    team = save_definition(session, name, fields, now, actor=actor)
    refresh_ownership(session)
    return team


def delete_team(session: Session, name: str, now: datetime, *, actor: Actor) -> bool:
    """Deletes what the dashboard defines of a team; false if there is no such team. Raises InvalidTeam where only
    TEAMS_FILE or GitHub define it."""
    deleted = delete_definition(session, name, now, actor=actor)
    refresh_ownership(session)
    return deleted


def store_file_teams(session: Session, teams: Sequence[TeamDefinition], now: datetime, *, actor: Actor = FILE) -> bool:
    """Replaces the teams of TEAMS_FILE; returns whether anything differs."""
    return store_definitions(session, TeamSource.FILE, teams, now, actor=actor)


def store_github_teams(
    session: Session, teams: Sequence[TeamDefinition], now: datetime, *, actor: Actor = FILE
) -> bool:
    """Replaces the teams of GitHub; returns whether anything differs."""
    return store_definitions(session, TeamSource.GITHUB, teams, now, actor=actor)


def teams_of(teams: Sequence[Team], person: Person) -> frozenset[str]:
    """The keys of the teams that the person is a member of."""
    identities = {identity.casefold() for identity in person.identities}
    own = {team.key for team in teams if identities & {member.casefold() for member in team.members}}
    return frozenset(own | {team_key(key) for key in person.team_keys})


def visible_repositories(session: Session, person: Person) -> frozenset[int] | None:
    """The ids of the repositories that the person may see; null for all. A repository that a private team owns is
    visible to the members of its teams and to admins; a limited API key sees only its repositories."""
    if person.team_keys or person.repositories:
        return _repositories_of_key(session, person)
    teams = [] if person.is_admin else list_teams(session)
    private = {team.key for team in teams if team.private}
    if not private:
        return None
    own = teams_of(teams, person)
    columns = TeamRepository.repository_id, TeamRepository.team_key
    whole = execute(session, select(*columns).where(TeamRepository.workflow_id == WHOLE_REPOSITORY)).all()
    mine = {repository_id for repository_id, key in whole if key in own}
    hidden = {repository_id for repository_id, key in whole if key in private} - mine
    return frozenset(execute(session, select(Repository.id)).scalars()) - hidden if hidden else None


def _repositories_of_key(session: Session, person: Person) -> frozenset[int]:
    keys = {team_key(key) for key in person.team_keys}
    query = select(TeamRepository.repository_id).where(TeamRepository.team_key.in_(keys))
    of_teams = set(execute(session, query).scalars()) if keys else set()
    rows = execute(session, select(Repository.full_name, Repository.id)).all() if person.repositories else ()
    names = RepositoryNames((repo, number) for repo, number in rows)
    return frozenset(of_teams | names.matching(person.repositories))
