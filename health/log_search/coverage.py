"""What a search could cover: stored logs, and failed jobs whose logs are not stored, by reason."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, func, literal_column, or_, select
from sqlalchemy.orm import Session, aliased

from db.definitions.attempts import FAILED_CONCLUSIONS
from db.definitions.scope import Scope, Window
from db.enums import LogState
from db.logs.pending_logs import LOG_RETENTION
from db.models import Job, JobCause, JobLog, Run
from db.runs.run_filters import in_scope, in_window
from db.sql import execute
from db.time_limit import TimeLimitExceeded, time_limit
from health.metrics.definitions.job_groups import group_name

# Seconds for the first two queries together.
_TIME_LIMIT = 3.0
_NOT_REQUESTED = "not_requested"


@dataclass(frozen=True)
class Coverage:
    """Logs that match the filters. `stored` are searched. Without a stored log are failed jobs: `expired` (GitHub
    deleted it), `pruned` (deleted because of its age), `missing` (GitHub has none), `pending` (will be fetched), and
    `not_requested` (no collector has asked for it). `unclassified`: stored logs of failed jobs whose causes are not
    extracted yet, so that a search for classes does not read them; null for a search without classes."""

    stored: int
    expired: int = 0
    pruned: int = 0
    missing: int = 0
    pending: int = 0
    not_requested: int = 0
    unclassified: int | None = None

    @property
    def without_log(self) -> int:
        return self.expired + self.pruned + self.missing + self.pending + self.not_requested


def has_class(classes: Collection[str]) -> list[ColumnElement[bool]]:
    """Returns conditions on a log: the first failure cause of its job has one of the classes. None without classes."""
    if not classes:
        return []
    first = JobCause.repository_id == JobLog.repository_id, JobCause.job_id == JobLog.job_id, JobCause.position == 0
    return [select(JobCause.job_id).where(*first, JobCause.kind.in_(classes)).exists()]


def log_coverage(
    session: Session,
    scope: Scope,
    window: Window,
    jobs: tuple[str, ...],
    now: datetime,
    classes: tuple[str, ...] = (),
) -> Coverage | None:
    """`jobs` and `classes` as in LogSearchRequest. Null if counting takes too long. Failed jobs without a stored log
    have no class, and are counted whatever the classes are."""
    try:
        with time_limit(session, _TIME_LIMIT / 2):
            stored = _stored(session, scope, window, jobs, has_class(classes))
        with time_limit(session, _TIME_LIMIT / 2):
            absent = _absent(session, scope, window, jobs, now)
        unclassified = None
        if classes:
            with time_limit(session, _TIME_LIMIT / 2):
                unclassified = _stored(session, scope, window, jobs, _unclassified())
    except TimeLimitExceeded:
        return None
    names = ("expired", "pruned", "missing", "pending", _NOT_REQUESTED)
    return Coverage(stored, **{name: absent.get(name, 0) for name in names}, unclassified=unclassified)


def _unclassified() -> list[ColumnElement[bool]]:
    """Returns conditions on a log: its job failed, and its causes are not extracted yet."""
    # A query for names of jobs joins the jobs as well.
    job = aliased(Job)
    of_job = job.repository_id == JobLog.repository_id, job.id == JobLog.job_id
    failed = select(job.id).where(*of_job, job.conclusion.in_(FAILED_CONCLUSIONS), ~job.copied, ~job.phantom)
    causes = JobCause.repository_id == JobLog.repository_id, JobCause.job_id == JobLog.job_id
    return [JobLog.cause_version.is_(None), ~select(JobCause.job_id).where(*causes).exists(), failed.exists()]


def _stored(
    session: Session, scope: Scope, window: Window, jobs: tuple[str, ...], conditions: Collection[ColumnElement[bool]]
) -> int:
    of_run = and_(Run.repository_id == JobLog.repository_id, Run.id == JobLog.run_id)
    where = [*in_scope(session, scope), *in_window(window), JobLog.state == LogState.STORED, *conditions]
    if not jobs:
        query = select(func.count()).select_from(JobLog).join(Run, of_run).where(*where)
        return int(execute(session, query).scalar_one())
    of_job = and_(Job.repository_id == JobLog.repository_id, Job.id == JobLog.job_id)
    named = select(Job.name, func.count()).select_from(JobLog).join(Run, of_run).join(Job, of_job).where(*where)
    return sum(count for name, count in execute(session, named.group_by(Job.name)) if _is_named(name, jobs))


def _absent(session: Session, scope: Scope, window: Window, jobs: tuple[str, ...], now: datetime) -> dict[str, int]:
    """Numbers of failed jobs by the state of their log. A log that was never requested is expired after GitHub's
    default retention."""
    unrequested = case(
        (Run.created_at < now - LOG_RETENTION, literal_column(f"'{LogState.EXPIRED}'")),
        else_=literal_column(f"'{_NOT_REQUESTED}'"),
    )
    state = func.coalesce(JobLog.state, unrequested)
    of_run = and_(Run.repository_id == Job.repository_id, Run.id == Job.run_id)
    of_job = and_(JobLog.repository_id == Job.repository_id, JobLog.job_id == Job.id)
    query = (
        select(state, Job.name, func.count())
        .select_from(Run)
        .join(Job, of_run)
        .join(JobLog, of_job, isouter=True)
        .where(
            *in_scope(session, scope), *in_window(window), or_(JobLog.state.is_(None), JobLog.state != LogState.STORED)
        )
        .where(Job.conclusion.in_(FAILED_CONCLUSIONS), ~Job.copied, ~Job.phantom)
        .group_by(state, Job.name)
    )
    counts: dict[str, int] = {}
    for name, job, count in execute(session, query):
        if not jobs or _is_named(job, jobs):
            counts[str(name)] = counts.get(str(name), 0) + count
    return counts


def _is_named(name: str, jobs: tuple[str, ...]) -> bool:
    return name in jobs or group_name(name) in jobs
