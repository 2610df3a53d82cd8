"""Runs that failed and then passed, counted by the database: no figure is of a part of them."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Integer, and_, case, cast, func, or_, select
from sqlalchemy.orm import Session

from db.definitions.job_times import DECIDED
from db.definitions.scope import Scope, Window
from db.enums import Outcome
from db.models import Attempt, Job, Run
from db.runs.run_filters import in_scope, in_window
from db.sql import epoch_seconds
from health.insights.finding_queries import FlakyRun, Key

_DAY = 86_400
# A failed job whose run passed nevertheless was allowed to fail. So many newest green runs are looked at for them.
_MAX_GREEN_RUNS = 100
_FAILED = ("failure", "timed_out")
_FAILED_OWN_JOB = (Job.conclusion.in_(_FAILED), ~Job.phantom)


@dataclass
class FlakyCounts:
    """Of one workflow: flaky runs, those on each day (the moment it begins, UTC), failed runs that were re-run, and
    seconds of the attempts in vain of flaky runs."""

    flaky: int = 0
    rerun_failures: int = 0
    wasted_seconds: float = 0.0
    by_day: dict[datetime, int] = field(default_factory=dict)


def count_flaky(session: Session, scope: Scope, window: Window) -> dict[Key, FlakyCounts]:
    """By workflow, all that re-ran a failure."""
    day = cast(epoch_seconds(Run.created_at), Integer) / _DAY
    day = cast(func.floor(day), Integer) if session.get_bind().dialect.name == "postgresql" else cast(day, Integer)
    flaky = case((Run.flaky, 1), else_=0)
    query = (
        select(
            Run.repository_id, Run.workflow_id, day, func.sum(flaky), func.count(),
            func.sum(case((Run.flaky, Run.wasted_seconds), else_=0.0)),
        )
        .where(*in_scope(session, scope), *in_window(window), _rerun_failure())
        .group_by(Run.repository_id, Run.workflow_id, day)
    )  # fmt: skip
    found: dict[Key, FlakyCounts] = defaultdict(FlakyCounts)
    for repository_id, workflow_id, number, of_day, rerun, wasted in session.execute(query):
        counts = found[repository_id, workflow_id]
        counts.flaky += int(of_day)
        counts.rerun_failures += int(rerun)
        counts.wasted_seconds += float(wasted)
        if of_day:
            counts.by_day[datetime.fromtimestamp(int(number) * _DAY, UTC)] = int(of_day)
    return dict(found)


def _rerun_failure() -> Any:
    """A failed attempt was run again. Rows of older versions know it by their last attempt alone."""
    return or_(Run.failed_then_rerun, Run.flaky, and_(Run.attempt > 1, Run.outcome == Outcome.FAILURE))


def count_first_failures(session: Session, scope: Scope, window: Window) -> dict[Key, tuple[int, int]]:
    """By workflow: decided runs whose first attempt failed, and decided runs."""
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
    """By workflow the id of the newest flaky run and when it was created."""
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
    """Repository id, run id and name of the jobs that failed in a failed attempt of these runs and in none that
    passed."""
    if not runs:
        return set()
    ids, repositories = {run.id for run in runs}, {run.repository_id for run in runs}
    passed = (Attempt.conclusion == "success").label("passed")
    same = and_(
        Attempt.repository_id == Job.repository_id, Attempt.run_id == Job.run_id, Attempt.attempt == Job.attempt
    )
    query = (
        select(Job.repository_id, Job.run_id, Job.name, Job.copied, passed)
        .join(Attempt, same)
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
    """Names of jobs that failed in runs that passed, of the newest 100 green runs of each workflow in the window."""
    found: set[tuple[Key, str]] = set()
    for repository_id, workflow_id in keys:
        green = (
            select(Run.id, Run.attempt)
            .where(
                Run.repository_id == repository_id, Run.workflow_id == workflow_id, *in_window(window),
                Run.outcome == Outcome.SUCCESS,
            )
            .order_by(Run.created_at.desc()).limit(_MAX_GREEN_RUNS).subquery()
        )  # fmt: skip
        query = (
            select(Job.name)
            .select_from(green)
            .join(Job, and_(Job.repository_id == repository_id, Job.run_id == green.c.id,
                            Job.attempt == green.c.attempt))
            .where(*_FAILED_OWN_JOB)
            .distinct()
        )  # fmt: skip
        found |= {((repository_id, workflow_id), name) for name in session.scalars(query)}
    return found
