"""What a workflow and a run are made of: jobs, steps, single runs, branches, and what changed between runs."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from db.metrics.scope import Scope
from db.metrics.window import Window
from db.queries.comparison import (
    CannotCompare,
    Commit,
    ComparedJob,
    ComparedRun,
    JobState,
    RunComparison,
    SinceGreen,
    compare_runs,
    last_green,
    since_green,
)

__all__ = ["BranchPoint", "BranchSeries", "CannotCompare", "Commit", "ComparedJob", "ComparedRun", "Dot", "JobFigures",
           "JobState", "Jobs", "RunComparison", "Scatter", "SinceGreen", "StepFigures", "Steps", "branches",
           "compare_runs", "jobs", "last_green", "scatter", "since_green", "steps"]  # fmt: skip


@dataclass(frozen=True)
class JobFigures:
    """Jobs of one name. A job counts once a run, by the latest attempt in which it ran itself; times in seconds, of
    decided jobs. `change` is p50 relative to `before_p50`, that of the window before (0.25: a quarter slower).
    `critical_share` of the runs had it on their critical path, where `exclusive_seconds` is its median time alone."""

    name: str
    runs: int
    failed: int
    failure_rate: float | None
    p50: float | None
    p95: float | None
    queue_p50: float | None
    queue_p95: float | None
    before_p50: float | None
    change: float | None
    cost_usd: float
    compute_seconds: float
    critical_share: float | None
    exclusive_seconds: float | None


@dataclass(frozen=True)
class StepFigures:
    """Steps of one name in jobs of one name, as JobFigures."""

    job: str
    name: str
    runs: int
    failed: int
    p50: float | None
    p95: float | None
    before_p50: float | None
    change: float | None


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
class Dot:
    """A run as a point in a picture."""

    run_id: int
    created_at: datetime
    duration_seconds: float | None
    queue_seconds: float | None
    outcome: str
    branch: str | None
    title: str
    sha: str
    attempt: int
    run_number: int
    actor: str | None
    flaky: bool


@dataclass(frozen=True)
class Scatter:
    """The newest runs first, of `total` in the window."""

    dots: list[Dot]
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
    """Of the newest runs of a workflow, on one branch or on all."""
    raise NotImplementedError


def steps(
    session: Session, repo: str, workflow_id: int, branch: str | None, window: Window, *, runs: int = 200
) -> Steps:
    """Of the newest runs of a workflow, on one branch or on all."""
    raise NotImplementedError


def scatter(session: Session, scope: Scope, window: Window, *, limit: int = 1500) -> Scatter:
    raise NotImplementedError


def branches(session: Session, scope: Scope, window: Window, *, limit: int = 8) -> list[BranchSeries]:
    """The default branch first, then those with the most runs among the newest 20,000."""
    raise NotImplementedError
