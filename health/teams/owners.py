"""The owners of all repositories and workflows at once, and the condition that selects rows by their owner."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from db.models import Repository, TeamRepository, Workflow
from db.sql import execute
from health.teams.definition import NO_TEAM
from health.teams.ownership import known_codeowners
from health.teams.resolution import WHOLE_REPOSITORY
from health.teams.stored_teams import list_teams

# What no team is known to own, because a CODEOWNERS file that could name an owner is not read.
UNKNOWN_OWNER = None
_OWNED = select(TeamRepository.repository_id, TeamRepository.workflow_id, TeamRepository.team_key)


@dataclass(frozen=True)
class Owners:
    """`teams`: keys of the owning teams by repository id and workflow id; workflow WHOLE_REPOSITORY is the repository.
    `readable`: the repositories whose CODEOWNERS file is read or absent; null where no team is named in such files."""

    teams: Mapping[tuple[int, int], frozenset[str]]
    readable: frozenset[int] | None = None

    @property
    def has_single_workflows(self) -> bool:
        """Whether a team owns a workflow without its whole repository."""
        return any(workflow_id != WHOLE_REPOSITORY for _, workflow_id in self.teams)

    def of(self, repository_id: int, workflow_id: int | None = None) -> tuple[str | None, ...]:
        """The owners of a repository, or those of one workflow and of its repository. NO_TEAM where there is none,
        UNKNOWN_OWNER where none is known, as in health.teams.service.narrow."""
        nobody = frozenset[str]()
        owners = self.teams.get((repository_id, WHOLE_REPOSITORY), nobody)
        if workflow_id is not None:
            owners |= self.teams.get((repository_id, workflow_id), nobody)
        if owners:
            return tuple(sorted(owners))
        return (UNKNOWN_OWNER,) if self._is_unknown(repository_id) else (NO_TEAM,)

    @cached_property
    def _owned_repositories(self) -> frozenset[int]:
        """Repositories of which a team owns at least one workflow."""
        return frozenset(repository_id for repository_id, _ in self.teams)

    def _is_unknown(self, repository_id: int) -> bool:
        known = self.readable
        return known is not None and repository_id not in known and repository_id not in self._owned_repositories

    def own(self, team_keys: Collection[str], repository_id: int, workflow_id: int | None = None) -> bool:
        """Whether one of the teams owns the repository or the workflow; NO_TEAM owns what no team owns."""
        return any(team in team_keys for team in self.of(repository_id, workflow_id))


def read_owners(session: Session) -> Owners:
    teams = defaultdict[tuple[int, int], set[str]](set)
    for repository_id, workflow_id, team in execute(session, _OWNED):
        teams[repository_id, workflow_id].add(team)
    return Owners({key: frozenset(owners) for key, owners in teams.items()}, _readable(session))


def owned_by(team_keys: Collection[str], repository: Any, workflow: Any) -> ColumnElement[bool]:
    """Returns the condition that one of the teams owns the workflow, or its whole repository. `repository` and
    `workflow` are the columns with their ids; a null workflow is a whole repository. NO_TEAM among the keys selects
    what no team owns, and what no team is known to own."""
    owned = select(TeamRepository.repository_id).where(
        TeamRepository.repository_id == repository,
        or_(TeamRepository.workflow_id == WHOLE_REPOSITORY, TeamRepository.workflow_id == workflow),
    )
    named = [key for key in team_keys if key != NO_TEAM]
    conditions = [owned.where(TeamRepository.team_key.in_(named)).exists()] if named else []
    return or_(*conditions, ~owned.exists()) if NO_TEAM in team_keys else or_(*conditions)


def owned_targets(session: Session, team_keys: Collection[str]) -> dict[str, set[str | None]]:
    """Returns what the teams own of the monitored repositories: names of workflows by owner/name. A null workflow is
    the whole repository."""
    owners, targets = read_owners(session), defaultdict[str, set[str | None]](set)
    repositories = select(Repository.id, Repository.full_name).where(Repository.monitored)
    names: dict[int, str] = dict(execute(session, repositories).all())
    for repository_id, repo in names.items():
        if owners.own(team_keys, repository_id):
            targets[repo].add(None)
    for repository_id, workflow_id, name in execute(
        session, select(Workflow.repository_id, Workflow.id, Workflow.name)
    ):
        if repository_id in names and owners.own(team_keys, repository_id, workflow_id):
            targets[names[repository_id]].add(name)
    return targets


def _readable(session: Session) -> frozenset[int] | None:
    """The repositories whose owners are known; null for all."""
    has_owners = any(team.owners for team in list_teams(session))
    return frozenset(known_codeowners(session)) if has_owners else None
