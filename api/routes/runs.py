"""Runs."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.orm import Session

from api import schemas
from api.cache import cached_response, with_etag
from api.deps import (
    AttemptNumber,
    FilterDep,
    RunId,
    SessionDep,
    TextQuery,
    not_found,
    reject_unknown_parameters,
    validate_text,
)
from api.errors import bad_parameter
from db.enums import Conclusion
from db.runs.run_queries import (
    AttemptRow,
    InvalidCursor,
    RunRow,
    get_run,
    list_attempts,
    list_jobs,
    list_jobs_page,
    list_runs,
)

router = APIRouter(tags=["Runs"], dependencies=[Depends(reject_unknown_parameters)])
_MISSING: dict[int | str, dict[str, Any]] = {
    404: {"model": schemas.ProblemDocument, "description": "There is no such run or attempt"}
}


@router.get("/api/runs", operation_id="list_runs", response_model=schemas.RunPage, summary="Runs, newest first")
def runs(
    request: Request,
    session: SessionDep,
    query: FilterDep,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[str | None, Query(max_length=200, description="`next` of the page before")] = None,
    q: TextQuery = "",
) -> Response:
    """Pages stay right while new runs arrive: the cursor is a place in time, not a number of rows."""

    def make() -> schemas.RunPage:
        try:
            page = list_runs(session, query.scope, query.window, limit=limit, cursor=cursor, text=validate_text("q", q))
        except InvalidCursor as error:
            raise bad_parameter("cursor", str(error)) from None
        return schemas.RunPage.model_validate(page)

    return cached_response(request, session, make)


@router.get(
    "/api/runs/{run_id}",
    operation_id="get_run",
    response_model=schemas.RunDetail,
    summary="One run with its attempts and jobs",
    responses=_MISSING,
)
def run(
    request: Request,
    session: SessionDep,
    run_id: RunId,
    attempt: AttemptNumber = None,
) -> Response:
    """All jobs of the latest attempt, or of the given one; a run may have thousands, which `/api/runs/{run_id}/jobs`
    answers by pages."""
    found = _run(session, run_id)
    attempts, number = _attempts(session, found, attempt)
    jobs = list_jobs(session, run_id, number)
    detail = schemas.RunDetail.model_validate({**vars(found), "attempts": attempts, "jobs": jobs})
    return with_etag(request, detail)


@router.get(
    "/api/runs/{run_id}/jobs",
    operation_id="list_jobs",
    response_model=schemas.JobPage,
    summary="Jobs of a run, page by page",
    responses=_MISSING,
)
def jobs(
    request: Request,
    session: SessionDep,
    run_id: RunId,
    attempt: AttemptNumber = None,
    conclusion: Annotated[
        list[Conclusion] | None,
        Query(description="Conclusion of a job; without it, all jobs, unfinished ones too; repeatable"),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[int | None, Query(ge=0, lt=2**63, description="`next` of the page before")] = None,
) -> Response:
    """Jobs of one attempt with their steps, by ascending id."""
    found = _run(session, run_id)
    _, number = _attempts(session, found, attempt)
    page = list_jobs_page(session, run_id, number, limit=limit, after=cursor, conclusions=conclusion or ())
    return with_etag(request, schemas.JobPage.model_validate({"attempt": number, **vars(page)}))


def _run(session: Session, run_id: int) -> RunRow:
    """Raises 404 where it is not known."""
    found = get_run(session, run_id) if 0 <= run_id < 2**63 else None
    if found is None:
        raise not_found(f"run {run_id}")
    return found


def _attempts(session: Session, run: RunRow, attempt: int | None) -> tuple[list[AttemptRow], int]:
    """All attempts of a run, and the number of the given one, else of the latest. Raises 404 where it is not known."""
    attempts = list_attempts(session, run.id)
    if attempt and attempt not in {each.attempt for each in attempts}:
        raise not_found(f"attempt {attempt} of run {run.id}")
    return attempts, attempt or run.attempt
