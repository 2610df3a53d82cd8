"""Use of runners by jobs in columns that can be added up: minutes, cost, waste and waiting times. Pure.

A row of a table is one group of jobs. Array shapes: (n,) one element a row, (j,) one element a job, (e,) one element an
entry of a sparse histogram.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, cast

import numpy as np

from db.definitions import job_times, time_buckets
from db.definitions.attempts import WasteReason
from db.definitions.prices import Pricing
from db.definitions.scope import LABEL_SEPARATOR
from db.enums import Dimension, Outcome, RollupLevel
from health.metrics.definitions import histogram
from health.metrics.definitions.percentiles import Floats, Ints, nan_to_none
from health.metrics.definitions.rollup_levels import DIMENSIONS
from health.metrics.definitions.table import SparseHistogram, concat_histograms, pack_histograms, unpack_histograms

# `jobs` and `never_started` are numbers of jobs, `minutes` and `unpriced_minutes` are rounded up for each job, `cost`
# is in US dollars, all others are seconds. `failed`, `cancelled` and `superseded` are those of wasted attempts by their
# end; `flaky` and `defect` are the parts of `failed`.
SUMS = (
    "jobs",
    "minutes",
    "compute",
    "failed",
    "cancelled",
    "superseded",
    "cost",
    "unpriced_minutes",
    "never_started",
    "flaky",
    "defect",
)
INTEGER_SUMS = ("jobs", "minutes", "unpriced_minutes", "never_started")
HOURS_PER_DAY = 24
MAX_LABEL_LENGTH = 200
_FRACTIONS = (0.5, 0.95)
# Reason of waste of a run with a single attempt, by its outcome.
_DEFAULT_REASON = {Outcome.FAILURE: WasteReason.DEFECT, Outcome.CANCELLED: WasteReason.CANCELLED}


class UsedJob(NamedTuple):
    """A job that is neither a copy nor skipped. `created` (of its run) and `queued` are in seconds since 1970;
    `run_attempt` and `outcome` are those of its run; `labels` is JSON. `duration_seconds` is null where it did not
    start, `wait_seconds`, the waiting time for a runner, where it is not known. `billed`: GitHub bills standard runners
    in this repository."""

    created: float
    repository_id: int
    workflow_id: int
    run_id: int
    run_attempt: int
    outcome: str
    attempt: int
    never_started: bool
    duration_seconds: float | None
    wait_seconds: float | None
    labels: str
    runner: str | None
    runner_group: str | None
    queued: float | None
    billed: bool


# Reasons of waste by attempt, of runs with several attempts, by repository id and run id.
WasteReasons = Mapping[tuple[int, int], Mapping[int, WasteReason]]


class UsageKey(NamedTuple):
    """The key of a roll-up. `bucket` is an id of db.definitions.time_buckets; `label` is empty for jobs without
    labels."""

    bucket: int
    repository_id: int
    workflow_id: int
    label: str

    def at_level(self, level: RollupLevel, bucket: int) -> "UsageKey":
        """Returns the key of the roll-up of that level that this one is a part of."""
        dimensions = DIMENSIONS[level]
        repository_id = self.repository_id if Dimension.REPOSITORY in dimensions else 0
        workflow_id = self.workflow_id if Dimension.WORKFLOW in dimensions else 0
        return UsageKey(bucket, repository_id, workflow_id, self.label)


@dataclass(frozen=True)
class UsageTable:
    """Row k is the usage of `keys[k]`. `sums` has shape (n, len(SUMS)). `waits` are histograms of waiting times by the
    hour of the day (UTC) in which the job was queued: bucket `hour · histogram.BUCKET_COUNT + bucket`."""

    keys: list[UsageKey]
    sums: Floats
    waits: SparseHistogram

    def at_level(self, level: RollupLevel, buckets: Sequence[int]) -> "UsageTable":
        """Adds up the rows to a level; row k goes into the bucket `buckets[k]`."""
        keys = [key.at_level(level, bucket) for key, bucket in zip(self.keys, buckets, strict=True)]
        return usage_by_key(keys, self.sums, self.waits)

    def in_buckets(self, buckets: Collection[int]) -> "UsageTable":
        """Returns the rows of these buckets."""
        selected = [row for row, key in enumerate(self.keys) if key.bucket in buckets]
        row_map = np.full(len(self.keys), -1, dtype=np.int64)
        row_map[selected] = np.arange(len(selected))
        rows = row_map[self.waits.rows]
        inside = rows >= 0
        waits = SparseHistogram(rows[inside], self.waits.buckets[inside], self.waits.counts[inside])
        return UsageTable([self.keys[row] for row in selected], self.sums[selected], waits)

    def packed_waits(self) -> list[bytes | None]:
        """Returns the stored form of `waits`, one a row."""
        return pack_histograms(self.waits, len(self.keys))


def usage_by_key(keys: Sequence[UsageKey], sums: Floats, waits: SparseHistogram) -> UsageTable:
    """Adds up the rows of each key: row k of `sums` and `waits` belongs to `keys[k]`."""
    row_of_key: dict[UsageKey, int] = {}
    rows = np.fromiter((row_of_key.setdefault(key, len(row_of_key)) for key in keys), np.int64, len(keys))
    added = np.zeros((len(row_of_key), len(SUMS)))
    np.add.at(added, rows, sums)
    return UsageTable(list(row_of_key), added, waits.reindex(rows))


def from_jobs(jobs: Sequence[Sequence[Any]], reasons: WasteReasons, pricing: Pricing) -> UsageTable:
    """Aggregates rows of UsedJob by workflow, label and the hour in which their runs were created."""
    if not jobs:
        return from_rows([], [], [])
    columns = cast(Any, UsedJob(*zip(*jobs, strict=True)))  # type: ignore[arg-type]
    created = np.asarray(columns.created, dtype=np.int64) // time_buckets.SECONDS_PER_HOUR
    keys: dict[tuple[int, int, int, str], int] = {}
    named = zip(
        created.tolist(), columns.repository_id, columns.workflow_id, map(runner_label, columns.labels), strict=True
    )
    rows = np.fromiter((keys.setdefault(key, len(keys)) for key in named), np.int64, len(jobs))
    sums = np.zeros((len(keys), len(SUMS)))
    np.add.at(sums, rows, _sums(columns, reasons, pricing))
    waits = _wait_histogram(columns, rows)
    return UsageTable(
        [UsageKey(time_buckets.bucket_id(time_buckets.HOUR, key[0]), *key[1:]) for key in keys], sums, waits
    )


def _sums(columns: Any, reasons: WasteReasons, pricing: Pricing) -> Floats:
    """Returns the columns SUMS of each job; shape (j, len(SUMS))."""
    seconds = np.nan_to_num(np.asarray(columns.duration_seconds, dtype=np.float64))
    minutes = np.ceil(seconds / 60)
    prices = np.asarray(_prices(columns, pricing), dtype=np.float64)
    priced = ~np.isnan(prices)
    cost, unpriced = np.where(priced, minutes * np.nan_to_num(prices), 0.0), np.where(priced, 0.0, minutes)
    wasted = np.asarray(_waste_reasons(columns, reasons))
    flaky, defect, cancelled, superseded = (
        seconds * (wasted == reason)
        for reason in (WasteReason.FLAKY, WasteReason.DEFECT, WasteReason.CANCELLED, WasteReason.SUPERSEDED)
    )
    never_started = np.asarray(columns.never_started, dtype=bool)
    sums = {
        "jobs": np.ones(len(seconds)),
        "minutes": minutes,
        "compute": seconds,
        "failed": flaky + defect,
        "cancelled": cancelled,
        "superseded": superseded,
        "cost": cost,
        "unpriced_minutes": unpriced,
        "never_started": never_started,
        "flaky": flaky,
        "defect": defect,
    }
    return np.column_stack([sums[name] for name in SUMS])


def _prices(columns: Any, pricing: Pricing) -> list[float | None]:
    """Returns the price of each job in US dollars a minute, null where it is not known."""
    jobs = zip(columns.labels, columns.runner, columns.runner_group, columns.billed, strict=True)
    return [
        pricing.usd_per_minute(_parse_labels(labels)[1], name, group, billed=bool(billed))
        for labels, name, group, billed in jobs
    ]


def _waste_reasons(columns: Any, reasons: WasteReasons) -> list[str]:
    """Returns the reason of waste of each job, empty where its attempt was not wasted."""
    jobs = zip(
        columns.repository_id, columns.run_id, columns.run_attempt, columns.attempt, columns.outcome, strict=True
    )
    return [
        _DEFAULT_REASON.get(outcome, "") if latest == 1 else reasons.get((repository_id, run_id), {}).get(attempt, "")
        for repository_id, run_id, latest, attempt, outcome in jobs
    ]


def _wait_histogram(columns: Any, rows: Ints) -> SparseHistogram:
    seconds = np.asarray(columns.wait_seconds, dtype=np.float64)
    # Implausible times count as unknown, as in db.definitions.job_times.
    known = (seconds >= 0) & (seconds <= job_times.MAX_SPAN.total_seconds())
    # A job with a known waiting time has a known time of queueing.
    queued = np.nan_to_num(np.asarray(columns.queued, dtype=np.float64)[known]).astype(np.int64)
    buckets = (
        queued // time_buckets.SECONDS_PER_HOUR % HOURS_PER_DAY * histogram.BUCKET_COUNT
        + histogram.bucket_indices(seconds[known])
    )
    return SparseHistogram(rows[known], buckets, np.ones(len(buckets), dtype=np.int64))


def from_rows(
    keys: Sequence[UsageKey], sums: Sequence[Sequence[float]], packed_waits: Sequence[bytes | None]
) -> UsageTable:
    """Takes stored roll-ups, one a row."""
    return usage_by_key(
        keys, np.asarray(sums, dtype=np.float64).reshape(-1, len(SUMS)), unpack_histograms(packed_waits)
    )


def concat(tables: Iterable[UsageTable]) -> UsageTable:
    """Adds up the rows of all tables by key."""
    listed = [part for part in tables if part.keys]
    if not listed:
        return from_rows([], [], [])
    starts = np.cumsum([0, *(len(part.keys) for part in listed)])
    waits = concat_histograms([part.waits for part in listed], starts)
    return usage_by_key(
        [key for part in listed for key in part.keys], np.concatenate([part.sums for part in listed]), waits
    )


@dataclass(frozen=True)
class WaitFigures:
    """The number of jobs that waited for a runner until they started or ended, and percentiles of their waiting times
    in seconds: within 1 %, null where there are none."""

    jobs: int
    p50: float | None
    p95: float | None


def waits_by_label(usage: UsageTable, labels: Sequence[str]) -> list[WaitFigures]:
    """Returns one item a label. `labels` must have all labels of the table."""
    return _waits(usage.waits, _label_indices(usage, labels)[usage.waits.rows], len(labels))


def waits_by_hour(usage: UsageTable, labels: Sequence[str]) -> list[list[WaitFigures]]:
    """As waits_by_label, with a list of the 24 hours of the day, UTC, for each label."""
    groups = _label_indices(usage, labels)[usage.waits.rows] * HOURS_PER_DAY + hour_of_day(usage.waits)
    figures = _waits(usage.waits, groups, len(labels) * HOURS_PER_DAY)
    return [figures[index * HOURS_PER_DAY : (index + 1) * HOURS_PER_DAY] for index in range(len(labels))]


def _label_indices(usage: UsageTable, labels: Sequence[str]) -> Ints:
    """Returns the index of the label of each row; shape (n,)."""
    index = {label: number for number, label in enumerate(labels)}
    return np.asarray([index[key.label] for key in usage.keys], dtype=np.int64)


def _waits(entries: SparseHistogram, groups: Ints, size: int) -> list[WaitFigures]:
    """Takes the group of each entry, shape (e,), from 0 to `size` - 1."""
    numbers = np.bincount(groups, weights=entries.counts, minlength=size).astype(int).tolist()
    buckets = entries.buckets % histogram.BUCKET_COUNT
    percentiles = histogram.percentiles(groups, buckets, entries.counts, size, _FRACTIONS)
    return [WaitFigures(number, *nan_to_none(row)) for number, row in zip(numbers, percentiles, strict=True)]


def hour_of_day(waits: SparseHistogram) -> Ints:
    """Returns the hour of the day (UTC) in which the jobs of each entry were queued; shape (e,)."""
    return waits.buckets // histogram.BUCKET_COUNT


def runner_label(labels: str) -> str:
    """Returns the name of a runner from its labels, which are JSON."""
    return _parse_labels(labels)[0]


@lru_cache(maxsize=10_000)
def _parse_labels(text: str) -> tuple[str, tuple[str, ...]]:
    labels = tuple(str(label) for label in json.loads(text) or ())
    return LABEL_SEPARATOR.join(labels)[:MAX_LABEL_LENGTH], labels


def busiest_hours(usage: UsageTable) -> dict[str, int]:
    """Returns, by label, the hour (whole hours since 1970) in which most of its jobs were queued, the latest of
    several. The buckets of the table must not be longer than a day."""
    if not len(usage.waits.rows):
        return {}
    labels = sorted({key.label for key in usage.keys})
    label_of_row = _label_indices(usage, labels)
    days = np.asarray([time_buckets.start_hour(key.bucket) // HOURS_PER_DAY for key in usage.keys], dtype=np.int64)
    hours = days[usage.waits.rows] * HOURS_PER_DAY + hour_of_day(usage.waits)
    first = int(hours.min())
    width = int(hours.max()) - first + 1
    cells = label_of_row[usage.waits.rows] * width + hours - first
    counts = np.bincount(cells, weights=usage.waits.counts, minlength=len(labels) * width).reshape(len(labels), width)
    latest = width - 1 - np.argmax(counts[:, ::-1], axis=1)
    return {label: first + int(latest[row]) for row, label in enumerate(labels) if counts[row].any()}


def peak_concurrency(spans: Iterable[tuple[float, float | None]], since: float, until: float) -> int:
    """Returns the largest number of spans that overlap between two times; all in seconds. A span without an end is not
    over. A span that ends when another one begins does not overlap it."""
    changes: list[tuple[float, int]] = []
    for start, end in spans:
        last = until if end is None else min(end, until)
        if start < last and last > since:
            changes += [(max(start, since), 1), (last, -1)]
    peak = running = 0
    for _, change in sorted(changes):
        running += change
        peak = max(peak, running)
    return peak
