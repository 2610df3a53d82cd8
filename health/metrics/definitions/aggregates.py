"""Aggregates of groups of runs from the columns of a table: the input of the formulas. Pure.

The median of recoveries counts open episodes by the estimator of E. L. Kaplan and P. Meier, "Nonparametric Estimation
from Incomplete Observations", Journal of the American Statistical Association 53, 1958: the share S(t) of spans longer
than t is the product, over all lengths up to t at which spans ended, of 1 - (spans that ended then) / (spans that
lasted at least so long). An open span counts up to its age.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from db.definitions.time_buckets import HOURS_PER_WEEK
from health.metrics.definitions import histogram
from health.metrics.definitions.percentiles import (
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

# S(t) is a product of quotients, exact up to rounding.
_TOLERANCE = 1e-12


def median_with_open(ended: Mapping[float, int], open_for: Iterable[float]) -> float | None:
    """Returns the least t with S(t) <= 0.5, null where the curve does not reach it. `ended` is the number of spans that
    ended by length, `open_for` the ages of open spans, in the same unit. An open span that is as old as another one
    lasted is assumed to last longer."""
    still_open = Counter(open_for)
    at_risk = sum(ended.values()) + still_open.total()
    share = 1.0
    for length in sorted({*ended, *still_open}):
        if number := ended.get(length, 0):
            share *= 1 - number / at_risk
            if share <= 0.5 + _TOLERANCE:
                return length
        at_risk -= number + still_open[length]
    return None


def medians_with_open(
    samples: Samples, histograms: tuple[Ints, Ints], size: int, ages: Mapping[int, Sequence[float]]
) -> list[float | None]:
    """Returns the median of each of `size` rows in seconds, null where no episode ended. The lengths of a row are
    samples or a condensed histogram (positions and counts), which is within 1 % of them. `ages` are the ages of open
    episodes in seconds, by row."""
    rows, values, counts = _ended_lengths(samples, *histograms)
    if not len(rows):
        return [None] * size
    totals = np.bincount(rows, weights=counts, minlength=size).astype(np.int64)
    # Without open episodes, S(t) reaches one half at the lower of the two middle lengths.
    middle = np.cumsum(totals) - totals + (totals - 1) // 2
    indices = np.searchsorted(np.cumsum(counts), middle, side="right")
    lower_middle = values[np.minimum(indices, len(values) - 1)].tolist()
    medians = [median if total else None for median, total in zip(lower_middle, totals.tolist(), strict=True)]
    for row, open_for in ages.items():
        if totals[row]:
            part = slice(*np.searchsorted(rows, (row, row + 1)))
            ended = Counter[float]()
            for length, number in zip(values[part].tolist(), counts[part].tolist(), strict=True):
                ended[length] += number
            medians[row] = median_with_open(ended, open_for)
    return medians


def _ended_lengths(samples: Samples, positions: Ints, counts: Ints) -> tuple[Ints, Floats, Ints]:
    """Returns rows, lengths in seconds and numbers of ended episodes, ascending by row and length; shape (e,) each."""
    rows, values = positions // histogram.BUCKET_COUNT, histogram.bucket_values(positions % histogram.BUCKET_COUNT)
    if not len(samples.rows):
        return rows, values, counts
    rows, values = np.concatenate((samples.rows, rows)), np.concatenate((samples.values, values))
    order = np.lexsort((values, rows))
    ones = np.ones(len(samples.rows), dtype=np.int64)
    return rows[order], values[order], np.concatenate((ones, counts))[order]


class AggregateDetails(NamedTuple):
    """Aggregates that roll-ups of older versions do not have. `first_success` and `first_failure` count outcomes of
    attempt 1, `rerun` completed runs with a re-run, without approvals; job seconds by the reason of waste."""

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


# Columns in the order of the fields of AggregateDetails, without the distributions.
_DETAIL_COLUMNS = (
    "first_success",
    "first_failure",
    "rerun_unapproved",
    "failed_then_rerun",
    "never_started",
    "unpriced_minutes",
    "wasted_flaky",
    "wasted_cancelled",
    "wasted_superseded",
    "defect",
)


class Aggregates(NamedTuple):
    """Sums of a set of runs and distributions of their spans in seconds; cost in US dollars. `details` is null where it
    is not known for all of these runs."""

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
    """Returns the aggregates of no runs."""
    return aggregates_of(empty_table(1))[0]


def aggregates_of(
    table: AggregateTable,
    *,
    intervals: bool = True,
    open_ages: Mapping[int, Sequence[float]] | None = None,
    with_details: Sequence[bool] | None = None,
) -> list[Aggregates]:
    """Returns the aggregates of each row. Percentiles are exact where all values of a row are samples, else within 1 %;
    their confidence intervals are null without `intervals`. `open_ages` are the ages of open episodes in seconds, by
    row. `with_details`: whether the details of each row are known; null: of all rows."""
    # Computed by column: a page has thousands of rows.
    column = dict(zip(COUNTS, table.counts.T.tolist(), strict=True)) | dict(
        zip(SUMS, table.sums.T.tolist(), strict=True)
    )
    durations, queues = (
        _ValueDistribution.from_table(table, "durations", "duration"),
        _ValueDistribution.from_table(table, "queues", "queue"),
    )
    # In histograms where the completed runs are, so that failed runs are the difference.
    passed = _ValueDistribution.from_table(table, "success_durations", "success_duration", durations.in_histogram)
    failed, ended = (
        durations.minus(passed, table.samples["failure_durations"]),
        _ValueDistribution.from_table(table, "recoveries", "recovery"),
    )
    by_column = _distributions((durations, queues, passed, failed, ended), intervals=intervals)
    medians = medians_with_open(ended.samples, (ended.positions, ended.counts), len(table), open_ages or {})
    still_open = column["recovery_open"]
    recoveries = (
        Recovery(lengths.mean, lengths.p50, number, median, (lengths.n or 0) + number)
        for lengths, number, median in zip(by_column[4], still_open, medians, strict=True)
    )
    details: Iterable[AggregateDetails | None] = map(
        AggregateDetails, by_column[2], by_column[3], *(column[name] for name in _DETAIL_COLUMNS)
    )
    are_known = repeat(True) if with_details is None else with_details
    return list(
        map(
            Aggregates,
            (dict(zip(OUTCOMES, row, strict=True)) for row in table.counts[:, : len(OUTCOMES)].tolist()),
            column["rerun"],
            column["flaky"],
            by_column[0],
            by_column[1],
            recoveries,
            column["compute"],
            column["wasted"],
            column["cost"],
            (detail if is_known else None for detail, is_known in zip(details, are_known, strict=False)),
        )
    )


def median_success_durations(table: AggregateTable, min_size: int) -> dict[int, Distribution]:
    """Returns median and confidence interval by row, of rows with at least `min_size` successes of known duration."""
    passed = _ValueDistribution.from_table(table, "success_durations", "success_duration")
    return medians(passed.sizes(), passed.percentiles, min_size)


def hours_of_the_week(table: AggregateTable) -> list[tuple[int, int]]:
    """Returns completed and failed runs by the hour of the week of their creation, of all rows together: 168 pairs."""
    decided, failed = (
        np.bincount(entries.buckets, weights=entries.counts, minlength=HOURS_PER_WEEK).astype(int)
        for entries in (table.histograms[name] for name in HOUR_HISTOGRAMS)
    )
    return list(zip(decided.tolist(), failed.tolist(), strict=True))


@dataclass(frozen=True)
class _ValueDistribution:
    """Values of n rows in seconds: those of row k are in the condensed histogram (`positions`, `counts`; shape (e,))
    where `in_histogram[k]`, else in `samples`. `in_histogram` and `total`, the sums of the values, have shape (n,)."""

    samples: Samples
    in_histogram: NDArray[np.bool_]
    positions: Ints
    counts: Ints
    total: Floats

    @classmethod
    def from_table(
        cls, table: AggregateTable, name: str, total: str, in_histogram: NDArray[np.bool_] | None = None
    ) -> "_ValueDistribution":
        """`in_histogram`: rows whose values are put into histograms; null: the rows that have one."""
        samples, entries = table.samples[name], table.histograms[name]
        if in_histogram is None:
            in_histogram = np.bincount(entries.rows, minlength=len(table)) > 0
        sums, moved = table.sums[:, SUMS.index(total)], in_histogram[samples.rows]
        if not moved.any():
            return cls(samples, in_histogram, *histogram.condense(entries.rows, entries.buckets, entries.counts), sums)
        positions, counts = histogram.condense(
            np.concatenate((entries.rows, samples.rows[moved])),
            np.concatenate((entries.buckets, histogram.bucket_indices(samples.values[moved]))),
            np.concatenate((entries.counts, np.ones(int(moved.sum()), dtype=np.int64))),
        )
        return cls(Samples(samples.rows[~moved], samples.values[~moved]), in_histogram, positions, counts, sums)

    def minus(self, part: "_ValueDistribution", samples: Samples) -> "_ValueDistribution":
        """Subtracts a part of the values. `samples` are the single values that remain."""
        positions, counts = histogram.subtract((self.positions, self.counts), (part.positions, part.counts))
        remains = ~self.in_histogram[samples.rows]
        left = Samples(samples.rows[remains], samples.values[remains])
        return _ValueDistribution(left, self.in_histogram, positions, counts, self.total - part.total)

    def distributions(self, *, intervals: bool) -> list[Distribution]:
        """Returns the distribution of each row."""
        numbers = self.sizes()
        means = np.divide(self.total, numbers, out=np.full(len(numbers), np.nan), where=numbers > 0)
        return distributions(means, numbers, self.percentiles, intervals=intervals)

    def sizes(self) -> Ints:
        """Returns the number of values of each row; shape (n,)."""
        size = len(self.in_histogram)
        return np.bincount(self.samples.rows, minlength=size) + histogram.condensed_sizes(
            self.positions, self.counts, size
        )

    def percentiles(self, fractions: Floats) -> Floats:
        """Takes fractions of shape (n, f) and returns seconds of that shape, NaN in rows without values."""
        size = len(self.in_histogram)
        if not len(self.samples.rows):
            return histogram.condensed_percentiles(self.positions, self.counts, size, fractions)
        exact = _sample_percentiles(self.samples, fractions, size)
        if not len(self.positions):
            return exact
        approximate = histogram.condensed_percentiles(self.positions, self.counts, size, fractions)
        return np.where(self.in_histogram[:, None], approximate, exact)


def _distributions(parts: Sequence[_ValueDistribution], *, intervals: bool) -> list[list[Distribution]]:
    """Returns the distributions of each part, row by row. The parts have the same rows; all are computed at once."""
    size = len(parts[0].in_histogram)
    starts = range(0, size * len(parts), size) if size else [0] * len(parts)
    shifted = list(zip(parts, starts, strict=True))
    samples = Samples(
        np.concatenate([part.samples.rows + start for part, start in shifted]),
        np.concatenate([part.samples.values for part in parts]),
    )
    together = _ValueDistribution(
        samples,
        np.concatenate([part.in_histogram for part in parts]),
        np.concatenate([part.positions + start * histogram.BUCKET_COUNT for part, start in shifted]),
        np.concatenate([part.counts for part in parts]),
        np.concatenate([part.total for part in parts]),
    )
    rows = together.distributions(intervals=intervals)
    return [rows[start : start + size] for start in starts]


def _sample_percentiles(samples: Samples, fractions: Floats, size: int) -> Floats:
    order = np.lexsort((samples.values, samples.rows))
    return percentiles(samples.values[order], np.bincount(samples.rows, minlength=size), fractions)
