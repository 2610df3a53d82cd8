"""Queries for flaky runs. The database counts them, so that the counts include all runs of a window."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Integer, and_, case, cast, func, or_, select
from sqlalchemy.orm import Session

from db.definitions.attempts import DECIDED
from db.definitions.scope import Scope, Window
from db.enums import Outcome
from db.models import Attempt, Job, Run
from db.runs.run_filters import in_scope, in_window
from db.sql import epoch_seconds
from health.insights.finding_queries import FlakyRun, Key

_DAY = 86_400
# The newest successful runs of a workflow that are searched for jobs that are allowed to fail.
_MAX_SUCCESSFUL_RUNS = 100
_FAILED = ("failure", "timed_out")
_FAILED_OWN_JOB = (Job.conclusion.in_(_FAILED), ~Job.phantom)


@dataclass
class FlakyCounts:
    """The counts of one workflow: flaky runs, failed runs that were re-run, seconds of the failed attempts of flaky
    runs, and flaky runs by day (its start, UTC)."""

    flaky: int = 0
    rerun_failures: int = 0
    wasted_seconds: float = 0.0
    by_day: dict[datetime, int] = field(default_factory=dict)


def count_flaky(session: Session, scope: Scope, window: Window) -> dict[Key, FlakyCounts]:
    """The counts of all workflows with a failure that was re-run."""
    day = cast(epoch_seconds(Run.created_at), Integer) / _DAY
    day = cast(func.floor(day), Integer) if session.get_bind().dialect.name == "postgresql" else cast(day, Integer)
    flaky = case((Run.flaky, 1), else_=0)
    query = (
        select(
            Run.repository_id,
            Run.workflow_id,
            day,
            func.sum(flaky),
            func.count(),
            func.sum(case((Run.flaky, Run.wasted_seconds), else_=0.0)),
        )
        .where(*in_scope(session, scope), *in_window(window), _rerun_failure())
        .group_by(Run.repository_id, Run.workflow_id, day)
    )
    by_workflow: dict[Key, FlakyCounts] = defaultdict(FlakyCounts)
    for repository_id, workflow_id, day_number, flaky_runs, rerun, wasted in session.execute(query):
        counts = by_workflow[repository_id, workflow_id]
        counts.flaky += int(flaky_runs)
        counts.rerun_failures += int(rerun)
        counts.wasted_seconds += float(wasted)
        if flaky_runs:
            counts.by_day[datetime.fromtimestamp(int(day_number) * _DAY, UTC)] = int(flaky_runs)
    return dict(by_workflow)


def _rerun_failure() -> Any:
    """A failed attempt was re-run. Rows of earlier versions show it by their last attempt only."""
    return or_(Run.failed_then_rerun, Run.flaky, and_(Run.attempt > 1, Run.outcome == Outcome.FAILURE))


def count_first_failures(session: Session, scope: Scope, window: Window) -> dict[Key, tuple[int, int]]:
    """By workflow: the completed runs whose first attempt failed, and all completed runs."""
    failed = or_(
        Run.first_outcome == Outcome.FAILURE,
        and_(Run.first_outcome.is_(None), or_(Run.outcome == Outcome.FAILURE, Run.flaky)),
    )
    query = (
        select(Run.repository_id, Run.workflow_id, func.sum(case((failed, 1), else_=0)), func.count())
        .where(*in_scope(session, scope), *in_window(window), Run.outcome.in_(DECIDED))
        .group_by(Run.repository_id, Run.workflow_id)
    )
    return {(row[0], row[1]): (int(row[2]), int(row[3])) for row in session.execute(query)}


def newest_flaky(session: Session, scope: Scope, window: Window) -> dict[Key, tuple[int, datetime]]:
    """The id of the newest flaky run and when it was created, by workflow."""
    rank = (
        func.row_number()
        .over(partition_by=(Run.repository_id, Run.workflow_id), order_by=(Run.created_at.desc(), Run.id.desc()))
        .label("rank")
    )
    columns: list[Any] = [Run.repository_id, Run.workflow_id, Run.id, Run.created_at, rank]
    ranked = select(*columns).where(*in_scope(session, scope), *in_window(window), Run.flaky).subquery().c
    query = select(ranked.repository_id, ranked.workflow_id, ranked.id, ranked.created_at).where(ranked.rank == 1)
    return {(row[0], row[1]): (row[2], row[3]) for row in session.execute(query)}


def flaky_jobs(session: Session, runs: Sequence[FlakyRun]) -> set[tuple[int, int, str]]:
    """Repository id, run id and name of the jobs that failed in a failed attempt of these runs and in no successful
    attempt."""
    if not runs:
        return set()
    ids, repositories = {run.id for run in runs}, {run.repository_id for run in runs}
    passed = (Attempt.conclusion == "success").label("passed")
    same_attempt = and_(
        Attempt.repository_id == Job.repository_id, Attempt.run_id == Job.run_id, Attempt.attempt == Job.attempt
    )
    query = (
        select(Job.repository_id, Job.run_id, Job.name, Job.copied, passed)
        .join(Attempt, same_attempt)
        .where(Job.repository_id.in_(repositories), Job.run_id.in_(ids), *_FAILED_OWN_JOB)
    )
    failed: set[tuple[int, int, str]] = set()
    allowed: set[tuple[int, int, str]] = set()
    for repository_id, run_id, name, copied, in_passed in session.execute(query):
        if in_passed:
            allowed.add((repository_id, run_id, name))
        elif not copied:
            failed.add((repository_id, run_id, name))
    return failed - allowed


def jobs_allowed_to_fail_by_workflow(session: Session, keys: Collection[Key], window: Window) -> set[tuple[Key, str]]:
    """Jobs that failed although the run passed, among the newest 100 successful runs of each workflow in the window."""
    allowed: set[tuple[Key, str]] = set()
    for repository_id, workflow_id in keys:
        successful = (
            select(Run.id, Run.attempt)
            .where(
                Run.repository_id == repository_id,
                Run.workflow_id == workflow_id,
                *in_window(window),
                Run.outcome == Outcome.SUCCESS,
            )
            .order_by(Run.created_at.desc())
            .limit(_MAX_SUCCESSFUL_RUNS)
            .subquery()
        )
        query = (
            select(Job.name)
            .select_from(successful)
            .join(
                Job,
                and_(
                    Job.repository_id == repository_id,
                    Job.run_id == successful.c.id,
                    Job.attempt == successful.c.attempt,
                ),
            )
            .where(*_FAILED_OWN_JOB)
            .distinct()
        )
        allowed |= {((repository_id, workflow_id), name) for name in session.scalars(query)}
    return allowed
