"""Figures."""

from typing import Any

from pydantic import Field

from api.schemas.base import Schema, Time, Window, example
from api.schemas.repositories import RepositoryGap
from db.metrics.formulas import Metrics as MetricsFigures

_FIGURES = tuple(MetricsFigures.__dataclass_fields__)
_WINDOW = {"since": "2026-10-24T12:00:00Z", "until": "2026-11-23T12:00:00Z"}
_METRICS: dict[str, Any] = {
    "runs": {"total": 1280, "completed": 1274, "success": 1090, "failure": 121, "cancelled": 48,
             "skipped": 9, "other": 6, "in_progress": 6},
    "success_rate": 0.9000825763831544, "failure_rate": 0.09991742361684558,
    "duration_seconds": {"mean": 214.3, "p50": 181.0, "p90": 402.0, "p95": 611.5},
    "queue_seconds": {"mean": 9.1, "p50": 5.0, "p90": 21.0, "p95": 44.0},
    "rerun_rate": 0.031397174254317, "flaky_runs": 17,
    "recovery_seconds": {"mean": 5400.0, "p50": 2710.0, "open": 1, "median_with_open": 2840.0, "episodes": 14},
    "compute_seconds": 512344.0, "wasted_seconds": 61233.0, "cost_usd": 71.42,
    "data": {"complete_since": "2026-10-24T12:00:00Z", "synced_at": "2026-11-23T12:00:00Z", "gaps": [
        {"repo": "acme/web-app", "kind": "jobs", "since": "2026-11-22T08:15:00Z", "until": "2026-11-23T11:40:00Z",
         "detail": "12 runs still without their jobs: their durations and costs are estimates or missing"},
    ]},
}  # fmt: skip

_DISPLAY = {
    "success_rate": "90.0%", "failure_rate": "10.0%", "runs": "1,280", "failures": "121", "duration_p50": "3m 01s",
    "duration_p95": "10m 12s", "queue_p50": "5.0s", "queue_p95": "44s", "rerun_rate": "3.1%", "flaky_runs": "17",
    "recovery_p50": "45m 10s", "compute_seconds": "8,539 min", "wasted_seconds": "1,021 min", "wasted_share": "12.0%",
    "cost_usd": "$71.42",
}  # fmt: skip
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
    cost_usd: float
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
        }
    )
    interval: str
    window: Window
    points: list[Point]


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
        }
    )
    by: str
    window: Window
    items: list[Group]


def figures(metrics: MetricsFigures) -> dict[str, Any]:
    """Ready for the schemas above."""
    return {name: getattr(metrics, name) for name in _FIGURES}
