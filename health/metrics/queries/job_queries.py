"""Jobs and steps of the newest runs of a workflow, for the figures of db.metrics.job_figures.

How long jobs waited for a runner, by the labels of the runner.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Text, cast, func, select
from sqlalchemy.orm import Session

from db.definitions.job_times import DECIDED
from db.definitions.scope import Scope, Window
from db.enums import Status
from db.models import Job, Repository, Run
from db.runs.run_filters import in_scope, in_window
from db.sql import epoch_seconds
from health.metrics.definitions.job_figures import JobFact, StepFact
from health.metrics.definitions.usage import runner_label

# So many runs a question; jobs are read until there are enough, however many a run has.
_RUN_BATCH = 100
_MAX_JOBS = 20_000
_MAX_JOBS_WITH_STEPS = 2_000
_Fact = TypeVar("_Fact", JobFact, StepFact)
_STEPS: list[Any] = [getattr(Job, name) for name in StepFact._fields]
# One of few values, made of JSON once each.
_JOBS: list[Any] = [*(getattr(Job, name) for name in JobFact._fields[:-1]), cast(Job.labels, Text)]


@dataclass(frozen=True)
class NewestRuns:
    """Ids, newest first; `decided` are those that succeeded or failed, `free` those for which GitHub bills nothing."""

    repository_id: int
    private: bool
    ids: list[int]
    decided: frozenset[int]
    free: frozenset[int]


def newest_runs(session: Session, repo: str, scope: Scope, window: Window, limit: int) -> NewestRuns | None:
    """Null where the repository is not known."""
    found = session.execute(select(Repository.id, Repository.private).where(Repository.full_name == repo)).first()
    if found is None:
        return None
    query = select(Run.id, Run.outcome, Run.is_free).where(*in_scope(session, scope), *in_window(window))
    rows = session.execute(query.order_by(Run.created_at.desc(), Run.id.desc()).limit(limit)).all()
    decided = frozenset(row.id for row in rows if row.outcome in DECIDED)
    free = frozenset(row.id for row in rows if row.is_free)
    return NewestRuns(found.id, found.private, [row.id for row in rows], decided, free)


def read_jobs(session: Session, runs: NewestRuns) -> tuple[list[JobFact], int]:
    """Newest runs first, and of how many runs they are."""
    rows, number = _read(session, runs, _JOBS, _MAX_JOBS)
    return [JobFact._make((*row[:-1], _labels(row[-1]))) for row in rows], number


def read_steps(session: Session, runs: NewestRuns) -> tuple[list[StepFact], int]:
    """Newest runs first, and of how many runs they are."""
    rows, number = _read(session, runs, _STEPS, _MAX_JOBS_WITH_STEPS)
    return [StepFact._make(row) for row in rows], number


def _read(session: Session, runs: NewestRuns, columns: Sequence[Any], enough: int) -> tuple[list[Any], int]:
    place = {run_id: number for number, run_id in enumerate(runs.ids)}
    found: list[Any] = []
    read = 0
    for some in _batches(runs.ids):
        query = select(*columns).where(Job.repository_id == runs.repository_id, Job.run_id.in_(some))
        # Past the unit of work: thousands of rows are read for a page.
        rows = session.connection().execute(query).all()
        found += sorted(rows, key=lambda row: place[row.run_id])
        read += len(some)
        if len(found) >= enough:
            break
    return found, read


def _batches(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for first in range(0, len(ids), _RUN_BATCH):
        yield ids[first : first + _RUN_BATCH]


@lru_cache(maxsize=1000)
def _labels(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


# Jobs of a run are queued when those that they need are over.
_RUN_BEFORE_JOB = timedelta(hours=6)
MAX_RUNS = 10_000


class JobWait(NamedTuple):
    """`queued` in seconds since 1970, `seconds` waited; null while it waits. `label` is empty without one."""

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
    """Own jobs queued in the window, of the newest `most_runs` runs that meet the conditions; without those that were
    never queued for a runner."""
    created = in_window(Window(window.since - _RUN_BEFORE_JOB, window.until))
    runs = (
        select(Run.repository_id, Run.workflow_id, Run.id, Run.branch)
        .where(*in_scope(session, scope), *created, *conditions)
        .order_by(Run.created_at.desc(), Run.id.desc()).limit(max_runs).subquery()
    )  # fmt: skip
    queued = func.coalesce(Job.created_at, Job.started_at)
    query = (
        select(
            runs.c.repository_id, runs.c.workflow_id, runs.c.id, runs.c.branch, cast(Job.labels, Text),
            epoch_seconds(queued), Job.queue_seconds,
        )
        .select_from(runs)
        .join(Job, (Job.repository_id == runs.c.repository_id) & (Job.run_id == runs.c.id))
        .where(
            ~Job.copied, ~Job.phantom, queued >= window.since, queued < window.until,
            Job.queue_seconds.is_not(None) | (Job.status == Status.QUEUED),
        )
    )  # fmt: skip
    rows = session.connection().execute(query)
    return [
        JobWait(repository_id, workflow_id, run_id, branch, runner_label(labels), float(moment), seconds)
        for repository_id, workflow_id, run_id, branch, labels, moment, seconds in rows
    ]


def job_waits(session: Session, scope: Scope, window: Window) -> dict[str, list[tuple[float, float]]]:
    """By label: when each job queued in the window was queued, in seconds since 1970, and how many seconds it waited;
    those that still wait up to the end of the window."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for each in list_waits(session, scope, window):
        found[each.label].append((each.queued, wait_seconds(each, window.until)))
    return dict(found)


def wait_seconds(job: JobWait, now: datetime) -> float:
    """Seconds, up to now where it still waits."""
    return max(now.timestamp() - job.queued, 0.0) if job.seconds is None else job.seconds
