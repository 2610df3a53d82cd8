"""The figures, made from facts. docs/metrics.md says each in words."""

from dataclasses import dataclass, field
from datetime import datetime

from db.metrics.distribution import Distribution, Recovery, ratio
from db.metrics.facts import Facts
from db.vocabulary import Outcome


@dataclass(frozen=True)
class Counts:
    total: int
    completed: int
    success: int
    failure: int
    cancelled: int
    skipped: int
    other: int
    in_progress: int


@dataclass(frozen=True)
class Gap:
    """Something known to be missing from the figures. `since` and `until` say of which runs, by created_at; null: open
    on that side."""

    repo: str
    kind: str
    detail: str
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Completeness:
    """Since when every run is known (null: some repository's history is not complete), and how fresh that is."""

    complete_since: datetime | None
    synced_at: datetime | None
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True)
class Metrics:
    runs: Counts
    success_rate: float | None
    failure_rate: float | None
    duration_seconds: Distribution
    queue_seconds: Distribution
    rerun_rate: float | None
    flaky_runs: int
    recovery_seconds: Recovery
    compute_seconds: float
    wasted_seconds: float
    cost_usd: float
    data: Completeness = field(default_factory=lambda: Completeness(None, None))


def counts(facts: Facts) -> Counts:
    by = facts.outcomes
    running, total = by[Outcome.IN_PROGRESS], sum(by.values())
    return Counts(
        total=total,
        completed=total - running,
        success=by[Outcome.SUCCESS],
        failure=by[Outcome.FAILURE],
        cancelled=by[Outcome.CANCELLED],
        skipped=by[Outcome.SKIPPED],
        other=by[Outcome.OTHER],
        in_progress=running,
    )


def metrics(facts: Facts, data: Completeness) -> Metrics:
    runs = counts(facts)
    decided = runs.success + runs.failure
    return Metrics(
        runs=runs,
        success_rate=ratio(runs.success, decided),
        failure_rate=ratio(runs.failure, decided),
        duration_seconds=facts.duration_seconds,
        queue_seconds=facts.queue_seconds,
        rerun_rate=ratio(facts.rerun, runs.completed),
        flaky_runs=facts.flaky,
        recovery_seconds=facts.recovery_seconds,
        compute_seconds=facts.compute_seconds,
        wasted_seconds=facts.wasted_seconds,
        cost_usd=facts.cost_usd,
        data=data,
    )
