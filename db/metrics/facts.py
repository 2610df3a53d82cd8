"""The facts of a group of runs, made from sums: what the formulas need."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from db.metrics import sketch
from db.metrics.distribution import Distribution, Recovery, percentile
from db.metrics.table import COUNTS, HOURS, SUMS, Table, nothing
from db.vocabulary import Outcome

_FRACTIONS = (0.5, 0.9, 0.95)
_HOURS_OF_A_WEEK = 168


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
    return [
        Facts(
            {str(outcome): counts[str(outcome)] for outcome in Outcome},
            counts["rerun"],
            counts["flaky"],
            spreads["duration"][row],
            spreads["queue"][row],
            Recovery(recoveries[row].mean, recoveries[row].p50, counts["recovery_open"]),
            sums["compute"],
            sums["wasted"],
            sums["cost"],
        )
        for row, (counts, sums) in enumerate(
            (dict(zip(COUNTS, map(int, one), strict=True)), dict(zip(SUMS, map(float, other), strict=True)))
            for one, other in zip(table.counts, table.sums, strict=True)
        )
    ]


def hours_of_the_week(table: Table) -> list[tuple[int, int]]:
    """Decided and failed runs by the hour of the week they began in, of all rows together: 168 pairs."""
    decided, failed = (
        np.bincount(each.buckets, weights=each.counts, minlength=_HOURS_OF_A_WEEK).astype(int)
        for each in (table.histograms[name] for name in HOURS)
    )
    return [(int(one), int(other)) for one, other in zip(decided, failed, strict=True)]


def _spreads(table: Table, name: str, total: str) -> list[Distribution]:
    exact, entries = table.exact[name], table.histograms[name]
    order = np.lexsort((exact.values, exact.rows))
    values, rows = exact.values[order], np.arange(len(table) + 1)
    ends = np.searchsorted(exact.rows[order], rows)
    order = np.argsort(entries.rows, kind="stable")
    buckets, counts = entries.buckets[order], entries.counts[order]
    stops = np.searchsorted(entries.rows[order], rows)
    sums = table.sums[:, SUMS.index(total)]
    found = []
    for row in range(len(table)):
        known = values[ends[row] : ends[row + 1]]
        part = slice(stops[row], stops[row + 1])
        number = len(known) + int(counts[part].sum())
        mean = float(sums[row]) / number if number else None
        if stops[row] == stops[row + 1]:
            found.append(Distribution(mean, *(percentile(known, fraction) for fraction in _FRACTIONS)))
            continue
        together = sketch.count(
            np.concatenate((buckets[part], sketch.buckets(known))),
            np.concatenate((counts[part], np.ones(len(known), dtype=np.int64))),
        )
        found.append(Distribution(mean, *sketch.percentiles(together, _FRACTIONS)))
    return found
