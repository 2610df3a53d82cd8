"""Means and percentiles."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


# Below it a percentile is marked wherever it is shown: of 5 runs, p95 is between half and 1.4 times the true one.
SMALL_SAMPLE = 20
# Of a standard normal variable, 95 % lie between -Z95 and Z95.
Z95 = 1.959963984540054
Bounds = tuple[float, float]


@dataclass(frozen=True)
class Distribution:
    """Seconds; all null where there is no sample. `n` is the size of the sample, null where it is not known.
    `p50_interval` and `p95_interval` are 95 % confidence intervals, null where the sample is too small for both bounds.
    """

    mean: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    n: int | None = 0
    p50_interval: Bounds | None = None
    p95_interval: Bounds | None = None

    @property
    def is_small(self) -> bool:
        return is_small_sample(self.n)


UNKNOWN = Distribution(None, None, None, None, None)
_EMPTY = Distribution(None, None, None, None)


def is_small_sample(n: int | None) -> bool:
    """Is a percentile of so many values to be marked? An unknown size is."""
    return n is None or n < SMALL_SAMPLE


@dataclass(frozen=True)
class Recovery:
    """Seconds from the end of the first failed run to the end of the next successful one. `mean` and `p50` are of
    episodes that are over; `median_with_open` takes those that are still open as lasting at least so long, and is null
    where more than half may last longer than is known. `episodes` counts both."""

    mean: float | None
    p50: float | None
    open: int
    median_with_open: float | None = None
    episodes: int = 0


def distributions(
    means: Floats, sizes: Ints, percentiles_of: Callable[[Floats], Floats], *, intervals: bool
) -> list[Distribution]:
    """One for each sample. `percentiles_of` takes fractions, a row a sample, and returns the percentiles. Without
    `intervals` those are null."""
    fractions = np.broadcast_to([0.5, 0.9, 0.95], (len(sizes), 3))
    if not intervals:
        values = np.column_stack((means, percentiles_of(fractions))).tolist()
        return [
            Distribution(mean, p50, p90, p95, size) if size else _EMPTY
            for size, (mean, p50, p90, p95) in zip(sizes.tolist(), values, strict=True)
        ]
    bounds = np.hstack([_interval_fractions(sizes, fraction) for fraction in (0.5, 0.95)])
    percents = percentiles_of(np.hstack((fractions, np.clip(bounds, 0.0, 1.0))))
    inside = ((bounds[:, ::2] >= 0) & (bounds[:, 1::2] <= 1)).tolist()
    rows = zip(sizes.tolist(), means.tolist(), percents.tolist(), inside, strict=True)
    return [
        Distribution(
            mean, p50, p90, p95, size, (low50, high50) if of_p50 else None, (low95, high95) if of_p95 else None
        )
        if size
        else _EMPTY
        for size, mean, (p50, p90, p95, low50, high50, low95, high95), (of_p50, of_p95) in rows
    ]


def medians(sizes: Ints, percentiles_of: Callable[[Floats], Floats], min_size: int) -> dict[int, Distribution]:
    """By sample, of those of at least that size: its size, median and the interval of that, and nothing else.
    `percentiles_of` as in distributions."""
    bounds = _interval_fractions(sizes, 0.5)
    middle = np.full(len(sizes), 0.5)
    percents = percentiles_of(np.column_stack((middle, np.clip(bounds, 0.0, 1.0))))
    inside = (bounds[:, 0] >= 0) & (bounds[:, 1] <= 1)
    rows = np.flatnonzero(sizes >= min_size)
    values = zip(rows.tolist(), sizes[rows].tolist(), percents[rows].tolist(), inside[rows].tolist(), strict=True)
    return {
        row: Distribution(None, p50, None, None, size, (low, high) if known else None)
        for row, size, (p50, low, high), known in values
    }


def _interval_fractions(sizes: Ints, fraction: float) -> Floats:
    """The fractions of the two order statistics that bound a 95 % confidence interval of the percentile, a row a
    sample; below 0 or above 1 where the sample is too small to have one (R. S. Woodruff, "Confidence Intervals for
    Medians and Other Position Measures", Journal of the American Statistical Association 47, 1952)."""
    spread = Z95 * np.sqrt(fraction * (1 - fraction) / np.maximum(sizes, 1))
    return np.column_stack((fraction - spread, fraction + spread))


def percentile(ordered: Sequence[float], fraction: float) -> float | None:
    """Of an ascending sample; null for an empty one."""
    values = np.asarray(ordered, dtype=np.float64)
    return nan_to_none(percentiles(values, np.asarray([len(values)]), [fraction])[:, 0])[0]


def percentile_of_list(ordered: Sequence[float], fraction: float) -> float | None:
    """The same for a short list that changes all the time, without the cost of an array."""
    if not ordered:
        return None
    rank = fraction * (len(ordered) - 1)
    low = int(rank)
    at, above = ordered[low], ordered[min(low + 1, len(ordered) - 1)]
    return at + (above - at) * (rank - low)


def percentiles(ordered: Floats, sizes: Ints, fractions: Sequence[float] | Floats) -> Floats:
    """Of many samples, each ascending, one after the other: a row a sample, a column a fraction; NaN for an empty
    one. `fractions` may have a row for each sample."""
    starts = np.cumsum(sizes) - sizes
    return interpolated(sizes, fractions, lambda ranks: ordered[np.minimum(starts[:, None] + ranks, len(ordered) - 1)])


def interpolated(sizes: Ints, fractions: Sequence[float] | Floats, value_at: Callable[[Ints], Floats]) -> Floats:
    """Linear interpolation between the closest ranks, as SQL's percentile_cont (type 7 of Hyndman and Fan, 1996).
    `value_at` takes ranks from 0, a row for each sample; what it gives for an empty one does not count."""
    wanted = np.asarray(fractions, dtype=np.float64)
    if not sizes.any():
        return np.full((len(sizes), wanted.shape[-1]), np.nan)
    last = np.maximum(sizes - 1, 0)[:, None]
    ranks = wanted * last
    low = ranks.astype(np.int64)
    at, above = value_at(low), value_at(np.minimum(low + 1, last))
    return np.where(sizes[:, None] > 0, at + (above - at) * (ranks - low), np.nan)


def nan_to_none(values: Floats) -> list[float | None]:
    """Plain numbers, null for NaN."""
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124 - only NaN is not itself


def ratio(part: float, whole: float) -> float | None:
    """Null, not 0, where there is nothing to divide by."""
    return part / whole if whole else None
