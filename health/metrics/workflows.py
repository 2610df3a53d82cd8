"""Jobs, steps, single runs and branches of a workflow, and changes between runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy.orm import Session

from db.definitions.attempts import DECIDED
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
from db.runs.run_queries import RunRow
from health.metrics import service
from health.metrics.definitions.aggregates import Aggregates, empty_aggregates
from health.metrics.definitions.attribution import (
    DurationDelta,
    DurationSample,
    duration_trends,
    job_samples,
    rank_duration_deltas,
    step_samples,
)
from health.metrics.definitions.job_figures import (
    JobFact,
    JobFigures,
    StepFact,
    StepFigures,
    job_figures,
    step_figures,
)
from health.metrics.definitions.job_groups import row_names
from health.metrics.definitions.percentiles import percentile, ratio
from health.metrics.queries.executor import aggregates
from health.metrics.queries.grouping import Key, MetricsQuery
from health.metrics.queries.job_queries import newest_runs, read_jobs, read_steps

__all__ = [
    "BranchPoint",
    "BranchSeries",
    "ChangesSinceGreen",
    "Commit",
    "ComparedJob",
    "ComparedJobState",
    "ComparedRun",
    "ComparisonError",
    "DurationDelta",
    "DurationTrends",
    "JobFigures",
    "Jobs",
    "RunComparison",
    "RunPoint",
    "Scatter",
    "Slowdown",
    "StepFigures",
    "Steps",
    "UsualDuration",
    "branches",
    "changes_since_success",
    "compare_runs",
    "jobs",
    "last_success",
    "scatter",
    "slowdown",
    "steps",
    "usual_duration",
]


# The runs from which the usual duration of a workflow comes.
_USUAL_WINDOW, _MAX_USUAL_RUNS, _MIN_USUAL_RUNS = timedelta(days=30), 200, 5


@dataclass(frozen=True)
class UsualDuration:
    """Percentiles of the durations of `runs` successful runs, in seconds."""

    p50: float
    p95: float
    runs: int


# Rows of jobs or steps. Figures of a matrix of thousands of jobs are folded, so that only other names reach this limit.
_MAX_ROWS = 2_000
# Medians of the duration over the window, by job and step (empty for the job itself).
DurationTrends = Mapping[tuple[str, str], list[float | None]]


@dataclass(frozen=True)
class Jobs:
    """Figures of jobs, the most compute time first, of the newest `runs` runs of `total` in the window. `omitted` is
    the number of rows beyond the limit of 2,000. With more than 300 names of jobs, the jobs of a matrix have one
    row."""

    items: list[JobFigures]
    runs: int
    total: int
    trends: DurationTrends = field(default_factory=dict)
    omitted: int = 0


@dataclass(frozen=True)
class Steps:
    """Figures of steps, the most time first, of the newest `runs` runs of `total` in the window. `omitted` as in Jobs.
    The steps of jobs that have one row have one row as well."""

    items: list[StepFigures]
    runs: int
    total: int
    trends: DurationTrends = field(default_factory=dict)
    omitted: int = 0


@dataclass(frozen=True)
class Slowdown:
    """Jobs and steps, the largest rise of the median duration at `since` first; `runs_before` and `runs_after` are the
    numbers of runs that were read. `job_figures` and `step_figures` are of the same runs, with their change at
    `since`."""

    jobs: list[DurationDelta]
    steps: list[DurationDelta]
    since: datetime
    runs_before: int
    runs_after: int
    job_figures: Jobs
    step_figures: Steps


@dataclass(frozen=True)
class Scatter:
    """The newest runs of `total` in the window, newest first."""

    points: list[RunPoint]
    total: int


@dataclass(frozen=True)
class BranchPoint:
    """Figures of the runs created on one day (UTC), null without completed runs. `p50` is the median duration in
    seconds."""

    start: datetime
    decided: int
    success_rate: float | None
    p50: float | None


@dataclass(frozen=True)
class BranchSeries:
    """Figures of a branch. `default`: it is the default branch of a repository of the scope."""

    branch: str
    default: bool
    runs: int
    success_rate: float | None
    points: list[BranchPoint]


def jobs(
    session: Session, repo: str, workflow_id: int, branch: str | None, window: Window, *, runs: int = 1000
) -> Jobs:
    """Returns the figures of the newest runs of a workflow, on a branch or on all: of at most `runs` runs, and of fewer
    where they have more than 20,000 jobs."""
    scope = _workflow_scope(repo, workflow_id, branch)
    current, previous = (newest_runs(session, repo, scope, period, runs) for period in (window, window.before()))
    if current is None or previous is None:
        return Jobs([], 0, 0)
    facts, read = read_jobs(session, current)
    before, _ = read_jobs(session, previous)
    row_name = row_names(fact.name for fact in facts)
    items = job_figures(
        facts,
        before,
        decided_runs=current.decided,
        private=current.private,
        free_runs=current.free,
        prices=price_list(session),
        row_name=row_name,
    )
    listed = items[:_MAX_ROWS]
    trends = duration_trends(
        job_samples(facts, row_name, after_change=False), window, {(item.name, "") for item in listed}
    )
    total = _total(session, scope, window, len(current.ids), runs)
    return Jobs(listed, read, total, trends, len(items) - len(listed))


def steps(
    session: Session, repo: str, workflow_id: int, branch: str | None, window: Window, *, runs: int = 200
) -> Steps:
    """Returns the figures of the newest runs of a workflow, on a branch or on all: of at most `runs` runs, and of fewer
    where they have more than 2,000 jobs."""
    scope = _workflow_scope(repo, workflow_id, branch)
    current, previous = (newest_runs(session, repo, scope, period, runs) for period in (window, window.before()))
    if current is None or previous is None:
        return Steps([], 0, 0)
    facts, read = read_steps(session, current)
    before, _ = read_steps(session, previous)
    row_name = row_names(fact.name for fact in facts)
    items = step_figures(facts, before, row_name)
    listed = items[:_MAX_ROWS]
    trends = duration_trends(
        step_samples(facts, row_name, after_change=False), window, {(item.job, item.name) for item in listed}
    )
    total = _total(session, scope, window, len(current.ids), runs)
    return Steps(listed, read, total, trends, len(items) - len(listed))


def slowdown(
    session: Session,
    repo: str,
    workflow_id: int,
    branch: str | None,
    window: Window,
    since: datetime,
    *,
    runs: int = 200,
) -> Slowdown:
    """Returns what changed at `since`, a time in the window, from the newest `runs` runs before and after it, fewer
    where they have more than 2,000 jobs."""
    scope = _workflow_scope(repo, workflow_id, branch)
    sides = [
        newest_runs(session, repo, scope, side, runs)
        for side in (Window(window.since, since), Window(since, window.until))
    ]
    jobs: list[list[JobFact]] = [[], []]
    steps: list[list[StepFact]] = [[], []]
    read = [0, 0]
    for index, side in enumerate(sides):
        if side is not None:
            steps[index], read[index] = read_steps(session, side)
            # Jobs of the same runs, so that jobs and steps are comparable.
            jobs[index], _ = read_jobs(session, replace(side, ids=side.ids[: read[index]]))
    # The newest runs first, as the figures expect them.
    all_jobs, all_steps = [*jobs[1], *jobs[0]], [*steps[1], *steps[0]]
    row_name = row_names(fact.name for fact in all_jobs)
    of_jobs: list[DurationSample] = []
    of_steps: list[DurationSample] = []
    for index in (1, 0):
        of_jobs += job_samples(jobs[index], row_name, after_change=bool(index))
        of_steps += step_samples(steps[index], row_name, after_change=bool(index))
    job_deltas, step_deltas = rank_duration_deltas(of_jobs, window), rank_duration_deltas(of_steps, window)
    known = [side for side in sides if side is not None]
    figures = job_figures(
        all_jobs,
        (),
        decided_runs=frozenset().union(*(side.decided for side in known)),
        private=any(side.private for side in known),
        free_runs=frozenset().union(*(side.free for side in known)),
        prices=price_list(session),
        row_name=row_name,
    )
    job_rows, step_rows = _with_changes(figures, job_deltas), step_figures(all_steps, (), row_name)
    step_rows = _with_step_changes(step_rows, step_deltas)
    total = service.count_runs(session, scope, window)
    return Slowdown(
        job_deltas,
        step_deltas,
        since,
        read[0],
        read[1],
        _limited(Jobs(job_rows, sum(read), total, _trends_of(job_deltas))),
        _limited(Steps(step_rows, sum(read), total, _trends_of(step_deltas))),
    )


_Listed = TypeVar("_Listed", Jobs, Steps)


def _limited(listed: _Listed) -> _Listed:
    return replace(listed, items=listed.items[:_MAX_ROWS], omitted=max(len(listed.items) - _MAX_ROWS, 0))


def _with_changes(figures: Sequence[JobFigures], deltas: Sequence[DurationDelta]) -> list[JobFigures]:
    """The figures with the change at the change point instead of that from the previous period."""
    by_name = {delta.job: delta for delta in deltas}
    return [
        replace(item, before_p50=delta.before, change=delta.change) if (delta := by_name.get(item.name)) else item
        for item in figures
    ]


def _with_step_changes(figures: Sequence[StepFigures], deltas: Sequence[DurationDelta]) -> list[StepFigures]:
    by_name = {(delta.job, delta.step): delta for delta in deltas}
    return [
        replace(item, before_p50=delta.before, change=delta.change)
        if (delta := by_name.get((item.job, item.name)))
        else item
        for item in figures
    ]


def _trends_of(deltas: Sequence[DurationDelta]) -> DurationTrends:
    return {(delta.job, delta.step): delta.trend for delta in deltas}


def scatter(session: Session, scope: Scope, window: Window, *, limit: int = 1500) -> Scatter:
    """Returns the newest runs, at most `limit`."""
    points = newest_run_points(session, scope, window, limit)
    return Scatter(points, _total(session, scope, window, len(points), limit))


def usual_duration(session: Session, run: RunRow) -> UsualDuration | None:
    """Returns the usual duration of the run's workflow, from its newest runs of the 30 days before; null with fewer
    than 5 successful ones."""
    scope = _workflow_scope(run.repo, run.workflow_id, None)
    window = Window(run.created_at - _USUAL_WINDOW, run.created_at)
    points = newest_run_points(session, scope, window, _MAX_USUAL_RUNS)
    seconds = sorted(
        point.duration_seconds
        for point in points
        if point.outcome == Outcome.SUCCESS and point.duration_seconds is not None
    )
    p50, p95 = percentile(seconds, 0.5), percentile(seconds, 0.95)
    if len(seconds) < _MIN_USUAL_RUNS or p50 is None or p95 is None:
        return None
    return UsualDuration(p50, p95, len(seconds))


def branches(session: Session, scope: Scope, window: Window, *, limit: int = 8) -> list[BranchSeries]:
    """Returns the default branch first, then the branches with the most runs among the newest 20,000 runs."""
    listed = []
    for branch in busiest_branches(session, scope, window, limit):
        query = MetricsQuery(
            replace(scope, branches=(branch.name,)),
            window,
            interval=Interval.DAY,
            histograms=("durations",),
            recoveries=False,
        )
        listed.append(_series(branch, window, aggregates(session, query)))
    return listed


def _series(branch: Branch, window: Window, by_day: Mapping[Key, Aggregates]) -> BranchSeries:
    empty = empty_aggregates()
    points = []
    for start in window.buckets(Interval.DAY):
        day = by_day.get((None, start), empty)
        passed, decided = day.outcomes[Outcome.SUCCESS], _decided_count(day)
        points.append(BranchPoint(start, decided, ratio(passed, decided), day.duration_seconds.p50))
    passed = sum(day.outcomes[Outcome.SUCCESS] for day in by_day.values())
    runs = sum(sum(day.outcomes.values()) for day in by_day.values())
    rate = ratio(passed, sum(_decided_count(day) for day in by_day.values()))
    return BranchSeries(branch.name, branch.default, runs, rate, points)


def _decided_count(aggregates: Aggregates) -> int:
    return sum(aggregates.outcomes[outcome] for outcome in DECIDED)


def _workflow_scope(repo: str, workflow_id: int, branch: str | None) -> Scope:
    return Scope(repos=(repo,), workflows=(str(workflow_id),), branches=() if branch is None else (branch,))


def _total(session: Session, scope: Scope, window: Window, row_count: int, limit: int) -> int:
    """Counts the runs of the window where `limit` may have cut them off."""
    return row_count if row_count < limit else service.count_runs(session, scope, window)
