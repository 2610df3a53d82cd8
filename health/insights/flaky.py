"""Flaky workflows: how often runs fail without a fault in the code. db.definitions.attempts defines a flaky run.

A flake is detected only if the failure is re-run. The share of re-run failures that then pass does not depend on how
often failures are re-run; multiplied by the share of runs whose first attempt fails, it estimates the share of runs
that flake.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from db.enums import GroupBy, Interval, Outcome
from health.completeness.service import PeriodCompleteness
from health.insights import finding_queries
from health.insights.finding_queries import SAME_COMMIT_WINDOW, Key
from health.insights.flaky_queries import (
    FlakyCounts,
    count_first_failures,
    count_flaky,
    flaky_jobs,
    jobs_allowed_to_fail_by_workflow,
    newest_flaky,
)
from health.metrics.definitions.change import wilson
from health.metrics.definitions.percentiles import ratio
from health.metrics.queries import executor
from health.metrics.queries.grouping import MetricsQuery
from health.metrics.queries.names import Names
from health.metrics.service import was_collected

# A workflow is flaky if at least this share of its runs flakes, with 97.5 % confidence in each factor, and at least two
# runs did.
FLAKY_THRESHOLD, MIN_FLAKY_RUNS = 0.01, 2


@dataclass(frozen=True)
class Flakiness:
    """Shares from 0 to 1 with 95 % intervals; null without data. `per_rerun` is the share of re-run failures that
    passed, `estimate` the share of runs that flake, re-run or not, and `estimate_low` its lower bound. `is_flaky`: the
    workflow is classified as flaky."""

    per_rerun: float | None
    per_rerun_low: float
    per_rerun_high: float
    estimate: float | None
    estimate_low: float
    is_flaky: bool


def flakiness(flaky: int, rerun_failures: int, failed_first: int, decided: int) -> Flakiness:
    """`flaky` of the `rerun_failures` passed later; `failed_first` of the `decided` (completed) runs failed in their
    first attempt."""
    # Flaky runs belong to both counts.
    rerun_failures, failed_first = max(rerun_failures, flaky), max(failed_first, flaky)
    decided = max(decided, failed_first)
    per_rerun, first_failure_rate = ratio(flaky, rerun_failures), ratio(failed_first, decided)
    low, high = wilson(flaky, rerun_failures)
    estimate = None if per_rerun is None or first_failure_rate is None else per_rerun * first_failure_rate
    bound = low * wilson(failed_first, decided)[0]
    return Flakiness(per_rerun, low, high, estimate, bound, flaky >= MIN_FLAKY_RUNS and bound >= FLAKY_THRESHOLD)


# The days at the end of the window whose runs decide whether a workflow is flaky.
CLASSIFICATION_WINDOW = timedelta(days=28)
MAX_RUNS_FOR_JOBS, _MAX_WORKFLOWS_FOR_JOBS = 1_000, 100
# Runs of the last day may still be re-run: in simulated accounts, 84 % of their flaky runs were known within the day.
RERUN_DELAY = timedelta(days=1)


@dataclass(frozen=True)
class FlakyJob:
    name: str
    runs: int


@dataclass(frozen=True)
class FlakyWorkflow:
    """`rate` is the share of flaky runs among the `decided` (completed) ones, with the 95 % interval from `lower_bound`
    to `upper_bound`; `rate_per_rerun` is the share among the `rerun_failures`, failures that were re-run. `estimate` is
    the share of runs that flake, re-run or not, and `estimate_low` its lower bound, which ranks the list; both are of
    the last 28 days and null or 0 where no failure was re-run. `is_flaky`: that bound is at least 1 % and at least two
    runs flaked. `same_commit` counts the commits from the last 14 days on which one run failed and another passed.
    `jobs` are the jobs that failed first, without those that are allowed to fail. `by_day` has the flaky runs of each
    day of the window. `before` counts those of the previous period; null where it was not collected."""

    repo: str
    workflow: str
    workflow_id: int
    flaky_runs: int
    decided: int
    rate: float | None
    lower_bound: float
    upper_bound: float
    rerun_failures: int
    rate_per_rerun: float | None
    estimate: float | None
    estimate_low: float
    is_flaky: bool
    same_commit: int
    jobs: list[FlakyJob]
    last_at: datetime
    last_run_id: int
    by_day: list[int]
    wasted_seconds: float
    before: int | None


@dataclass(frozen=True)
class FlakySummary:
    """Sums over workflows: those that are classified as flaky and the others, and the counts of FlakyWorkflow. `rate`
    and `rate_per_rerun` are shares from 0 to 1, null without runs; `before` is null where a previous period was not
    collected."""

    called: int
    occasional: int
    flaky_runs: int
    before: int | None
    rate: float | None
    rerun_failures: int
    rate_per_rerun: float | None
    wasted_seconds: float
    by_day: list[int]


@dataclass(frozen=True)
class FlakyWorkflows:
    """`before` counts the flaky runs of the previous period, also of workflows that have none now; null where it was
    not collected, or without items."""

    items: list[FlakyWorkflow]
    before: int | None


def summarize(listing: FlakyWorkflows) -> FlakySummary:
    workflows = listing.items
    called, runs = sum(row.is_flaky for row in workflows), sum(row.flaky_runs for row in workflows)
    reruns = sum(row.rerun_failures for row in workflows)
    return FlakySummary(
        called=called,
        occasional=len(workflows) - called,
        flaky_runs=runs,
        before=listing.before,
        rate=ratio(runs, sum(row.decided for row in workflows)),
        rerun_failures=reruns,
        rate_per_rerun=ratio(runs, reruns),
        wasted_seconds=sum(row.wasted_seconds for row in workflows),
        by_day=[sum(counts) for counts in zip(*(row.by_day for row in workflows), strict=True)],
    )


def flaky(
    session: Session, scope: Scope, window: Window, *, periods: PeriodCompleteness | None = None
) -> list[FlakyWorkflow]:
    """The workflows with flaky runs in the window, highest confidence first, with the jobs of the newest 1,000 flaky
    runs."""
    return flaky_workflows(session, scope, window, periods=periods).items


def flaky_workflows(
    session: Session, scope: Scope, window: Window, *, periods: PeriodCompleteness | None = None
) -> FlakyWorkflows:
    """The workflows as `flaky` lists them, and the flaky runs of the previous period."""
    counted = {key: counts for key, counts in count_flaky(session, scope, window).items() if counts.flaky}
    if not counted:
        return FlakyWorkflows([], None)
    outcomes = executor.outcomes(session, MetricsQuery(scope, window, GroupBy.WORKFLOW))
    decided = {key: counts[Outcome.SUCCESS] + counts[Outcome.FAILURE] for (key, _), counts in outcomes.items()}
    same_commit_window = Window(max(window.since, window.until - SAME_COMMIT_WINDOW), window.until)
    commits = finding_queries.count_same_commit_flakes(session, scope, same_commit_window)
    newest, jobs = newest_flaky(session, scope, window), _jobs(session, scope, window)
    flakiness_of, before = _classify(session, scope, window, counted), _previous_counts(session, scope, window, periods)
    names = Names(session)
    days = window.buckets(Interval.DAY)
    listed = []
    for key, counts in counted.items():
        completed = max(decided.get(key, 0), counts.flaky)
        low, high = wilson(counts.flaky, completed)
        listed.append(
            FlakyWorkflow(
                repo=names.repository(key[0]) or "",
                workflow=names.workflow(key),
                workflow_id=key[1],
                flaky_runs=counts.flaky,
                decided=completed,
                rate=ratio(counts.flaky, completed),
                lower_bound=low,
                upper_bound=high,
                rerun_failures=counts.rerun_failures,
                rate_per_rerun=ratio(counts.flaky, counts.rerun_failures),
                estimate=flakiness_of[key].estimate,
                estimate_low=flakiness_of[key].estimate_low,
                is_flaky=flakiness_of[key].is_flaky,
                same_commit=commits.get(key, 0),
                jobs=_top_jobs(jobs[key]),
                last_at=newest[key][1],
                last_run_id=newest[key][0],
                by_day=[counts.by_day.get(day, 0) for day in days],
                wasted_seconds=counts.wasted_seconds,
                before=before[key] if before is not None else None,
            )
        )
    listed.sort(key=lambda row: (-row.estimate_low, -row.lower_bound, row.repo, row.workflow))
    return FlakyWorkflows(listed, None if before is None else before.total())


def _classify(
    session: Session, scope: Scope, window: Window, counted: Mapping[Key, FlakyCounts]
) -> dict[Key, Flakiness]:
    """The flakiness by the last 28 days of the window; numerator and denominator count the same runs."""
    recent = Window(max(window.since, window.until - CLASSIFICATION_WINDOW), window.until)
    recent_counts = counted if recent == window else count_flaky(session, scope, recent)
    first_failures = count_first_failures(session, scope, recent)
    no_counts = FlakyCounts()
    return {
        key: flakiness(
            recent_counts.get(key, no_counts).flaky,
            recent_counts.get(key, no_counts).rerun_failures,
            *first_failures.get(key, (0, 0)),
        )
        for key in counted
    }


def _previous_counts(
    session: Session, scope: Scope, window: Window, periods: PeriodCompleteness | None
) -> Counter[Key] | None:
    """The flaky runs of the previous period by workflow; null where it was not collected."""
    if not was_collected(session, scope, window, periods=periods):
        return None
    previous = count_flaky(session, scope, window.before())
    return Counter({key: counts.flaky for key, counts in previous.items()})


def _jobs(session: Session, scope: Scope, window: Window) -> dict[Key, Counter[str]]:
    """The number of flaky runs in which a job failed first, by workflow and job name."""
    newest = finding_queries.list_flaky_runs(session, scope, window, limit=MAX_RUNS_FOR_JOBS)
    workflow_of = {(run.repository_id, run.id): (run.repository_id, run.workflow_id) for run in newest}
    workflows = list(dict.fromkeys(workflow_of.values()))[:_MAX_WORKFLOWS_FOR_JOBS]
    allowed = jobs_allowed_to_fail_by_workflow(session, workflows, window)
    counted: dict[Key, Counter[str]] = defaultdict(Counter)
    for repository_id, run_id, name in flaky_jobs(session, newest):
        key = workflow_of[repository_id, run_id]
        if (key, name) not in allowed:
            counted[key][name] += 1
    return counted


def _top_jobs(jobs: Counter[str]) -> list[FlakyJob]:
    """The ten jobs with the most runs, equal ones by name."""
    ranked = sorted(jobs.items(), key=lambda item: (-item[1], item[0]))
    return [FlakyJob(name, runs) for name, runs in ranked[:10]]
