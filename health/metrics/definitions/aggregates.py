"""The median of spans some of which are not over yet. Pure.

E. L. Kaplan and P. Meier, "Nonparametric Estimation from Incomplete Observations", Journal of the American Statistical
Association 53, 1958: the share S(t) of spans longer than t is the product, over all lengths up to t at which spans
ended, of 1 - (spans that ended then) / (spans that had lasted so long). What is still open counts as long as it has
lasted.

The facts of a group of runs, made from sums: what the formulas need.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from health.metrics.definitions import histogram
from health.metrics.definitions.distribution import (
    Distribution,
    Floats,
    Ints,
    Recovery,
    distributions,
    medians,
    percentiles,
)
from health.metrics.definitions.table import (
    COUNTS,
    HOUR_HISTOGRAMS,
    OUTCOMES,
    SUMS,
    AggregateTable,
    Samples,
    empty_table,
)

# S(t) is a product of quotients, exact only up to rounding.
_TOLERANCE = 1e-12


def median_with_open(ended: Mapping[float, int], open_for: Iterable[float]) -> float | None:
    """The least t with S(t) <= 0.5, null where the curve does not reach it. `ended`: how many spans of each length
    ended; `open_for`: how long each open one has lasted. All in one unit. A span that is open for as long as another
    one lasted is taken to last longer."""
    lasting = Counter(open_for)
    at_risk = sum(ended.values()) + lasting.total()
    share = 1.0
    for length in sorted({*ended, *lasting}):
        if number := ended.get(length, 0):
            share *= 1 - number / at_risk
            if share <= 0.5 + _TOLERANCE:
                return length
        at_risk -= number + lasting[length]
    return None


def medians_with_open(
    samples: Samples, histograms: tuple[Ints, Ints], size: int, ages: Mapping[int, Sequence[float]]
) -> list[float | None]:
    """Of each of `size` rows, null where no episode ended. The lengths of a row are single values or a histogram
    (condensed), which is within 1 % of them. `ages`: by row, for how many seconds each open episode has been open."""
    rows, values, counts = _finished(samples, *histograms)
    if not len(rows):
        return [None] * size
    totals = np.bincount(rows, weights=counts, minlength=size).astype(np.int64)
    # Where none is open, S(t) comes down to one half at the lower of the two middle lengths.
    middle = np.cumsum(totals) - totals + (totals - 1) // 2
    at = np.searchsorted(np.cumsum(counts), middle, side="right")
    plain = values[np.minimum(at, len(values) - 1)].tolist()
    found = [median if total else None for median, total in zip(plain, totals.tolist(), strict=True)]
    for row, open_for in ages.items():
        if totals[row]:
            part = slice(*np.searchsorted(rows, (row, row + 1)))
            ended = Counter[float]()
            for length, number in zip(values[part].tolist(), counts[part].tolist(), strict=True):
                ended[length] += number
            found[row] = median_with_open(ended, open_for)
    return found


def _finished(exact: Samples, places: Ints, counts: Ints) -> tuple[Ints, Floats, Ints]:
    """Rows, lengths and numbers of episodes that are over, ascending by row and length."""
    rows, values = places // histogram.BUCKET_COUNT, histogram.bucket_values(places % histogram.BUCKET_COUNT)
    if not len(exact.rows):
        return rows, values, counts
    rows, values = np.concatenate((exact.rows, rows)), np.concatenate((exact.values, values))
    order = np.lexsort((values, rows))
    ones = np.ones(len(exact.rows), dtype=np.int64)
    return rows[order], values[order], np.concatenate((ones, counts))[order]


_HOURS_PER_WEEK = 168


class AggregateDetails(NamedTuple):
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


# By the fields of Details, the distributions left out.
_DETAIL_COLUMNS = ("first_success", "first_failure", "rerun_unapproved", "failed_then_rerun", "never_started",
            "unpriced_minutes", "wasted_flaky", "wasted_cancelled", "wasted_superseded", "defect")  # fmt: skip


class Aggregates(NamedTuple):
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
    details: AggregateDetails | None


@cache
def empty_aggregates() -> Aggregates:
    return aggregates_of(empty_table(1))[0]


def aggregates_of(
    table: AggregateTable, *, intervals: bool = True, open_ages: Mapping[int, Sequence[float]] | None = None,
    with_details: Sequence[bool] | None = None,
) -> list[Aggregates]:  # fmt: skip
    """One for each row. Percentiles are exact where all values of a row are known, else within 1 %; their confidence
    intervals are null without `intervals`. `ages`: by row, for how many seconds each open episode has been open.
    `detailed`: whether the details of each row are known; null: of all."""
    # Whole columns are put together: thousands of rows are made for a page.
    column = dict(zip(COUNTS, table.counts.T.tolist(), strict=True)) | dict(
        zip(SUMS, table.sums.T.tolist(), strict=True)
    )
    durations, queues = (
        _ValueDistribution.from_table(table, "durations", "duration"),
        _ValueDistribution.from_table(table, "queues", "queue"),
    )
    # In histograms where all decided runs are, so that those of failed ones are what is left.
    passed = _ValueDistribution.from_table(table, "success_durations", "success_duration", durations.in_sketch)
    failed, ended = (
        durations.minus(passed, table.samples["failure_durations"]),
        _ValueDistribution.from_table(table, "recoveries", "recovery"),
    )
    spreads = _spreads((durations, queues, passed, failed, ended), intervals=intervals)
    medians = medians_with_open(ended.samples, (ended.positions, ended.counts), len(table), open_ages or {})
    still_open = column["recovery_open"]
    recoveries = (
        Recovery(each.mean, each.p50, number, median, (each.n or 0) + number)
        for each, number, median in zip(spreads[4], still_open, medians, strict=True)
    )
    details: Iterable[AggregateDetails | None] = map(
        AggregateDetails, spreads[2], spreads[3], *(column[name] for name in _DETAIL_COLUMNS)
    )
    known = repeat(True) if with_details is None else with_details
    return list(
        map(
            Aggregates,
            (dict(zip(OUTCOMES, row, strict=True)) for row in table.counts[:, : len(OUTCOMES)].tolist()),
            column["rerun"],
            column["flaky"],
            spreads[0],
            spreads[1],
            recoveries,
            column["compute"],
            column["wasted"],
            column["cost"],
            (each if whole else None for each, whole in zip(details, known, strict=False)),
        )
    )


def median_success_durations(table: AggregateTable, min_size: int) -> dict[int, Distribution]:
    """By row, of those with at least so many successes of a known duration: the median and its interval alone."""
    passed = _ValueDistribution.from_table(table, "success_durations", "success_duration")
    return medians(passed.sizes(), passed.percentiles, min_size)


def hours_of_the_week(table: AggregateTable) -> list[tuple[int, int]]:
    """Decided and failed runs by the hour of the week they began in, of all rows together: 168 pairs."""
    decided, failed = (
        np.bincount(each.buckets, weights=each.counts, minlength=_HOURS_PER_WEEK).astype(int)
        for each in (table.histograms[name] for name in HOUR_HISTOGRAMS)
    )
    return [(int(one), int(other)) for one, other in zip(decided, failed, strict=True)]


@dataclass(frozen=True)
class _ValueDistribution:
    """Values in seconds of each row of a table: in histograms (condensed) where `sketched`, else `exact`."""

    samples: Samples
    in_sketch: NDArray[np.bool_]
    positions: Ints
    counts: Ints
    total: Floats

    @classmethod
    def from_table(
        cls, table: AggregateTable, name: str, total: str, sketched: NDArray[np.bool_] | None = None
    ) -> "_ValueDistribution":
        """`sketched`: rows whose values are to be in histograms; those that have one where it is not given."""
        exact, entries = table.samples[name], table.histograms[name]
        if sketched is None:
            sketched = np.bincount(entries.rows, minlength=len(table)) > 0
        sums, among = table.sums[:, SUMS.index(total)], sketched[exact.rows]
        if not among.any():
            return cls(exact, sketched, *histogram.condense(entries.rows, entries.buckets, entries.counts), sums)
        places, counts = histogram.condense(
            np.concatenate((entries.rows, exact.rows[among])),
            np.concatenate((entries.buckets, histogram.bucket_indices(exact.values[among]))),
            np.concatenate((entries.counts, np.ones(int(among.sum()), dtype=np.int64))),
        )
        return cls(Samples(exact.rows[~among], exact.values[~among]), sketched, places, counts, sums)

    def minus(self, part: "_ValueDistribution", exact: Samples) -> "_ValueDistribution":
        """Without a part of them; `exact` are the single values that remain."""
        places, counts = histogram.subtract((self.positions, self.counts), (part.positions, part.counts))
        alone = ~self.in_sketch[exact.rows]
        left = Samples(exact.rows[alone], exact.values[alone])
        return _ValueDistribution(left, self.in_sketch, places, counts, self.total - part.total)

    def spreads(self, *, intervals: bool) -> list[Distribution]:
        numbers = self.sizes()
        means = np.divide(self.total, numbers, out=np.full(len(numbers), np.nan), where=numbers > 0)
        return distributions(means, numbers, self.percentiles, intervals=intervals)

    def sizes(self) -> Ints:
        size = len(self.in_sketch)
        return np.bincount(self.samples.rows, minlength=size) + histogram.condensed_sizes(
            self.positions, self.counts, size
        )

    def percentiles(self, fractions: Floats) -> Floats:
        size = len(self.in_sketch)
        if not len(self.samples.rows):
            return histogram.condensed_percentiles(self.positions, self.counts, size, fractions)
        exactly = _sample_percentiles(self.samples, fractions, size)
        if not len(self.positions):
            return exactly
        about = histogram.condensed_percentiles(self.positions, self.counts, size, fractions)
        return np.where(self.in_sketch[:, None], about, exactly)


def _spreads(listed: Sequence[_ValueDistribution], *, intervals: bool) -> list[list[Distribution]]:
    """Of each of them, which are of the same rows; worked out at once."""
    size = len(listed[0].in_sketch)
    starts = range(0, size * len(listed), size) if size else [0] * len(listed)
    exact = Samples(
        np.concatenate([each.samples.rows + start for each, start in zip(listed, starts, strict=True)]),
        np.concatenate([each.samples.values for each in listed]),
    )
    together = _ValueDistribution(
        exact,
        np.concatenate([each.in_sketch for each in listed]),
        np.concatenate(
            [each.positions + start * histogram.BUCKET_COUNT for each, start in zip(listed, starts, strict=True)]
        ),
        np.concatenate([each.counts for each in listed]),
        np.concatenate([each.total for each in listed]),
    )
    found = together.spreads(intervals=intervals)
    return [found[start : start + size] for start in starts]


def _sample_percentiles(exact: Samples, fractions: Floats, size: int) -> Floats:
    order = np.lexsort((exact.values, exact.rows))
    return percentiles(exact.values[order], np.bincount(exact.rows, minlength=size), fractions)
