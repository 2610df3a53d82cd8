"""Figures.

Figures against the previous period.
"""

from typing import Any

from pydantic import Field

from api.schemas.base import Schema, Time, Window, example
from api.schemas.repositories import RepositoryGap
from health.metrics.definitions.catalogue import FIGURES
from health.metrics.definitions.change import Change as ChangeFigures
from health.metrics.definitions.formulas import Metrics as MetricsFigures
from health.metrics.service import Comparison

# Figures of several parts. `data` stays as it is: it is that of all items of an answer.
_NESTED_FIGURES = (
    "runs", "duration_seconds", "queue_seconds", "recovery_seconds", "success_duration_seconds",
    "failure_duration_seconds", "first_attempts", "commits", "waste",
)  # fmt: skip
_WINDOW = {"since": "2026-10-24T12:00:00Z", "until": "2026-11-23T12:00:00Z"}
_METRICS: dict[str, Any] = {
    "runs": {"total": 1280, "completed": 1274, "success": 1090, "failure": 121, "cancelled": 48,
             "skipped": 9, "other": 6, "in_progress": 6},
    "success_rate": 0.9000825763831544, "failure_rate": 0.09991742361684558,
    "duration_seconds": {"mean": 214.3, "p50": 181.0, "p90": 402.0, "p95": 611.5, "n": 1211,
                         "p50_interval": (176.0, 187.0), "p95_interval": (571.0, 668.0)},
    "queue_seconds": {"mean": 9.1, "p50": 5.0, "p90": 21.0, "p95": 44.0, "n": 1211,
                      "p50_interval": (5.0, 6.0), "p95_interval": (40.0, 51.0)},
    "rerun_rate": 0.031397174254317, "flaky_runs": 17,
    "recovery_seconds": {"mean": 5400.0, "p50": 2710.0, "open": 1, "median_with_open": 2840.0, "episodes": 14},
    "compute_seconds": 512344.0, "wasted_seconds": 61233.0, "cost_usd": 71.42,
    "success_duration_seconds": {"mean": 221.7, "p50": 188.0, "p90": 410.0, "p95": 623.0, "n": 1090,
                                 "p50_interval": (182.0, 194.0), "p95_interval": (580.0, 690.0)},
    "failure_duration_seconds": {"mean": 147.6, "p50": 96.0, "p90": 340.0, "p95": 508.0, "n": 121,
                                 "p50_interval": (83.0, 118.0), "p95_interval": (430.0, 720.0)},
    "success_rate_first_attempt": 0.8826754748142032, "success_rate_by_commit": 0.7909967845659164,
    "first_attempts": {"success": 1069, "decided": 1211}, "commits": {"success": 246, "decided": 311},
    "rerun_rate_without_approvals": 0.02668759811616955, "flaky_rate_per_rerun": 0.5666666666666667,
    "waste": {"flaky_seconds": 21120.0, "cancelled_seconds": 9075.0, "superseded_seconds": 4310.0,
              "defect_seconds": 26728.0, "never_started_jobs": 3},
    "cost_unknown_minutes": 120,
    "data": {"complete_since": "2026-10-24T12:00:00Z", "synced_at": "2026-11-23T12:00:00Z", "gaps": [
        {"repo": "acme/web-app", "kind": "jobs", "since": "2026-11-22T08:15:00Z", "until": "2026-11-23T11:40:00Z",
         "detail": "12 runs still without jobs: durations and costs are estimates or missing"},
    ]},
}  # fmt: skip

_DISPLAY = {
    "success_rate": "90.0%", "success_rate_first_attempt": "88.3%", "success_rate_by_commit": "79.1%",
    "failure_rate": "10.0%", "runs": "1,280", "failures": "121", "success_duration_p50": "3m 08s",
    "success_duration_p95": "10m 23s", "failure_duration_p50": "1m 36s", "duration_p50": "3m 01s",
    "duration_p95": "10m 12s", "queue_p50": "5.0s", "queue_p95": "44s", "rerun_rate": "3.1%",
    "rerun_rate_without_approvals": "2.7%", "flaky_runs": "17", "flaky_rate_per_rerun": "56.7%",
    "recovery_p50": "45m 10s", "compute_seconds": "8,539 min", "wasted_seconds": "1,021 min", "wasted_share": "12.0%",
    "cost_usd": "$71.42", "cost_unknown_minutes": "120 min",
}  # fmt: skip
_DATA = (
    "How complete the data behind all items is. `data` of an item is the same with the first ten gaps; all others "
    "are one, of the kind `more`"
)
_POINT = {**_METRICS, "start": "2026-10-24T00:00:00Z", "partial": True}
_GROUP = {**_METRICS, "key": "CI", "repo": "acme/web-app", "workflow_id": 90001001}


class Counts(Schema):
    total: int
    completed: int
    success: int
    failure: int = Field(description="failure, timed_out and startup_failure")
    cancelled: int
    skipped: int
    other: int = Field(description="neutral, action_required, stale and conclusions not known today")
    in_progress: int


class Distribution(Schema):
    """Seconds, of decided runs; null where there is none."""

    mean: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    n: int | None = Field(
        description="Runs behind these values; null where that is not known. Percentiles of fewer than 20 are marked "
        "on the dashboard"
    )
    p50_interval: tuple[float, float] | None = Field(
        description="95 % confidence interval of p50; null where there are too few runs for one, and in series"
    )
    p95_interval: tuple[float, float] | None = Field(description="The same of p95")


class Passed(Schema):
    success: int
    decided: int


class Waste(Schema):
    """Seconds of jobs by the reason of waste; null where it is not known."""

    flaky_seconds: float | None = Field(description="Failed attempts of runs that passed later, on the same commit")
    cancelled_seconds: float | None
    superseded_seconds: float | None = Field(description="Attempts that were run again although they had not failed")
    defect_seconds: float | None = Field(description="Failed attempts that found a defect, which is not waste")
    never_started_jobs: int | None = Field(description="Jobs that no runner took; they have no compute and no cost")


class Recovery(Schema):
    mean: float | None = Field(description="Seconds, of episodes that are over; null where there is none")
    p50: float | None
    open: int = Field(description="Branches of workflows that are still broken")
    median_with_open: float | None = Field(
        description="Kaplan-Meier median: open episodes count as lasting at least until now; null where it is not known"
    )
    episodes: int = Field(description="Those that are over and those that are open")


class Gap(RepositoryGap):
    repo: str


class Data(Schema):
    complete_since: Time | None = Field(description="Every run since then is known; null while a history is read")
    synced_at: Time | None
    gaps: list[Gap] = Field(description="Known to be missing from this window")


class Metrics(Schema):
    model_config = example(_METRICS)
    runs: Counts
    success_rate: float | None = Field(description="success / (success + failure); null when nothing is decided")
    failure_rate: float | None
    duration_seconds: Distribution
    queue_seconds: Distribution
    rerun_rate: float | None
    flaky_runs: int
    recovery_seconds: Recovery
    compute_seconds: float
    wasted_seconds: float
    cost_usd: float = Field(description="Jobs without a known price are left out: see `cost_unknown_minutes`")
    success_duration_seconds: Distribution = Field(description="Durations of successful runs")
    failure_duration_seconds: Distribution = Field(description="Durations of failed runs")
    success_rate_first_attempt: float | None = Field(
        description="Share of decided first attempts that passed; runs whose first attempt is not known are left out"
    )
    success_rate_by_commit: float | None = Field(
        description="Share of commits with decided runs in the window all of whose runs there passed; null in series "
        "and groups, for windows longer than 35 days, and where runs were pruned"
    )
    first_attempts: Passed | None = Field(description="The sample of `success_rate_first_attempt`")
    commits: Passed | None = Field(description="The sample of `success_rate_by_commit`")
    rerun_rate_without_approvals: float | None = Field(
        description="As `rerun_rate`, without second attempts that only an approval created"
    )
    flaky_rate_per_rerun: float | None = Field(
        description="Flaky runs / runs with a failed attempt that was run again: how many re-runs after a failure pass"
    )
    waste: Waste
    cost_unknown_minutes: int | None = Field(description="Billed minutes of jobs without a known price")
    data: Data


class MetricsAnswer(Metrics):
    model_config = example({**_METRICS, "display": _DISPLAY, "window": _WINDOW})
    display: dict[str, str] = Field(description="The same figures as the dashboard and the messages write them")
    window: Window


class Point(Metrics):
    model_config = example(_POINT)
    start: Time
    partial: bool = Field(description="The window cuts this bucket short")


class Series(Schema):
    model_config = example(
        {
            "interval": "day",
            "window": _WINDOW,
            "points": [_POINT],
            "data": _METRICS["data"],
        }
    )
    interval: str
    window: Window
    points: list[Point]
    data: Data = Field(description=_DATA)


class Group(Metrics):
    model_config = example(_GROUP)
    key: str | None = Field(description="Null for runs without such a value")
    repo: str | None = Field(None, description="Set where the groups are workflows")
    workflow_id: int | None = Field(None, description="Set where the groups are workflows")


class Groups(Schema):
    model_config = example(
        {
            "by": "workflow",
            "window": _WINDOW,
            "items": [_GROUP],
            "total": 612,
            "rest": _METRICS,
            "data": _METRICS["data"],
        }
    )
    by: str
    window: Window
    items: list[Group]
    total: int = Field(description="Number of groups that have runs in the window")
    rest: Metrics | None = Field(
        description="Figures of all groups that are not among `items` together, percentiles over all their runs; null "
        "where there are none"
    )
    data: Data = Field(description=_DATA)


def figure_fields(metrics: MetricsFigures) -> dict[str, Any]:
    """Ready for the schemas above. Parts of a figure are plain dictionaries, too: a long series has thousands of them,
    and a dataclass takes twice as long to be written as JSON."""
    found = dict(vars(metrics))
    for name in _NESTED_FIGURES:
        if found[name] is not None:
            found[name] = vars(found[name])
    return found


_PREVIOUS = {"since": "2026-09-19T12:00:00Z", "until": "2026-10-19T12:00:00Z"}
_CHANGES = {
    "success_rate": {
        "difference": -2.4, "unit": "pp", "text": "−2.4 pp", "n": 1211, "n_before": 1174, "interval": (-4.6, -0.2),
        "verdict": "worse",
    },
    "runs": {
        "difference": 3.3, "unit": "%", "text": "+3.3%", "n": 1280, "n_before": 1239, "interval": None,
        "verdict": "undecided",
    },
    "recovery_p50": None,
}  # fmt: skip
_EXAMPLE = {
    "window": _WINDOW, "previous_window": _PREVIOUS, "comparable": True, "current": _METRICS, "previous": _METRICS,
    "changes": _CHANGES,
    "duration_change": {"ratio": 1.07, "interval": (1.02, 1.12), "workflows": 14, "share": 0.93},
}  # fmt: skip


class Change(Schema):
    difference: float | None = Field(description="In `unit`; null where a side has too few runs")
    unit: str = Field(description="pp (percentage points) for rates, % for everything else")
    text: str = Field(description="As the dashboard writes it; “not enough runs” where a side has too few")
    n: int = Field(description="Runs (commits for the rate by commit) behind the figure now")
    n_before: int
    interval: tuple[float, float] | None = Field(
        description="95 % confidence interval of the difference; null for amounts, and where there are too few runs"
    )
    verdict: str = Field(
        description="better or worse: the interval excludes zero; not_enough: fewer than 10 runs on a side (20 for a "
        "p95); undecided: everything else"
    )


class DurationChange(Schema):
    """Of the same workflows: the weighted geometric mean of the ratios of their median durations of successes."""

    ratio: float = Field(description="1.07: 7 % longer")
    interval: tuple[float, float] = Field(description="95 % confidence interval of the ratio")
    workflows: int = Field(description="Workflows with at least 5 successes in both windows")
    share: float = Field(description="Share of the window's runs that are of these workflows")


class ComparedMetrics(Schema):
    model_config = example(_EXAMPLE)
    window: Window
    previous_window: Window = Field(description="The same weekdays and hours, by whole weeks earlier")
    comparable: bool = Field(description="False where the previous window was not collected to its start")
    current: Metrics
    previous: Metrics | None = Field(description="Null where the windows are not comparable")
    changes: dict[str, Change | None] = Field(
        description="By figure, as in `display` of /api/metrics; null where one side has no value"
    )
    duration_change: DurationChange | None = Field(
        description="Null where no workflow has enough successes in both windows"
    )


def comparison_fields(comparison: Comparison) -> dict[str, Any]:
    """Ready for the schema above."""
    return {
        "window": comparison.window,
        "previous_window": comparison.previous_window,
        "comparable": comparison.comparable,
        "current": figure_fields(comparison.current),
        "previous": figure_fields(comparison.previous) if comparison.comparable else None,
        "changes": {name: _change_fields(name, comparison.change(name)) for name in FIGURES},
        "duration_change": comparison.duration_change,
    }


def _change_fields(name: str, change: ChangeFigures | None) -> dict[str, Any] | None:
    if change is None:
        return None
    verdict = "undecided" if change.is_improvement is None else "better" if change.is_improvement else "worse"
    return {
        **{field: getattr(change, field) for field in ("difference", "text", "n", "n_before", "interval")},
        "unit": "pp" if FIGURES[name].is_rate else "%",
        "verdict": verdict if change.has_enough_runs else "not_enough",
    }
