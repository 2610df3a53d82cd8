"""Histograms of seconds in logarithmic buckets: they can be added up, and give percentiles with a known error.

DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees",
PVLDB 12, 2019) with fixed buckets: bucket i holds values in (LEAST·γ^(i-1), LEAST·γ^i] and stands for
2·LEAST·γ^i / (γ + 1), which is off by at most ERROR of the value. Bucket 0 holds everything below LEAST, as zero.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from health.metrics.definitions.distribution import Floats, Ints, interpolated

# A little below the 1 % that is promised, which leaves room for rounding.
RELATIVE_ERROR = 0.0095
MIN_VALUE = 0.001
# 36 days, the longest span that counts, and all recoveries up to 30 years.
_MAX_VALUE = 1e9
_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
LOG_GAMMA = float(np.log(_GAMMA))
BUCKET_COUNT = int(np.ceil(np.log(_MAX_VALUE / MIN_VALUE) / LOG_GAMMA)) + 2
_ENTRY = np.dtype([("bucket", "<u2"), ("count", "<u4")])
ENTRY_BYTES = _ENTRY.itemsize
_BUCKET_VALUES = np.concatenate(([0.0], 2 * MIN_VALUE * _GAMMA ** np.arange(1, BUCKET_COUNT) / (_GAMMA + 1)))


def bucket_indices(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bucket of each value; none may be negative or not a number."""
    found = np.ceil(np.log(np.maximum(seconds, MIN_VALUE) / MIN_VALUE) / LOG_GAMMA).astype(np.int64)
    return np.where(seconds < MIN_VALUE, 0, np.clip(found, 1, BUCKET_COUNT - 1))


def bucket_values(buckets: NDArray[np.int64]) -> NDArray[np.float64]:
    """What each bucket stands for, in seconds."""
    return _BUCKET_VALUES[buckets]


def pack(buckets: NDArray[Any], counts: NDArray[Any]) -> bytes:
    """As stored: pairs of bucket and count, ENTRY_BYTES each."""
    entries = np.empty(len(buckets), dtype=_ENTRY)
    entries["bucket"], entries["count"] = buckets, counts
    return entries.tobytes()


def unpack(data: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Buckets and counts of histograms that were packed, in their order."""
    entries = np.frombuffer(data, dtype=_ENTRY)
    return entries["bucket"].astype(np.int64), entries["count"].astype(np.int64)


def condense(rows: Ints, buckets: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """One entry for each row and bucket: `row * WIDTH + bucket` in ascending order, and the counts."""
    places = rows * BUCKET_COUNT + buckets
    if (places[1:] > places[:-1]).all():
        return places, counts
    # Stored histograms are in order already: a stable sort finds that out in one pass.
    order = np.argsort(places, kind="stable")
    places = places[order]
    first = np.flatnonzero(np.diff(places, prepend=-1))
    return places[first], np.add.reduceat(counts[order], first)


def subtract(minuend: tuple[Ints, Ints], subtrahend: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """The first histograms without the second ones, both condensed. Where more is taken away than there is, nothing is
    left: two statements may have seen different rows."""
    places, counts = minuend
    if not len(places):
        return minuend
    at = np.minimum(np.searchsorted(places, subtrahend[0]), len(places) - 1)
    same = places[at] == subtrahend[0]
    left = counts.copy()
    left[at[same]] -= subtrahend[1][same]
    return places[left > 0], left[left > 0]


def percentiles(rows: Ints, buckets: Ints, counts: Ints, size: int, fractions: Sequence[float]) -> Floats:
    """Of `size` histograms, where `counts` values of histogram `rows` lie in bucket `found`; as percentiles_of."""
    return condensed_percentiles(*condense(rows, buckets, counts), size, fractions)


def condensed_percentiles(
    positions: Ints, counts: Ints, size: int, fractions: Sequence[float] | NDArray[np.float64]
) -> Floats:
    """Of `size` histograms, condensed: a row each, a column a fraction, NaN for an empty one. Each is off by at most
    ERROR from the percentile of the values themselves. `fractions` may have a row for each histogram."""
    cumulated, numbers = np.cumsum(counts), condensed_sizes(positions, counts, size)
    before = (np.cumsum(numbers) - numbers)[:, None]

    def value_at(ranks: Ints) -> Floats:
        found: Ints = np.searchsorted(cumulated, before + ranks, side="right")
        return bucket_values(positions[np.minimum(found, len(positions) - 1)] % BUCKET_COUNT)

    return interpolated(numbers, fractions, value_at)


def condensed_sizes(positions: Ints, counts: Ints, size: int) -> Ints:
    """How many values each of `size` histograms has, condensed."""
    ends = np.searchsorted(positions, np.arange(size + 1) * BUCKET_COUNT)
    return np.diff(np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(counts)))[ends])
