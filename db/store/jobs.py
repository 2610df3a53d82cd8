"""Writing the attempts and jobs of runs, and the sums over them that a run carries."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, defer
from sqlalchemy.orm.interfaces import ORMOption

from db.metrics import timing
from db.models import Attempt, Job, Repository, Run
from db.pricing import price_list
from db.store.job_lists import job_list_of, note_job_lists
from db.store.locking import lock_repository
from db.store.marks import mark_runs
from db.store.progress import status_rank
from db.store.records import AttemptRecord, DetailsRecord, JobRecord
from db.store.run_sums import set_spans, sum_up
from db.vocabulary import Conclusion, Status

_JOB_FIELDS = ("attempt", "name", "status", "conclusion", "created_at", "started_at", "completed_at", "html_url")


def store_details(session: Session, repository: Repository, details: Sequence[DetailsRecord]) -> int:
    """Stores jobs and attempts of several runs and makes their sums anew; returns how many runs changed."""
    lock_repository(session, repository.id)
    run_ids = [detail.run_id for detail in details]
    runs = {run.id: run for run in _of(session, Run, repository.id, Run.id, run_ids)}
    attempts = _by_run(_of(session, Attempt, repository.id, Attempt.run_id, run_ids))
    jobs = _by_run(_of(session, Job, repository.id, Job.run_id, run_ids))
    prices = price_list(session)
    changed = 0
    lists = []
    for detail in details:
        run = runs.get(detail.run_id)
        if run is None:
            continue
        ours = attempts[run.id]
        _store_attempts(session, run, ours, detail.attempts)
        _store_jobs(session, run, jobs[run.id], detail.jobs)
        _mark(jobs[run.id])
        sum_up(repository, run, ours, jobs[run.id], prices)
        run.details_at = detail.fetched_at
        lists.append(job_list_of(run, ours, jobs[run.id], detail))
        run.details_pending = not lists[-1].settled
        changed += session.is_modified(run) or bool(session.new)
    if lists:
        note_job_lists(session, repository.id, lists, max(detail.fetched_at for detail in details))
    mark_runs(session, repository.id, (runs[each].created_at for each in run_ids if each in runs))
    session.flush()
    return changed


def sum_up_runs(session: Session, repository: Repository, run_ids: Collection[int]) -> list[Run]:
    """Makes the sums of these runs, and the spans of their jobs, anew from what is stored of them; returns those that
    are known."""
    listed, prices = list(run_ids), price_list(session)
    runs: list[Run] = _of(session, Run, repository.id, Run.id, listed)
    attempts = _by_run(_of(session, Attempt, repository.id, Attempt.run_id, listed))
    jobs: dict[int, list[Job]] = _by_run(_of(session, Job, repository.id, Job.run_id, listed, defer(Job.steps)))
    for run in runs:
        for job in jobs[run.id]:
            set_spans(job)
        _mark(jobs[run.id])
        sum_up(repository, run, attempts[run.id], jobs[run.id], prices)
    mark_runs(session, repository.id, (run.created_at for run in runs))
    session.flush()
    return runs


def _of(
    session: Session, model: Any, repository_id: int, column: Any, run_ids: list[int], *options: ORMOption
) -> list[Any]:
    query = select(model).where(model.repository_id == repository_id, column.in_(run_ids))
    return list(session.scalars(query.options(*options)))


def _by_run(rows: list[Any]) -> dict[int, list[Any]]:
    grouped: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        grouped[row.run_id].append(row)
    return grouped


def _store_attempts(session: Session, run: Run, known: list[Attempt], records: Sequence[AttemptRecord]) -> None:
    by_number = {attempt.attempt: attempt for attempt in known}
    for record in records:
        attempt = by_number.get(record.attempt)
        if attempt is None:
            attempt = Attempt(repository_id=run.repository_id, run_id=run.id, attempt=record.attempt)
            session.add(attempt)
            known.append(attempt)
        elif attempt.status == Status.COMPLETED and record.status != Status.COMPLETED:
            continue
        attempt.status, attempt.conclusion = record.status, record.conclusion
        attempt.started_at, attempt.actor = record.started_at, record.actor
        if record.status == Status.COMPLETED and attempt.first_completed_at is None:
            attempt.first_completed_at = record.updated_at


def _store_jobs(session: Session, run: Run, known: list[Job], records: Sequence[JobRecord]) -> None:
    by_id = {job.id: job for job in known}
    for record in records:
        job = by_id.get(record.id)
        if job is None:
            job = Job(repository_id=run.repository_id, id=record.id, run_id=run.id, labels=[], steps=[])
            session.add(job)
            known.append(job)
            by_id[record.id] = job
        elif _is_stale(job, record):
            continue
        fill_job(job, record)


def _is_stale(job: Job, record: JobRecord) -> bool:
    """A finished job may be told anew with fewer steps: GitHub forgets them, and fill_job keeps them."""
    if job.status == Status.COMPLETED:
        return record.status != Status.COMPLETED
    return job_progress(record) < job_progress(job)


def job_progress(job: Job | JobRecord) -> tuple[int, int, int]:
    """No time tells which of two states of a job is the later one."""
    return status_rank(job.status), *_steps_done(job.steps)


def _steps_done(steps: Sequence[dict[str, Any]]) -> tuple[int, int]:
    return sum(step.get("status") == Status.COMPLETED for step in steps), len(steps)


def fill_job(job: Job, record: JobRecord) -> None:
    """Whether the record is news is for the caller to say."""
    for name in _JOB_FIELDS:
        setattr(job, name, getattr(record, name))
    job.runner = record.runner or job.runner
    job.runner_id = record.runner_id or job.runner_id
    job.runner_group = record.runner_group or job.runner_group
    job.labels = list(record.labels)
    # GitHub forgets the steps of old jobs; what is stored is not lost for that.
    if _steps_done(record.steps) >= _steps_done(job.steps):
        job.steps = list(record.steps)
    set_spans(job)


def _mark(jobs: list[Job]) -> None:
    times = [_times(job) for job in jobs]
    for job, is_copy, spans in zip(jobs, timing.copied(times), times, strict=True):
        job.copied, job.phantom = is_copy, timing.is_phantom(spans)


def _times(job: Job) -> timing.JobTimes:
    return timing.JobTimes(
        attempt=job.attempt,
        name=job.name,
        started_at=job.started_at,
        completed_at=job.completed_at,
        has_runner=bool(job.runner or job.runner_id),
        labels=tuple(job.labels),
        # Of a job with a runner they are not looked at, and may not be loaded.
        step_count=0 if job.runner else len(job.steps),
        completed=job.status == Status.COMPLETED,
        skipped=job.conclusion == Conclusion.SKIPPED,
        html_url=job.html_url,
    )
