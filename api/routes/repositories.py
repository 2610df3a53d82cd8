"""Monitored repositories and their workflows."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from api import schemas
from api.deps import NowDep, SessionDep, reject_unknown_parameters, repo_scope
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
def repositories(request: Request, session: SessionDep, now: NowDep) -> Response:
    """Sorted by name. `summary` has the completeness of all repositories together; docs/completeness.md explains
    states, gaps and remedies."""
    repositories = list_completeness(session)
    unresolved = unresolved_targets(session, [repository.repo for repository in repositories])
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
    repo: Annotated[list[str] | None, Query(description="owner/name; repeatable")] = None,
) -> Response:
    rows = list_workflows(session, repo_scope(session, repo or []))
    return with_etag(request, schemas.Workflows.model_validate({"items": rows}))
