"""Histograms of seconds in logarithmic buckets: they can be added up, and percentiles have a known error. Pure.

DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees",
PVLDB 12, 2019) with fixed buckets: bucket i holds values in (MIN_VALUE·γ^(i-1), MIN_VALUE·γ^i] and has the value
2·MIN_VALUE·γ^i / (γ + 1), which differs from them by at most RELATIVE_ERROR. Bucket 0 holds everything below MIN_VALUE
and has the value 0.

Histograms of many rows are entries (row, bucket, count) in three arrays of shape (e,). A condensed histogram has
positions (row · BUCKET_COUNT + bucket, ascending, each once) and counts, both of shape (e,).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from health.metrics.definitions.percentiles import Floats, Ints, interpolated

# A little below the documented 1 %, for rounding.
RELATIVE_ERROR = 0.0095
MIN_VALUE = 0.001
# Recoveries up to 30 years; the longest span of a run that counts is 36 days.
_MAX_VALUE = 1e9
_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
LOG_GAMMA = float(np.log(_GAMMA))
BUCKET_COUNT = int(np.ceil(np.log(_MAX_VALUE / MIN_VALUE) / LOG_GAMMA)) + 2
_ENTRY = np.dtype([("bucket", "<u2"), ("count", "<u4")])
ENTRY_BYTES = _ENTRY.itemsize
_BUCKET_VALUES = np.concatenate(([0.0], 2 * MIN_VALUE * _GAMMA ** np.arange(1, BUCKET_COUNT) / (_GAMMA + 1)))


def bucket_indices(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Returns the bucket of each value, of the same shape. Values must be neither negative nor NaN."""
    indices = np.ceil(np.log(np.maximum(seconds, MIN_VALUE) / MIN_VALUE) / LOG_GAMMA).astype(np.int64)
    return np.where(seconds < MIN_VALUE, 0, np.clip(indices, 1, BUCKET_COUNT - 1))


def bucket_values(buckets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns the value of each bucket in seconds, of the same shape."""
    return _BUCKET_VALUES[buckets]


def pack(buckets: NDArray[Any], counts: NDArray[Any]) -> bytes:
    """Returns the stored form of a histogram: pairs of bucket and count, ENTRY_BYTES each."""
    entries = np.empty(len(buckets), dtype=_ENTRY)
    entries["bucket"], entries["count"] = buckets, counts
    return entries.tobytes()


def unpack(data: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns buckets and counts, in their order, of one or more packed histograms."""
    entries = np.frombuffer(data, dtype=_ENTRY)
    return entries["bucket"].astype(np.int64), entries["count"].astype(np.int64)


def condense(rows: Ints, buckets: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Returns positions and counts of the condensed histogram."""
    positions = rows * BUCKET_COUNT + buckets
    if (positions[1:] > positions[:-1]).all():
        return positions, counts
    # Stored histograms are sorted already, which a stable sort uses.
    order = np.argsort(positions, kind="stable")
    positions = positions[order]
    first = np.flatnonzero(np.diff(positions, prepend=-1))
    return positions[first], np.add.reduceat(counts[order], first)


def subtract(minuend: tuple[Ints, Ints], subtrahend: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """Returns the difference of two condensed histograms, without negative counts: two statements may have read
    different rows."""
    positions, counts = minuend
    if not len(positions):
        return minuend
    indices = np.minimum(np.searchsorted(positions, subtrahend[0]), len(positions) - 1)
    in_both = positions[indices] == subtrahend[0]
    left = counts.copy()
    left[indices[in_both]] -= subtrahend[1][in_both]
    return positions[left > 0], left[left > 0]


def percentiles(rows: Ints, buckets: Ints, counts: Ints, size: int, fractions: Sequence[float]) -> Floats:
    """As condensed_percentiles, of the entries of `size` rows."""
    return condensed_percentiles(*condense(rows, buckets, counts), size, fractions)


def condensed_percentiles(
    positions: Ints, counts: Ints, size: int, fractions: Sequence[float] | NDArray[np.float64]
) -> Floats:
    """Returns percentiles of `size` condensed histograms in seconds, shape (size, f), NaN for an empty histogram. They
    differ from the percentiles of the values by at most RELATIVE_ERROR. `fractions` has shape (f,) or (size, f)."""
    cumulated, numbers = np.cumsum(counts), condensed_sizes(positions, counts, size)
    before = (np.cumsum(numbers) - numbers)[:, None]

    def value_at(ranks: Ints) -> Floats:
        indices: Ints = np.searchsorted(cumulated, before + ranks, side="right")
        return bucket_values(positions[np.minimum(indices, len(positions) - 1)] % BUCKET_COUNT)

    return interpolated(numbers, fractions, value_at)


def condensed_sizes(positions: Ints, counts: Ints, size: int) -> Ints:
    """Returns the number of values of each of `size` condensed histograms; shape (size,)."""
    ends = np.searchsorted(positions, np.arange(size + 1) * BUCKET_COUNT)
    return np.diff(np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(counts)))[ends])
