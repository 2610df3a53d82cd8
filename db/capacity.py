"""Minutes, money and queues: what runners do, and what of it was in vain."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from db.metrics.scope import Scope
from db.metrics.window import Window
from db.vocabulary import Interval


class SpendBy(StrEnum):
    REPO = "repo"
    WORKFLOW = "workflow"
    RUNNER = "runner"


@dataclass(frozen=True)
class Spend:
    """`key` is a repository, a workflow's name (with `repo` and `workflow_id`), or a runner's labels, null where a job
    has none. `runs` is null by runner: one run uses several. `minutes` are rounded up for each job. `share` is of the
    cost of all, of their minutes where nothing costs; `change` is the cost (or minutes) relative to the window before,
    null where that is not known to be complete."""

    key: str | None
    repo: str | None
    workflow_id: int | None
    runs: int | None
    jobs: int
    minutes: int
    compute_seconds: float
    wasted_seconds: float
    cost_usd: float
    share: float | None
    change: float | None


@dataclass(frozen=True)
class SpendPoint:
    """`partial` marks a bucket that the window cuts short."""

    start: datetime
    partial: bool
    compute_seconds: float
    wasted_seconds: float
    cost_usd: float


@dataclass(frozen=True)
class QueueCell:
    """Jobs of a runner label that were queued in one hour of the day, UTC. Seconds; null where none began."""

    label: str | None
    hour: int
    jobs: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True)
class RunnerQueue:
    """Jobs of a runner's labels: how long they waited for it. `busiest_hour` begins the single hour in which most of
    them were queued, `busiest_jobs`; at most `peak` of them were running at once in it."""

    label: str | None
    jobs: int
    p50: float | None
    p95: float | None
    busiest_hour: datetime | None
    busiest_jobs: int
    peak: int | None


@dataclass(frozen=True)
class Queues:
    """The label with most jobs first; cells for each label and hour of the day that has jobs. `since`: where only the
    jobs of runs created since then were read, because there are too many."""

    runners: list[RunnerQueue]
    cells: list[QueueCell]
    since: datetime | None


@dataclass(frozen=True)
class Waste:
    """Seconds of a workflow's jobs: of the latest attempts of runs that failed or were cancelled, and of attempts that
    were run again. `share` of its compute time."""

    repo: str
    workflow: str
    workflow_id: int
    failed_seconds: float
    cancelled_seconds: float
    superseded_seconds: float
    wasted_seconds: float
    share: float | None


@dataclass(frozen=True)
class Wasted:
    """The most wasted first; the sums are of all of them."""

    items: list[Waste]
    failed_seconds: float
    cancelled_seconds: float
    superseded_seconds: float
    compute_seconds: float
    since: datetime | None


def spend(session: Session, scope: Scope, window: Window, by: SpendBy) -> list[Spend]:
    """The most expensive first."""
    raise NotImplementedError


def spend_series(session: Session, scope: Scope, window: Window, interval: Interval) -> list[SpendPoint]:
    """One point a bucket, also where nothing ran."""
    raise NotImplementedError


def queues(session: Session, scope: Scope, window: Window) -> Queues:
    raise NotImplementedError


def wasted(session: Session, scope: Scope, window: Window) -> Wasted:
    raise NotImplementedError
