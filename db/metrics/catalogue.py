"""Every figure that has a name: its label, how it is read from Metrics and written, and which way is better."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from db.metrics import units
from db.metrics.distribution import ratio
from db.metrics.formulas import Metrics


@dataclass(frozen=True)
class Figure:
    name: str
    label: str
    value: Callable[[Metrics], float | None]
    write: Callable[[float | None], str]
    better: Literal["higher", "lower", "neither"]
    meaning: str


def _count(value: float | None) -> str:
    return units.NO_DATA if value is None else units.count(int(value))


def _money(value: float | None) -> str:
    return units.NO_DATA if value is None else units.money(value)


def _minutes(value: float | None) -> str:
    return units.NO_DATA if value is None else units.minutes(value)


def _wasted_share(found: Metrics) -> float | None:
    return ratio(found.wasted_seconds, found.compute_seconds)


FIGURES: dict[str, Figure] = {
    figure.name: figure
    for figure in (
        Figure(
            "success_rate", "Success rate", lambda m: m.success_rate, units.percent, "higher",
            "Successful runs / decided runs (success + failure).",
        ),
        Figure(
            "failure_rate", "Failure rate", lambda m: m.failure_rate, units.percent, "lower",
            "Failed runs / decided runs. Cancelled and skipped runs are never in a rate.",
        ),
        Figure("runs", "Runs", lambda m: m.runs.total, _count, "neither", "Runs, each once by its latest attempt."),
        Figure("failures", "Failures", lambda m: m.runs.failure, _count, "lower", "Failed, timed out or not started."),
        Figure(
            "duration_p50", "Median duration", lambda m: m.duration_seconds.p50, units.duration, "lower",
            "Start of the latest attempt to the end of its last own job; decided runs.",
        ),
        Figure(
            "duration_p95", "p95 duration", lambda m: m.duration_seconds.p95, units.duration, "lower",
            "19 of 20 decided runs were not slower.",
        ),
        Figure(
            "queue_p50", "Median queue", lambda m: m.queue_seconds.p50, units.duration, "lower",
            "Start of the attempt to the first start of one of its jobs.",
        ),
        Figure(
            "queue_p95", "p95 queue", lambda m: m.queue_seconds.p95, units.duration, "lower",
            "19 of 20 decided runs did not wait longer for a runner.",
        ),
        Figure(
            "rerun_rate", "Re-run rate", lambda m: m.rerun_rate, units.percent, "lower",
            "Completed runs with more than one attempt / completed runs.",
        ),
        Figure(
            "flaky_runs", "Flaky runs", lambda m: m.flaky_runs, _count, "lower",
            "An attempt failed and a later attempt of the same run succeeded.",
        ),
        Figure(
            "recovery_p50", "Median recovery", lambda m: m.recovery_seconds.p50, units.duration, "lower",
            "End of the first failure on the default branch of a workflow to the end of its next success.",
        ),
        Figure(
            "compute_seconds", "Compute", lambda m: m.compute_seconds, _minutes, "neither",
            "Time of all jobs over all attempts; copied jobs once.",
        ),
        Figure(
            "wasted_seconds", "Wasted", lambda m: m.wasted_seconds, _minutes, "lower",
            "Job time of attempts that failed, were cancelled or were run again.",
        ),
        Figure(
            "wasted_share", "Wasted share", _wasted_share, units.percent, "lower", "Wasted of all job time.",
        ),
        Figure(
            "cost_usd", "Cost", lambda m: m.cost_usd, _money, "lower",
            "Price a minute × minutes rounded up per job.",
        ),
    )
}  # fmt: skip


def display(metrics: Metrics) -> dict[str, str]:
    """Every figure as it is written, by name."""
    return {name: figure.write(figure.value(metrics)) for name, figure in FIGURES.items()}


@dataclass(frozen=True)
class Change:
    """Against the period before. `direction` is -1, 0 or 1; `good` null where neither way is better."""

    text: str
    direction: int
    good: bool | None


def change(figure: Figure, now: Metrics, before: Metrics) -> Change | None:
    """Rates differ in percentage points, everything else in percent; null where one side has no data."""
    new, old = figure.value(now), figure.value(before)
    if new is None or old is None:
        return None
    if figure.write is units.percent:
        difference, unit = (new - old) * 100, " pp"
    elif old:
        difference, unit = (new - old) / old * 100, "%"
    else:
        return None
    rounded = round(difference, 1)
    if rounded == 0:
        return Change(f"0.0{unit}", 0, None)
    direction = 1 if rounded > 0 else -1
    good = None if figure.better == "neither" else (direction > 0) == (figure.better == "higher")
    return Change(f"{rounded:+,.1f}{unit}", direction, good)
