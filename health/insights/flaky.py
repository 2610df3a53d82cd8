"""How often does a workflow fail without a fault in the code? Pure.

A flake is seen only where somebody re-runs the failure. The share of re-run failures that then pass does not depend on
how often people re-run; times the share of runs that fail at first, it estimates the share of runs that flake.

What fails and then passes on the same code.
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
from health.insights.finding_queries import Key
from health.insights.flaky_queries import (
    FlakyCounts,
    count_first_failures,
    count_flaky,
    flaky_jobs,
    jobs_allowed_to_fail_by_workflow,
    newest_flaky,
)
from health.metrics.definitions.change import wilson
from health.metrics.definitions.distribution import ratio
from health.metrics.queries import executor
from health.metrics.queries.grouping import MetricsQuery
from health.metrics.queries.names import Names
from health.metrics.service import was_collected

# Called flaky where at least this share of runs flakes, certain to 97.5 % for each factor, by two runs or more.
FLAKY_THRESHOLD, MIN_FLAKY_RUNS = 0.01, 2


@dataclass(frozen=True)
class Flakiness:
    """Shares from 0 to 1, with 95 % intervals; null where nothing is known. `per_rerun`: flaky runs of failures that
    were re-run. `estimate`: of runs that flake, re-run or not; `estimate_low` its lower bound."""

    per_rerun: float | None
    per_rerun_low: float
    per_rerun_high: float
    estimate: float | None
    estimate_low: float
    called: bool


def flakiness(flaky: int, rerun_failures: int, failed_first: int, decided: int) -> Flakiness:
    """`flaky` of the `rerun_failures` passed later; `failed_first` of the `decided` runs failed in their first
    attempt."""
    # A run that passed after a failure is one of both.
    rerun_failures, failed_first = max(rerun_failures, flaky), max(failed_first, flaky)
    decided = max(decided, failed_first)
    per_rerun, fails = ratio(flaky, rerun_failures), ratio(failed_first, decided)
    low, high = wilson(flaky, rerun_failures)
    estimate = None if per_rerun is None or fails is None else per_rerun * fails
    bound = low * wilson(failed_first, decided)[0]
    return Flakiness(per_rerun, low, high, estimate, bound, flaky >= MIN_FLAKY_RUNS and bound >= FLAKY_THRESHOLD)


# Called flaky by the runs of so many last days of the window.
CLASSIFICATION_WINDOW = timedelta(days=28)
SAME_COMMIT_WINDOW = timedelta(days=14)
MAX_RUNS_FOR_JOBS, _MAX_WORKFLOWS_FOR_JOBS = 1_000, 100
# A run of the last day may still be run again: of its final number 84 % were known at the time, in simulated accounts.
RERUN_DELAY = timedelta(days=1)


@dataclass(frozen=True)
class FlakyJob:
    name: str
    runs: int


@dataclass(frozen=True)
class FlakyWorkflow:
    """`rate`: flaky runs of `decided` ones, from `lower_bound` to `upper_bound` with 95 %. `rate_per_rerun`: flaky runs
    of the `rerun_failures`, failures that somebody re-ran. `estimate`: the share of runs that flake whether or not
    anybody re-runs them, and its lower bound, by which the list is ranked; of the last 28 days, null where no failure
    was re-run. `called`: that bound is at least 1 %, by two runs or more. `same_commit`: commits of the last 14 days on
    which one run failed and another passed. `jobs`: which of them failed at first, without those that are allowed to
    fail. `by_day`: flaky runs on each day of the window. `before`: flaky runs of the period before, null where that was
    not collected."""

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
    called: bool
    same_commit: int
    jobs: list[FlakyJob]
    last_at: datetime
    last_run_id: int
    by_day: list[int]
    wasted_seconds: float
    before: int | None


def flaky(
    session: Session, scope: Scope, window: Window, *, periods: PeriodCompleteness | None = None
) -> list[FlakyWorkflow]:
    """The surest first. All runs of the window count; jobs are those of the newest 1,000 flaky runs."""
    counted = {key: counts for key, counts in count_flaky(session, scope, window).items() if counts.flaky}
    if not counted:
        return []
    ended = executor.outcomes(session, MetricsQuery(scope, window, GroupBy.WORKFLOW))
    decided = {key: counts[Outcome.SUCCESS] + counts[Outcome.FAILURE] for (key, _), counts in ended.items()}
    lately = Window(max(window.since, window.until - SAME_COMMIT_WINDOW), window.until)
    commits = finding_queries.count_same_commit_flakes(session, scope, lately)
    newest, jobs = newest_flaky(session, scope, window), _jobs(session, scope, window)
    sure, before = _classify(session, scope, window, counted), _previous_counts(session, scope, window, periods)
    names = Names(session)
    listed = []
    for key, counts in counted.items():
        whole = max(decided.get(key, 0), counts.flaky)
        low, high = wilson(counts.flaky, whole)
        days = window.buckets(Interval.DAY)
        listed.append(FlakyWorkflow(
            repo=names.repository(key[0]) or "", workflow=names.workflow(key), workflow_id=key[1],
            flaky_runs=counts.flaky, decided=whole, rate=ratio(counts.flaky, whole), lower_bound=low, upper_bound=high,
            rerun_failures=counts.rerun_failures, rate_per_rerun=ratio(counts.flaky, counts.rerun_failures),
            estimate=sure[key].estimate, estimate_low=sure[key].estimate_low, called=sure[key].called,
            same_commit=commits.get(key, 0), jobs=_top_jobs(jobs[key]),
            last_at=newest[key][1], last_run_id=newest[key][0], by_day=[counts.by_day.get(day, 0) for day in days],
            wasted_seconds=counts.wasted_seconds, before=before[key] if before is not None else None,
        ))  # fmt: skip
    return sorted(listed, key=lambda each: (-each.estimate_low, -each.lower_bound, each.repo, each.workflow))


def _classify(
    session: Session, scope: Scope, window: Window, counted: Mapping[Key, FlakyCounts]
) -> dict[Key, Flakiness]:
    """Of the last 28 days: numerator and denominator of the same runs."""
    recent = Window(max(window.since, window.until - CLASSIFICATION_WINDOW), window.until)
    lately = counted if recent == window else count_flaky(session, scope, recent)
    firsts = count_first_failures(session, scope, recent)
    nothing = FlakyCounts()
    return {
        key: flakiness(
            lately.get(key, nothing).flaky, lately.get(key, nothing).rerun_failures, *firsts.get(key, (0, 0))
        )
        for key in counted
    }


def _previous_counts(
    session: Session, scope: Scope, window: Window, periods: PeriodCompleteness | None
) -> Counter[Key] | None:
    """Flaky runs by workflow; null where they were not collected."""
    if not was_collected(session, scope, window, periods=periods):
        return None
    found = count_flaky(session, scope, window.before())
    return Counter({key: counts.flaky for key, counts in found.items()})


def _jobs(session: Session, scope: Scope, window: Window) -> dict[Key, Counter[str]]:
    """How many runs each job made flaky, by workflow."""
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
    """Ten at most; of the same number, by name."""
    ranked = sorted(jobs.items(), key=lambda each: (-each[1], each[0]))
    return [FlakyJob(*each) for each in ranked[:10]]
