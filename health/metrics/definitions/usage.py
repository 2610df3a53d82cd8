"""What jobs used of runners, as columns that can be added up: minutes, money, waste and waiting. Pure.

A row is one group of jobs, as in health.metrics.definitions.table."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, cast

import numpy as np

from db.definitions import job_times, time_buckets
from db.definitions.job_times import WasteReason
from db.definitions.prices import Pricing
from db.enums import Dimension, Outcome, RollupLevel
from health.metrics.definitions import histogram
from health.metrics.definitions.distribution import Floats, Ints, nan_to_none
from health.metrics.definitions.rollup_levels import DIMENSIONS
from health.metrics.definitions.table import SparseHistogram, concat_histograms, pack_histograms, unpack_histograms

# Jobs; minutes rounded up for each; seconds of all; seconds of attempts that served nothing, by how they ended (`flaky`
# and `defect` are the parts of `failed`); US dollars; minutes without a known price; jobs that never started.
SUMS = ("jobs", "minutes", "compute", "failed", "cancelled", "superseded", "cost", "unpriced_minutes", "never_started",
        "flaky", "defect")  # fmt: skip
INTEGER_SUMS = ("jobs", "minutes", "unpriced_minutes", "never_started")
HOURS_PER_DAY = 24
_MAX_LABEL_LENGTH = 200
_FRACTIONS = (0.5, 0.95)
# Of a run with one attempt, by its outcome.
_DEFAULT_REASON = {Outcome.FAILURE: WasteReason.DEFECT, Outcome.CANCELLED: WasteReason.CANCELLED}


class UsedJob(NamedTuple):
    """An own job that was not skipped. `created` of its run and `queued` are seconds since 1970; `run_attempt` and
    `outcome` are its run's; `labels` is JSON. `duration_seconds` is null where it did not start, `wait_seconds` for a
    runner where they are not known. `billed`: GitHub takes money for standard runners there."""

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


# Of runs with several attempts, by repository and run: why which attempts served nothing.
WasteReasons = Mapping[tuple[int, int], Mapping[int, WasteReason]]


class UsageKey(NamedTuple):
    """What a roll-up is about; the label is empty for jobs without one."""

    bucket: int
    repository_id: int
    workflow_id: int
    label: str

    def at_level(self, level: RollupLevel, bucket: int) -> "UsageKey":
        parts = DIMENSIONS[level]
        repository_id = self.repository_id if Dimension.REPOSITORY in parts else 0
        return UsageKey(bucket, repository_id, self.workflow_id if Dimension.WORKFLOW in parts else 0, self.label)


@dataclass(frozen=True)
class UsageTable:
    """`sums` has the columns SUMS; `waits` are histograms of queue times by hour of the day (UTC), the one in which the
    job was queued: bucket `hour · sketch.WIDTH + bucket`."""

    keys: list[UsageKey]
    sums: Floats
    waits: SparseHistogram

    def at_level(self, level: RollupLevel, buckets: Sequence[int]) -> "UsageTable":
        """Added up to that grain; `moved` says for each row which tile it goes to."""
        return usage_by_key(
            [key.at_level(level, tile) for key, tile in zip(self.keys, buckets, strict=True)], self.sums, self.waits
        )

    def in_buckets(self, buckets: Collection[int]) -> "UsageTable":
        """Those of these tiles."""
        places = [place for place, key in enumerate(self.keys) if key.bucket in buckets]
        into = np.full(len(self.keys), -1, dtype=np.int64)
        into[places] = np.arange(len(places))
        rows = into[self.waits.rows]
        kept = rows >= 0
        waits = SparseHistogram(rows[kept], self.waits.buckets[kept], self.waits.counts[kept])
        return UsageTable([self.keys[place] for place in places], self.sums[places], waits)

    def packed_waits(self) -> list[bytes | None]:
        return pack_histograms(self.waits, len(self.keys))


def usage_by_key(keys: Sequence[UsageKey], sums: Floats, waits: SparseHistogram) -> UsageTable:
    """One row a key, where several rows may have the same one."""
    places: dict[UsageKey, int] = {}
    rows = np.fromiter((places.setdefault(key, len(places)) for key in keys), np.int64, len(keys))
    together = np.zeros((len(places), len(SUMS)))
    np.add.at(together, rows, sums)
    return UsageTable(list(places), together, waits.reindex(rows))


def from_jobs(jobs: Sequence[Sequence[Any]], reasons: WasteReasons, pricing: Pricing) -> UsageTable:
    """Rows as UsedJob, by workflow, label and hour in which their runs were created."""
    if not jobs:
        return from_rows([], [], [])
    columns = cast(Any, UsedJob(*zip(*jobs, strict=True)))  # type: ignore[arg-type]
    created = np.asarray(columns.created, dtype=np.int64) // 3600
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
    """A row a job, with the columns SUMS."""
    seconds = np.nan_to_num(np.asarray(columns.duration_seconds, dtype=np.float64))
    minutes = np.ceil(seconds / 60)
    prices = np.asarray(_prices(columns, pricing), dtype=np.float64)
    priced = ~np.isnan(prices)
    cost, unpriced = np.where(priced, minutes * np.nan_to_num(prices), 0.0), np.where(priced, 0.0, minutes)
    wasted = np.asarray(_waste_reasons(columns, reasons))
    flaky, defect, cancelled, superseded = (
        seconds * (wasted == each)
        for each in (WasteReason.FLAKY, WasteReason.DEFECT, WasteReason.CANCELLED, WasteReason.SUPERSEDED)
    )
    never = np.asarray(columns.never_started, dtype=bool)
    return np.column_stack((np.ones(len(seconds)), minutes, seconds, flaky + defect, cancelled, superseded, cost,
                            unpriced, never, flaky, defect))  # fmt: skip


def _prices(columns: Any, pricing: Pricing) -> list[float | None]:
    described = zip(columns.labels, columns.runner, columns.runner_group, columns.billed, strict=True)
    return [
        pricing.usd_per_minute(_parse_labels(labels)[1], name, group, billed=bool(billed))
        for labels, name, group, billed in described
    ]


def _waste_reasons(columns: Any, reasons: WasteReasons) -> list[str]:
    """Of each job why its attempt served nothing; empty where it served."""
    described = zip(columns.repository_id, columns.run_id, columns.run_attempt, columns.attempt, columns.outcome,
                    strict=True)  # fmt: skip
    return [
        _DEFAULT_REASON.get(outcome, "") if latest == 1
        else reasons.get((repository_id, run_id), {}).get(attempt, "")
        for repository_id, run_id, latest, attempt, outcome in described
    ]  # fmt: skip


def _wait_histogram(columns: Any, rows: Ints) -> SparseHistogram:
    seconds = np.asarray(columns.wait_seconds, dtype=np.float64)
    # Odd times are unknown, as in db.definitions.job_times.
    known = (seconds >= 0) & (seconds <= job_times.MAX_SPAN.total_seconds())
    # Whose wait is known was queued at some time.
    queued = np.nan_to_num(np.asarray(columns.queued, dtype=np.float64)[known]).astype(np.int64)
    buckets = queued // 3600 % HOURS_PER_DAY * histogram.BUCKET_COUNT + histogram.bucket_indices(seconds[known])
    return SparseHistogram(rows[known], buckets, np.ones(len(buckets), dtype=np.int64))


def from_rows(
    keys: Sequence[UsageKey], sums: Sequence[Sequence[float]], packed_waits: Sequence[bytes | None]
) -> UsageTable:
    """As stored, one row a roll-up."""
    return usage_by_key(
        keys, np.asarray(sums, dtype=np.float64).reshape(-1, len(SUMS)), unpack_histograms(packed_waits)
    )


def concat(tables: Iterable[UsageTable]) -> UsageTable:
    """All rows of all parts; those of one key added up."""
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
    """How many jobs waited for a runner until they started or gave up, and how many seconds: within 1 %, null where
    none did."""

    jobs: int
    p50: float | None
    p95: float | None


def waits_by_label(usage: UsageTable, labels: Sequence[str]) -> list[WaitFigures]:
    """In the order of the labels, which are all of them."""
    return _waits(usage.waits, _rows_of_labels(usage, labels)[usage.waits.rows], len(labels))


def waits_by_hour(usage: UsageTable, labels: Sequence[str]) -> list[list[WaitFigures]]:
    """As waits_by_label; each is a list of the hours of the day, UTC."""
    groups = _rows_of_labels(usage, labels)[usage.waits.rows] * HOURS_PER_DAY + hour_of_day(usage.waits)
    found = _waits(usage.waits, groups, len(labels) * HOURS_PER_DAY)
    return [found[place * HOURS_PER_DAY : (place + 1) * HOURS_PER_DAY] for place in range(len(labels))]


def _rows_of_labels(usage: UsageTable, labels: Sequence[str]) -> Ints:
    place = {label: number for number, label in enumerate(labels)}
    return np.asarray([place[key.label] for key in usage.keys], dtype=np.int64)


def _waits(entries: SparseHistogram, groups: Ints, size: int) -> list[WaitFigures]:
    numbers = np.bincount(groups, weights=entries.counts, minlength=size).astype(int).tolist()
    found = histogram.percentiles(groups, entries.buckets % histogram.BUCKET_COUNT, entries.counts, size, _FRACTIONS)
    return [WaitFigures(number, *nan_to_none(row)) for number, row in zip(numbers, found, strict=True)]


def hour_of_day(waits: SparseHistogram) -> Ints:
    """In which each entry's jobs were queued, UTC."""
    return waits.buckets // histogram.BUCKET_COUNT


def runner_label(labels: str) -> str:
    """How a runner is called: its labels, of JSON."""
    return _parse_labels(labels)[0]


@lru_cache(maxsize=10_000)
def _parse_labels(text: str) -> tuple[str, tuple[str, ...]]:
    labels = tuple(str(each) for each in json.loads(text) or ())
    return ", ".join(labels)[:_MAX_LABEL_LENGTH], labels


def busiest_hours(usage: UsageTable) -> dict[str, int]:
    """Of each label the single hour (whole hours since 1970) in which most of its jobs were queued, the latest of
    several. Of tiles of at most a day."""
    if not len(usage.waits.rows):
        return {}
    labels = sorted({key.label for key in usage.keys})
    of_row = _rows_of_labels(usage, labels)
    days = np.asarray([time_buckets.start_hour(key.bucket) // HOURS_PER_DAY for key in usage.keys], dtype=np.int64)
    hours = days[usage.waits.rows] * HOURS_PER_DAY + hour_of_day(usage.waits)
    first = int(hours.min())
    width = int(hours.max()) - first + 1
    counts = np.bincount(of_row[usage.waits.rows] * width + hours - first, weights=usage.waits.counts,
                         minlength=len(labels) * width).reshape(len(labels), width)  # fmt: skip
    latest = width - 1 - np.argmax(counts[:, ::-1], axis=1)
    return {label: first + int(latest[place]) for place, label in enumerate(labels) if counts[place].any()}


def peak_concurrency(spans: Iterable[tuple[float, float | None]], since: float, until: float) -> int:
    """How many of these spans, in seconds, held at once between the two moments; one without an end still does."""
    changes: list[tuple[float, int]] = []
    for start, end in spans:
        last = until if end is None else min(end, until)
        if start < last and last > since:
            changes += [(max(start, since), 1), (last, -1)]
    most = now = 0
    # What ends when another begins makes room for it.
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most
