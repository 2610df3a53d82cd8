"""Runs, their attempts and jobs."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.orm import Session

from api import schemas
from api.deps import (
    AttemptNumber,
    FilterDep,
    RunId,
    SessionDep,
    TextQuery,
    not_found,
    reject_unknown_parameters,
    validate_id,
    validate_text,
)
from api.errors import bad_parameter
from api.response_cache import cached_response, with_etag
from core.numbers import MAX_INT64
from db.enums import Conclusion
from db.runs.cursors import InvalidCursor
from db.runs.job_queries import list_jobs, list_jobs_page
from db.runs.run_queries import AttemptRow, RunRow, get_run, list_attempts, list_runs
from health.insights.causes.model import CauseClass

router = APIRouter(tags=["Runs"], dependencies=[Depends(reject_unknown_parameters)])
_MISSING: dict[int | str, dict[str, Any]] = {
    404: {"model": schemas.ProblemDocument, "description": "Unknown run or attempt"}
}


@router.get("/api/runs", operation_id="list_runs", response_model=schemas.RunPage, summary="List runs")
def runs(
    request: Request,
    session: SessionDep,
    query: FilterDep,
    classes: Annotated[
        list[CauseClass] | None,
        Query(
            alias="class",
            description="Class of the first failure cause of a failed job of the latest attempt; only failed runs; "
            "repeatable",
        ),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[str | None, Query(max_length=200, description="Value of `next` of the previous page")] = None,
    q: TextQuery = "",
) -> Response:
    """Newest first. Pages stay consistent while runs are added: the cursor is a position in time, not a row number."""

    scope = replace(query.scope, classes=tuple(dict.fromkeys(kind.value for kind in classes or [])))

    def build() -> schemas.RunPage:
        try:
            page = list_runs(session, scope, query.window, limit=limit, cursor=cursor, text=validate_text("q", q))
        except InvalidCursor as error:
            raise bad_parameter("cursor", str(error)) from None
        return schemas.RunPage.model_validate(page)

    return cached_response(request, session, build)


@router.get(
    "/api/runs/{run_id}",
    operation_id="get_run",
    response_model=schemas.RunDetail,
    summary="Get a run with its attempts and jobs",
    responses=_MISSING,
)
def run(
    request: Request,
    session: SessionDep,
    run_id: RunId,
    attempt: AttemptNumber = None,
) -> Response:
    """With all jobs of the given attempt, by default the latest. For runs with thousands of jobs use the pages of
    `/api/runs/{run_id}/jobs`."""
    row = _run(session, run_id)
    attempts, number = _attempts(session, row, attempt)
    jobs = list_jobs(session, run_id, number)
    return with_etag(request, schemas.RunDetail.from_row(row, attempts=attempts, jobs=jobs))


@router.get(
    "/api/runs/{run_id}/jobs",
    operation_id="list_jobs",
    response_model=schemas.JobPage,
    summary="List jobs of a run",
    responses=_MISSING,
)
def jobs(
    request: Request,
    session: SessionDep,
    run_id: RunId,
    attempt: AttemptNumber = None,
    conclusion: Annotated[
        list[Conclusion] | None,
        Query(description="Conclusion of a job; repeatable. Default: all jobs, including unfinished ones"),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[
        int | None, Query(ge=0, lt=MAX_INT64 + 1, description="Value of `next` of the previous page")
    ] = None,
) -> Response:
    """Jobs of one attempt with their steps, by ascending id."""
    row = _run(session, run_id)
    _, number = _attempts(session, row, attempt)
    page = list_jobs_page(session, run_id, number, limit=limit, after=cursor, conclusions=conclusion or ())
    return with_etag(request, schemas.JobPage.from_row(page, attempt=number))


def _run(session: Session, run_id: int) -> RunRow:
    """Raises a 404 problem for an unknown run."""
    row = get_run(session, validate_id(run_id))
    if row is None:
        raise not_found(f"run {run_id}")
    return row


def _attempts(session: Session, run: RunRow, attempt: int | None) -> tuple[list[AttemptRow], int]:
    """All attempts of a run, and the number of the given attempt or else of the latest. Raises a 404 problem for an
    unknown attempt."""
    attempts = list_attempts(session, run.id)
    if attempt and attempt not in {row.attempt for row in attempts}:
        raise not_found(f"attempt {attempt} of run {run.id}")
    return attempts, attempt or run.attempt
