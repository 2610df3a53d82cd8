"""Logs of the jobs of a run."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy.orm import Session

from api import schemas
from api.deps import (
    AttemptNumber,
    NowDep,
    RunId,
    SessionDep,
    not_found,
    reject_unknown_parameters,
    validate_id,
    write_session,
)
from api.errors import Problem
from api.limits import ConcurrencyLimits
from api.response_cache import with_etag
from core.http.middleware import CROSS_SITE
from core.numbers import MAX_INT64
from core.terminal import visible_text
from core.text import collapse_whitespace
from db.enums import LogState, Status
from db.logs.log_queries import JobLogRow, list_logs
from db.logs.log_writes import request_logs
from db.runs.job_queries import has_jobs
from db.runs.run_queries import RunRow, get_run, list_attempts
from health.insights.causes.attempt_causes import first_causes

router = APIRouter(tags=["Logs"], dependencies=[Depends(reject_unknown_parameters)])
_RETRY_SECONDS = "2"
# The collector fetches the jobs of a run soon after its end: a run without jobs after this time has none.
_JOB_FETCH_TIMEOUT = timedelta(hours=1)


@router.get(
    "/api/logs/{run_id}",
    operation_id="get_logs",
    response_model=schemas.Logs,
    summary="Get the logs of a run",
    responses={
        200: {"content": {"text/plain": {"example": "===== test (failure) =====\nRun pytest\n…"}}},
        202: {
            "model": schemas.Logs,
            "description": "Some logs are being fetched; repeat the request after Retry-After",
        },
        403: {
            "model": schemas.ProblemDocument,
            "description": "The request comes from a page of another site, and a log is not stored",
        },
        404: {"model": schemas.ProblemDocument, "description": "Unknown run, attempt or job"},
        410: {
            "model": schemas.LogsGone,
            "description": "GitHub deleted the logs before they were stored, or they are older than LOG_RETENTION_DAYS",
        },
    },
)
def logs(
    request: Request,
    session: SessionDep,
    now: NowDep,
    run_id: RunId,
    attempt: AttemptNumber = None,
    job_id: Annotated[int | None, Query(ge=0, lt=MAX_INT64 + 1, description="Only this job of the attempt")] = None,
    format: Annotated[Literal["json", "text"], Query(description="json, or only the stored text")] = "json",
) -> Response:
    """Jobs of one attempt, failed jobs first; skipped and copied jobs have no log. The response has the text of the
    first logs, up to 16 MB together; the text of the other stored logs is null: request them with `job_id`. The
    collector fetches a log that is not stored within seconds; the status is 202 until then."""
    run = get_run(session, validate_id(run_id))
    if run is None:
        raise not_found(f"run {run_id}")
    number = attempt or run.attempt
    rows = list_logs(session, run_id, number, job_id=job_id)
    jobs_pending = not rows and _require_pending_jobs(session, run, number, job_id, now)
    fetchable = [row.job_id for row in rows if row.state in (None, LogState.MISSING) and row.completed]
    if fetchable:
        requested = _request_logs(request, rows[0].repository_id, run_id, fetchable, now)
        rows = [replace(row, state=LogState.PENDING) if row.job_id in requested else row for row in rows]
    causes = first_causes(session, rows)
    jobs = [schemas.JobLog.from_log(row, causes.get(row.job_id)) for row in rows]
    body = schemas.Logs(run_id=run_id, attempt=number, jobs=jobs)
    states = {job.state for job in body.jobs}
    if states and states <= {LogState.EXPIRED, LogState.PRUNED}:
        detail = f"GitHub has deleted the logs of run {run_id}, and none was stored before that."
        if LogState.PRUNED in states:
            detail = f"The logs of run {run_id} were stored, and deleted for their age (LOG_RETENTION_DAYS)."
        raise Problem(410, detail, extra=body.model_dump())
    return _logs_response(request, body, rows, format, pending=jobs_pending or LogState.PENDING in states)


def _require_pending_jobs(session: Session, run: RunRow, attempt: int, job_id: int | None, now: datetime) -> bool:
    """For an attempt without logs: returns whether its jobs are still being fetched. Raises a 404 problem for an
    unknown attempt or job."""
    if attempt != run.attempt and attempt not in {row.attempt for row in list_attempts(session, run.id)}:
        raise not_found(f"attempt {attempt} of run {run.id}")
    if job_id is not None:
        raise not_found(f"job {job_id} with a log of its own in attempt {attempt} of run {run.id}")
    if has_jobs(session, run.id, attempt):
        return False
    return run.status != Status.COMPLETED or (
        run.completed_at is not None and now - run.completed_at < _JOB_FETCH_TIMEOUT
    )


def _request_logs(request: Request, repository_id: int, run_id: int, job_ids: list[int], now: datetime) -> list[int]:
    """Returns the jobs whose logs the collector will fetch; a log that was missing is requested again after a day.
    Pages of other sites can read stored logs, but not cause requests to GitHub."""
    if getattr(request.state, CROSS_SITE, False):
        raise Problem(403, f"A page of another site cannot request a log that is not stored: open {request.url.path}.")
    limits: ConcurrencyLimits = request.app.state.concurrency_limits
    with limits.writes.acquired(), write_session(request) as session:
        return request_logs(session, repository_id, run_id, job_ids, now)


def _logs_response(
    request: Request, body: schemas.Logs, rows: list[JobLogRow], format: str, *, pending: bool
) -> Response:
    status, headers = (202, {"Retry-After": _RETRY_SECONDS}) if pending else (200, {})
    if format == "text":
        return PlainTextResponse(_text(rows), status, headers)
    if pending:
        return Response(body.model_dump_json(), status, headers, "application/json")
    return with_etag(request, body)


def _is_omitted(row: JobLogRow) -> bool:
    """True for a stored log whose text exceeds the size limit of the response."""
    return row.text is None and row.state == LogState.STORED


def _text(rows: list[JobLogRow]) -> str:
    return "\n".join(
        f"===== {collapse_whitespace(row.name)} ({row.conclusion}) =====\n"
        + (
            visible_text(row.text)
            if row.text is not None
            else "The stored log cannot be read: its text is damaged.\n"
            if row.state == LogState.UNREADABLE
            else f"Omitted from this response; request it with job_id={row.job_id}.\n"
        )
        for row in rows
        if row.text is not None or _is_omitted(row) or row.state == LogState.UNREADABLE
    )
