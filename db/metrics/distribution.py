"""Means and percentiles."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Distribution:
    """Seconds; all null where there is no sample."""

    mean: float | None
    p50: float | None
    p90: float | None
    p95: float | None


@dataclass(frozen=True)
class Recovery:
    """Seconds from the end of the first failed run to the end of the next successful one."""

    mean: float | None
    p50: float | None
    open: int


def percentile(ordered: Sequence[float] | NDArray[np.float64], fraction: float) -> float | None:
    """Linear interpolation between the closest ranks of an ascending sample, as SQL's percentile_cont
    (type 7 of Hyndman and Fan, 1996). Null for an empty sample."""
    if not len(ordered):
        return None
    rank = fraction * (len(ordered) - 1)
    low = int(rank)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + (ordered[high] - ordered[low]) * (rank - low))


def ratio(part: float, whole: float) -> float | None:
    """Null, not 0, where there is nothing to divide by."""
    return part / whole if whole else None
