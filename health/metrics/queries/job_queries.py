"""Jobs and steps of the newest runs of a workflow, and waiting times of jobs by runner label."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Text, cast, func, select
from sqlalchemy.orm import Session

from db.definitions.attempts import DECIDED
from db.definitions.scope import Scope, Window
from db.enums import Status
from db.models import Job, Repository, Run
from db.runs.run_filters import in_scope, in_window
from db.sql import epoch_seconds
from health.metrics.definitions.job_figures import JobFact, StepFact, timed_steps
from health.metrics.definitions.usage import runner_label

# Runs a statement. Jobs are counted before they are read: a run has one job or ten thousand.
_RUN_BATCH = 100
_MAX_JOBS = 20_000
_MAX_JOBS_WITH_STEPS = 2_000
_Fact = TypeVar("_Fact", JobFact, StepFact)
_STEPS: list[Any] = [getattr(Job, name) for name in StepFact._fields]
_JOBS: list[Any] = [*(getattr(Job, name) for name in JobFact._fields[:-1]), cast(Job.labels, Text)]


@dataclass(frozen=True)
class NewestRuns:
    """Run ids, newest first. `decided` are those that succeeded or failed; GitHub bills nothing for those in `free`."""

    repository_id: int
    private: bool
    ids: list[int]
    decided: frozenset[int]
    free: frozenset[int]


def newest_runs(session: Session, repo: str, scope: Scope, window: Window, limit: int) -> NewestRuns | None:
    """Returns at most `limit` runs of the scope and window; null where the repository is not known."""
    repository = session.execute(select(Repository.id, Repository.private).where(Repository.full_name == repo)).first()
    if repository is None:
        return None
    query = select(Run.id, Run.outcome, Run.is_free).where(*in_scope(session, scope), *in_window(window))
    rows = session.execute(query.order_by(Run.created_at.desc(), Run.id.desc()).limit(limit)).all()
    decided = frozenset(row.id for row in rows if row.outcome in DECIDED)
    free = frozenset(row.id for row in rows if row.is_free)
    return NewestRuns(repository.id, repository.private, [row.id for row in rows], decided, free)


def read_jobs(session: Session, runs: NewestRuns) -> tuple[list[JobFact], int]:
    """Returns jobs, newest runs first, and the number of runs that were read."""
    rows, number = _read(session, runs, _JOBS, _MAX_JOBS)
    return [JobFact._make((*row[:-1], _labels(row[-1]))) for row in rows], number


def read_steps(session: Session, runs: NewestRuns) -> tuple[list[StepFact], int]:
    """Returns jobs with steps, newest runs first, and the number of runs that were read."""
    rows, number = _read(session, runs, _STEPS, _MAX_JOBS_WITH_STEPS)
    return [StepFact._make((*row[:-1], timed_steps(row.run_id, row[-1]))) for row in rows], number


def _read(session: Session, runs: NewestRuns, columns: Sequence[Any], min_jobs: int) -> tuple[list[Any], int]:
    position = {run_id: number for number, run_id in enumerate(runs.ids)}
    jobs: list[Any] = []
    read = 0
    for batch in _batches(runs.ids):
        ids = _runs_with_enough_jobs(session, runs.repository_id, batch, min_jobs - len(jobs))
        query = select(*columns).where(Job.repository_id == runs.repository_id, Job.run_id.in_(ids))
        # Without the unit of work: a page reads thousands of rows.
        rows = session.connection().execute(query).all()
        jobs += sorted(rows, key=lambda row: position[row.run_id])
        read += len(ids)
        if len(jobs) >= min_jobs:
            break
    return jobs, read


def _batches(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for first in range(0, len(ids), _RUN_BATCH):
        yield ids[first : first + _RUN_BATCH]


def _runs_with_enough_jobs(session: Session, repository_id: int, ids: Sequence[int], min_jobs: int) -> Sequence[int]:
    """Returns the first runs that have that many jobs together, at least one run; all where they have fewer. The jobs
    are counted in an index."""
    of_runs = Job.repository_id == repository_id, Job.run_id.in_(ids)
    query = select(Job.run_id, func.count()).where(*of_runs).group_by(Job.run_id)
    counts = {row[0]: row[1] for row in session.connection().execute(query)}
    jobs = 0
    for number, run_id in enumerate(ids, start=1):
        jobs += counts.get(run_id, 0)
        if jobs >= min_jobs:
            return ids[:number]
    return ids


@lru_cache(maxsize=1000)
def _labels(text: str) -> tuple[str, ...]:
    """Parses labels; cached, because jobs have few different ones."""
    return tuple(json.loads(text))


# A job is queued when the jobs that it needs have ended: by so much its run may have been created earlier.
_RUN_BEFORE_JOB = timedelta(hours=6)
MAX_RUNS = 10_000


class JobWait(NamedTuple):
    """A job and the `seconds` that it waited for a runner, null while it waits. `queued` is in seconds since 1970;
    `label` is empty for jobs without labels."""

    repository_id: int
    workflow_id: int
    run_id: int
    branch: str | None
    label: str
    queued: float
    seconds: float | None


def list_waits(
    session: Session, scope: Scope, window: Window, *conditions: ColumnElement[bool], max_runs: int = MAX_RUNS
) -> list[JobWait]:
    """Returns the jobs that were queued in the window, of the newest `max_runs` runs that meet the conditions, without
    copies, phantoms and jobs that were never queued for a runner."""
    created = in_window(Window(window.since - _RUN_BEFORE_JOB, window.until))
    runs = (
        select(Run.repository_id, Run.workflow_id, Run.id, Run.branch)
        .where(*in_scope(session, scope), *created, *conditions)
        .order_by(Run.created_at.desc(), Run.id.desc())
        .limit(max_runs)
        .subquery()
    )
    queued = func.coalesce(Job.created_at, Job.started_at)
    query = (
        select(
            runs.c.repository_id,
            runs.c.workflow_id,
            runs.c.id,
            runs.c.branch,
            cast(Job.labels, Text),
            epoch_seconds(queued),
            Job.queue_seconds,
        )
        .select_from(runs)
        .join(Job, (Job.repository_id == runs.c.repository_id) & (Job.run_id == runs.c.id))
        .where(
            ~Job.copied,
            ~Job.phantom,
            queued >= window.since,
            queued < window.until,
            Job.queue_seconds.is_not(None) | (Job.status == Status.QUEUED),
        )
    )
    rows = session.connection().execute(query)
    return [
        JobWait(repository_id, workflow_id, run_id, branch, runner_label(labels), float(queued_at), seconds)
        for repository_id, workflow_id, run_id, branch, labels, queued_at, seconds in rows
    ]


def job_waits(session: Session, scope: Scope, window: Window) -> dict[str, list[tuple[float, float]]]:
    """Returns, by label, when each job of the window was queued, in seconds since 1970, and for how many seconds it
    waited; jobs that still wait, up to the end of the window."""
    by_label: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for job in list_waits(session, scope, window):
        by_label[job.label].append((job.queued, wait_seconds(job, window.until)))
    return dict(by_label)


def wait_seconds(job: JobWait, now: datetime) -> float:
    """Returns the waiting time in seconds, up to `now` where the job still waits."""
    return max(now.timestamp() - job.queued, 0.0) if job.seconds is None else job.seconds
