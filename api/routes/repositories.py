"""What is monitored."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from api import schemas
from api.deps import NowDep, SessionDep, known_scope, only_known_parameters
from db.queries.ledger import is_silent, list_ledger
from db.queries.repositories import heartbeat, list_workflows, unread_targets

router = APIRouter(prefix="/api", tags=["Repositories"], dependencies=[Depends(only_known_parameters)])


@router.get("/repositories", response_model=schemas.Repositories, summary="Repositories and how complete they are")
def repositories(session: SessionDep, now: NowDep) -> dict[str, Any]:
    """By name. `summary` says in a sentence whether everything is there; what the states and gaps mean, and what to
    do, stands in docs/operations.md."""
    ledgers, beat = list_ledger(session), heartbeat(session)
    unread = unread_targets(session, [each.repo for each in ledgers])
    return schemas.repositories(ledgers, unread, now, silent=beat is None or is_silent(beat, now))


@router.get("/workflows", response_model=schemas.Workflows, summary="Workflows of the monitored repositories")
def workflows(
    session: SessionDep, repo: Annotated[list[str] | None, Query(description="owner/name; repeatable")] = None
) -> dict[str, Any]:
    return {"items": list_workflows(session, known_scope(session, repo or []))}
