"""Writes of attempts and jobs, and of the sums over them that a run holds.

After a change of prices or definitions the sums of stored runs are recomputed in batches, each in its own transaction.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, select, tuple_
from sqlalchemy.orm import Session, defer
from sqlalchemy.orm.interfaces import ORMOption

from db.collection.claims import lock_repository
from db.collection.heartbeat_detail import PRICES_HEARTBEAT
from db.definitions import job_times
from db.definitions.prices import PriceList
from db.definitions.records import AttemptRecord, JobRecord, RunDetailsRecord
from db.engine import write_scope
from db.enums import Conclusion, Status
from db.jobs.pending_jobs import job_list_of, record_job_lists
from db.jobs.price_list import price_list, price_list_detail, price_list_from_detail
from db.jobs.run_sums import recompute_run, set_spans
from db.models import Attempt, Heartbeat, Job, Repository, Run
from db.runs.merge import merge_attempt, merge_job
from db.runs.rollup_invalidation import invalidate_runs
from db.sql import insert_ignore


def store_run_details(session: Session, repository: Repository, details: Sequence[RunDetailsRecord]) -> int:
    """Stores jobs and attempts of several runs and recomputes their sums; returns the number of changed runs."""
    lock_repository(session, repository.id)
    run_ids = [detail.run_id for detail in details]
    runs = {run.id: run for run in _rows_of_runs(session, Run, repository.id, Run.id, run_ids)}
    attempts = _by_run(_rows_of_runs(session, Attempt, repository.id, Attempt.run_id, run_ids))
    jobs = _by_run(_rows_of_runs(session, Job, repository.id, Job.run_id, run_ids))
    prices = price_list(session)
    changed = 0
    lists = []
    for detail in details:
        run = runs.get(detail.run_id)
        if run is None:
            continue
        run_attempts = attempts[run.id]
        _store_attempts(session, run, run_attempts, detail.attempts)
        _store_jobs(session, run, jobs[run.id], detail.jobs)
        _mark_copies(jobs[run.id])
        recompute_run(repository, run, run_attempts, jobs[run.id], prices)
        run.details_at = detail.fetched_at
        lists.append(job_list_of(run, run_attempts, jobs[run.id], detail))
        run.details_pending = not lists[-1].settled
        changed += session.is_modified(run) or bool(session.new)
    if lists:
        record_job_lists(session, repository.id, lists, max(detail.fetched_at for detail in details))
    invalidate_runs(session, repository.id, (runs[run_id].created_at for run_id in run_ids if run_id in runs))
    session.flush()
    return changed


def recompute_sums(session: Session, repository: Repository, run_ids: Collection[int]) -> list[Run]:
    """Recomputes the sums of these runs and the spans of their jobs from stored rows; returns the stored runs."""
    listed, prices = list(run_ids), price_list(session)
    runs: list[Run] = _rows_of_runs(session, Run, repository.id, Run.id, listed)
    attempts = _by_run(_rows_of_runs(session, Attempt, repository.id, Attempt.run_id, listed))
    jobs: dict[int, list[Job]] = _by_run(
        _rows_of_runs(session, Job, repository.id, Job.run_id, listed, defer(Job.steps))
    )
    for run in runs:
        for job in jobs[run.id]:
            set_spans(job)
        _mark_copies(jobs[run.id])
        recompute_run(repository, run, attempts[run.id], jobs[run.id], prices)
    invalidate_runs(session, repository.id, (run.created_at for run in runs))
    session.flush()
    return runs


def _rows_of_runs(
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
        merge_attempt(attempt, record)


def _store_jobs(session: Session, run: Run, known: list[Job], records: Sequence[JobRecord]) -> None:
    by_id = {job.id: job for job in known}
    for record in records:
        job = by_id.get(record.id)
        if job is None:
            job = Job(repository_id=run.repository_id, id=record.id, run_id=run.id, labels=[], steps=[])
            session.add(job)
            known.append(job)
            by_id[record.id] = job
        if merge_job(job, record):
            set_spans(job)


def _mark_copies(jobs: list[Job]) -> None:
    times = [_job_times(job) for job in jobs]
    for job, is_copy, spans in zip(jobs, job_times.mark_copies(times), times, strict=True):
        job.copied, job.phantom = is_copy, job_times.is_phantom(spans)


def _job_times(job: Job) -> job_times.JobTimes:
    return job_times.JobTimes(
        attempt=job.attempt,
        name=job.name,
        started_at=job.started_at,
        completed_at=job.completed_at,
        has_runner=bool(job.runner or job.runner_id),
        labels=tuple(job.labels),
        # The steps of a job with a runner are not needed and may not be loaded.
        step_count=0 if job.runner else len(job.steps),
        completed=job.status == Status.COMPLETED,
        skipped=job.conclusion == Conclusion.SKIPPED,
        html_url=job.html_url,
    )


_RUNS_AT_ONCE = 200
Position = tuple[int, int]
_START: Position = (0, 0)
# Key in the detail of the heartbeat: repository and run up to which costs use the stored prices; null where all do.
_POSITION_KEY = "after"


def recompute_runs(engine: Engine) -> Iterator[int]:
    """Recomputes all stored runs and invalidates the roll-ups of their days; yields the number of runs of each
    batch."""
    position: Position | None = _START
    while position is not None:
        with write_scope(engine) as session:
            count, position = _recompute_batch(session, position)
        yield count


def store_prices(session: Session, prices: PriceList, now: datetime) -> bool:
    """Stores the prices; returns whether they changed. Stored costs are then to be recomputed by `resume_repricing`."""
    row = session.get(Heartbeat, PRICES_HEARTBEAT, with_for_update=True)
    if row is None:
        first = {
            "name": PRICES_HEARTBEAT,
            "started_at": now,
            "seen_at": now,
            "data_version": 0,
            "detail": {_POSITION_KEY: None},
        }
        insert_ignore(session, Heartbeat, [first])
        row = session.get_one(Heartbeat, PRICES_HEARTBEAT, with_for_update=True)
    row.seen_at = now
    if price_list_from_detail(row.detail) == prices:
        return False
    row.detail = {**price_list_detail(prices), _POSITION_KEY: list(_START)}
    return True


def resume_repricing(engine: Engine) -> Iterator[int]:
    """Recomputes the runs that remain after a change of prices, and yields the number of runs of each batch. It resumes
    where it was interrupted."""
    position: Position | None = _START
    while position is not None:
        with write_scope(engine) as session:
            row = session.get(Heartbeat, PRICES_HEARTBEAT, with_for_update=True)
            after = row.detail.get(_POSITION_KEY) if row else None
            if row is None or after is None:
                return
            count, position = _recompute_batch(session, (int(after[0]), int(after[1])))
            row.detail = {**row.detail, _POSITION_KEY: position and list(position)}
        yield count


def _recompute_batch(session: Session, after: Position) -> tuple[int, Position | None]:
    """Recomputes the next runs by repository and id; returns their number, and the position after them, null at the
    end."""
    key: tuple[Any, Any] = (Run.repository_id, Run.id)
    query = select(*key).where(tuple_(*key) > tuple_(*after)).order_by(*key).limit(_RUNS_AT_ONCE)
    rows = [(int(repository_id), int(run_id)) for repository_id, run_id in session.execute(query)]
    if not rows:
        return 0, None
    repository = session.get_one(Repository, rows[0][0])
    lock_repository(session, repository.id)
    ids = [run_id for repository_id, run_id in rows if repository_id == repository.id]
    recompute_sums(session, repository, ids)
    return len(ids), (repository.id, ids[-1])
