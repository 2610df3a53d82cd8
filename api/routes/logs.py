"""Logs of a run's jobs."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import PlainTextResponse

from api import schemas
from api.deps import NowDep, SessionDep, not_found, only_known_parameters
from api.errors import Problem
from db.engine import write_scope
from db.queries.logs import JobLogRow, list_logs
from db.queries.runs import get_run
from db.store.logs import request_logs
from db.vocabulary import LogState

router = APIRouter(tags=["Logs"], dependencies=[Depends(only_known_parameters)])
_RETRY_SECONDS = "2"


@router.get(
    "/api/logs/{run_id}",
    response_model=schemas.Logs,
    summary="Logs of a run's jobs",
    responses={
        202: {"model": schemas.Logs, "description": "Some logs are on their way; ask again after Retry-After"},
        410: {"model": schemas.ProblemDocument, "description": "GitHub has deleted them, and none is stored"},
    },
)
def logs(
    request: Request,
    session: SessionDep,
    now: NowDep,
    run_id: int,
    attempt: Annotated[int | None, Query(ge=1, lt=2**31)] = None,
    job_id: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
    format: Annotated[Literal["json", "text"], Query(description="json, or the stored text alone")] = "json",
) -> Response:
    """A log that is not stored yet is fetched by the collector within seconds: the answer is 202 until then."""
    run = get_run(session, run_id) if 0 <= run_id < 2**63 else None
    if run is None:
        raise not_found(f"run {run_id}")
    number = attempt or run.attempt
    rows = list_logs(session, run_id, number, job_id=job_id)
    if not rows:
        raise not_found(
            f"job of run {run_id} with a log in attempt {number}" if job_id is None else f"job {job_id} in it"
        )
    missing = [row.job_id for row in rows if row.state is None and row.completed]
    if missing:
        with write_scope(request.app.state.engine) as writing:
            request_logs(writing, rows[0].repository_id, run_id, missing, now)
    states = {row.job_id: row.state or LogState.PENDING for row in rows}
    if set(states.values()) == {LogState.EXPIRED}:
        raise Problem(410, f"GitHub has deleted the logs of run {run_id}, and none was stored before that.")
    waiting = LogState.PENDING in states.values()
    headers = {"Retry-After": _RETRY_SECONDS} if waiting else {}
    status = 202 if waiting else 200
    if format == "text":
        return PlainTextResponse(_text(rows), status, headers)
    body = schemas.Logs.model_validate(
        {"run_id": run_id, "attempt": number, "jobs": [_job(row, states) for row in rows]}
    )
    return Response(body.model_dump_json(), status, headers, "application/json")


def _job(row: JobLogRow, states: dict[int, str]) -> dict[str, Any]:
    return {
        "job_id": row.job_id,
        "name": row.name,
        "conclusion": row.conclusion,
        "state": states[row.job_id],
        "excerpt": {"first_line": row.excerpt_first_line, "lines": row.excerpt},
        "text": row.text,
    }


def _text(rows: list[JobLogRow]) -> str:
    stored = [
        f"===== {' '.join(row.name.split())} ({row.conclusion}) =====\n{row.text}"
        for row in rows
        if row.text is not None
    ]
    return "\n".join(stored)
