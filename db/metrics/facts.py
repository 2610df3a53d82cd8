"""The facts of a group of runs, made from sums: what the formulas need."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from db.metrics import sketch
from db.metrics.distribution import Distribution, Floats, Ints, Recovery, distributions, medians, percentiles
from db.metrics.survival import medians_with_open
from db.metrics.table import COUNTS, HOURS, OUTCOMES, SUMS, Exact, Table, nothing

_HOURS_OF_A_WEEK = 168


class Details(NamedTuple):
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
_DETAILS = ("first_success", "first_failure", "rerun_unapproved", "failed_then_rerun", "never_started",
            "unpriced_minutes", "wasted_flaky", "wasted_cancelled", "wasted_superseded", "defect")  # fmt: skip


class Facts(NamedTuple):
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


@cache
def no_facts() -> Facts:
    return facts_of(nothing(1))[0]


def facts_of(
    table: Table, *, intervals: bool = True, ages: Mapping[int, Sequence[float]] | None = None,
    detailed: Sequence[bool] | None = None,
) -> list[Facts]:  # fmt: skip
    """One for each row. Percentiles are exact where all values of a row are known, else within 1 %; their confidence
    intervals are null without `intervals`. `ages`: by row, for how many seconds each open episode has been open.
    `detailed`: whether the details of each row are known; null: of all."""
    # Whole columns are put together: thousands of rows are made for a page.
    column = dict(zip(COUNTS, table.counts.T.tolist(), strict=True)) | dict(
        zip(SUMS, table.sums.T.tolist(), strict=True)
    )
    durations, queues = _Values.of(table, "durations", "duration"), _Values.of(table, "queues", "queue")
    # In histograms where all decided runs are, so that those of failed ones are what is left.
    passed = _Values.of(table, "success_durations", "success_duration", durations.sketched)
    failed, ended = (
        durations.less(passed, table.exact["failure_durations"]),
        _Values.of(table, "recoveries", "recovery"),
    )
    spreads = _spreads((durations, queues, passed, failed, ended), intervals=intervals)
    medians = medians_with_open(ended.exact, (ended.places, ended.counts), len(table), ages or {})
    still_open = column["recovery_open"]
    recoveries = (
        Recovery(each.mean, each.p50, number, median, (each.n or 0) + number)
        for each, number, median in zip(spreads[4], still_open, medians, strict=True)
    )
    details: Iterable[Details | None] = map(Details, spreads[2], spreads[3], *(column[name] for name in _DETAILS))
    known = repeat(True) if detailed is None else detailed
    return list(
        map(
            Facts,
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


def medians_of_successes(table: Table, least: int) -> dict[int, Distribution]:
    """By row, of those with at least so many successes of a known duration: the median and its interval alone."""
    passed = _Values.of(table, "success_durations", "success_duration")
    return medians(passed.sizes(), passed.percentiles, least)


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
        sums, among = table.sums[:, SUMS.index(total)], sketched[exact.rows]
        if not among.any():
            return cls(exact, sketched, *sketch.condensed(entries.rows, entries.buckets, entries.counts), sums)
        places, counts = sketch.condensed(
            np.concatenate((entries.rows, exact.rows[among])),
            np.concatenate((entries.buckets, sketch.buckets(exact.values[among]))),
            np.concatenate((entries.counts, np.ones(int(among.sum()), dtype=np.int64))),
        )
        return cls(Exact(exact.rows[~among], exact.values[~among]), sketched, places, counts, sums)

    def less(self, part: "_Values", exact: Exact) -> "_Values":
        """Without a part of them; `exact` are the single values that remain."""
        places, counts = sketch.less((self.places, self.counts), (part.places, part.counts))
        alone = ~self.sketched[exact.rows]
        left = Exact(exact.rows[alone], exact.values[alone])
        return _Values(left, self.sketched, places, counts, self.total - part.total)

    def spreads(self, *, intervals: bool) -> list[Distribution]:
        numbers = self.sizes()
        means = np.divide(self.total, numbers, out=np.full(len(numbers), np.nan), where=numbers > 0)
        return distributions(means, numbers, self.percentiles, intervals=intervals)

    def sizes(self) -> Ints:
        size = len(self.sketched)
        return np.bincount(self.exact.rows, minlength=size) + sketch.sizes(self.places, self.counts, size)

    def percentiles(self, fractions: Floats) -> Floats:
        size = len(self.sketched)
        if not len(self.exact.rows):
            return sketch.percentiles_of(self.places, self.counts, size, fractions)
        exactly = _exactly(self.exact, fractions, size)
        if not len(self.places):
            return exactly
        about = sketch.percentiles_of(self.places, self.counts, size, fractions)
        return np.where(self.sketched[:, None], about, exactly)


def _spreads(listed: Sequence[_Values], *, intervals: bool) -> list[list[Distribution]]:
    """Of each of them, which are of the same rows; worked out at once."""
    size = len(listed[0].sketched)
    starts = range(0, size * len(listed), size) if size else [0] * len(listed)
    exact = Exact(
        np.concatenate([each.exact.rows + start for each, start in zip(listed, starts, strict=True)]),
        np.concatenate([each.exact.values for each in listed]),
    )
    together = _Values(
        exact,
        np.concatenate([each.sketched for each in listed]),
        np.concatenate([each.places + start * sketch.WIDTH for each, start in zip(listed, starts, strict=True)]),
        np.concatenate([each.counts for each in listed]),
        np.concatenate([each.total for each in listed]),
    )
    found = together.spreads(intervals=intervals)
    return [found[start : start + size] for start in starts]


def _exactly(exact: Exact, fractions: Floats, size: int) -> Floats:
    order = np.lexsort((exact.values, exact.rows))
    return percentiles(exact.values[order], np.bincount(exact.rows, minlength=size), fractions)
