"""What is monitored."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from api import schemas
from api.cache import with_etag
from api.deps import NowDep, SessionDep, reject_unknown_parameters, repo_scope
from db.repositories.repository_queries import heartbeat, list_workflows, unresolved_targets
from health.completeness.service import list_completeness

router = APIRouter(prefix="/api", tags=["Repositories"], dependencies=[Depends(reject_unknown_parameters)])


@router.get(
    "/repositories",
    operation_id="list_repositories",
    response_model=schemas.Repositories,
    summary="Repositories and how complete they are",
)
def repositories(request: Request, session: SessionDep, now: NowDep) -> Response:
    """By name. `summary` says in a sentence whether everything is there; what the states and gaps mean, and what to
    do, stands in docs/completeness.md."""
    ledgers, beat = list_completeness(session), heartbeat(session)
    unread = unresolved_targets(session, [each.repo for each in ledgers])
    found = schemas.repository_fields(ledgers, unread, now, heartbeat=beat)
    return with_etag(request, schemas.Repositories.model_validate(found))


@router.get(
    "/workflows",
    operation_id="list_workflows",
    response_model=schemas.Workflows,
    summary="Workflows of the monitored repositories",
)
def workflows(
    request: Request,
    session: SessionDep,
    repo: Annotated[list[str] | None, Query(description="owner/name; repeatable")] = None,
) -> Response:
    found = list_workflows(session, repo_scope(session, repo or []))
    return with_etag(request, schemas.Workflows.model_validate({"items": found}))
