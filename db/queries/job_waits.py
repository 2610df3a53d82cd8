"""How long jobs waited for a runner, by the labels of the runner."""

from collections import defaultdict
from datetime import timedelta

from sqlalchemy import Text, cast, func, select
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


def job_waits(session: Session, scope: Scope, window: Window) -> dict[str, list[tuple[float, float]]]:
    """By label (empty without one): when each job queued in the window was queued, in seconds since 1970, and how many
    seconds it waited; those that still wait up to the end of the window. Of more than 10,000 runs the newest."""
    created = in_window(Window(window.since - _RUN_BEFORE_JOB, window.until))
    runs = (
        select(Run.repository_id, Run.id).where(*in_scope(session, scope), *created)
        .order_by(Run.created_at.desc(), Run.id.desc()).limit(MOST_RUNS).subquery()
    )  # fmt: skip
    queued = func.coalesce(Job.created_at, Job.started_at)
    query = (
        select(cast(Job.labels, Text), epoch_seconds(queued), Job.queue_seconds)
        .select_from(runs)
        .join(Job, (Job.repository_id == runs.c.repository_id) & (Job.run_id == runs.c.id))
        .where(
            ~Job.copied, ~Job.phantom, queued >= window.since, queued < window.until,
            Job.queue_seconds.is_not(None) | (Job.status == Status.QUEUED),
        )
    )  # fmt: skip
    until = window.until.timestamp()
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for labels, moment, seconds in session.connection().execute(query):
        waited = max(until - moment, 0.0) if seconds is None else float(seconds)
        found[label_of(labels)].append((float(moment), waited))
    return dict(found)
