"""The logs that the collector still has to fetch."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, case, or_, select
from sqlalchemy.orm import Session

from db.metrics.outcome import FAILED_CONCLUSIONS
from db.models import Job, JobLog, Run
from db.vocabulary import Conclusion, LogState, Status

# A log that could not be had just now is tried again after this long.
RETRY = timedelta(seconds=20)


@dataclass(frozen=True)
class WantedLog:
    job_id: int
    run_id: int
    job_completed: bool
    failed: bool


def wanted_logs(
    session: Session, repository_id: int, *, collect: str, created_after: datetime, now: datetime, limit: int
) -> list[WantedLog]:
    """Logs that somebody asked for first, then those of failed (`failed`) or all (`all`) finished jobs."""
    asked: ColumnElement[bool] = and_(
        JobLog.state == LogState.PENDING, or_(JobLog.tries == 0, JobLog.fetched_at < now - RETRY)
    )
    wanted = asked
    if collect != "none":
        of_interest: ColumnElement[bool] = Job.conclusion.in_(FAILED_CONCLUSIONS)
        if collect == "all":
            of_interest = Job.conclusion.is_not(None) & (Job.conclusion != Conclusion.SKIPPED)
        fresh = and_(JobLog.job_id.is_(None), of_interest, ~Job.copied, ~Job.phantom, Run.created_at >= created_after)
        wanted = or_(asked, fresh)
    query = (
        select(Job.id, Job.run_id, Job.status, Job.conclusion)
        .join(Run, and_(Run.repository_id == Job.repository_id, Run.id == Job.run_id))
        .join(JobLog, and_(JobLog.repository_id == Job.repository_id, JobLog.job_id == Job.id), isouter=True)
        .where(Job.repository_id == repository_id, wanted)
        .order_by(case((asked, 0), else_=1), Run.created_at.desc(), Job.id)
        .limit(limit)
    )
    return [
        WantedLog(row.id, row.run_id, row.status == Status.COMPLETED, row.conclusion in FAILED_CONCLUSIONS)
        for row in session.execute(query)
    ]


def repositories_with_requested_logs(session: Session) -> list[int]:
    query = select(JobLog.repository_id).where(JobLog.state == LogState.PENDING).distinct()
    return list(session.scalars(query))
