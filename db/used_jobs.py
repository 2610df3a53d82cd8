"""Which jobs count as use of runners, and what is read of them: for roll-ups and for questions about rows alike."""

from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, Text, cast, func, select

from db.models import Attempt, Job, Repository, Run
from db.types import epoch_seconds
from db.vocabulary import Conclusion, Outcome, Status

# What a subquery has of each run.
RUN_COLUMNS = ("repository_id", "id", "workflow_id", "attempt", "outcome", "created_at", "completed_at", "is_free")
Runs = type[Run] | Subquery


def used_jobs(runs: Runs) -> Select[Any]:
    """Rows as db.metrics.usage.UsedJob, of all runs or of those of a subquery with RUN_COLUMNS."""
    run = _columns(runs)
    queued = func.coalesce(Job.created_at, Job.started_at)
    return (
        select(
            epoch_seconds(run.created_at), run.repository_id, run.workflow_id, run.id, run.attempt, run.outcome,
            Job.attempt, Job.has_started, _over(run), Job.conclusion, Job.duration_seconds, Job.queue_seconds,
            cast(Job.labels, Text), Job.runner, Job.runner_group, epoch_seconds(queued),
            epoch_seconds(Job.completed_at), run.is_free, Repository.private,
        )
        .select_from(runs)
        .join(Repository, Repository.id == run.repository_id)
        .join(Job, (Job.repository_id == run.repository_id) & (Job.run_id == run.id))
        .where(*own_jobs(runs))
    )  # fmt: skip


def own_jobs(runs: Runs) -> tuple[ColumnElement[bool], ...]:
    """No copies, no phantoms, none that was skipped or still waits."""
    known = Job.duration_seconds.is_not(None) | Job.queue_seconds.is_not(None) | _over(_columns(runs))
    return ~Job.copied, ~Job.phantom, func.coalesce(Job.conclusion, "") != Conclusion.SKIPPED, known


def attempts_of(runs: Runs) -> Select[Any]:
    """Of runs with several attempts, as db.metrics.usage.reasons_of takes them."""
    run = _columns(runs)
    return (
        select(run.repository_id, run.id, run.attempt, Attempt.attempt, Attempt.status, Attempt.conclusion)
        .select_from(runs)
        .join(Attempt, (Attempt.repository_id == run.repository_id) & (Attempt.run_id == run.id))
        .where(run.attempt > 1)
    )


def _columns(runs: Runs) -> Any:
    return runs.c if isinstance(runs, Subquery) else runs


def _over(run: Any) -> ColumnElement[bool]:
    """A job is over at the latest when its run is, whatever GitHub says of it."""
    over: ColumnElement[bool] = (Job.status == Status.COMPLETED) | (run.outcome != Outcome.IN_PROGRESS)
    return over
