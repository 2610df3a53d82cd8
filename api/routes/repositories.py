"""Monitored repositories and their workflows."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from api import schemas
from api.deps import NowDep, SessionDep, TeamsDep, reject_unknown_parameters, repo_scope
from api.response_cache import with_etag
from db.repositories.repository_queries import heartbeat, list_workflows, unresolved_targets
from health.completeness.service import list_completeness

router = APIRouter(prefix="/api", tags=["Repositories"], dependencies=[Depends(reject_unknown_parameters)])


@router.get(
    "/repositories",
    operation_id="list_repositories",
    response_model=schemas.Repositories,
    summary="List repositories with their completeness",
)
def repositories(request: Request, session: SessionDep, now: NowDep, teams: TeamsDep) -> Response:
    """Sorted by name. `summary` has the completeness of all listed repositories together; docs/completeness.md explains
    states, gaps and remedies. A repository of which a team owns single workflows is one of the team's."""
    repositories = list_completeness(session)
    unresolved = unresolved_targets(session, [repository.repo for repository in repositories])
    if teams:
        # Names that could not be resolved to repositories belong to no team.
        owned, unresolved = frozenset(repo_scope(session, [], teams).repos), []
        repositories = [repository for repository in repositories if repository.repo in owned]
    return with_etag(request, schemas.Repositories.from_completeness(repositories, unresolved, now, heartbeat(session)))


@router.get(
    "/workflows",
    operation_id="list_workflows",
    response_model=schemas.Workflows,
    summary="List workflows of the monitored repositories",
)
def workflows(
    request: Request,
    session: SessionDep,
    teams: TeamsDep,
    repo: Annotated[list[str] | None, Query(description="owner/name; repeatable")] = None,
) -> Response:
    scope = repo_scope(session, repo or [], teams)
    rows = list_workflows(session, scope)
    if scope.workflows:
        rows = [row for row in rows if str(row.id) in scope.workflows]
    return with_etag(request, schemas.Workflows.model_validate({"items": rows}))
