"""Writes of the states that webhooks report for runs and single jobs, in any order of arrival."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.definitions.records import JobRecord, RunRecord
from db.enums import Status
from db.jobs.job_writes import recompute_sums
from db.jobs.run_sums import set_spans
from db.models import Attempt, Job, Repository
from db.runs.merge import merge_attempt, merge_job
from db.runs.run_writes import upsert_runs


@dataclass(frozen=True)
class JobUpdate:
    """The state of one job. Its run may not be stored yet; the job is then stored before its run."""

    run_id: int
    job: JobRecord


@dataclass(frozen=True)
class StoredEvents:
    """`changed` counts changed runs, attempts and jobs. `runs_to_fetch` are completed runs whose jobs are to be
    fetched, `unknown_run_ids` runs that are known by a job only."""

    changed: int
    runs_to_fetch: frozenset[int]
    unknown_run_ids: frozenset[int]


def store_events(
    session: Session, repository: Repository, runs: Sequence[RunRecord], jobs: Sequence[JobUpdate]
) -> StoredEvents:
    """Stores the events of one repository. The caller locks the repository (lock_repositories) until the transaction
    ends."""
    changed = upsert_runs(session, repository, runs).changed if runs else 0
    job_changes = _store_jobs(session, repository.id, jobs)
    changed += job_changes.count
    run_ids = {record.id for record in runs} | {job.run_id for job in jobs}
    stored_runs = {run.id: run for run in recompute_sums(session, repository, run_ids)}
    earlier = [record for record in runs if record.attempt < stored_runs[record.id].attempt]
    if earlier:
        changed += _store_earlier_attempts(session, repository.id, earlier)
        recompute_sums(session, repository, {record.id for record in earlier})
    for run_id, attempt in job_changes.added:
        run = stored_runs.get(run_id)
        if run is not None and run.status == Status.COMPLETED and attempt <= run.attempt:
            # The list of the completed run lacked this job when it was fetched: the list was short.
            run.details_pending = True
    to_fetch = (run.id for run in stored_runs.values() if run.details_pending and run.status == Status.COMPLETED)
    return StoredEvents(changed, frozenset(to_fetch), frozenset(run_ids - set(stored_runs)))


def _store_earlier_attempts(session: Session, repository_id: int, records: Sequence[RunRecord]) -> int:
    """Stores reports of attempts that a later attempt has followed. They change that attempt and not the run."""
    query = select(Attempt).where(
        Attempt.repository_id == repository_id, Attempt.run_id.in_({record.id for record in records})
    )
    attempts = {(row.run_id, row.attempt): row for row in session.scalars(query)}
    changed = set()
    for record in records:
        key = record.id, record.attempt
        if key not in attempts:
            attempts[key] = Attempt(repository_id=repository_id, run_id=record.id, attempt=record.attempt)
            session.add(attempts[key])
        if merge_attempt(attempts[key], record):
            changed.add(key)
    return len(changed)


@dataclass(frozen=True)
class _JobChanges:
    """The number of changed jobs, and (run id, attempt) of those that were not stored before."""

    count: int = 0
    added: frozenset[tuple[int, int]] = frozenset()


def _store_jobs(session: Session, repository_id: int, updates: Sequence[JobUpdate]) -> _JobChanges:
    if not updates:
        return _JobChanges()
    query = select(Job).where(Job.repository_id == repository_id, Job.id.in_({update.job.id for update in updates}))
    jobs = {job.id: job for job in session.scalars(query)}
    changed, added = set(), set()
    for update in updates:
        job = jobs.get(update.job.id)
        if job is None:
            job = jobs[update.job.id] = Job(
                repository_id=repository_id, id=update.job.id, run_id=update.run_id, labels=[], steps=[]
            )
            session.add(job)
            added.add((update.run_id, update.job.attempt))
        if merge_job(job, update.job):
            set_spans(job)
            changed.add(job.id)
    session.flush()
    return _JobChanges(len(changed), frozenset(added))
