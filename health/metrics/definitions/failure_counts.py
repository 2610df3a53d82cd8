"""Infrastructure failures, and rates without them. Pure.

An attempt is an infrastructure failure if it failed and the first failure cause of each of its failed jobs has this
class. Where no job failed, its cancelled jobs decide: GitHub cancels jobs that no runner accepted."""

from dataclasses import dataclass

from health.metrics.definitions.percentiles import ratio

# The value of health.insights.causes.model.CauseClass, whose package is above this one.
INFRASTRUCTURE = "infrastructure"


@dataclass(frozen=True)
class FailureCounts:
    """Failed runs, by their latest attempt: infrastructure failures, and those of which a failed job has a cause,
    a superset. Both are null where they were not requested, and where runs are deleted."""

    infrastructure: int | None = None
    with_cause: int | None = None

    def without_cause(self, failure: int) -> int | None:
        """Returns how many of the `failure` failed runs have no cause; null if unknown."""
        # The two numbers come from different statements, between which a run can change.
        return None if self.with_cause is None else max(failure - self.with_cause, 0)

    def infrastructure_of(self, failure: int) -> int | None:
        """Returns how many of the `failure` failed runs are infrastructure failures; null if unknown, which it also is
        if none of them has a cause."""
        return None if failure and self.with_cause == 0 else self.infrastructure


NOT_COUNTED = FailureCounts()


@dataclass(frozen=True)
class RemainingRates:
    """Success and failure rate without infrastructure failures; null where no run remains."""

    success: float | None
    failure: float | None


def rates_without_infrastructure(success: int, failure: int, infrastructure: int | None) -> RemainingRates:
    """Returns success / (success + failure - infrastructure) and its complement; null where `infrastructure` is."""
    if infrastructure is None:
        return RemainingRates(None, None)
    # The two numbers come from different statements, between which a run can change.
    remaining = max(failure - infrastructure, 0)
    return RemainingRates(ratio(success, success + remaining), ratio(remaining, success + remaining))
