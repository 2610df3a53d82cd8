"""Means, percentiles and their confidence intervals. Pure.

n is the number of samples (groups of values), f the number of fractions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


# Percentiles of fewer values are marked as uncertain: p95 of 5 runs is between 0.5 and 1.4 times the true value.
SMALL_SAMPLE = 20
# 95 % of a standard normal variable are between -Z95 and Z95.
Z95 = 1.959963984540054
Bounds = tuple[float, float]


@dataclass(frozen=True)
class Distribution:
    """Mean and percentiles of a sample in seconds, null for an empty one. `n` is its size, null where it is not known.
    `p50_interval` and `p95_interval` are 95 % confidence intervals, null where the sample is too small for them."""

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
    """True where a percentile of n values is to be marked as uncertain, or n is not known."""
    return n is None or n < SMALL_SAMPLE


@dataclass(frozen=True)
class Recovery:
    """Seconds from the completion of the first failed run to the completion of the next successful one. `mean` and
    `p50` are those of ended episodes. `median_with_open` also counts open episodes, which last at least as long as they
    are old; null where more than half of all episodes may last longer than known. `episodes` is the number of both."""

    mean: float | None
    p50: float | None
    open: int
    median_with_open: float | None = None
    episodes: int = 0


def distributions(
    means: Floats, sizes: Ints, percentiles_of: Callable[[Floats], Floats], *, intervals: bool
) -> list[Distribution]:
    """Returns the distribution of each of n samples. `means` and `sizes` have shape (n,); `percentiles_of` takes
    fractions of shape (n, f) and returns percentiles of that shape. Confidence intervals are null without
    `intervals`."""
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
    """Returns size, median and its confidence interval of the samples with at least `min_size` values, by index of the
    sample; the other fields are null. Arguments as in distributions."""
    bounds = _interval_fractions(sizes, 0.5)
    middle = np.full(len(sizes), 0.5)
    percents = percentiles_of(np.column_stack((middle, np.clip(bounds, 0.0, 1.0))))
    inside = (bounds[:, 0] >= 0) & (bounds[:, 1] <= 1)
    rows = np.flatnonzero(sizes >= min_size)
    values = zip(rows.tolist(), sizes[rows].tolist(), percents[rows].tolist(), inside[rows].tolist(), strict=True)
    return {
        row: Distribution(None, p50, None, None, size, (low, high) if is_inside else None)
        for row, size, (p50, low, high), is_inside in values
    }


def _interval_fractions(sizes: Ints, fraction: float) -> Floats:
    """Returns the fractions of the two order statistics that bound a 95 % confidence interval of a percentile, shape
    (n, 2); below 0 or above 1 where the sample is too small (R. S. Woodruff, "Confidence Intervals for Medians and
    Other Position Measures", Journal of the American Statistical Association 47, 1952)."""
    spread = Z95 * np.sqrt(fraction * (1 - fraction) / np.maximum(sizes, 1))
    return np.column_stack((fraction - spread, fraction + spread))


def percentile(ordered: Sequence[float], fraction: float) -> float | None:
    """Returns the percentile of an ascending sample, null for an empty one."""
    values = np.asarray(ordered, dtype=np.float64)
    return nan_to_none(percentiles(values, np.asarray([len(values)]), [fraction])[:, 0])[0]


def percentile_of_list(ordered: Sequence[float], fraction: float) -> float | None:
    """As percentile, without the cost of an array, for short lists that change often."""
    if not ordered:
        return None
    rank = fraction * (len(ordered) - 1)
    low = int(rank)
    value, next_value = ordered[low], ordered[min(low + 1, len(ordered) - 1)]
    return value + (next_value - value) * (rank - low)


def percentiles(ordered: Floats, sizes: Ints, fractions: Sequence[float] | Floats) -> Floats:
    """Returns percentiles of n samples, shape (n, f), NaN for an empty sample. `ordered` has the values of all samples,
    each ascending, one sample after the other; `sizes` has shape (n,), `fractions` (f,) or (n, f)."""
    starts = np.cumsum(sizes) - sizes
    return interpolated(sizes, fractions, lambda ranks: ordered[np.minimum(starts[:, None] + ranks, len(ordered) - 1)])


def interpolated(sizes: Ints, fractions: Sequence[float] | Floats, value_at: Callable[[Ints], Floats]) -> Floats:
    """Interpolates linearly between the closest ranks, as SQL's percentile_cont (type 7 of Hyndman and Fan, 1996).
    `value_at` takes ranks of shape (n, f), from 0, and returns values of that shape; those of empty samples are not
    used."""
    requested = np.asarray(fractions, dtype=np.float64)
    if not sizes.any():
        return np.full((len(sizes), requested.shape[-1]), np.nan)
    last = np.maximum(sizes - 1, 0)[:, None]
    ranks = requested * last
    low = ranks.astype(np.int64)
    values, next_values = value_at(low), value_at(np.minimum(low + 1, last))
    return np.where(sizes[:, None] > 0, values + (next_values - values) * (ranks - low), np.nan)


def nan_to_none(values: Floats) -> list[float | None]:
    """Returns Python numbers, null for NaN."""
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124 - only NaN is not itself


def ratio(part: float, total: float) -> float | None:
    """Returns null, not 0, where the total is 0."""
    return part / total if total else None
