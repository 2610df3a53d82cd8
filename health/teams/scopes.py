"""Filters by team: the scope of runs that is limited to what teams own."""

from collections.abc import Collection
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.definitions.scope import Scope
from db.models import Repository, TeamRepository, Workflow
from db.sql import execute
from health.teams.definition import NO_TEAM, team_key
from health.teams.ownership import unowned
from health.teams.resolution import WHOLE_REPOSITORY

# A value that no repository has: a scope with it selects nothing.
_NO_REPOSITORY = ("/",)


def narrow(session: Session, scope: Scope, team_keys: Collection[str]) -> Scope:
    """The scope limited to what any of the teams owns; unchanged without teams. NO_TEAM stands for what no team owns.
    Whole repositories are named in `repos`. Where a team owns single workflows, all are named by their ids. If nothing
    remains, the scope selects nothing."""
    if not team_keys:
        return scope
    keys = {team_key(key) for key in team_keys}
    whole, single = _owned(session, keys - {NO_TEAM}, monitored=not scope.repos)
    if NO_TEAM in keys:
        whole |= set(unowned(session).repositories)
        single |= _workflows_without_team(session)
    single = {entry for entry in single if entry[0] not in whole}
    if scope.repos:
        whole &= set(scope.repos)
        single = {entry for entry in single if entry[0] in scope.repos}
    if not single:
        return replace(scope, repos=tuple(sorted(whole)) or _NO_REPOSITORY)
    return _with_workflows(session, scope, whole, single)


def _with_workflows(session: Session, scope: Scope, whole: set[str], single: set[tuple[str, int]]) -> Scope:
    query = select(Repository.full_name, Workflow.id, Workflow.name)
    query = query.join(Repository, Repository.id == Workflow.repository_id)
    repos = whole | {repo for repo, _ in single}
    rows = execute(session, query.where(Repository.full_name.in_(repos))).all()
    ids = sorted(
        workflow_id
        for repo, workflow_id, name in rows
        if (repo in whole or (repo, workflow_id) in single)
        and (not scope.workflows or name in scope.workflows or str(workflow_id) in scope.workflows)
    )
    if not ids:
        return replace(scope, repos=_NO_REPOSITORY)
    return replace(scope, repos=tuple(sorted(repos)), workflows=tuple(str(number) for number in ids))


def _owned(session: Session, keys: Collection[str], *, monitored: bool) -> tuple[set[str], set[tuple[str, int]]]:
    """The names of whole repositories, and single workflows as repository and id. Only a scope that names a repository
    selects one that is not monitored."""
    query = (
        select(Repository.full_name, TeamRepository.workflow_id)
        .join(Repository, Repository.id == TeamRepository.repository_id)
        .where(TeamRepository.team_key.in_(keys))
    )
    query = query.where(Repository.monitored) if monitored else query
    rows = [(repo, workflow_id) for repo, workflow_id in execute(session, query)] if keys else []
    whole = {repo for repo, workflow_id in rows if workflow_id == WHOLE_REPOSITORY}
    return whole, {(repo, workflow_id) for repo, workflow_id in rows if workflow_id != WHOLE_REPOSITORY}


def _workflows_without_team(session: Session) -> set[tuple[str, int]]:
    """Workflows without a team in repositories of which teams own only single workflows."""
    whole = select(TeamRepository.repository_id).where(TeamRepository.workflow_id == WHOLE_REPOSITORY)
    owned = select(TeamRepository.repository_id, TeamRepository.workflow_id)
    partly = {
        repository_id
        for repository_id, _ in execute(session, owned.where(TeamRepository.workflow_id != WHOLE_REPOSITORY))
    }
    taken = {(repository_id, number) for repository_id, number in execute(session, owned)}
    query = (
        select(Repository.id, Repository.full_name, Workflow.id)
        .join(Repository, Repository.id == Workflow.repository_id)
        .where(Repository.monitored, Repository.id.in_(partly), Repository.id.not_in(whole))
    )
    rows = execute(session, query).all() if partly else []
    return {(repo, number) for repository_id, repo, number in rows if (repository_id, number) not in taken}
