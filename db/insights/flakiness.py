"""How often does a workflow fail without a fault in the code? Pure.

A flake is seen only where somebody re-runs the failure. The share of re-run failures that then pass does not depend on
how often people re-run; times the share of runs that fail at first, it estimates the share of runs that flake."""

from dataclasses import dataclass

from db.metrics.distribution import ratio
from db.metrics.intervals import wilson

# Called flaky where at least this share of runs flakes, certain to 97.5 % for each factor, by two runs or more.
CALLED_FROM, LEAST_RUNS = 0.01, 2


@dataclass(frozen=True)
class Flakiness:
    """Shares from 0 to 1, with 95 % intervals; null where nothing is known. `per_rerun`: flaky runs of failures that
    were re-run. `estimate`: of runs that flake, re-run or not; `estimate_low` its lower bound."""

    per_rerun: float | None
    per_rerun_low: float
    per_rerun_high: float
    estimate: float | None
    estimate_low: float
    called: bool


def flakiness(flaky: int, rerun_failures: int, failed_first: int, decided: int) -> Flakiness:
    """`flaky` of the `rerun_failures` passed later; `failed_first` of the `decided` runs failed in their first
    attempt."""
    # A run that passed after a failure is one of both.
    rerun_failures, failed_first = max(rerun_failures, flaky), max(failed_first, flaky)
    decided = max(decided, failed_first)
    per_rerun, fails = ratio(flaky, rerun_failures), ratio(failed_first, decided)
    low, high = wilson(flaky, rerun_failures)
    estimate = None if per_rerun is None or fails is None else per_rerun * fails
    bound = low * wilson(failed_first, decided)[0]
    return Flakiness(per_rerun, low, high, estimate, bound, flaky >= LEAST_RUNS and bound >= CALLED_FROM)
