"""Reading the logs of a run's jobs."""

import zlib
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from db.models import Job, JobLog, Run
from db.vocabulary import Conclusion, LogState, Status


@dataclass(frozen=True)
class JobLogRow:
    """`state` is null where nobody has asked for this log yet, and it could be asked for.
    `excerpt_first_line` counts from 1; `text` is null unless asked for and stored."""

    repository_id: int
    job_id: int
    name: str
    conclusion: str | None
    completed: bool
    state: str | None
    excerpt_first_line: int | None
    excerpt: list[str]
    error_line: str | None
    truncated: bool
    text: str | None


def list_logs(
    session: Session, run_id: int, attempt: int, *, job_id: int | None = None, with_text: bool = True
) -> list[JobLogRow]:
    """Logs of the own jobs of one attempt (no copies, no phantoms, none that were skipped), failed ones first."""
    where = [Job.run_id == run_id, Job.attempt == attempt, ~Job.copied, ~Job.phantom]
    where.append(Job.repository_id == select(Run.repository_id).where(Run.id == run_id).limit(1).scalar_subquery())
    if job_id is not None:
        where.append(Job.id == job_id)
    query = (
        select(Job, JobLog)
        .join(JobLog, (JobLog.repository_id == Job.repository_id) & (JobLog.job_id == Job.id), isouter=True)
        .where(*where)
        .order_by(Job.id)
    )
    if with_text:
        query = query.options(undefer(JobLog.content))
    rows = [_row(job, log, with_text) for job, log in session.execute(query) if job.conclusion != Conclusion.SKIPPED]
    return sorted(rows, key=lambda row: row.conclusion in (Conclusion.SUCCESS, None))


def _row(job: Job, log: JobLog | None, with_text: bool) -> JobLogRow:
    stored = log is not None and log.state == LogState.STORED
    return JobLogRow(
        repository_id=job.repository_id,
        job_id=job.id,
        name=job.name,
        conclusion=job.conclusion,
        completed=job.status == Status.COMPLETED,
        state=log.state if log else None,
        excerpt_first_line=log.excerpt_first_line if log else None,
        excerpt=list(log.excerpt or []) if log else [],
        error_line=log.error_line if log else None,
        truncated=bool(log and log.truncated),
        text=_text(log) if log and stored and with_text else None,
    )


def _text(log: JobLog) -> str | None:
    return zlib.decompress(log.content).decode("utf-8", "replace") if log.content is not None else None
