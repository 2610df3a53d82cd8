"""The figures, made from facts. docs/metrics.md says each in words."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

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
class Distribution:
    """Seconds; all null where there is no sample."""

    mean: float | None
    p50: float | None
    p90: float | None
    p95: float | None


@dataclass(frozen=True)
class Recovery:
    """Seconds from the end of the first failed run to the end of the next successful one."""

    mean: float | None
    p50: float | None
    open: int


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


def percentile(ordered: Sequence[float], fraction: float) -> float | None:
    """Linear interpolation between the closest ranks of an ascending sample, as SQL's percentile_cont
    (type 7 of Hyndman and Fan, 1996). Null for an empty sample."""
    if not ordered:
        return None
    rank = fraction * (len(ordered) - 1)
    low = int(rank)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)


def ratio(part: float, whole: float) -> float | None:
    """Null, not 0, where there is nothing to divide by."""
    return part / whole if whole else None


def mean(sample: Sequence[float]) -> float | None:
    return sum(sample) / len(sample) if sample else None


def distribution(sample: Sequence[float]) -> Distribution:
    ordered = sorted(sample)
    return Distribution(
        mean=mean(ordered), p50=percentile(ordered, 0.5), p90=percentile(ordered, 0.9), p95=percentile(ordered, 0.95)
    )


def counts(facts: Facts) -> Counts:
    by = facts.outcomes
    running = by.get(Outcome.IN_PROGRESS, 0)
    return Counts(
        total=facts.total,
        completed=facts.total - running,
        success=by.get(Outcome.SUCCESS, 0),
        failure=by.get(Outcome.FAILURE, 0),
        cancelled=by.get(Outcome.CANCELLED, 0),
        skipped=by.get(Outcome.SKIPPED, 0),
        other=by.get(Outcome.OTHER, 0),
        in_progress=running,
    )


def metrics(facts: Facts, recovery: Recovery, data: Completeness) -> Metrics:
    runs = counts(facts)
    decided = runs.success + runs.failure
    return Metrics(
        runs=runs,
        success_rate=ratio(runs.success, decided),
        failure_rate=ratio(runs.failure, decided),
        duration_seconds=distribution(facts.durations),
        queue_seconds=distribution(facts.queues),
        rerun_rate=ratio(facts.rerun, runs.completed),
        flaky_runs=facts.flaky,
        recovery_seconds=recovery,
        compute_seconds=facts.compute_seconds,
        wasted_seconds=facts.wasted_seconds,
        cost_usd=facts.cost_usd,
        data=data,
    )
