"""Catalogue of the named figures: label, value, format, description and preferred direction. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from core import formatting
from health.metrics.definitions.formulas import Metrics, PassCounts
from health.metrics.definitions.percentiles import Bounds, Distribution, ratio

Proportion = tuple[int, int]


@dataclass(frozen=True)
class Figure:
    """`proportion` returns the part and the total of a rate, where they are counted. `distribution` is set for
    percentiles: the distribution and which of its percentiles."""

    name: str
    label: str
    value: Callable[[Metrics], float | None]
    format: Callable[[float | None], str]
    preferred_direction: Literal["higher", "lower", "neither"]
    description: str
    proportion: Callable[[Metrics], Proportion | None] | None = None
    distribution: tuple[Callable[[Metrics], Distribution], Literal["p50", "p95"]] | None = None

    @property
    def is_rate(self) -> bool:
        return self.format is formatting.percent

    def sample(self, metrics: Metrics) -> int:
        """Returns the number of runs (for the rate by commit: of commits) behind the figure."""
        if self.proportion:
            proportion = self.proportion(metrics)
            return proportion[1] if proportion else 0
        return (self.distribution[0](metrics).n or 0) if self.distribution else metrics.runs.total

    def percentile(self, metrics: Metrics) -> tuple[float | None, Bounds | None]:
        """Returns the value and its confidence interval; null where the figure is not a percentile."""
        if self.distribution is None:
            return None, None
        values, fraction = self.distribution[0](metrics), self.distribution[1]
        return (values.p50, values.p50_interval) if fraction == "p50" else (values.p95, values.p95_interval)


def _percentile(
    name: str,
    label: str,
    distribution: Callable[[Metrics], Distribution],
    fraction: Literal["p50", "p95"],
    description: str,
) -> Figure:
    def value(metrics: Metrics) -> float | None:
        values = distribution(metrics)
        return values.p50 if fraction == "p50" else values.p95

    return Figure(name, label, value, formatting.duration, "lower", description, distribution=(distribution, fraction))


def _format_count(value: float | None) -> str:
    return formatting.NO_DATA if value is None else formatting.count(int(value))


def _format_money(value: float | None) -> str:
    return formatting.NO_DATA if value is None else formatting.money(value)


def _format_minutes(value: float | None) -> str:
    return formatting.NO_DATA if value is None else formatting.minutes(value)


def _format_whole_minutes(value: float | None) -> str:
    return formatting.NO_DATA if value is None else f"{formatting.count(int(value))} min"


def _wasted_share(metrics: Metrics) -> float | None:
    return ratio(metrics.wasted_seconds, metrics.compute_seconds)


def _decided_proportion(counts: PassCounts | None) -> Proportion | None:
    return (counts.success, counts.decided) if counts else None


def _remaining_proportion(metrics: Metrics, part: int) -> Proportion | None:
    """Returns the part of the completed runs that are no infrastructure failures."""
    infrastructure = metrics.infrastructure_failures
    return None if infrastructure is None else (max(part, 0), max(metrics.runs.decided - infrastructure, 0))


def _completed_proportion(rate: float | None, metrics: Metrics) -> Proportion | None:
    """Returns the counts behind a rate of completed runs."""
    return None if rate is None else (round(rate * metrics.runs.completed), metrics.runs.completed)


FIGURES: dict[str, Figure] = {
    figure.name: figure
    for figure in (
        Figure(
            "success_rate", "Success rate", lambda m: m.success_rate, formatting.percent, "higher",
            "Successful runs / completed runs (success + failure), each run by its latest attempt.",
            lambda m: (m.runs.success, m.runs.decided),
        ),
        Figure(
            "success_rate_first_attempt", "Success rate, first attempt", lambda m: m.success_rate_first_attempt,
            formatting.percent, "higher", "Successful first attempts / completed first attempts; re-runs do not count.",
            lambda m: _decided_proportion(m.first_attempts),
        ),
        Figure(
            "success_rate_by_commit", "Success rate, by commit", lambda m: m.success_rate_by_commit, formatting.percent,
            "higher", "Commits all of whose runs passed / commits with completed runs; up to 35 days.",
            lambda m: _decided_proportion(m.commits),
        ),
        Figure(
            "failure_rate", "Failure rate", lambda m: m.failure_rate, formatting.percent, "lower",
            "Failed runs / completed runs. Cancelled and skipped runs are never in a rate.",
            lambda m: (m.runs.failure, m.runs.decided),
        ),
        Figure(
            "success_rate_without_infrastructure", "Success rate without infrastructure failures",
            lambda m: m.success_rate_without_infrastructure, formatting.percent, "higher",
            "Successful runs / completed runs without those that failed by infrastructure alone.",
            lambda m: _remaining_proportion(m, m.runs.success),
        ),
        Figure(
            "failure_rate_without_infrastructure", "Failure rate without infrastructure failures",
            lambda m: m.failure_rate_without_infrastructure, formatting.percent, "lower",
            "Failed runs / completed runs, both without runs that failed by infrastructure alone.",
            lambda m: _remaining_proportion(m, m.runs.failure - (m.infrastructure_failures or 0)),
        ),
        Figure(
            "infrastructure_failures", "Infrastructure failures", lambda m: m.infrastructure_failures, _format_count,
            "lower", "Failed runs in which the first failure cause of each failed job is infrastructure.",
        ),
        Figure(
            "failures_without_cause", "Failures without a cause", lambda m: m.failures_without_cause, _format_count,
            "lower", "Failed runs whose jobs have no known failure cause; they are not infrastructure failures.",
        ),
        Figure(
            "runs", "Runs", lambda m: m.runs.total, _format_count, "neither", "Runs, each once by its latest attempt.",
        ),
        Figure(
            "failures", "Failures", lambda m: m.runs.failure, _format_count, "lower",
            "Failed, timed out or failed to start.",
        ),
        _percentile(
            "success_duration_p50", "Median duration", lambda m: m.success_duration_seconds, "p50",
            "Of successful runs: start of the latest attempt to the end of its last job.",
        ),
        _percentile(
            "success_duration_p95", "p95 duration", lambda m: m.success_duration_seconds, "p95",
            "95% of successful runs were at least this fast.",
        ),
        _percentile(
            "failure_duration_p50", "Median of failures", lambda m: m.failure_duration_seconds, "p50",
            "Duration of failed runs. It does not measure speed: many failures end a run early.",
        ),
        _percentile(
            "duration_p50", "Median duration, completed runs", lambda m: m.duration_seconds, "p50",
            "Start of the latest attempt to the end of its last job; completed runs.",
        ),
        _percentile(
            "duration_p95", "p95 duration, completed runs", lambda m: m.duration_seconds, "p95",
            "95% of completed runs were at least this fast.",
        ),
        _percentile(
            "queue_p50", "Median queue", lambda m: m.queue_seconds, "p50",
            "Start of the attempt to the first start of one of its jobs.",
        ),
        _percentile(
            "queue_p95", "p95 queue", lambda m: m.queue_seconds, "p95",
            "95% of completed runs waited at most this long for a runner.",
        ),
        Figure(
            "rerun_rate", "Re-run rate, all", lambda m: m.rerun_rate, formatting.percent, "lower",
            "Finished runs with more than one attempt / finished runs.",
            lambda m: _completed_proportion(m.rerun_rate, m),
        ),
        Figure(
            "rerun_rate_without_approvals", "Re-run rate", lambda m: m.rerun_rate_without_approvals, formatting.percent,
            "lower", "Finished runs that were re-run / finished runs; a second attempt that an approval created does "
            "not count.",
            lambda m: _completed_proportion(m.rerun_rate_without_approvals, m),
        ),
        Figure(
            "flaky_runs", "Flaky runs", lambda m: m.flaky_runs, _format_count, "lower",
            "An attempt failed and a later attempt of the same run succeeded.",
        ),
        Figure(
            "flaky_rate_per_rerun", "Flaky of re-runs", lambda m: m.flaky_rate_per_rerun, formatting.percent, "lower",
            "Flaky runs / runs with a failed attempt that was re-run.",
        ),
        Figure(
            "recovery_p50", "Median recovery", lambda m: m.recovery_seconds.p50, formatting.duration, "lower",
            "From the end of the first failure on a workflow's default branch to the end of its next success.",
        ),
        Figure(
            "compute_seconds", "Compute", lambda m: m.compute_seconds, _format_minutes, "neither",
            "Time of all jobs of all attempts; copied jobs count once.",
        ),
        Figure(
            "wasted_seconds", "Waste and defects", lambda m: m.wasted_seconds, _format_minutes, "lower",
            "Job time of attempts that failed, were cancelled or were re-run.",
        ),
        Figure(
            "wasted_share", "Share of waste and defects", _wasted_share, formatting.percent, "lower",
            "Waste and defects as a share of all job time.",
        ),
        Figure(
            "cost_usd", "Cost", lambda m: m.cost_usd, _format_money, "lower",
            "Price per minute × minutes, rounded up for each job.",
        ),
        Figure(
            "cost_unknown_minutes", "Without a price", lambda m: m.cost_unknown_minutes, _format_whole_minutes, "lower",
            "Billed minutes of jobs without a known price; they are not in the cost.",
        ),
    )
}  # fmt: skip


def display(metrics: Metrics) -> dict[str, str]:
    """Returns the text of every figure by its name."""
    return {name: figure.format(figure.value(metrics)) for name, figure in FIGURES.items()}
