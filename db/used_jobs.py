"""Which jobs count as use of runners, and what is read of them: for roll-ups and for questions about rows alike."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Subquery, Text, case, cast, func, select

from db.metrics import timing
from db.metrics.attempts import AttemptState, waste_reasons
from db.metrics.usage import Reasons
from db.models import Attempt, Job, Repository, Run
from db.types import epoch_seconds
from db.vocabulary import Conclusion, Outcome, Status

# What a subquery has of each run.
RUN_COLUMNS = ("repository_id", "id", "workflow_id", "attempt", "outcome", "created_at", "completed_at", "is_free")
_RUNS_AT_ONCE = 500
Runs = type[Run] | Subquery


def used_jobs(runs: Runs) -> Select[Any]:
    """Rows as db.metrics.usage.UsedJob, of all runs or of those of a subquery with RUN_COLUMNS."""
    run = _columns(runs)
    queued, ended = epoch_seconds(func.coalesce(Job.created_at, Job.started_at)), epoch_seconds(Job.completed_at)
    refused = func.coalesce(Job.conclusion, "") == timing.REFUSED
    # Who never started waited until the end, and who was refused for no runner.
    waited = case((Job.has_started, Job.queue_seconds), (~refused, ended - queued))
    return (
        select(
            epoch_seconds(run.created_at), run.repository_id, run.workflow_id, run.id, run.attempt, run.outcome,
            Job.attempt, ~Job.has_started & _over(run), case((Job.has_started, Job.duration_seconds)), waited,
            cast(Job.labels, Text), Job.runner, Job.runner_group, queued, Repository.private & ~run.is_free,
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


def reasons_of(connection: Connection, jobs: Sequence[Sequence[Any]]) -> Reasons:
    """Of those runs of these rows that have several attempts."""
    runs: dict[int, set[int]] = defaultdict(set)
    latest = {(row[1], row[3]): row[4] for row in jobs if row[4] > 1}
    for repository_id, run_id in latest:
        runs[repository_id].add(run_id)
    states: dict[tuple[int, int], list[AttemptState]] = defaultdict(list)
    columns = (Attempt.run_id, Attempt.attempt, Attempt.status, Attempt.conclusion)
    for repository_id, ids in runs.items():
        listed = sorted(ids)
        for first in range(0, len(listed), _RUNS_AT_ONCE):
            some = listed[first : first + _RUNS_AT_ONCE]
            query = select(*columns).where(Attempt.repository_id == repository_id, Attempt.run_id.in_(some))
            for run_id, number, status, conclusion in connection.execute(query):
                states[repository_id, run_id].append(AttemptState(number, status, conclusion))
    return {key: waste_reasons(listed, latest[key]) for key, listed in states.items()}


def _columns(runs: Runs) -> Any:
    return runs.c if isinstance(runs, Subquery) else runs


def _over(run: Any) -> ColumnElement[bool]:
    """A job is over at the latest when its run is, whatever GitHub says of it."""
    over: ColumnElement[bool] = (Job.status == Status.COMPLETED) | (run.outcome != Outcome.IN_PROGRESS)
    return over
