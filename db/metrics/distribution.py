"""Means and percentiles."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Distribution:
    """Seconds; all null where there is no sample."""

    mean: float | None
    p50: float | None
    p90: float | None
    p95: float | None


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


def percentile(ordered: Sequence[float], fraction: float) -> float | None:
    """Of an ascending sample; null for an empty one."""
    values = np.asarray(ordered, dtype=np.float64)
    return or_null(percentiles(values, np.asarray([len(values)]), [fraction])[:, 0])[0]


def percentile_of(ordered: Sequence[float], fraction: float) -> float | None:
    """The same for a short list that changes all the time, without the cost of an array."""
    if not ordered:
        return None
    rank = fraction * (len(ordered) - 1)
    low = int(rank)
    at, above = ordered[low], ordered[min(low + 1, len(ordered) - 1)]
    return at + (above - at) * (rank - low)


def percentiles(ordered: Floats, sizes: Ints, fractions: Sequence[float]) -> Floats:
    """Of many samples, each ascending, one after the other: a row a sample, a column a fraction; NaN for an empty
    one."""
    starts = np.cumsum(sizes) - sizes
    return interpolated(sizes, fractions, lambda ranks: ordered[np.minimum(starts[:, None] + ranks, len(ordered) - 1)])


def interpolated(sizes: Ints, fractions: Sequence[float], value_at: Callable[[Ints], Floats]) -> Floats:
    """Linear interpolation between the closest ranks, as SQL's percentile_cont (type 7 of Hyndman and Fan, 1996).
    `value_at` takes ranks from 0, a row for each sample; what it gives for an empty one does not count."""
    if not sizes.any():
        return np.full((len(sizes), len(fractions)), np.nan)
    last = np.maximum(sizes - 1, 0)[:, None]
    ranks = np.asarray(fractions) * last
    low = np.floor(ranks).astype(np.int64)
    at, above = value_at(low), value_at(np.minimum(low + 1, last))
    return np.where(sizes[:, None] > 0, at + (above - at) * (ranks - low), np.nan)


def or_null(values: Floats) -> list[float | None]:
    """Plain numbers, null for NaN."""
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124 - only NaN is not itself


def ratio(part: float, whole: float) -> float | None:
    """Null, not 0, where there is nothing to divide by."""
    return part / whole if whole else None
