"""Formulas of the figures from aggregates, and which of them are provisional. Pure.

docs/metrics.md describes each figure.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from db.definitions.scope import Window
from db.enums import Outcome
from health.completeness.gaps import Completeness
from health.metrics.definitions.aggregates import AggregateDetails, Aggregates
from health.metrics.definitions.failure_counts import NOT_COUNTED, FailureCounts, rates_without_infrastructure
from health.metrics.definitions.percentiles import UNKNOWN, Distribution, Recovery, ratio


@dataclass(frozen=True)
class Counts:
    """Runs by outcome. `completed` is `total` without `in_progress`."""

    total: int
    completed: int
    success: int
    failure: int
    cancelled: int
    skipped: int
    other: int
    in_progress: int

    @property
    def decided(self) -> int:
        """Runs that count in success and failure rates."""
        return self.success + self.failure


@dataclass(frozen=True)
class PassCounts:
    """Successes among completed runs, first attempts or commits."""

    success: int
    decided: int

    @property
    def rate(self) -> float | None:
        return ratio(self.success, self.decided)


@dataclass(frozen=True)
class WasteSeconds:
    """Job seconds by the reason of waste. `defect_seconds` are those of failed attempts that found a defect: they are
    not waste. All are null where roll-ups of an older version answer."""

    flaky_seconds: float | None
    cancelled_seconds: float | None
    superseded_seconds: float | None
    defect_seconds: float | None
    never_started_jobs: int | None


@dataclass(frozen=True)
class Metrics:
    """Figures of a set of runs. Spans in seconds, `cost_usd` in US dollars, rates from 0 to 1, null where nothing is
    decided. Figures that roll-ups of older versions do not have are null where the window reaches into such days.
    `first_attempts` counts completed first attempts; `commits` counts commits with completed runs in the window, and as
    successes those all of whose runs there passed; null where it was not requested. `infrastructure_failures` and
    `failures_without_cause` are those of FailureCounts, and the rates without infrastructure failures are null where
    the former is."""

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
    first_attempts: PassCounts | None
    commits: PassCounts | None
    rerun_rate_without_approvals: float | None
    flaky_rate_per_rerun: float | None
    waste: WasteSeconds
    cost_unknown_minutes: int | None
    infrastructure_failures: int | None
    failures_without_cause: int | None
    success_rate_without_infrastructure: float | None
    failure_rate_without_infrastructure: float | None
    data: Completeness = field(default_factory=lambda: Completeness(None, None))


def counts(aggregates: Aggregates) -> Counts:
    by = aggregates.outcomes
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


def metrics(
    aggregates: Aggregates,
    data: Completeness,
    commits: PassCounts | None = None,
    failures: FailureCounts = NOT_COUNTED,
) -> Metrics:
    """Returns the figures of a set of runs; `data` becomes a part of them."""
    runs, details = counts(aggregates), aggregates.details
    infrastructure = failures.infrastructure_of(runs.failure)
    rates = rates_without_infrastructure(runs.success, runs.failure, infrastructure)
    first = PassCounts(details.first_success, details.first_success + details.first_failure) if details else None
    return Metrics(
        runs=runs,
        success_rate=ratio(runs.success, runs.decided),
        failure_rate=ratio(runs.failure, runs.decided),
        duration_seconds=aggregates.duration_seconds,
        queue_seconds=aggregates.queue_seconds,
        rerun_rate=ratio(aggregates.rerun, runs.completed),
        flaky_runs=aggregates.flaky,
        recovery_seconds=aggregates.recovery_seconds,
        compute_seconds=aggregates.compute_seconds,
        wasted_seconds=aggregates.wasted_seconds,
        cost_usd=aggregates.cost_usd,
        success_duration_seconds=details.success_duration_seconds if details else UNKNOWN,
        failure_duration_seconds=details.failure_duration_seconds if details else UNKNOWN,
        success_rate_first_attempt=first.rate if first else None,
        success_rate_by_commit=commits.rate if commits else None,
        first_attempts=first,
        commits=commits,
        rerun_rate_without_approvals=ratio(details.rerun, runs.completed) if details else None,
        flaky_rate_per_rerun=_flaky_rate(aggregates.flaky, details),
        waste=_waste(details),
        cost_unknown_minutes=details.unpriced_minutes if details else None,
        infrastructure_failures=infrastructure,
        failures_without_cause=failures.without_cause(runs.failure),
        success_rate_without_infrastructure=rates.success,
        failure_rate_without_infrastructure=rates.failure,
        data=data,
    )


def _flaky_rate(flaky: int, details: AggregateDetails | None) -> float | None:
    """Returns null where fewer runs with a re-run failure are counted than flaky runs, which are a part of them: the
    roll-ups do not count all of them yet."""
    if details is None or details.failed_then_rerun < flaky:
        return None
    return ratio(flaky, details.failed_then_rerun)


def _waste(details: AggregateDetails | None) -> WasteSeconds:
    if details is None:
        return WasteSeconds(None, None, None, None, None)
    return WasteSeconds(
        details.wasted_flaky,
        details.wasted_cancelled,
        details.wasted_superseded,
        details.defect,
        details.never_started,
    )


# A flaky run is known only after its re-run: 84 % are known after 24 hours, 94 % after 7 days.
_RERUN_DELAY = timedelta(hours=24)
# Slow runs of the last hour have not ended: p95 of those that ended is too low.
_RUN_DELAY = timedelta(hours=1)
_MATURITY_DELAYS = {
    "flaky_runs": _RERUN_DELAY,
    "flaky_rate_per_rerun": _RERUN_DELAY,
    "rerun_rate": _RERUN_DELAY,
    "rerun_rate_without_approvals": _RERUN_DELAY,
    "success_duration_p95": _RUN_DELAY,
    "duration_p95": _RUN_DELAY,
    "queue_p95": _RUN_DELAY,
}
PROVISIONAL_LABEL = "so far"


def is_provisional(name: str, window: Window, now: datetime) -> bool:
    """True where runs that may still change the figure are created in half of the window or more."""
    delay = _MATURITY_DELAYS.get(name)
    if delay is None:
        return False
    provisional = window.until - max(window.since, now - delay)
    return provisional > timedelta() and provisional >= window.span / 2
