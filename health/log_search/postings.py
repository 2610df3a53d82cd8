"""Segments of the index: for each trigram the logs of a segment that contain it. Pure.

Trigrams are distributed to BUCKETS rows by a hash, so that a query reads one small row for each of its trigrams and
segment."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from health.log_search.trigrams import INDEX_VERSION, Trigrams, decompress

# Logs of a segment. Rows of about 1 KB fit into the pages of both databases.
SEGMENT_LOGS = 1_024
BUCKETS = 2_048
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Documents:
    """The logs of a segment, in its order. `created`: creation of their runs, in microseconds since 1970."""

    created: Integers
    repository_ids: Integers
    job_ids: Integers
    # False: the postings of the segment were made by other rules, and exclude no log.
    is_current: bool = True

    def pack(self) -> bytes:
        data = np.stack([self.created, self.repository_ids, self.job_ids]).astype("<i8").tobytes()
        return zlib.compress(data) + bytes([INDEX_VERSION])

    @staticmethod
    def unpack(content: bytes) -> "Documents":
        columns = np.frombuffer(zlib.decompress(content), "<i8").astype(np.int64).reshape(3, -1)
        return Documents(columns[0], columns[1], columns[2], decompress(content) is not None)


def bucket_of(trigrams: Trigrams) -> Integers:
    """Multiplicative hash (Knuth): neighbouring trigrams are in different buckets."""
    hashed = (trigrams.astype(np.uint64) * np.uint64(2_654_435_761)) & np.uint64(0xFFFFFFFF)
    return (hashed >> np.uint64(32 - (BUCKETS.bit_length() - 1))).astype(np.int64)


def encode_segment(logs: Sequence[Trigrams]) -> Iterator[tuple[int, bytes]]:
    """The bucket and the content of each row. A row has the number of its trigrams, the trigrams, the number of logs of
    each, and the differences between the numbers of these logs, low bytes before high bytes."""
    trigrams = np.concatenate(logs)
    if not len(trigrams):
        return
    documents = np.repeat(np.arange(len(logs), dtype=np.int64), [len(log) for log in logs])
    buckets = bucket_of(trigrams)
    # One sort by bucket, trigram and log.
    keys = (buckets << 34) | (trigrams.astype(np.int64) << 10) | documents
    keys.sort()
    documents, pairs = keys & 1_023, keys >> 10
    starts = np.flatnonzero(np.diff(pairs, prepend=-1))
    counts = np.diff(starts, append=len(keys))
    differences = np.diff(documents, prepend=0)
    differences[starts] = documents[starts]
    row_trigrams, row_buckets = (pairs[starts] & 0xFFFFFF).astype("<u4"), pairs[starts] >> 24
    row_starts = np.flatnonzero(np.diff(row_buckets, prepend=-1))
    low, high = (differences & 255).astype(np.uint8), (differences >> 8).astype(np.uint8)
    ends = np.append(row_starts[1:], len(starts))
    for first, end in zip(row_starts.tolist(), ends.tolist(), strict=True):
        begin, stop = int(starts[first]), int(starts[end]) if end < len(starts) else len(keys)
        parts = (
            np.uint32(end - first).tobytes(),
            row_trigrams[first:end].tobytes(),
            counts[first:end].astype("<u2").tobytes(),
            low[begin:stop].tobytes(),
            high[begin:stop].tobytes(),
        )
        yield int(row_buckets[first]), zlib.compress(b"".join(parts))


class Row:
    """The decoded content of one row."""

    def __init__(self, content: bytes) -> None:
        data = np.frombuffer(zlib.decompress(content), np.uint8)
        number = int(data[:4].view("<u4")[0])
        self._trigrams = data[4 : 4 + 4 * number].view("<u4")
        self._counts = data[4 + 4 * number : 4 + 6 * number].view("<u2")
        self._postings = data[4 + 6 * number :]

    @cached_property
    def _ends(self) -> Integers:
        return np.cumsum(self._counts, dtype=np.int64)

    def logs_with(self, trigram: int, logs: int) -> Flags:
        """Which of the `logs` of the segment contain the trigram."""
        flags = np.zeros(logs, np.bool_)
        position = int(np.searchsorted(self._trigrams, trigram))
        if position < len(self._trigrams) and self._trigrams[position] == trigram:
            end, half = int(self._ends[position]), len(self._postings) // 2
            begin = end - int(self._counts[position])
            low, high = self._postings[begin:end], self._postings[half + begin : half + end]
            flags[np.cumsum(low.astype(np.int64) | (high.astype(np.int64) << 8))] = True
        return flags
