"""Figures of many groups of runs as columns: what can be added up, never percentages. Pure.

A row of a table is one group. Rows are added up by `fold`, so runs, roll-ups and tables of both give the same sums.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from db.enums import Outcome
from health.metrics.definitions import histogram
from health.metrics.definitions.distribution import Floats, Ints

OUTCOMES = tuple(str(outcome) for outcome in Outcome)
# What is counted; the outcomes come first. `first_*`: outcomes of attempt 1 where it is known.
COUNTS = (*OUTCOMES, "rerun", "flaky", "recovery_open", "first_success", "first_failure",
          "rerun_unapproved", "failed_then_rerun", "never_started", "unpriced_minutes")  # fmt: skip
# Sums: seconds, and US dollars. `success_duration` is the part of `duration` of successful runs.
SUMS = ("duration", "queue", "recovery", "compute", "wasted", "cost", "success_duration", "wasted_flaky",
        "wasted_cancelled", "wasted_superseded", "defect")  # fmt: skip
# Histograms of seconds, and how many decided and failed runs began in each hour of the week (Monday 0 h UTC = 0).
SPAN_HISTOGRAMS = ("durations", "queues", "recoveries", "success_durations")
HOUR_HISTOGRAMS = ("decided_hours", "failed_hours")
HISTOGRAMS = (*SPAN_HISTOGRAMS, *HOUR_HISTOGRAMS)
# Durations of failed runs have no histogram: it is that of all decided runs without that of the successful ones.
_SAMPLE_COLUMNS = (*SPAN_HISTOGRAMS, "failure_durations")
_OUTCOME_INDEX = {str(outcome): place for place, outcome in enumerate(Outcome)}
# As many as two bytes tell apart.
_BUCKET_LIMIT = 1 << 16
RECOVERY_OPEN_INDEX = COUNTS.index("recovery_open")


class RunFact(NamedTuple):
    """What one run contributes, by the columns of db.models.Run: spans in seconds, cost in US dollars. `hour` is the
    hour of the week it was created in, from 0 (Monday, 0 h UTC) to 167."""

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


# Columns that are added up over all runs, whatever became of them.
_RUN_COUNT_FIELDS = ("never_started", "unpriced_minutes")
_RUN_SUM_FIELDS = {
    "compute": "compute_seconds", "wasted": "wasted_seconds", "cost": "cost_usd",
    "wasted_flaky": "wasted_flaky_seconds", "wasted_cancelled": "wasted_cancelled_seconds",
    "wasted_superseded": "wasted_superseded_seconds", "defect": "defect_seconds",
}  # fmt: skip


@dataclass(frozen=True)
class SparseHistogram:
    """Histograms of many rows: `counts` values of row `rows` lie in bucket `buckets`."""

    rows: Ints
    buckets: Ints
    counts: Ints

    def reindex(self, row_map: Ints) -> "SparseHistogram":
        """Not added up yet: that is done once, at the end."""
        return SparseHistogram(row_map[self.rows], self.buckets, self.counts)


@dataclass(frozen=True)
class Samples:
    """Single values in seconds, each of a row."""

    rows: Ints
    values: Floats


@dataclass(frozen=True)
class AggregateTable:
    """`counts` and `sums` have one row a group; `exact` values and `histograms` are both to be counted."""

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
    return AggregateTable(
        np.zeros((size, len(COUNTS)), dtype=np.int64),
        np.zeros((size, len(SUMS))),
        dict.fromkeys(_SAMPLE_COLUMNS, _EMPTY_SAMPLES),
        dict.fromkeys(HISTOGRAMS, _EMPTY_HISTOGRAM),
    )


def from_runs(facts: Sequence[RunFact], rows: Ints, size: int) -> AggregateTable:
    """`rows` says of each run which of the `size` groups it belongs to."""
    if not len(facts):
        return empty_table(size)
    columns = RunFact(*zip(*facts, strict=True))  # type: ignore[arg-type]
    outcome = np.fromiter((_OUTCOME_INDEX.get(each, _OUTCOME_INDEX["other"]) for each in columns.outcome), np.int64)
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
    spans = span_samples(rows[decided], passed[decided], *(
        np.asarray(values, dtype=np.float64)[decided] for values in (columns.duration_seconds, columns.queue_seconds)
    ))  # fmt: skip
    for name, of in spans.items():
        if name.removesuffix("s") in SUMS:
            table.sums[:, SUMS.index(name.removesuffix("s"))] = np.bincount(of.rows, weights=of.values, minlength=size)
    hour = np.asarray(columns.hour, dtype=np.int64)
    hours = {
        name: SparseHistogram(rows[mask], hour[mask], np.ones(int(mask.sum()), dtype=np.int64))
        for name, mask in (("decided_hours", decided), ("failed_hours", failed))
    }
    return AggregateTable(table.counts, table.sums, {**table.samples, **spans}, {**table.histograms, **hours})


def span_samples(
    rows: Ints, passed: Sequence[Any], durations: Sequence[Any], queues: Sequence[Any]
) -> dict[str, Samples]:
    """The known spans of decided runs, each of a row; `passed` says of each whether it succeeded."""
    success, seconds = np.asarray(passed, dtype=bool), np.asarray(durations, dtype=np.float64)
    waits = np.asarray(queues, dtype=np.float64)
    timed, waited = ~np.isnan(seconds), ~np.isnan(waits)
    among = {
        "durations": timed, "success_durations": timed & success, "failure_durations": timed & ~success
    }  # fmt: skip
    found = {name: Samples(rows[mask], seconds[mask]) for name, mask in among.items()}
    return {**found, "queues": Samples(rows[waited], waits[waited])}


def _masks(columns: RunFact, outcome: Ints) -> dict[str, Any]:
    """Which runs are counted under each name; `columns` has a sequence in each field, `outcome` the place of each."""
    over = outcome != _OUTCOME_INDEX["in_progress"]
    first = np.fromiter((_OUTCOME_INDEX.get(each or "", -1) for each in columns.first_outcome), np.int64, len(outcome))  # type: ignore[union-attr]
    attempt = np.asarray(columns.attempt, dtype=np.int64)
    first = np.where(attempt <= 1, outcome, first)
    return {
        "rerun": over & (attempt > 1),
        "rerun_unapproved": over & (np.asarray(columns.reruns, dtype=np.int64) > 0),
        "flaky": np.asarray(columns.flaky, dtype=bool),
        "failed_then_rerun": np.asarray(columns.failed_then_rerun, dtype=bool),
        "first_success": first == _OUTCOME_INDEX["success"],
        "first_failure": first == _OUTCOME_INDEX["failure"],
    }


def from_recoveries(seconds: Sequence[float | None], rows: Ints, size: int) -> AggregateTable:
    """Broken episodes, null while one is open."""
    table = empty_table(size)
    values = np.asarray(seconds, dtype=np.float64)
    over = ~np.isnan(values)
    table.counts[:, RECOVERY_OPEN_INDEX] = np.bincount(rows[~over], minlength=size)
    table.sums[:, SUMS.index("recovery")] = np.bincount(rows[over], weights=values[over], minlength=size)
    return AggregateTable(table.counts, table.sums, {**table.samples, "recoveries": Samples(rows[over], values[over])},
                 table.histograms)  # fmt: skip


def from_rollups(columns: Mapping[str, Sequence[Any]]) -> AggregateTable:
    """As stored: the columns by name, each with a value a roll-up. What is not among them is 0 or empty."""
    size = len(next(iter(columns.values()), ()))
    table = empty_table(size)
    for names, values in ((COUNTS, table.counts), (SUMS, table.sums)):
        for place, name in enumerate(names):
            if name in columns:
                values[:, place] = np.fromiter(columns[name], values.dtype, size)
    found = {name: unpack_histograms(columns[name]) for name in HISTOGRAMS if name in columns}
    return AggregateTable(table.counts, table.sums, table.samples, {**table.histograms, **found})


def sum_rows(table: AggregateTable, rows: Ints, size: int) -> AggregateTable:
    """Adds up the rows: row k of the table goes into row `rows[k]` of `size`."""
    if size == len(rows) and (rows == np.arange(size)).all():
        return table
    return AggregateTable(
        _sum_by_row(table.counts, rows, size),
        _sum_by_row(table.sums, rows, size),
        {name: Samples(rows[each.rows], each.values) for name, each in table.samples.items()},
        {name: each.reindex(rows) for name, each in table.histograms.items()},
    )


def _sum_by_row(values: Any, rows: Ints, size: int) -> Any:
    found = np.zeros((size, values.shape[1]), dtype=values.dtype)
    # Most questions need a few of the columns.
    for place in np.flatnonzero(values.any(axis=0)):
        found[:, place] = np.bincount(rows, weights=values[:, place], minlength=size)
    return found


def take(table: AggregateTable, indices: Sequence[int]) -> AggregateTable:
    """These rows alone, in this order."""
    chosen = np.asarray(indices, dtype=np.int64)
    into = np.full(len(table), -1, dtype=np.int64)
    into[chosen] = np.arange(len(chosen))
    exact = {name: _take_samples(each, into) for name, each in table.samples.items()}
    histograms = {name: _take_histogram(each, into) for name, each in table.histograms.items()}
    return AggregateTable(table.counts[chosen], table.sums[chosen], exact, histograms)


def concat_tables(tables: Iterable[AggregateTable]) -> AggregateTable:
    """All rows of all tables, one after the other."""
    listed = list(tables) or [empty_table()]
    starts = np.cumsum([0, *(len(each) for each in listed)])
    return AggregateTable(
        np.concatenate([each.counts for each in listed]),
        np.concatenate([each.sums for each in listed]),
        {name: concat_samples([each.samples[name] for each in listed], starts) for name in _SAMPLE_COLUMNS},
        {name: concat_histograms([each.histograms[name] for each in listed], starts) for name in HISTOGRAMS},
    )


def packed_histograms(table: AggregateTable, name: str) -> list[bytes | None]:
    """The histograms of one name as they are stored, one a row."""
    entries = table.histograms[name]
    if name in SPAN_HISTOGRAMS:
        entries = _with_samples(entries, table.samples[name])
    return pack_histograms(entries, len(table))


def pack_histograms(entries: SparseHistogram, size: int) -> list[bytes | None]:
    """The histograms of `size` rows as they are stored; buckets below 65,536."""
    packed: list[bytes | None] = [None] * size
    if not len(entries.rows):
        return packed
    pairs, position = np.unique(entries.rows * _BUCKET_LIMIT + entries.buckets, return_inverse=True)
    counts = np.bincount(position, weights=entries.counts)
    rows, buckets = pairs // _BUCKET_LIMIT, pairs % _BUCKET_LIMIT
    data = histogram.pack(buckets, counts)
    found, first = np.unique(rows, return_index=True)
    ends = [*first[1:], len(rows)]
    for row, begin, end in zip(found, first, ends, strict=True):
        packed[row] = data[begin * histogram.ENTRY_BYTES : end * histogram.ENTRY_BYTES]
    return packed


def unpack_histograms(blobs: Sequence[bytes | None]) -> SparseHistogram:
    """Histograms as they are stored, one a row."""
    data = [blob or b"" for blob in blobs]
    sizes = np.fromiter(map(len, data), np.int64, len(data)) // histogram.ENTRY_BYTES
    buckets, counts = histogram.unpack(b"".join(data))
    return SparseHistogram(np.repeat(np.arange(len(data)), sizes), buckets, counts)


def _with_samples(entries: SparseHistogram, exact: Samples) -> SparseHistogram:
    found = SparseHistogram(
        exact.rows, histogram.bucket_indices(exact.values), np.ones(len(exact.rows), dtype=np.int64)
    )
    return concat_histograms([entries, found], np.zeros(2, dtype=np.int64))


def concat_histograms(histograms: Sequence[SparseHistogram], starts: Any) -> SparseHistogram:
    """All of them; the rows of the k-th begin at `starts[k]`."""
    some = [(each, start) for each, start in zip(histograms, starts, strict=False) if len(each.rows)]
    if len(some) == 1:
        # Most often only roll-ups have histograms, and large ones: nothing is copied.
        only, start = some[0]
        return SparseHistogram(only.rows + start if start else only.rows, only.buckets, only.counts)
    if not some:
        return _EMPTY_HISTOGRAM
    return SparseHistogram(
        np.concatenate([each.rows + start for each, start in some]),
        np.concatenate([each.buckets for each, _ in some]),
        np.concatenate([each.counts for each, _ in some]),
    )


def concat_samples(samples: Sequence[Samples], starts: Any) -> Samples:
    """As stack_entries."""
    return Samples(
        np.concatenate([each.rows + start for each, start in zip(samples, starts, strict=False)]),
        np.concatenate([each.values for each in samples]),
    )


def _take_samples(samples: Samples, into: Ints) -> Samples:
    rows = into[samples.rows]
    return Samples(rows[rows >= 0], samples.values[rows >= 0])


def _take_histogram(each: SparseHistogram, into: Ints) -> SparseHistogram:
    rows = into[each.rows]
    return SparseHistogram(rows[rows >= 0], each.buckets[rows >= 0], each.counts[rows >= 0])
