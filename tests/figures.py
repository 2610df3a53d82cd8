"""Metrics of a handful of runs, without a database."""

from collections.abc import Sequence

import numpy as np

from health.completeness.gaps import Completeness
from health.metrics.definitions.aggregates import aggregates_of
from health.metrics.definitions.failure_counts import NOT_COUNTED, FailureCounts
from health.metrics.definitions.formulas import Metrics, metrics
from health.metrics.definitions.table import RunFact, concat_tables, from_recoveries, from_runs, sum_rows


def fact(outcome: str, **changed: object) -> RunFact:
    values = {
        "outcome": outcome, "attempt": 1, "duration_seconds": 60.0, "queue_seconds": 5.0, "flaky": False,
        "compute_seconds": 60.0, "wasted_seconds": 0.0, "cost_usd": 0.006, "first_outcome": None, "reruns": 0,
        "failed_then_rerun": False, "never_started": 0, "unpriced_minutes": 0, "wasted_flaky_seconds": 0.0,
        "wasted_cancelled_seconds": 0.0, "wasted_superseded_seconds": 0.0, "defect_seconds": 0.0, "hour": 0,
    }  # fmt: skip
    return RunFact(**(values | changed))  # type: ignore[arg-type]


def figures(
    facts: Sequence[RunFact], recoveries: Sequence[float | None] = (), failures: FailureCounts = NOT_COUNTED
) -> Metrics:
    runs = from_runs(facts, np.zeros(len(facts), dtype=np.int64), 1)
    episodes = from_recoveries(recoveries, np.zeros(len(recoveries), dtype=np.int64), 1)
    together = sum_rows(concat_tables([runs, episodes]), np.zeros(2, dtype=np.int64), 1)
    return metrics(aggregates_of(together)[0], Completeness(None, None), failures=failures)
