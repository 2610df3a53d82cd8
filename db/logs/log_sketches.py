"""Storage of sketches of successful logs, and queries for jobs that need one."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, func, select, update
from sqlalchemy.orm import Session

from db.definitions.attempts import FAILED_CONCLUSIONS
from db.enums import Conclusion, LogState
from db.models import Job, JobLog, LogSketch, Run
from db.sql import insert_ignore, is_one_of

# Failed logs of runs at most this much older or newer are compared with the first sketch of their job.
AFFECTED_WITHIN = timedelta(days=14)
# The newest sketches of a job that are stored, and those of all jobs together.
MAX_PER_JOB, MAX_TOTAL = 3, 10_000
# The length of a sketch without a line: of nothing, compressed with zlib.
EMPTY_BYTES = 8
# Failed logs whose causes are extracted again after one sketch.
_MAX_AFFECTED = 500
# Runs and jobs of a workflow that are searched for a successful job.
_SEARCHED_RUNS, _SEARCHED_JOBS = 30, 5_000
_MAX_FAILED = 2_000


@dataclass(frozen=True)
class SketchedJob:
    """A job of a workflow over all runs. `name_hash`: of its name without what differs from run to run."""

    repository_id: int
    workflow_id: int
    name_hash: str


@dataclass(frozen=True)
class SuccessfulJob:
    """A job whose log can be sketched. `created_at` is that of the run."""

    job_id: int
    run_id: int
    created_at: datetime


def sketches_of(session: Session, job: SketchedJob) -> list[bytes]:
    """The sketches of a job, the newest first. Those of any time apply: what a successful log has caused no failure."""
    query = select(LogSketch.content).where(*_of_job(job)).order_by(LogSketch.day.desc()).limit(MAX_PER_JOB)
    return list(session.scalars(query))


def sketched_days(session: Session, repository_id: int) -> set[tuple[SketchedJob, date]]:
    """The jobs of a repository with a sketch, and the days of their sketches."""
    query = select(LogSketch.workflow_id, LogSketch.job_name_hash, LogSketch.day).where(
        LogSketch.repository_id == repository_id
    )
    return {(SketchedJob(repository_id, row.workflow_id, row.job_name_hash), row.day) for row in session.execute(query)}


def store_sketch(
    session: Session,
    job: SketchedJob,
    sample: SuccessfulJob,
    content: bytes,
    *,
    is_same_job: Callable[[str], bool],
) -> int:
    """Stores a sketch unless the job has one of the same day, and deletes the oldest ones beyond MAX_PER_JOB and
    MAX_TOTAL. If it is the only one of the job that has a line, the causes of its failed logs within AFFECTED_WITHIN
    that were not compared with a sketch yet are extracted again; returns the number of these logs. `is_same_job`:
    whether a job of the workflow with this name is the same one."""
    others = (
        select(func.count()).select_from(LogSketch).where(*_of_job(job), func.length(LogSketch.content) > EMPTY_BYTES)
    )
    is_only = len(content) > EMPTY_BYTES and session.scalar(others) == 0
    row = {
        "repository_id": job.repository_id,
        "workflow_id": job.workflow_id,
        "job_name_hash": job.name_hash,
        "day": sample.created_at.date(),
        "job_id": sample.job_id,
        "run_id": sample.run_id,
        "created_at": sample.created_at,
        "content": content,
    }
    if not insert_ignore(session, LogSketch, [row]):
        return 0
    days = session.scalars(select(LogSketch.day).where(*_of_job(job)).order_by(LogSketch.day.desc())).all()
    if len(days) > MAX_PER_JOB:
        session.execute(delete(LogSketch).where(*_of_job(job), LogSketch.day < days[MAX_PER_JOB - 1]))
    _prune(session)
    # A sketch that is older than the others may be deleted at once.
    remains = select(LogSketch.day).where(*_of_job(job), LogSketch.day == row["day"])
    if not is_only or session.scalar(remains) is None:
        return 0
    return _extract_again(session, job, sample.created_at, is_same_job)


def _prune(session: Session) -> None:
    """Deletes the oldest sketches beyond MAX_TOTAL."""
    excess = (session.scalar(select(func.count()).select_from(LogSketch)) or 0) - MAX_TOTAL
    if excess <= 0:
        return
    key = (LogSketch.repository_id, LogSketch.workflow_id, LogSketch.job_name_hash, LogSketch.day)
    oldest = session.execute(select(*key).order_by(LogSketch.created_at).limit(excess)).all()
    for first in range(0, len(oldest), 500):
        session.execute(delete(LogSketch).where(is_one_of(key, [tuple(row) for row in oldest[first : first + 500]])))


def jobs_to_sketch(
    session: Session,
    repository_ids: Collection[int],
    name_hash: Callable[[str], str],
    *,
    failed_since: datetime,
    sketched_since: datetime,
) -> dict[SketchedJob, list[str]]:
    """The jobs whose failed logs were stored since `failed_since`, the latest first, with their names, except those
    with a sketch of a run since `sketched_since`."""
    query = (
        select(Run.repository_id, Run.workflow_id, Job.name)
        .select_from(JobLog)
        .join(Job, and_(Job.repository_id == JobLog.repository_id, Job.id == JobLog.job_id))
        .join(Run, and_(Run.repository_id == JobLog.repository_id, Run.id == JobLog.run_id))
        .where(JobLog.state == LogState.STORED, JobLog.fetched_at >= failed_since)
        .where(JobLog.repository_id.in_(repository_ids), Job.conclusion.in_(FAILED_CONCLUSIONS))
        .order_by(JobLog.fetched_at.desc())
        .limit(_MAX_FAILED)
    )
    jobs: dict[SketchedJob, list[str]] = {}
    for row in session.execute(query):
        names = jobs.setdefault(SketchedJob(row.repository_id, row.workflow_id, name_hash(row.name)), [])
        if row.name not in names:
            names.append(row.name)
    if not jobs:
        return {}
    stored = select(LogSketch.repository_id, LogSketch.workflow_id, LogSketch.job_name_hash).where(
        LogSketch.repository_id.in_({job.repository_id for job in jobs}), LogSketch.created_at >= sketched_since
    )
    sketched = {SketchedJob(*row) for row in session.execute(stored)}
    return {job: names for job, names in jobs.items() if job not in sketched}


def successful_job(
    session: Session, job: SketchedJob, is_same_job: Callable[[str], bool], since: datetime
) -> SuccessfulJob | None:
    """The newest successful job of the same kind in a run since then; those of the default branch are preferred. Null
    if the latest runs have none."""
    runs = (
        select(Run.id, Run.created_at, Run.on_default_branch)
        .where(Run.repository_id == job.repository_id, Run.workflow_id == job.workflow_id, Run.created_at >= since)
        .order_by(Run.created_at.desc())
        .limit(_SEARCHED_RUNS)
    )
    for on_default_branch in (True, False):
        listed = session.execute(runs.where(Run.on_default_branch == on_default_branch)).all()
        times = {row.id: row.created_at for row in listed}
        sample = _newest(session, job.repository_id, times, is_same_job) if times else None
        if sample is not None:
            return sample
    return None


def _newest(
    session: Session, repository_id: int, runs: dict[int, datetime], is_same_job: Callable[[str], bool]
) -> SuccessfulJob | None:
    query = (
        select(Job.id, Job.run_id, Job.name)
        .where(Job.repository_id == repository_id, Job.run_id.in_(runs), Job.conclusion == Conclusion.SUCCESS)
        .where(~Job.copied, ~Job.phantom)
        .limit(_SEARCHED_JOBS)
    )
    samples = [
        SuccessfulJob(row.id, row.run_id, runs[row.run_id]) for row in session.execute(query) if is_same_job(row.name)
    ]
    return max(samples, key=lambda sample: (sample.created_at, sample.job_id), default=None)


def _extract_again(session: Session, job: SketchedJob, around: datetime, is_same_job: Callable[[str], bool]) -> int:
    query = (
        select(JobLog.job_id, Job.name)
        .join(Run, and_(Run.repository_id == JobLog.repository_id, Run.id == JobLog.run_id))
        .join(Job, and_(Job.repository_id == JobLog.repository_id, Job.id == JobLog.job_id))
        .where(JobLog.repository_id == job.repository_id, JobLog.state == LogState.STORED)
        .where(Run.workflow_id == job.workflow_id)
        .where(Run.created_at.between(around - AFFECTED_WITHIN, around + AFFECTED_WITHIN))
        .where(JobLog.cause_version.is_not(None), JobLog.error_line.is_not(None))
        .where(JobLog.compared.is_not(True))
        .order_by(Run.created_at.desc())
        .limit(_MAX_FAILED)
    )
    affected = [row.job_id for row in session.execute(query) if is_same_job(row.name)][:_MAX_AFFECTED]
    if affected:
        of_jobs = JobLog.repository_id == job.repository_id, JobLog.job_id.in_(affected)
        session.execute(update(JobLog).where(*of_jobs).values(cause_version=None))
    return len(affected)


def _of_job(job: SketchedJob) -> tuple[ColumnElement[bool], ...]:
    return (
        LogSketch.repository_id == job.repository_id,
        LogSketch.workflow_id == job.workflow_id,
        LogSketch.job_name_hash == job.name_hash,
    )
