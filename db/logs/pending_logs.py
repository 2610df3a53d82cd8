"""Logs that the collector has to fetch."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, case, or_, select
from sqlalchemy.orm import Session

from db.definitions.attempts import FAILED_CONCLUSIONS
from db.enums import Conclusion, LogState, Status
from db.jobs.decisive_failures import has_causes
from db.models import Attempt, Job, JobLog, Run

# GitHub's default retention; older logs are fetched only on request.
LOG_RETENTION = timedelta(days=90)
_EXPIRING_AGE = LOG_RETENTION - timedelta(days=10)
_FRESH_AGE = timedelta(days=1)
# Delays after the first, second, … failed try; the last delay applies to all later tries.
RETRY_AFTER = (timedelta(seconds=20), timedelta(minutes=1), timedelta(minutes=5), timedelta(hours=1))


@dataclass(frozen=True)
class PendingLog:
    """`failed`: the log is searched for a cause, because the job failed, or was cancelled in an attempt that failed
    without a failed job. `step` is the start and end of the failed step (ISO 8601 in UTC, to the second), and
    `step_name` its name; null if unknown. `attempt_completed`: no job of the attempt is running, so its logs can be
    fetched as one archive. `created_at` is that of the run. `succeeded`: the job was successful."""

    job_id: int
    run_id: int
    attempt: int
    name: str
    failed: bool
    tries: int = 0
    cause_known: bool = False
    attempt_completed: bool = False
    step: tuple[str, str] | None = None
    step_name: str | None = None
    workflow_id: int = 0
    created_at: datetime | None = None
    succeeded: bool = False


@dataclass(frozen=True)
class FailedStep:
    """`span` as PendingLog.step."""

    name: str
    span: tuple[str, str]


@dataclass(frozen=True)
class FinishedJob:
    """A job that can have a log of its own; a copied job is in the archive with the log of its original."""

    id: int
    name: str
    copied: bool


def pending_logs(
    session: Session, repository_id: int, *, collect: str, now: datetime, limit: int, run_id: int | None = None
) -> list[PendingLog]:
    """Logs of completed jobs to fetch, up to `limit`. Requested logs come first, then failed jobs (`collect` is failed
    or all): those of the last day, those that GitHub deletes soon, and the others, newest first. The remaining jobs
    follow if `collect` is all, those that GitHub deletes soon first."""
    pending = [] if run_id is not None else _read_logs(session, _select_requested(repository_id, now), now, limit)
    if collect != "none" and len(pending) < limit:
        query = _select_unrequested(repository_id, now, all_jobs=collect == "all")
        if run_id is not None:
            query = query.where(Job.run_id == run_id)
        pending += _read_logs(session, query, now, limit - len(pending))
    return pending


def finished_jobs(session: Session, repository_id: int, run_id: int, attempt: int) -> list[FinishedJob]:
    """Completed jobs of one attempt, without phantoms and skipped jobs."""
    query = select(Job.id, Job.name, Job.copied).where(
        Job.repository_id == repository_id,
        Job.run_id == run_id,
        Job.attempt == attempt,
        ~Job.phantom,
        Job.status == Status.COMPLETED,
        Job.conclusion != Conclusion.SKIPPED,
    )
    return [FinishedJob(row.id, row.name, row.copied) for row in session.execute(query.order_by(Job.id))]


def repositories_with_requested_logs(session: Session) -> list[int]:
    query = select(JobLog.repository_id).where(JobLog.state == LogState.PENDING).distinct()
    return list(session.scalars(query))


def _select_requested(repository_id: int, now: datetime) -> Select[Any]:
    """Requests that are due. Requests without a try come first, because a user can be waiting for the log."""
    retry_due: list[ColumnElement[bool]] = [
        and_(JobLog.tries == tries, JobLog.fetched_at < now - delay) for tries, delay in enumerate(RETRY_AFTER, start=1)
    ]
    retry_due.append(and_(JobLog.tries > len(RETRY_AFTER), JobLog.fetched_at < now - RETRY_AFTER[-1]))
    return (
        _jobs(repository_id)
        .join(JobLog, _log_of_job())
        .add_columns(JobLog.tries, JobLog.error_line.is_not(None).label("cause_known"))
        .where(JobLog.repository_id == repository_id, JobLog.state == LogState.PENDING)
        .where(or_(JobLog.tries == 0, *retry_due))
        .order_by(case((JobLog.tries == 0, 0), else_=1))
    )


def _select_unrequested(repository_id: int, now: datetime, *, all_jobs: bool) -> Select[Any]:
    of_interest: ColumnElement[bool] = has_causes()
    if all_jobs:
        of_interest = Job.conclusion.is_not(None) & (Job.conclusion != Conclusion.SKIPPED)
    return (
        _jobs(repository_id)
        .join(JobLog, _log_of_job(), isouter=True)
        .add_columns(JobLog.tries, JobLog.error_line.is_not(None).label("cause_known"))
        .where(JobLog.job_id.is_(None), of_interest, ~Job.copied, ~Job.phantom, Run.created_at >= now - LOG_RETENTION)
    )


def _jobs(repository_id: int) -> Select[Any]:
    return (
        select(
            Job.id,
            Job.run_id,
            Job.attempt,
            Job.name,
            Job.conclusion,
            Job.steps,
            Run.workflow_id,
            Run.created_at,
            (Attempt.status == Status.COMPLETED).label("attempt_completed"),
            has_causes().label("failed"),
        )
        .join(Run, and_(Run.repository_id == Job.repository_id, Run.id == Job.run_id))
        .join(
            Attempt,
            and_(
                Attempt.repository_id == Job.repository_id,
                Attempt.run_id == Job.run_id,
                Attempt.attempt == Job.attempt,
            ),
            isouter=True,
        )
        .where(Job.repository_id == repository_id, Job.status == Status.COMPLETED)
    )


def _log_of_job() -> ColumnElement[bool]:
    return and_(JobLog.repository_id == Job.repository_id, JobLog.job_id == Job.id)


def _read_logs(session: Session, query: Select[Any], now: datetime, limit: int) -> list[PendingLog]:
    failed = has_causes()
    expiring = Run.created_at < now - _EXPIRING_AGE
    urgency = case(
        (and_(failed, Run.created_at >= now - _FRESH_AGE), 0),
        (and_(failed, expiring), 1),
        (failed, 2),
        (expiring, 3),
        else_=4,
    )
    rows = session.execute(query.order_by(urgency, Run.created_at.desc(), Job.id).limit(limit))
    return [_pending_log(row) for row in rows]


def _pending_log(row: Row[Any]) -> PendingLog:
    failed = bool(row.failed)
    step = failed_step(row.steps) if failed else None
    return PendingLog(
        job_id=row.id,
        run_id=row.run_id,
        attempt=row.attempt,
        name=row.name,
        failed=failed,
        tries=row.tries or 0,
        cause_known=bool(row.cause_known),
        attempt_completed=bool(row.attempt_completed),
        step=step.span if step else None,
        step_name=(step.name or None) if step else None,
        workflow_id=row.workflow_id,
        created_at=row.created_at,
        succeeded=row.conclusion == Conclusion.SUCCESS,
    )


def failed_step(steps: Sequence[dict[str, Any]] | None) -> FailedStep | None:
    """The first failed or cancelled step of a job; a step that may fail has the conclusion success."""
    for step in steps or ():
        started, ended = step.get("started_at"), step.get("completed_at")
        if step.get("conclusion") in (*FAILED_CONCLUSIONS, Conclusion.CANCELLED) and started and ended:
            return FailedStep(str(step.get("name") or ""), (str(started)[:19], str(ended)[:19]))
    return None
