"""Writing what events tell of runs and of single jobs, in whatever order they come."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.definitions.records import JobRecord, RunRecord
from db.enums import Status
from db.jobs.job_writes import fill_job, job_progress, recompute_sums
from db.models import Attempt, Job, Repository
from db.runs.run_writes import status_rank, upsert_runs


@dataclass(frozen=True)
class JobUpdate:
    """The state of one job. Its run may not be known yet: the job waits for it then."""

    run_id: int
    job: JobRecord


@dataclass(frozen=True)
class StoredEvents:
    """`wanting` are the runs among them that are over and whose jobs are to be fetched, `unknown` those that only a
    job told of."""

    changed: int
    runs_to_fetch: frozenset[int]
    unknown_run_ids: frozenset[int]


def store_events(
    session: Session, repository: Repository, runs: Sequence[RunRecord], jobs: Sequence[JobUpdate]
) -> StoredEvents:
    """One repository's events. The repository is locked (lock_repositories) until the transaction ends."""
    changed = upsert_runs(session, repository, runs).changed if runs else 0
    news = _store_jobs(session, repository.id, jobs)
    changed += news.jobs
    ids = {record.id for record in runs} | {each.run_id for each in jobs}
    known = {run.id: run for run in recompute_sums(session, repository, ids)}
    late = [record for record in runs if record.attempt < known[record.id].attempt]
    if late:
        changed += _store_earlier_attempts(session, repository.id, late)
        recompute_sums(session, repository, {record.id for record in late})
    for run_id, attempt in news.added:
        run = known.get(run_id)
        if run is not None and run.status == Status.COMPLETED and attempt <= run.attempt:
            # The list of a finished run did not hold this job when it was read: it was short.
            run.details_pending = True
    wanting = (run.id for run in known.values() if run.details_pending and run.status == Status.COMPLETED)
    return StoredEvents(changed, frozenset(wanting), frozenset(ids - set(known)))


def _store_earlier_attempts(session: Session, repository_id: int, records: Sequence[RunRecord]) -> int:
    """What is told of an attempt after the next one has begun belongs to that attempt alone."""
    late: dict[tuple[int, int], RunRecord] = {}
    for record in records:
        key = record.id, record.attempt
        if key not in late or _progress_key(late[key]) < _progress_key(record):
            late[key] = record
    query = select(Attempt).where(
        Attempt.repository_id == repository_id, Attempt.run_id.in_({run_id for run_id, _ in late})
    )
    known = {(row.run_id, row.attempt): row for row in session.scalars(query)}
    return sum(_store_attempt(session, repository_id, record, known.get(key)) for key, record in late.items())


def _store_attempt(session: Session, repository_id: int, record: RunRecord, attempt: Attempt | None) -> bool:
    if attempt is None:
        attempt = Attempt(repository_id=repository_id, run_id=record.id, attempt=record.attempt)
        session.add(attempt)
    elif status_rank(attempt.status) >= _progress_key(record):
        return False
    attempt.status, attempt.conclusion = record.status, record.conclusion
    attempt.started_at, attempt.actor = record.started_at, record.triggering_actor or attempt.actor
    if record.status == Status.COMPLETED and attempt.first_completed_at is None:
        attempt.first_completed_at = record.updated_at
    return True


def _progress_key(record: RunRecord) -> int:
    return status_rank(record.status)


@dataclass(frozen=True)
class _StoredJobs:
    """How many jobs have news, and (run id, attempt) of those that were not known before."""

    jobs: int = 0
    added: frozenset[tuple[int, int]] = frozenset()


def _store_jobs(session: Session, repository_id: int, jobs: Sequence[JobUpdate]) -> _StoredJobs:
    if not jobs:
        return _StoredJobs()
    latest: dict[int, JobUpdate] = {}
    for each in jobs:
        before = latest.get(each.job.id)
        if before is None or job_progress(before.job) < job_progress(each.job):
            latest[each.job.id] = each
    query = select(Job).where(Job.repository_id == repository_id, Job.id.in_(list(latest)))
    known = {job.id: job for job in session.scalars(query)}
    news, added = 0, set()
    for job_id, each in latest.items():
        job = known.get(job_id)
        if job is None:
            job = Job(repository_id=repository_id, id=job_id, run_id=each.run_id, labels=[], steps=[])
            session.add(job)
            added.add((each.run_id, each.job.attempt))
        elif job_progress(each.job) <= job_progress(job):
            continue
        fill_job(job, each.job)
        news += 1
    session.flush()
    return _StoredJobs(news, frozenset(added))
