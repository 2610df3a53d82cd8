"""Runs."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from api import schemas
from api.cache import with_etag
from api.deps import FilterDep, SessionDep, not_found, only_known_parameters
from api.errors import bad_parameter
from db.queries.runs import BadCursor, get_run, list_attempts, list_jobs, list_runs

router = APIRouter(tags=["Runs"], dependencies=[Depends(only_known_parameters)])
RunId = Annotated[int, Query(ge=0, lt=2**63)]


@router.get("/api/runs", response_model=schemas.RunPage, summary="Runs, newest first")
def runs(
    request: Request,
    session: SessionDep,
    asked: FilterDep,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[str | None, Query(max_length=200, description="`next` of the page before")] = None,
    q: Annotated[str, Query(max_length=200, description="In title, branch, actor, sha or run number")] = "",
) -> Response:
    """Pages stay right while new runs arrive: the cursor is a place in time, not a number of rows."""
    try:
        page = list_runs(session, asked.scope, asked.window, limit=limit, cursor=cursor, text=_plain(q))
    except BadCursor as error:
        raise bad_parameter("cursor", str(error)) from None
    return with_etag(request, schemas.RunPage.model_validate(page).model_dump_json().encode())


@router.get("/api/runs/{run_id}", response_model=schemas.RunDetail, summary="One run with its attempts and jobs")
def run(
    session: SessionDep, run_id: int, attempt: Annotated[int | None, Query(ge=1, lt=2**31)] = None
) -> dict[str, Any]:
    """Jobs of the latest attempt, or of the one asked for."""
    found = get_run(session, run_id) if 0 <= run_id < 2**63 else None
    if found is None:
        raise not_found(f"run {run_id}")
    attempts = list_attempts(session, run_id)
    number = attempt or found.attempt
    if attempt and attempt not in {each.attempt for each in attempts}:
        raise not_found(f"attempt {attempt} of run {run_id}")
    return {**vars(found), "attempts": attempts, "jobs": list_jobs(session, run_id, number)}


def _plain(text: str) -> str:
    if "\x00" in text or any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise bad_parameter("q", "the text holds characters that cannot be searched for")
    return text
