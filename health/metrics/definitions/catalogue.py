"""Every figure that has a name: its label, how it is read from Metrics and written, and which way is better."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from core import formatting
from health.metrics.definitions.distribution import Bounds, Distribution, ratio
from health.metrics.definitions.formulas import Metrics, PassCounts

Proportion = tuple[int, int]


@dataclass(frozen=True)
class Figure:
    """`share`: the part and the whole of a rate, where they are counted; `spread`: the distribution a percentile is of,
    and which one."""

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
        """The runs (for the rate by commit: the commits) behind the figure."""
        if self.proportion:
            found = self.proportion(metrics)
            return found[1] if found else 0
        return (self.distribution[0](metrics).n or 0) if self.distribution else metrics.runs.total

    def percentile(self, metrics: Metrics) -> tuple[float | None, Bounds | None]:
        """With its interval; null where the figure is no percentile."""
        if self.distribution is None:
            return None, None
        found = self.distribution[0](metrics)
        return (found.p50, found.p50_interval) if self.distribution[1] == "p50" else (found.p95, found.p95_interval)


def _percentile(
    name: str,
    label: str,
    distribution: Callable[[Metrics], Distribution],
    fraction: Literal["p50", "p95"],
    meaning: str,
) -> Figure:
    def value(metrics: Metrics) -> float | None:
        found = distribution(metrics)
        return found.p50 if fraction == "p50" else found.p95

    return Figure(name, label, value, formatting.duration, "lower", meaning, distribution=(distribution, fraction))


def _format_count(value: float | None) -> str:
    return formatting.NO_DATA if value is None else formatting.count(int(value))


def _format_money(value: float | None) -> str:
    return formatting.NO_DATA if value is None else formatting.money(value)


def _format_minutes(value: float | None) -> str:
    return formatting.NO_DATA if value is None else formatting.minutes(value)


def _format_whole_minutes(value: float | None) -> str:
    return formatting.NO_DATA if value is None else f"{formatting.count(int(value))} min"


def _wasted_share(found: Metrics) -> float | None:
    return ratio(found.wasted_seconds, found.compute_seconds)


def _decided_count(found: Metrics) -> int:
    return found.runs.success + found.runs.failure


def _decided_proportion(found: PassCounts | None) -> Proportion | None:
    return (found.success, found.decided) if found else None


def _completed_proportion(rate: float | None, found: Metrics) -> Proportion | None:
    """The count behind a rate of completed runs."""
    return None if rate is None else (round(rate * found.runs.completed), found.runs.completed)


FIGURES: dict[str, Figure] = {
    figure.name: figure
    for figure in (
        Figure(
            "success_rate", "Success rate", lambda m: m.success_rate, formatting.percent, "higher",
            "Successful runs / decided runs (success + failure), each run by its latest attempt.",
            lambda m: (m.runs.success, _decided_count(m)),
        ),
        Figure(
            "success_rate_first_attempt", "Success rate, first attempt", lambda m: m.success_rate_first_attempt,
            formatting.percent, "higher", "First attempts that passed / decided first attempts: re-runs mend nothing here.",
            lambda m: _decided_proportion(m.first_attempts),
        ),
        Figure(
            "success_rate_by_commit", "Success rate, by commit", lambda m: m.success_rate_by_commit, formatting.percent,
            "higher", "Commits all of whose runs passed / commits with decided runs; up to 35 days.",
            lambda m: _decided_proportion(m.commits),
        ),
        Figure(
            "failure_rate", "Failure rate", lambda m: m.failure_rate, formatting.percent, "lower",
            "Failed runs / decided runs. Cancelled and skipped runs are never in a rate.",
            lambda m: (m.runs.failure, _decided_count(m)),
        ),
        Figure("runs", "Runs", lambda m: m.runs.total, _format_count, "neither", "Runs, each once by its latest attempt."),
        Figure("failures", "Failures", lambda m: m.runs.failure, _format_count, "lower", "Failed, timed out or not started."),
        _percentile(
            "success_duration_p50", "Median duration", lambda m: m.success_duration_seconds, "p50",
            "Of successful runs: start of the latest attempt to the end of its last own job.",
        ),
        _percentile(
            "success_duration_p95", "p95 duration", lambda m: m.success_duration_seconds, "p95",
            "19 of 20 successful runs were not slower.",
        ),
        _percentile(
            "failure_duration_p50", "Median of failures", lambda m: m.failure_duration_seconds, "p50",
            "How long failed runs took, which is no measure of speed: many die early.",
        ),
        _percentile(
            "duration_p50", "Median duration, decided", lambda m: m.duration_seconds, "p50",
            "Start of the latest attempt to the end of its last own job; decided runs.",
        ),
        _percentile(
            "duration_p95", "p95 duration, decided", lambda m: m.duration_seconds, "p95",
            "19 of 20 decided runs were not slower.",
        ),
        _percentile(
            "queue_p50", "Median queue", lambda m: m.queue_seconds, "p50",
            "Start of the attempt to the first start of one of its jobs.",
        ),
        _percentile(
            "queue_p95", "p95 queue", lambda m: m.queue_seconds, "p95",
            "19 of 20 decided runs did not wait longer for a runner.",
        ),
        Figure(
            "rerun_rate", "Re-run rate, all", lambda m: m.rerun_rate, formatting.percent, "lower",
            "Completed runs with more than one attempt / completed runs.",
            lambda m: _completed_proportion(m.rerun_rate, m),
        ),
        Figure(
            "rerun_rate_without_approvals", "Re-run rate", lambda m: m.rerun_rate_without_approvals, formatting.percent,
            "lower", "Completed runs that were run again / completed runs; a second attempt that only an approval "
            "created is none.",
            lambda m: _completed_proportion(m.rerun_rate_without_approvals, m),
        ),
        Figure(
            "flaky_runs", "Flaky runs", lambda m: m.flaky_runs, _format_count, "lower",
            "An attempt failed and a later attempt of the same run succeeded.",
        ),
        Figure(
            "flaky_rate_per_rerun", "Flaky of re-runs", lambda m: m.flaky_rate_per_rerun, formatting.percent, "lower",
            "Flaky runs / runs with a failed attempt that was run again.",
        ),
        Figure(
            "recovery_p50", "Median recovery", lambda m: m.recovery_seconds.p50, formatting.duration, "lower",
            "End of the first failure on the default branch of a workflow to the end of its next success.",
        ),
        Figure(
            "compute_seconds", "Compute", lambda m: m.compute_seconds, _format_minutes, "neither",
            "Time of all jobs over all attempts; copied jobs once.",
        ),
        Figure(
            "wasted_seconds", "Waste and defects", lambda m: m.wasted_seconds, _format_minutes, "lower",
            "Job time of attempts that failed, were cancelled or were run again.",
        ),
        Figure(
            "wasted_share", "Share of waste and defects", _wasted_share, formatting.percent, "lower",
            "Waste and defects of all job time.",
        ),
        Figure(
            "cost_usd", "Cost", lambda m: m.cost_usd, _format_money, "lower",
            "Price a minute × minutes rounded up per job.",
        ),
        Figure(
            "cost_unknown_minutes", "Without a price", lambda m: m.cost_unknown_minutes, _format_whole_minutes, "lower",
            "Billed minutes of jobs without a known price, left out of the cost.",
        ),
    )
}  # fmt: skip


def display(metrics: Metrics) -> dict[str, str]:
    """Every figure as it is written, by name."""
    return {name: figure.format(figure.value(metrics)) for name, figure in FIGURES.items()}
