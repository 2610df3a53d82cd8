"""Aggregates of many groups of runs in columns: counts, sums and histograms, which can be added up. Pure.

A row of a table is one group. sum_rows adds up rows, so that runs, roll-ups and tables of both give the same sums.
Arrays have one of these shapes: (n,) one element a row, (e,) one element an entry of a sparse histogram or a sample.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from db.enums import Outcome
from health.metrics.definitions import histogram
from health.metrics.definitions.percentiles import Floats, Ints

OUTCOMES = tuple(str(outcome) for outcome in Outcome)
# Columns of counts; the outcomes come first. `first_*`: outcomes of attempt 1 where it is known.
COUNTS = (
    *OUTCOMES,
    "rerun",
    "flaky",
    "recovery_open",
    "first_success",
    "first_failure",
    "rerun_unapproved",
    "failed_then_rerun",
    "never_started",
    "unpriced_minutes",
)
# Columns of sums in seconds; `cost` in US dollars. `success_duration` is the part of `duration` of successful runs.
SUMS = (
    "duration",
    "queue",
    "recovery",
    "compute",
    "wasted",
    "cost",
    "success_duration",
    "wasted_flaky",
    "wasted_cancelled",
    "wasted_superseded",
    "defect",
)
# Histograms of seconds, and of completed and failed runs by the hour of the week of creation (Monday 0 h UTC = 0).
SPAN_HISTOGRAMS = ("durations", "queues", "recoveries", "success_durations")
HOUR_HISTOGRAMS = ("decided_hours", "failed_hours")
HISTOGRAMS = (*SPAN_HISTOGRAMS, *HOUR_HISTOGRAMS)
# Durations of failed runs have no histogram of their own: it is that of completed runs minus that of successful ones.
_SAMPLE_COLUMNS = (*SPAN_HISTOGRAMS, "failure_durations")
_OUTCOME_INDEX = {str(outcome): index for index, outcome in enumerate(Outcome)}
# Buckets are stored in two bytes.
_BUCKET_LIMIT = 1 << 16
RECOVERY_OPEN_INDEX = COUNTS.index("recovery_open")


class RunFact(NamedTuple):
    """The part of one run in the aggregates, by the columns of db.models.Run: spans in seconds, cost in US dollars.
    `hour` is the hour of the week of its creation, from 0 (Monday 0 h UTC) to 167."""

    outcome: str
    attempt: int
    duration_seconds: float | None
    queue_seconds: float | None
    flaky: bool
    compute_seconds: float
    wasted_seconds: float
    cost_usd: float
    first_outcome: str | None
    reruns: int
    failed_then_rerun: bool
    never_started: int
    unpriced_minutes: int
    wasted_flaky_seconds: float
    wasted_cancelled_seconds: float
    wasted_superseded_seconds: float
    defect_seconds: float
    hour: int


# Columns that are added up over all runs, whatever their outcome.
_RUN_COUNT_FIELDS = ("never_started", "unpriced_minutes")
_RUN_SUM_FIELDS = {
    "compute": "compute_seconds",
    "wasted": "wasted_seconds",
    "cost": "cost_usd",
    "wasted_flaky": "wasted_flaky_seconds",
    "wasted_cancelled": "wasted_cancelled_seconds",
    "wasted_superseded": "wasted_superseded_seconds",
    "defect": "defect_seconds",
}


@dataclass(frozen=True)
class SparseHistogram:
    """Histograms of many rows as entries: `counts[i]` values of row `rows[i]` are in bucket `buckets[i]`. The three
    arrays have shape (e,). A row may have several entries for one bucket."""

    rows: Ints
    buckets: Ints
    counts: Ints

    def reindex(self, row_map: Ints) -> "SparseHistogram":
        """Moves each entry of row k to row `row_map[k]`; shape (n,). Entries of one bucket are not merged."""
        return SparseHistogram(row_map[self.rows], self.buckets, self.counts)


@dataclass(frozen=True)
class Samples:
    """Single values: `values[i]`, in seconds, belongs to row `rows[i]`. Both arrays have shape (e,)."""

    rows: Ints
    values: Floats


@dataclass(frozen=True)
class AggregateTable:
    """Aggregates of n groups. `counts` has shape (n, len(COUNTS)), `sums` has shape (n, len(SUMS)). A value is either
    in `samples` or in `histograms`, never in both."""

    counts: Ints
    sums: Floats
    samples: Mapping[str, Samples]
    histograms: Mapping[str, SparseHistogram]

    def __len__(self) -> int:
        return len(self.counts)


_NO_INTS = np.zeros(0, dtype=np.int64)
_EMPTY_HISTOGRAM = SparseHistogram(_NO_INTS, _NO_INTS, _NO_INTS)
_EMPTY_SAMPLES = Samples(_NO_INTS, np.zeros(0))


def empty_table(size: int = 0) -> AggregateTable:
    """Returns a table of zeros."""
    return AggregateTable(
        np.zeros((size, len(COUNTS)), dtype=np.int64),
        np.zeros((size, len(SUMS))),
        dict.fromkeys(_SAMPLE_COLUMNS, _EMPTY_SAMPLES),
        dict.fromkeys(HISTOGRAMS, _EMPTY_HISTOGRAM),
    )


def from_runs(facts: Sequence[RunFact], rows: Ints, size: int) -> AggregateTable:
    """Aggregates runs: run i belongs to group `rows[i]` of `size` groups. `rows` has shape (len(facts),)."""
    if not len(facts):
        return empty_table(size)
    columns = RunFact(*zip(*facts, strict=True))  # type: ignore[arg-type]
    outcome = np.fromiter((_OUTCOME_INDEX.get(name, _OUTCOME_INDEX["other"]) for name in columns.outcome), np.int64)
    table = empty_table(size)
    np.add.at(table.counts, (rows, outcome), 1)
    for name, mask in _masks(columns, outcome).items():
        table.counts[:, COUNTS.index(name)] = np.bincount(rows[mask], minlength=size)
    for name in _RUN_COUNT_FIELDS:
        np.add.at(table.counts[:, COUNTS.index(name)], rows, np.asarray(getattr(columns, name), dtype=np.int64))
    for name, column in _RUN_SUM_FIELDS.items():
        weights = np.asarray(getattr(columns, column), dtype=np.float64)
        table.sums[:, SUMS.index(name)] = np.bincount(rows, weights=weights, minlength=size)
    passed, failed = (outcome == _OUTCOME_INDEX[name] for name in ("success", "failure"))
    decided = passed | failed
    spans = span_samples(
        rows[decided],
        passed[decided],
        *(
            np.asarray(values, dtype=np.float64)[decided]
            for values in (columns.duration_seconds, columns.queue_seconds)
        ),
    )
    for name, samples in spans.items():
        if name.removesuffix("s") in SUMS:
            index = SUMS.index(name.removesuffix("s"))
            table.sums[:, index] = np.bincount(samples.rows, weights=samples.values, minlength=size)
    hour = np.asarray(columns.hour, dtype=np.int64)
    hours = {
        name: SparseHistogram(rows[mask], hour[mask], np.ones(int(mask.sum()), dtype=np.int64))
        for name, mask in (("decided_hours", decided), ("failed_hours", failed))
    }
    return AggregateTable(table.counts, table.sums, {**table.samples, **spans}, {**table.histograms, **hours})


def span_samples(
    rows: Ints, passed: Sequence[Any], durations: Sequence[Any], queues: Sequence[Any]
) -> dict[str, Samples]:
    """Returns the known spans of completed runs by the name of their column. All arguments have one element a run:
    `rows` of shape (m,), whether the run succeeded, and seconds or null."""
    success, seconds = np.asarray(passed, dtype=bool), np.asarray(durations, dtype=np.float64)
    waits = np.asarray(queues, dtype=np.float64)
    timed, waited = ~np.isnan(seconds), ~np.isnan(waits)
    masks = {"durations": timed, "success_durations": timed & success, "failure_durations": timed & ~success}
    samples = {name: Samples(rows[mask], seconds[mask]) for name, mask in masks.items()}
    return {**samples, "queues": Samples(rows[waited], waits[waited])}


def _masks(columns: RunFact, outcome: Ints) -> dict[str, Any]:
    """Returns, by the name of a count, which runs are counted; masks of shape (m,). `columns` has a sequence of m
    values in each field; `outcome` are indices of outcomes, shape (m,)."""
    completed = outcome != _OUTCOME_INDEX["in_progress"]
    first_outcomes: Iterable[str | None] = columns.first_outcome or ()
    first = np.fromiter((_OUTCOME_INDEX.get(name or "", -1) for name in first_outcomes), np.int64, len(outcome))
    attempt = np.asarray(columns.attempt, dtype=np.int64)
    first = np.where(attempt <= 1, outcome, first)
    return {
        "rerun": completed & (attempt > 1),
        "rerun_unapproved": completed & (np.asarray(columns.reruns, dtype=np.int64) > 0),
        "flaky": np.asarray(columns.flaky, dtype=bool),
        "failed_then_rerun": np.asarray(columns.failed_then_rerun, dtype=bool),
        "first_success": first == _OUTCOME_INDEX["success"],
        "first_failure": first == _OUTCOME_INDEX["failure"],
    }


def from_recoveries(seconds: Sequence[float | None], rows: Ints, size: int) -> AggregateTable:
    """Aggregates broken episodes: `seconds[i]`, null while the episode is open, belongs to group `rows[i]` of
    `size`."""
    table = empty_table(size)
    values = np.asarray(seconds, dtype=np.float64)
    ended = ~np.isnan(values)
    table.counts[:, RECOVERY_OPEN_INDEX] = np.bincount(rows[~ended], minlength=size)
    table.sums[:, SUMS.index("recovery")] = np.bincount(rows[ended], weights=values[ended], minlength=size)
    recoveries = Samples(rows[ended], values[ended])
    return AggregateTable(table.counts, table.sums, {**table.samples, "recoveries": recoveries}, table.histograms)


def from_rollups(columns: Mapping[str, Sequence[Any]]) -> AggregateTable:
    """Takes stored columns by name, each with n values, one a roll-up. Columns that are missing are 0 or empty."""
    size = len(next(iter(columns.values()), ()))
    table = empty_table(size)
    for names, values in ((COUNTS, table.counts), (SUMS, table.sums)):
        for column, name in enumerate(names):
            if name in columns:
                values[:, column] = np.fromiter(columns[name], values.dtype, size)
    histograms = {name: unpack_histograms(columns[name]) for name in HISTOGRAMS if name in columns}
    return AggregateTable(table.counts, table.sums, table.samples, {**table.histograms, **histograms})


def sum_rows(table: AggregateTable, rows: Ints, size: int) -> AggregateTable:
    """Adds row k of the table to row `rows[k]` of `size` rows; `rows` has shape (n,)."""
    if size == len(rows) and (rows == np.arange(size)).all():
        return table
    return AggregateTable(
        _sum_by_row(table.counts, rows, size),
        _sum_by_row(table.sums, rows, size),
        {name: Samples(rows[samples.rows], samples.values) for name, samples in table.samples.items()},
        {name: entries.reindex(rows) for name, entries in table.histograms.items()},
    )


def _sum_by_row(values: Any, rows: Ints, size: int) -> Any:
    sums = np.zeros((size, values.shape[1]), dtype=values.dtype)
    # Most queries read a few of the columns; the others are 0.
    for column in np.flatnonzero(values.any(axis=0)):
        sums[:, column] = np.bincount(rows, weights=values[:, column], minlength=size)
    return sums


def take(table: AggregateTable, indices: Sequence[int]) -> AggregateTable:
    """Returns these rows of the table, in this order."""
    selected = np.asarray(indices, dtype=np.int64)
    row_map = np.full(len(table), -1, dtype=np.int64)
    row_map[selected] = np.arange(len(selected))
    samples = {name: _take_samples(part, row_map) for name, part in table.samples.items()}
    histograms = {name: _take_histogram(entries, row_map) for name, entries in table.histograms.items()}
    return AggregateTable(table.counts[selected], table.sums[selected], samples, histograms)


def concat_tables(tables: Iterable[AggregateTable]) -> AggregateTable:
    """Returns the rows of all tables, one table after the other."""
    listed = list(tables) or [empty_table()]
    starts = np.cumsum([0, *(len(table) for table in listed)])
    return AggregateTable(
        np.concatenate([table.counts for table in listed]),
        np.concatenate([table.sums for table in listed]),
        {name: concat_samples([table.samples[name] for table in listed], starts) for name in _SAMPLE_COLUMNS},
        {name: concat_histograms([table.histograms[name] for table in listed], starts) for name in HISTOGRAMS},
    )


def packed_histograms(table: AggregateTable, name: str) -> list[bytes | None]:
    """Returns the histograms of one column in their stored form, one a row; null for an empty one."""
    entries = table.histograms[name]
    if name in SPAN_HISTOGRAMS:
        entries = _with_samples(entries, table.samples[name])
    return pack_histograms(entries, len(table))


def pack_histograms(entries: SparseHistogram, size: int) -> list[bytes | None]:
    """Returns the histograms of `size` rows in their stored form, null for an empty one. Buckets are below 65,536."""
    packed: list[bytes | None] = [None] * size
    if not len(entries.rows):
        return packed
    pairs, position = np.unique(entries.rows * _BUCKET_LIMIT + entries.buckets, return_inverse=True)
    counts = np.bincount(position, weights=entries.counts)
    rows, buckets = pairs // _BUCKET_LIMIT, pairs % _BUCKET_LIMIT
    data = histogram.pack(buckets, counts)
    unique_rows, first = np.unique(rows, return_index=True)
    ends = [*first[1:], len(rows)]
    for row, begin, end in zip(unique_rows, first, ends, strict=True):
        packed[row] = data[begin * histogram.ENTRY_BYTES : end * histogram.ENTRY_BYTES]
    return packed


def unpack_histograms(blobs: Sequence[bytes | None]) -> SparseHistogram:
    """Reads histograms from their stored form, one a row."""
    data = [blob or b"" for blob in blobs]
    sizes = np.fromiter(map(len, data), np.int64, len(data)) // histogram.ENTRY_BYTES
    buckets, counts = histogram.unpack(b"".join(data))
    return SparseHistogram(np.repeat(np.arange(len(data)), sizes), buckets, counts)


def _with_samples(entries: SparseHistogram, samples: Samples) -> SparseHistogram:
    """Adds samples to the histograms of their rows."""
    ones = np.ones(len(samples.rows), dtype=np.int64)
    of_samples = SparseHistogram(samples.rows, histogram.bucket_indices(samples.values), ones)
    return concat_histograms([entries, of_samples], np.zeros(2, dtype=np.int64))


def concat_histograms(histograms: Sequence[SparseHistogram], starts: Any) -> SparseHistogram:
    """Returns the entries of all of them; the rows of the k-th are moved by `starts[k]`."""
    with_entries = [(entries, start) for entries, start in zip(histograms, starts, strict=False) if len(entries.rows)]
    if len(with_entries) == 1:
        # Nothing is copied: most often only roll-ups have histograms, and these are large.
        only, start = with_entries[0]
        return SparseHistogram(only.rows + start if start else only.rows, only.buckets, only.counts)
    if not with_entries:
        return _EMPTY_HISTOGRAM
    return SparseHistogram(
        np.concatenate([entries.rows + start for entries, start in with_entries]),
        np.concatenate([entries.buckets for entries, _ in with_entries]),
        np.concatenate([entries.counts for entries, _ in with_entries]),
    )


def concat_samples(samples: Sequence[Samples], starts: Any) -> Samples:
    """As concat_histograms, of samples."""
    return Samples(
        np.concatenate([part.rows + start for part, start in zip(samples, starts, strict=False)]),
        np.concatenate([part.values for part in samples]),
    )


def _take_samples(samples: Samples, row_map: Ints) -> Samples:
    """Moves samples of row k to row `row_map[k]`; drops those of rows that map to -1."""
    rows = row_map[samples.rows]
    return Samples(rows[rows >= 0], samples.values[rows >= 0])


def _take_histogram(entries: SparseHistogram, row_map: Ints) -> SparseHistogram:
    """As _take_samples, of a histogram."""
    rows = row_map[entries.rows]
    return SparseHistogram(rows[rows >= 0], entries.buckets[rows >= 0], entries.counts[rows >= 0])
