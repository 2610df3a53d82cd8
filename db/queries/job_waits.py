"""How long jobs waited for a runner, by the labels of the runner."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, Text, cast, func, select
from sqlalchemy.orm import Session

from db.metrics.scope import Scope
from db.metrics.usage import label_of
from db.metrics.window import Window
from db.models import Job, Run
from db.queries.filters import in_scope, in_window
from db.types import epoch_seconds
from db.vocabulary import Status

# Jobs of a run are queued when those that they need are over.
_RUN_BEFORE_JOB = timedelta(hours=6)
MOST_RUNS = 10_000


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
    session: Session, scope: Scope, window: Window, *where: ColumnElement[bool], most_runs: int = MOST_RUNS
) -> list[JobWait]:
    """Own jobs queued in the window, of the newest `most_runs` runs that meet the conditions; without those that were
    never queued for a runner."""
    created = in_window(Window(window.since - _RUN_BEFORE_JOB, window.until))
    runs = (
        select(Run.repository_id, Run.workflow_id, Run.id, Run.branch)
        .where(*in_scope(session, scope), *created, *where)
        .order_by(Run.created_at.desc(), Run.id.desc()).limit(most_runs).subquery()
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
        JobWait(repository_id, workflow_id, run_id, branch, label_of(labels), float(moment), seconds)
        for repository_id, workflow_id, run_id, branch, labels, moment, seconds in rows
    ]


def job_waits(session: Session, scope: Scope, window: Window) -> dict[str, list[tuple[float, float]]]:
    """By label: when each job queued in the window was queued, in seconds since 1970, and how many seconds it waited;
    those that still wait up to the end of the window."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for each in list_waits(session, scope, window):
        found[each.label].append((each.queued, waited(each, window.until)))
    return dict(found)


def waited(job: JobWait, now: datetime) -> float:
    """Seconds, up to now where it still waits."""
    return max(now.timestamp() - job.queued, 0.0) if job.seconds is None else job.seconds
