"""The figures, made from facts. docs/metrics.md says each in words."""

from dataclasses import dataclass, field

from db.metrics.completeness import Completeness
from db.metrics.distribution import UNKNOWN, Distribution, Recovery, ratio
from db.metrics.facts import Details, Facts
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
class Passed:
    """How many of the decided ones passed."""

    success: int
    decided: int

    @property
    def rate(self) -> float | None:
        return ratio(self.success, self.decided)


@dataclass(frozen=True)
class Waste:
    """Seconds of jobs by the reason of waste; `defect_seconds` are those of failed attempts that found a defect, which
    is not waste. Null where it is not known."""

    flaky_seconds: float | None
    cancelled_seconds: float | None
    superseded_seconds: float | None
    defect_seconds: float | None
    never_started_jobs: int | None


@dataclass(frozen=True)
class Metrics:
    """Figures that roll-ups of older versions do not have are null where the window reaches into such days.
    `first_attempts`: decided first attempts. `commits`: those with decided runs in the window, and those of them all of
    whose runs there passed; null where it was not asked for."""

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
    success_duration_seconds: Distribution
    failure_duration_seconds: Distribution
    success_rate_first_attempt: float | None
    success_rate_by_commit: float | None
    first_attempts: Passed | None
    commits: Passed | None
    rerun_rate_without_approvals: float | None
    flaky_rate_per_rerun: float | None
    waste: Waste
    cost_unknown_minutes: int | None
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


def metrics(facts: Facts, data: Completeness, commits: Passed | None = None) -> Metrics:
    runs, details = counts(facts), facts.details
    decided = runs.success + runs.failure
    first = Passed(details.first_success, details.first_success + details.first_failure) if details else None
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
        success_duration_seconds=details.success_duration_seconds if details else UNKNOWN,
        failure_duration_seconds=details.failure_duration_seconds if details else UNKNOWN,
        success_rate_first_attempt=first.rate if first else None,
        success_rate_by_commit=commits.rate if commits else None,
        first_attempts=first,
        commits=commits,
        rerun_rate_without_approvals=ratio(details.rerun, runs.completed) if details else None,
        flaky_rate_per_rerun=_flaky_rate(facts.flaky, details),
        waste=_waste(details),
        cost_unknown_minutes=details.unpriced_minutes if details else None,
        data=data,
    )


def _flaky_rate(flaky: int, details: Details | None) -> float | None:
    """A flaky run is one of those whose failed attempt was run again: with fewer of them not all were counted yet."""
    if details is None or details.failed_then_rerun < flaky:
        return None
    return ratio(flaky, details.failed_then_rerun)


def _waste(details: Details | None) -> Waste:
    if details is None:
        return Waste(None, None, None, None, None)
    return Waste(
        details.wasted_flaky, details.wasted_cancelled, details.wasted_superseded, details.defect,
        details.never_started,
    )  # fmt: skip
