"""Metrics, their time series and groups, and the comparison with the previous period."""

from typing import Any, Self

from pydantic import Field

from api.schemas.base import Schema, Time, Window, example
from api.schemas.repositories import RepositoryGap
from db.definitions.scope import Window as WindowRow
from health.metrics.definitions.catalogue import FIGURES, display
from health.metrics.definitions.change import Change as FigureChange
from health.metrics.definitions.formulas import Metrics as MetricsRow
from health.metrics.service import Comparison

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
    "cost_unknown_minutes": 120, "infrastructure_failures": 26, "failures_without_cause": 9,
    "success_rate_without_infrastructure": 0.919831223628692,
    "failure_rate_without_infrastructure": 0.08016877637130802,
    "data": {"complete_since": "2026-10-24T12:00:00Z", "synced_at": "2026-11-23T12:00:00Z", "gaps": [
        {"repo": "acme/web-app", "kind": "jobs", "since": "2026-11-22T08:15:00Z", "until": "2026-11-23T11:40:00Z",
         "detail": "12 runs still without jobs: durations and costs are estimates or missing"},
    ]},
}  # fmt: skip

_DISPLAY = {
    "success_rate": "90.0%", "success_rate_first_attempt": "88.3%", "success_rate_by_commit": "79.1%",
    "failure_rate": "10.0%", "success_rate_without_infrastructure": "92.0%",
    "failure_rate_without_infrastructure": "8.0%", "infrastructure_failures": "26", "failures_without_cause": "9",
    "runs": "1,280", "failures": "121", "success_duration_p50": "3m 08s",
    "success_duration_p95": "10m 23s", "failure_duration_p50": "1m 36s", "duration_p50": "3m 01s",
    "duration_p95": "10m 12s", "queue_p50": "5.0s", "queue_p95": "44s", "rerun_rate": "3.1%",
    "rerun_rate_without_approvals": "2.7%", "flaky_runs": "17", "flaky_rate_per_rerun": "56.7%",
    "recovery_p50": "45m 10s", "compute_seconds": "8,539 min", "wasted_seconds": "1,021 min", "wasted_share": "12.0%",
    "cost_usd": "$71.42", "cost_unknown_minutes": "120 min",
}  # fmt: skip
_DATA = (
    "Completeness of the data behind all items. `data` of an item has the first ten gaps; the others are combined into "
    "one gap of the kind `more`"
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
    other: int = Field(description="neutral, action_required, stale and unknown conclusions")
    in_progress: int


class Distribution(Schema):
    """Seconds, over completed runs (success or failure); null without such runs."""

    mean: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    n: int | None = Field(
        description="Number of runs; null where unknown. The dashboard marks percentiles of fewer than 20 runs"
    )
    p50_interval: tuple[float, float] | None = Field(
        description="95 % confidence interval of p50; null where there are too few runs, and in series"
    )
    p95_interval: tuple[float, float] | None = Field(
        description="95 % confidence interval of p95; null as p50_interval"
    )


class PassCounts(Schema):
    success: int
    decided: int


class Waste(Schema):
    """Job time in seconds by reason of waste; null where unknown."""

    flaky_seconds: float | None = Field(description="Failed attempts of runs that passed later, on the same commit")
    cancelled_seconds: float | None
    superseded_seconds: float | None = Field(description="Attempts that were re-run although they had not failed")
    defect_seconds: float | None = Field(description="Failed attempts that found a defect, which is not waste")
    never_started_jobs: int | None = Field(
        description="Jobs that no runner picked up; they have no compute time and no cost"
    )


class Recovery(Schema):
    mean: float | None = Field(description="Mean in seconds over closed episodes; null if there are none")
    p50: float | None
    open: int = Field(description="Number of open episodes: branches of workflows that still fail")
    median_with_open: float | None = Field(
        description="Kaplan-Meier median in seconds, in which open episodes are right-censored; null where unknown"
    )
    episodes: int = Field(description="Number of closed and open episodes")


class Gap(RepositoryGap):
    repo: str


class Data(Schema):
    """Completeness of the data behind figures."""

    complete_since: Time | None = Field(
        description="Every run created since this time is stored; null while a backfill is running"
    )
    synced_at: Time | None = Field(description="The oldest of the latest syncs of the repositories")
    gaps: list[Gap] = Field(description="Data that is known to be missing in this window")


class Metrics(Schema):
    model_config = example(_METRICS)
    runs: Counts
    success_rate: float | None = Field(description="success / (success + failure); null without completed runs")
    failure_rate: float | None
    duration_seconds: Distribution
    queue_seconds: Distribution
    rerun_rate: float | None
    flaky_runs: int
    recovery_seconds: Recovery
    compute_seconds: float
    wasted_seconds: float
    cost_usd: float = Field(description="Without jobs of unknown price: see `cost_unknown_minutes`")
    success_duration_seconds: Distribution = Field(description="Durations of successful runs")
    failure_duration_seconds: Distribution = Field(description="Durations of failed runs")
    success_rate_first_attempt: float | None = Field(
        description="Share of completed first attempts that passed; runs with an unknown first attempt are left out"
    )
    success_rate_by_commit: float | None = Field(
        description="Share of the commits with completed runs whose completed runs in the window all passed; null in "
        "series "
        "and groups, for windows longer than 35 days, and where runs were pruned"
    )
    first_attempts: PassCounts | None = Field(description="Sample of `success_rate_first_attempt`")
    commits: PassCounts | None = Field(description="Sample of `success_rate_by_commit`")
    rerun_rate_without_approvals: float | None = Field(
        description="`rerun_rate` without attempts that an approval created"
    )
    flaky_rate_per_rerun: float | None = Field(description="Flaky runs / runs with a failed attempt that was re-run")
    waste: Waste
    cost_unknown_minutes: int | None = Field(description="Billed minutes of jobs of unknown price")
    infrastructure_failures: int | None = Field(
        description="Failed runs in which the first failure cause of each failed job has the class `infrastructure`; "
        "null where runs were pruned, and where no failed run has a cause"
    )
    failures_without_cause: int | None = Field(
        description="Failed runs whose jobs have no known failure cause; they are not infrastructure failures. Null "
        "where runs were pruned"
    )
    success_rate_without_infrastructure: float | None = Field(
        description="success / (success + failure - infrastructure_failures); null without such runs, and where "
        "`infrastructure_failures` is null"
    )
    failure_rate_without_infrastructure: float | None = Field(
        description="(failure - infrastructure_failures) / (success + failure - infrastructure_failures)"
    )
    data: Data


class MetricsAnswer(Metrics):
    model_config = example({**_METRICS, "display": _DISPLAY, "window": _WINDOW})
    display: dict[str, str] = Field(description="The figures as text, as in the dashboard and in notifications")
    window: Window

    @classmethod
    def from_metrics(cls, metrics: MetricsRow, window: WindowRow) -> Self:
        return cls.from_row(metrics, display=display(metrics), window=window)


class Point(Metrics):
    model_config = example(_POINT)
    start: Time
    partial: bool = Field(description="True where the window covers the bucket only in part")


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
    key: str | None = Field(description="Null for runs without a value")
    repo: str | None = Field(None, description="Only for groups by workflow")
    workflow_id: int | None = Field(None, description="Only for groups by workflow")


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
    total: int = Field(description="Number of groups with runs in the window")
    rest: Metrics | None = Field(
        description="Figures of all other groups together, with percentiles over all their runs; null without other "
        "groups"
    )
    data: Data = Field(description=_DATA)


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
    difference: float | None = Field(description="In `unit`; null where one period has too few runs")
    unit: str = Field(description="pp (percentage points) for rates, % for everything else")
    text: str = Field(description="As shown on the dashboard; “not enough runs” where one period has too few")
    n: int = Field(description="Sample size: runs, or commits for the rate by commit")
    n_before: int = Field(description="Sample size in the previous period")
    interval: tuple[float, float] | None = Field(
        description="95 % confidence interval of the difference; null for amounts and where there are too few runs"
    )
    verdict: str = Field(
        description="better or worse: the interval excludes zero; not_enough: fewer than 10 runs in one period (20 for "
        "a p95); undecided: all other cases"
    )

    @classmethod
    def from_change(cls, name: str, change: FigureChange | None) -> Self | None:
        """`name` is that of the figure in the catalogue. Null where one period has no value."""
        if change is None:
            return None
        verdict = "undecided" if change.is_improvement is None else "better" if change.is_improvement else "worse"
        return cls.from_row(
            change,
            unit="pp" if FIGURES[name].is_rate else "%",
            verdict=verdict if change.has_enough_runs else "not_enough",
        )


class DurationChange(Schema):
    """Weighted geometric mean, over workflows, of the ratios of their median durations of successful runs."""

    ratio: float = Field(description="1.07 means 7 % longer")
    interval: tuple[float, float] = Field(description="95 % confidence interval of the ratio")
    workflows: int = Field(description="Number of workflows with at least 5 successful runs in both periods")
    share: float = Field(description="Share of the runs of the window that belong to these workflows")


class ComparedMetrics(Schema):
    model_config = example(_EXAMPLE)
    window: Window
    previous_window: Window = Field(description="The same weekdays and hours, a whole number of weeks earlier")
    comparable: bool = Field(description="False where the previous period was not collected from its start")
    current: Metrics
    previous: Metrics | None = Field(description="Null where the periods are not comparable")
    changes: dict[str, Change | None] = Field(
        description="By name of the figure, as in `display` of /api/metrics; null where one period has no value"
    )
    duration_change: DurationChange | None = Field(
        description="Null where no workflow has enough successful runs in both periods"
    )

    @classmethod
    def from_comparison(cls, comparison: Comparison) -> Self:
        return cls.from_row(
            comparison,
            previous=comparison.previous if comparison.comparable else None,
            changes={name: Change.from_change(name, comparison.change(name)) for name in FIGURES},
        )
