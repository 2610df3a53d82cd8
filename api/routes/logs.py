"""Logs of a run's jobs."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy.orm import Session

from api import schemas
from api.cache import with_etag
from api.deps import AttemptNumber, NowDep, RunId, SessionDep, not_found, reject_unknown_parameters, write_session
from api.errors import Problem
from core.http.middleware import CROSS_SITE
from core.terminal import visible_text
from db.enums import LogState, Status
from db.logs.log_queries import JobLogRow, list_logs
from db.logs.log_writes import request_logs
from db.runs.run_queries import RunRow, get_run, has_jobs, list_attempts

router = APIRouter(tags=["Logs"], dependencies=[Depends(reject_unknown_parameters)])
_RETRY_SECONDS = "2"
# The jobs of a run are read soon after it; a run that has none after this long has none.
_JOB_FETCH_TIMEOUT = timedelta(hours=1)


@router.get(
    "/api/logs/{run_id}",
    operation_id="get_logs",
    response_model=schemas.Logs,
    summary="Logs of a run's jobs",
    responses={
        200: {"content": {"text/plain": {"example": "===== test (failure) =====\nRun pytest\n…"}}},
        202: {"model": schemas.Logs, "description": "Some logs are on their way; ask again after Retry-After"},
        403: {
            "model": schemas.ProblemDocument,
            "description": "A page of another site asks for a log that is not stored",
        },
        404: {"model": schemas.ProblemDocument, "description": "There is no such run, attempt or job"},
        410: {
            "model": schemas.LogsGone,
            "description": "GitHub has deleted them and none is stored, or they were deleted for their age",
        },
    },
)
def logs(
    request: Request,
    session: SessionDep,
    now: NowDep,
    run_id: RunId,
    attempt: AttemptNumber = None,
    job_id: Annotated[int | None, Query(ge=0, lt=2**63, description="One job of that attempt")] = None,
    format: Annotated[Literal["json", "text"], Query(description="json, or the stored text alone")] = "json",
) -> Response:
    """Own jobs of one attempt, failed ones first; a job that was skipped or copied has no log of its own. The first
    of them have their text, up to 16 MB together; that of another stored log is null: ask for it by `job_id`. What is
    not stored yet is fetched by the collector within seconds: the answer is 202 until then."""
    run = get_run(session, run_id) if 0 <= run_id < 2**63 else None
    if run is None:
        raise not_found(f"run {run_id}")
    number = attempt or run.attempt
    rows = list_logs(session, run_id, number, job_id=job_id)
    waiting = not rows and _require_pending_jobs(session, run, number, job_id, now)
    wanted = [row.job_id for row in rows if row.state in (None, LogState.MISSING) and row.completed]
    if wanted:
        asked = _request_logs(request, rows[0].repository_id, run_id, wanted, now)
        rows = [replace(row, state=LogState.PENDING) if row.job_id in asked else row for row in rows]
    found = schemas.Logs.model_validate(
        {"run_id": run_id, "attempt": number, "jobs": [_job_fields(row) for row in rows]}
    )
    states = {job.state for job in found.jobs}
    if states and states <= {LogState.EXPIRED, LogState.PRUNED}:
        detail = f"GitHub has deleted the logs of run {run_id}, and none was stored before that."
        if LogState.PRUNED in states:
            detail = f"The logs of run {run_id} were stored, and deleted for their age (LOG_RETENTION_DAYS)."
        raise Problem(410, detail, extra=found.model_dump())
    return _logs_response(request, found, rows, format, pending=waiting or LogState.PENDING in states)


def _require_pending_jobs(session: Session, run: RunRow, attempt: int, job_id: int | None, now: datetime) -> bool:
    """No job with a log: raises 404 where there is nothing to wait for and nothing to show."""
    if attempt != run.attempt and attempt not in {each.attempt for each in list_attempts(session, run.id)}:
        raise not_found(f"attempt {attempt} of run {run.id}")
    if job_id is not None:
        raise not_found(f"job {job_id} with a log of its own in attempt {attempt} of run {run.id}")
    if has_jobs(session, run.id, attempt):
        return False
    return run.status != Status.COMPLETED or (
        run.completed_at is not None and now - run.completed_at < _JOB_FETCH_TIMEOUT
    )


def _request_logs(request: Request, repository_id: int, run_id: int, job_ids: list[int], now: datetime) -> list[int]:
    """Those that the collector will fetch: what was missing yesterday is asked for again. A page of another site reads
    what is stored, and has nothing fetched."""
    if getattr(request.state, CROSS_SITE, False):
        raise Problem(403, f"A page of another site cannot ask for a log that is not stored: open {request.url.path}.")
    with request.app.state.loads.writes.taken(), write_session(request) as session:
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


def _job_fields(row: JobLogRow) -> dict[str, Any]:
    return {
        "job_id": row.job_id,
        "name": row.name,
        "conclusion": row.conclusion,
        "state": row.state or LogState.PENDING,
        "excerpt": {"first_line": row.excerpt_first_line, "lines": row.excerpt},
        "text": None if row.text is None else visible_text(row.text),
    }


def _is_omitted(row: JobLogRow) -> bool:
    """The log is stored, and the answer is long enough without it."""
    return row.text is None and row.state == LogState.STORED


def _text(rows: list[JobLogRow]) -> str:
    return "\n".join(
        f"===== {' '.join(row.name.split())} ({row.conclusion}) =====\n"
        + (
            visible_text(row.text)
            if row.text is not None
            else f"Left out of this answer: ask for job_id={row.job_id}.\n"
        )
        for row in rows
        if row.text is not None or _is_omitted(row)
    )
