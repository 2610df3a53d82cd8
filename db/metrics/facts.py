"""The facts of a group of runs, made from sums: what the formulas need."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from db.metrics import sketch
from db.metrics.distribution import Distribution, Floats, Ints, Recovery, or_null, percentiles
from db.metrics.table import COUNTS, HOURS, SUMS, Table, nothing
from db.vocabulary import Outcome

_FRACTIONS = (0.5, 0.9, 0.95)
_HOURS_OF_A_WEEK = 168
_OUTCOMES = tuple(str(outcome) for outcome in Outcome)


@dataclass(frozen=True)
class Facts:
    """Sums of a set of runs, and the spread of their spans in seconds; cost in US dollars."""

    outcomes: Mapping[str, int]
    rerun: int
    flaky: int
    duration_seconds: Distribution
    queue_seconds: Distribution
    recovery_seconds: Recovery
    compute_seconds: float
    wasted_seconds: float
    cost_usd: float


def no_facts() -> Facts:
    return facts_of(nothing(1))[0]


def facts_of(table: Table) -> list[Facts]:
    """One for each row. Percentiles are exact where all values of a row are known, else within 1 %."""
    spreads = {name: _spreads(table, f"{name}s", name) for name in ("duration", "queue")}
    recoveries = _spreads(table, "recoveries", "recovery")
    found = []
    for row, (counts, sums) in enumerate(zip(table.counts.tolist(), table.sums.tolist(), strict=True)):
        number, total = dict(zip(COUNTS, counts, strict=True)), dict(zip(SUMS, sums, strict=True))
        found.append(
            Facts(
                {outcome: number[outcome] for outcome in _OUTCOMES},
                number["rerun"],
                number["flaky"],
                spreads["duration"][row],
                spreads["queue"][row],
                Recovery(recoveries[row].mean, recoveries[row].p50, number["recovery_open"]),
                total["compute"],
                total["wasted"],
                total["cost"],
            )
        )
    return found


def hours_of_the_week(table: Table) -> list[tuple[int, int]]:
    """Decided and failed runs by the hour of the week they began in, of all rows together: 168 pairs."""
    decided, failed = (
        np.bincount(each.buckets, weights=each.counts, minlength=_HOURS_OF_A_WEEK).astype(int)
        for each in (table.histograms[name] for name in HOURS)
    )
    return [(int(one), int(other)) for one, other in zip(decided, failed, strict=True)]


def _spreads(table: Table, name: str, total: str) -> list[Distribution]:
    exact, entries, size = table.exact[name], table.histograms[name], len(table)
    sketched = np.bincount(entries.rows, minlength=size) > 0
    single = ~sketched[exact.rows]
    known = _exactly(exact.rows[single], exact.values[single], size)
    rows, values = exact.rows[~single], exact.values[~single]
    about = sketch.percentiles(
        np.concatenate((entries.rows, rows)),
        np.concatenate((entries.buckets, sketch.buckets(values))),
        np.concatenate((entries.counts, np.ones(len(rows), dtype=np.int64))),
        size,
        _FRACTIONS,
    )
    numbers = np.bincount(exact.rows, minlength=size) + np.bincount(
        entries.rows, weights=entries.counts, minlength=size
    )
    sums = table.sums[:, SUMS.index(total)]
    means = np.divide(sums, numbers, out=np.full(size, np.nan), where=numbers > 0)
    columns = np.column_stack((means, np.where(sketched[:, None], about, known)))
    return [Distribution(*or_null(row)) for row in columns]


def _exactly(rows: Ints, values: Floats, size: int) -> Floats:
    order = np.lexsort((values, rows))
    return percentiles(values[order], np.bincount(rows, minlength=size), _FRACTIONS)
