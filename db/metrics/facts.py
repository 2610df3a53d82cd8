"""The facts of a group of runs, made from sums: what the formulas need."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from db.metrics import sketch
from db.metrics.distribution import Distribution, Floats, Ints, Recovery, distributions, percentiles
from db.metrics.table import COUNTS, HOURS, SUMS, Exact, Table, nothing
from db.vocabulary import Outcome

_HOURS_OF_A_WEEK = 168
_OUTCOMES = tuple(str(outcome) for outcome in Outcome)


@dataclass(frozen=True)
class Details:
    """What roll-ups of older versions do not have. `first_success` and `first_failure`: outcomes of attempt 1;
    `rerun`: completed runs with a re-run, approvals left out; seconds of jobs by the reason of waste."""

    success_duration_seconds: Distribution
    failure_duration_seconds: Distribution
    first_success: int
    first_failure: int
    rerun: int
    failed_then_rerun: int
    never_started: int
    unpriced_minutes: int
    wasted_flaky: float
    wasted_cancelled: float
    wasted_superseded: float
    defect: float


@dataclass(frozen=True)
class Facts:
    """Sums of a set of runs, and the spread of their spans in seconds; cost in US dollars. `details` are null where
    they are not known of all these runs."""

    outcomes: Mapping[str, int]
    rerun: int
    flaky: int
    duration_seconds: Distribution
    queue_seconds: Distribution
    recovery_seconds: Recovery
    compute_seconds: float
    wasted_seconds: float
    cost_usd: float
    details: Details | None


def no_facts() -> Facts:
    return facts_of(nothing(1))[0]


def facts_of(table: Table, *, intervals: bool = True) -> list[Facts]:
    """One for each row. Percentiles are exact where all values of a row are known, else within 1 %; their confidence
    intervals are null without `intervals`."""
    names = {"duration": "durations", "queue": "queues", "recovery": "recoveries"}
    values = {name: _Values.of(table, histogram, name) for name, histogram in names.items()}
    # In histograms where all decided runs are, so that those of failed ones are what is left.
    durations = values["duration"]
    passed = _Values.of(table, "success_durations", "success_duration", durations.sketched)
    values |= {"success_duration": passed, "failure_duration": durations.less(passed, table.exact["failure_durations"])}
    spreads = {name: each.spreads(intervals=intervals) for name, each in values.items()}
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
                Recovery(spreads["recovery"][row].mean, spreads["recovery"][row].p50, number["recovery_open"]),
                total["compute"],
                total["wasted"],
                total["cost"],
                _details(number, total, spreads["success_duration"][row], spreads["failure_duration"][row]),
            )
        )
    return found


def _details(
    number: Mapping[str, int], total: Mapping[str, float], success: Distribution, failure: Distribution
) -> Details:
    return Details(
        success_duration_seconds=success,
        failure_duration_seconds=failure,
        first_success=number["first_success"],
        first_failure=number["first_failure"],
        rerun=number["rerun_unapproved"],
        failed_then_rerun=number["failed_then_rerun"],
        never_started=number["never_started"],
        unpriced_minutes=number["unpriced_minutes"],
        wasted_flaky=total["wasted_flaky"],
        wasted_cancelled=total["wasted_cancelled"],
        wasted_superseded=total["wasted_superseded"],
        defect=total["defect"],
    )


def hours_of_the_week(table: Table) -> list[tuple[int, int]]:
    """Decided and failed runs by the hour of the week they began in, of all rows together: 168 pairs."""
    decided, failed = (
        np.bincount(each.buckets, weights=each.counts, minlength=_HOURS_OF_A_WEEK).astype(int)
        for each in (table.histograms[name] for name in HOURS)
    )
    return [(int(one), int(other)) for one, other in zip(decided, failed, strict=True)]


@dataclass(frozen=True)
class _Values:
    """Values in seconds of each row of a table: in histograms (condensed) where `sketched`, else `exact`."""

    exact: Exact
    sketched: NDArray[np.bool_]
    places: Ints
    counts: Ints
    total: Floats

    @classmethod
    def of(cls, table: Table, name: str, total: str, sketched: NDArray[np.bool_] | None = None) -> "_Values":
        """`sketched`: rows whose values are to be in histograms; those that have one where it is not given."""
        exact, entries = table.exact[name], table.histograms[name]
        if sketched is None:
            sketched = np.bincount(entries.rows, minlength=len(table)) > 0
        among = sketched[exact.rows]
        places, counts = sketch.condensed(
            np.concatenate((entries.rows, exact.rows[among])),
            np.concatenate((entries.buckets, sketch.buckets(exact.values[among]))),
            np.concatenate((entries.counts, np.ones(int(among.sum()), dtype=np.int64))),
        )
        sums = table.sums[:, SUMS.index(total)]
        return cls(Exact(exact.rows[~among], exact.values[~among]), sketched, places, counts, sums)

    def less(self, part: "_Values", exact: Exact) -> "_Values":
        """Without a part of them; `exact` are the single values that remain."""
        places, counts = sketch.less((self.places, self.counts), (part.places, part.counts))
        alone = ~self.sketched[exact.rows]
        left = Exact(exact.rows[alone], exact.values[alone])
        return _Values(left, self.sketched, places, counts, self.total - part.total)

    def spreads(self, *, intervals: bool) -> list[Distribution]:
        size = len(self.sketched)
        numbers = np.bincount(self.exact.rows, minlength=size) + np.bincount(
            self.places // sketch.WIDTH, weights=self.counts, minlength=size
        ).astype(np.int64)
        means = np.divide(self.total, numbers, out=np.full(size, np.nan), where=numbers > 0)
        return distributions(means, numbers, self._percentiles, intervals=intervals)

    def _percentiles(self, fractions: Floats) -> Floats:
        size = len(self.sketched)
        about = sketch.percentiles_of(self.places, self.counts, size, fractions)
        return np.where(self.sketched[:, None], about, _exactly(self.exact, fractions, size))


def _exactly(exact: Exact, fractions: Floats, size: int) -> Floats:
    order = np.lexsort((exact.values, exact.rows))
    return percentiles(exact.values[order], np.bincount(exact.rows, minlength=size), fractions)
