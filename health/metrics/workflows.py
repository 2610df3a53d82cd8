"""What a workflow and a run are made of: jobs, steps, single runs, branches, and what changed between runs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from db.definitions.job_times import DECIDED
from db.definitions.scope import Scope, Window
from db.enums import Interval, Outcome
from db.jobs.price_list import price_list
from db.runs.comparison import (
    ChangesSinceGreen,
    Commit,
    ComparedJob,
    ComparedJobState,
    ComparedRun,
    ComparisonError,
    RunComparison,
    changes_since_success,
    compare_runs,
    last_success,
)
from db.runs.run_filters import Branch, busiest_branches
from db.runs.run_lists import RunPoint, newest_run_points
from health.metrics import service
from health.metrics.definitions.aggregates import Aggregates, empty_aggregates
from health.metrics.definitions.attribution import (
    DurationDelta,
    DurationSample,
    job_samples,
    rank_duration_deltas,
    step_samples,
)
from health.metrics.definitions.distribution import ratio
from health.metrics.definitions.job_figures import JobFigures, StepFigures, job_figures, step_figures
from health.metrics.queries.executor import aggregates
from health.metrics.queries.grouping import MetricsQuery
from health.metrics.queries.job_queries import newest_runs, read_jobs, read_steps

__all__ = ["BranchPoint", "BranchSeries", "ComparisonError", "DurationDelta", "Commit", "ComparedJob", "ComparedRun", "RunPoint",
           "JobFigures", "ComparedJobState", "Jobs", "RunComparison", "Scatter", "ChangesSinceGreen", "Slowdown", "StepFigures",
           "Steps", "branches", "compare_runs", "jobs", "last_success", "scatter", "changes_since_success", "slowdown",
           "steps"]  # fmt: skip


@dataclass(frozen=True)
class Jobs:
    """The most time spent first. They are of the newest `runs` runs, of `total` in the window."""

    items: list[JobFigures]
    runs: int
    total: int


@dataclass(frozen=True)
class Steps:
    """The most time spent first. They are of the newest `runs` runs, of `total` in the window."""

    items: list[StepFigures]
    runs: int
    total: int


@dataclass(frozen=True)
class Slowdown:
    """Jobs and steps by how much longer their median is from `since` on, and of how many runs on each side they are."""

    jobs: list[DurationDelta]
    steps: list[DurationDelta]
    since: datetime
    runs_before: int
    runs_after: int


@dataclass(frozen=True)
class Scatter:
    """The newest runs first, of `total` in the window."""

    points: list[RunPoint]
    total: int


@dataclass(frozen=True)
class BranchPoint:
    """Of the runs created on one day (UTC); null where nothing was decided."""

    start: datetime
    decided: int
    success_rate: float | None
    p50: float | None


@dataclass(frozen=True)
class BranchSeries:
    """`default`: it is the default branch of a repository of the scope."""

    branch: str
    default: bool
    runs: int
    success_rate: float | None
    points: list[BranchPoint]


def jobs(
    session: Session, repo: str, workflow_id: int, branch: str | None, window: Window, *, runs: int = 1000
) -> Jobs:
    """Of the newest runs of a workflow, on one branch or on all: at most `runs`, and fewer where they have more than
    20,000 jobs."""
    scope = _workflow_scope(repo, workflow_id, branch)
    now, then = (newest_runs(session, repo, scope, each, runs) for each in (window, window.before()))
    if now is None or then is None:
        return Jobs([], 0, 0)
    facts, read = read_jobs(session, now)
    before, _ = read_jobs(session, then)
    found = job_figures(facts, before, decided_runs=now.decided, private=now.private, free_runs=now.free,
                        prices=price_list(session))  # fmt: skip
    return Jobs(found, read, _total(session, scope, window, len(now.ids), runs))


def steps(
    session: Session, repo: str, workflow_id: int, branch: str | None, window: Window, *, runs: int = 200
) -> Steps:
    """Of the newest runs of a workflow, on one branch or on all: at most `runs`, and fewer where they have more than
    2,000 jobs."""
    scope = _workflow_scope(repo, workflow_id, branch)
    now, then = (newest_runs(session, repo, scope, each, runs) for each in (window, window.before()))
    if now is None or then is None:
        return Steps([], 0, 0)
    facts, read = read_steps(session, now)
    before, _ = read_steps(session, then)
    return Steps(step_figures(facts, before), read, _total(session, scope, window, len(now.ids), runs))


def slowdown(
    session: Session, repo: str, workflow_id: int, branch: str | None, window: Window, since: datetime, *,
    runs: int = 200,
) -> Slowdown:  # fmt: skip
    """What changed at `since`, a moment within the window: of the newest `runs` runs on each side of it, fewer where
    they have more than 2,000 jobs."""
    scope = _workflow_scope(repo, workflow_id, branch)
    sides = [
        newest_runs(session, repo, scope, side, runs)
        for side in (Window(window.since, since), Window(since, window.until))
    ]
    jobs: list[DurationSample] = []
    steps: list[DurationSample] = []
    read = [0, 0]
    for place, side in enumerate(sides):
        if side is not None:
            of_steps, read[place] = read_steps(session, side)
            # Of the same runs, so that jobs and steps can be set beside each other.
            of_jobs, _ = read_jobs(session, replace(side, ids=side.ids[: read[place]]))
            jobs += job_samples(of_jobs, after_change=bool(place))
            steps += step_samples(of_steps, after_change=bool(place))
    return Slowdown(rank_duration_deltas(jobs, window), rank_duration_deltas(steps, window), since, read[0], read[1])


def scatter(session: Session, scope: Scope, window: Window, *, limit: int = 1500) -> Scatter:
    """At most `limit` runs."""
    dots = newest_run_points(session, scope, window, limit)
    return Scatter(dots, _total(session, scope, window, len(dots), limit))


def branches(session: Session, scope: Scope, window: Window, *, limit: int = 8) -> list[BranchSeries]:
    """The default branch first, then those with the most runs among the newest 20,000."""
    found = []
    for branch in busiest_branches(session, scope, window, limit):
        question = MetricsQuery(
            replace(scope, branches=(branch.name,)), window, interval=Interval.DAY, histograms=("durations",),
            recoveries=False,
        )  # fmt: skip
        found.append(_series(branch, window, aggregates(session, question)))
    return found


def _series(branch: Branch, window: Window, by_day: Mapping[tuple[Any, datetime | None], Aggregates]) -> BranchSeries:
    empty = empty_aggregates()
    points = []
    for start in window.buckets(Interval.DAY):
        of_day = by_day.get((None, start), empty)
        passed, decided = of_day.outcomes[Outcome.SUCCESS], _decided_count(of_day)
        points.append(BranchPoint(start, decided, ratio(passed, decided), of_day.duration_seconds.p50))
    passed = sum(each.outcomes[Outcome.SUCCESS] for each in by_day.values())
    runs = sum(sum(each.outcomes.values()) for each in by_day.values())
    rate = ratio(passed, sum(_decided_count(each) for each in by_day.values()))
    return BranchSeries(branch.name, branch.default, runs, rate, points)


def _decided_count(found: Aggregates) -> int:
    return sum(found.outcomes[outcome] for outcome in DECIDED)


def _workflow_scope(repo: str, workflow_id: int, branch: str | None) -> Scope:
    return Scope(repos=(repo,), workflows=(str(workflow_id),), branches=() if branch is None else (branch,))


def _total(session: Session, scope: Scope, window: Window, row_count: int, limit: int) -> int:
    """Counted only where there may be more than were read."""
    return row_count if row_count < limit else service.count_runs(session, scope, window)
