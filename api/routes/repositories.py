"""What is monitored."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from api import schemas
from api.deps import SessionDep, known_scope, only_known_parameters
from db.queries.repositories import list_repositories, list_workflows

router = APIRouter(prefix="/api", tags=["Repositories"], dependencies=[Depends(only_known_parameters)])


@router.get("/repositories", response_model=schemas.Repositories, summary="Repositories and how complete they are")
def repositories(session: SessionDep) -> dict[str, Any]:
    """`complete_since` and `gaps` say what the figures stand on."""
    return {"items": list_repositories(session)}


@router.get("/workflows", response_model=schemas.Workflows, summary="Workflows of the monitored repositories")
def workflows(
    session: SessionDep, repo: Annotated[list[str] | None, Query(description="owner/name; repeatable")] = None
) -> dict[str, Any]:
    return {"items": list_workflows(session, known_scope(session, repo or []))}
