"""What jobs used of runners, as columns that can be added up: minutes, money, waste and waiting. Pure.

A row is one group of jobs, as in health.metrics.definitions.table."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, cast

import numpy as np

from db.definitions import job_times, time_buckets
from db.definitions.job_times import Waste
from db.definitions.prices import Pricing
from db.enums import Grain, Outcome, Part
from health.metrics.definitions import histogram
from health.metrics.definitions.distribution import Floats, Ints, or_null
from health.metrics.definitions.rollup_levels import PARTS
from health.metrics.definitions.table import Entries, pack_entries, stack_entries, unpack_entries

# Jobs; minutes rounded up for each; seconds of all; seconds of attempts that served nothing, by how they ended (`flaky`
# and `defect` are the parts of `failed`); US dollars; minutes without a known price; jobs that never started.
SUMS = ("jobs", "minutes", "compute", "failed", "cancelled", "superseded", "cost", "unpriced_minutes", "never_started",
        "flaky", "defect")  # fmt: skip
WHOLE = ("jobs", "minutes", "unpriced_minutes", "never_started")
HOURS = 24
_LONGEST_LABEL = 200
_FRACTIONS = (0.5, 0.95)
# Of a run with one attempt, by its outcome.
_ALONE = {Outcome.FAILURE: Waste.DEFECT, Outcome.CANCELLED: Waste.CANCELLED}


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
Reasons = Mapping[tuple[int, int], Mapping[int, Waste]]


class UsageKey(NamedTuple):
    """What a roll-up is about; the label is empty for jobs without one."""

    tile: int
    repository_id: int
    workflow_id: int
    label: str

    def at(self, grain: Grain, tile: int) -> "UsageKey":
        parts = PARTS[grain]
        repository_id = self.repository_id if Part.REPOSITORY in parts else 0
        return UsageKey(tile, repository_id, self.workflow_id if Part.WORKFLOW in parts else 0, self.label)


@dataclass(frozen=True)
class Usage:
    """`sums` has the columns SUMS; `waits` are histograms of queue times by hour of the day (UTC), the one in which the
    job was queued: bucket `hour · sketch.WIDTH + bucket`."""

    keys: list[UsageKey]
    sums: Floats
    waits: Entries

    def at(self, grain: Grain, moved: Sequence[int]) -> "Usage":
        """Added up to that grain; `moved` says for each row which tile it goes to."""
        return gather([key.at(grain, tile) for key, tile in zip(self.keys, moved, strict=True)], self.sums, self.waits)

    def only(self, wanted: Collection[int]) -> "Usage":
        """Those of these tiles."""
        places = [place for place, key in enumerate(self.keys) if key.tile in wanted]
        into = np.full(len(self.keys), -1, dtype=np.int64)
        into[places] = np.arange(len(places))
        rows = into[self.waits.rows]
        kept = rows >= 0
        waits = Entries(rows[kept], self.waits.buckets[kept], self.waits.counts[kept])
        return Usage([self.keys[place] for place in places], self.sums[places], waits)

    def packed(self) -> list[bytes | None]:
        return pack_entries(self.waits, len(self.keys))


def gather(keys: Sequence[UsageKey], sums: Floats, waits: Entries) -> Usage:
    """One row a key, where several rows may have the same one."""
    places: dict[UsageKey, int] = {}
    rows = np.fromiter((places.setdefault(key, len(places)) for key in keys), np.int64, len(keys))
    together = np.zeros((len(places), len(SUMS)))
    np.add.at(together, rows, sums)
    return Usage(list(places), together, waits.fold(rows))


def of_jobs(jobs: Sequence[Sequence[Any]], reasons: Reasons, pricing: Pricing) -> Usage:
    """Rows as UsedJob, by workflow, label and hour in which their runs were created."""
    if not jobs:
        return of_stored([], [], [])
    columns = cast(Any, UsedJob(*zip(*jobs, strict=True)))  # type: ignore[arg-type]
    created = np.asarray(columns.created, dtype=np.int64) // 3600
    keys: dict[tuple[int, int, int, str], int] = {}
    named = zip(
        created.tolist(), columns.repository_id, columns.workflow_id, map(label_of, columns.labels), strict=True
    )
    rows = np.fromiter((keys.setdefault(key, len(keys)) for key in named), np.int64, len(jobs))
    sums = np.zeros((len(keys), len(SUMS)))
    np.add.at(sums, rows, _sums(columns, reasons, pricing))
    waits = _waited(columns, rows)
    return Usage([UsageKey(time_buckets.tile(time_buckets.HOUR, key[0]), *key[1:]) for key in keys], sums, waits)


def _sums(columns: Any, reasons: Reasons, pricing: Pricing) -> Floats:
    """A row a job, with the columns SUMS."""
    seconds = np.nan_to_num(np.asarray(columns.duration_seconds, dtype=np.float64))
    minutes = np.ceil(seconds / 60)
    prices = np.asarray(_prices(columns, pricing), dtype=np.float64)
    priced = ~np.isnan(prices)
    cost, unpriced = np.where(priced, minutes * np.nan_to_num(prices), 0.0), np.where(priced, 0.0, minutes)
    wasted = np.asarray(_wasted(columns, reasons))
    flaky, defect, cancelled, superseded = (
        seconds * (wasted == each) for each in (Waste.FLAKY, Waste.DEFECT, Waste.CANCELLED, Waste.SUPERSEDED)
    )
    never = np.asarray(columns.never_started, dtype=bool)
    return np.column_stack((np.ones(len(seconds)), minutes, seconds, flaky + defect, cancelled, superseded, cost,
                            unpriced, never, flaky, defect))  # fmt: skip


def _prices(columns: Any, pricing: Pricing) -> list[float | None]:
    described = zip(columns.labels, columns.runner, columns.runner_group, columns.billed, strict=True)
    return [
        pricing.usd_per_minute(_parsed(labels)[1], name, group, billed=bool(billed))
        for labels, name, group, billed in described
    ]


def _wasted(columns: Any, reasons: Reasons) -> list[str]:
    """Of each job why its attempt served nothing; empty where it served."""
    described = zip(columns.repository_id, columns.run_id, columns.run_attempt, columns.attempt, columns.outcome,
                    strict=True)  # fmt: skip
    return [
        _ALONE.get(outcome, "") if latest == 1
        else reasons.get((repository_id, run_id), {}).get(attempt, "")
        for repository_id, run_id, latest, attempt, outcome in described
    ]  # fmt: skip


def _waited(columns: Any, rows: Ints) -> Entries:
    seconds = np.asarray(columns.wait_seconds, dtype=np.float64)
    # Odd times are unknown, as in db.definitions.job_times.
    known = (seconds >= 0) & (seconds <= job_times.LONGEST_SPAN.total_seconds())
    # Whose wait is known was queued at some time.
    queued = np.nan_to_num(np.asarray(columns.queued, dtype=np.float64)[known]).astype(np.int64)
    buckets = queued // 3600 % HOURS * histogram.WIDTH + histogram.buckets(seconds[known])
    return Entries(rows[known], buckets, np.ones(len(buckets), dtype=np.int64))


def of_stored(keys: Sequence[UsageKey], sums: Sequence[Sequence[float]], packed: Sequence[bytes | None]) -> Usage:
    """As stored, one row a roll-up."""
    return gather(keys, np.asarray(sums, dtype=np.float64).reshape(-1, len(SUMS)), unpack_entries(packed))


def together(parts: Iterable[Usage]) -> Usage:
    """All rows of all parts; those of one key added up."""
    listed = [part for part in parts if part.keys]
    if not listed:
        return of_stored([], [], [])
    starts = np.cumsum([0, *(len(part.keys) for part in listed)])
    waits = stack_entries([part.waits for part in listed], starts)
    return gather([key for part in listed for key in part.keys], np.concatenate([part.sums for part in listed]), waits)


@dataclass(frozen=True)
class Wait:
    """How many jobs waited for a runner until they started or gave up, and how many seconds: within 1 %, null where
    none did."""

    jobs: int
    p50: float | None
    p95: float | None


def waits_by_label(usage: Usage, labels: Sequence[str]) -> list[Wait]:
    """In the order of the labels, which are all of them."""
    return _waits(usage.waits, _of_label(usage, labels)[usage.waits.rows], len(labels))


def waits_by_hour(usage: Usage, labels: Sequence[str]) -> list[list[Wait]]:
    """As waits_by_label; each is a list of the hours of the day, UTC."""
    groups = _of_label(usage, labels)[usage.waits.rows] * HOURS + hour_of_day(usage.waits)
    found = _waits(usage.waits, groups, len(labels) * HOURS)
    return [found[place * HOURS : (place + 1) * HOURS] for place in range(len(labels))]


def _of_label(usage: Usage, labels: Sequence[str]) -> Ints:
    place = {label: number for number, label in enumerate(labels)}
    return np.asarray([place[key.label] for key in usage.keys], dtype=np.int64)


def _waits(entries: Entries, groups: Ints, size: int) -> list[Wait]:
    numbers = np.bincount(groups, weights=entries.counts, minlength=size).astype(int).tolist()
    found = histogram.percentiles(groups, entries.buckets % histogram.WIDTH, entries.counts, size, _FRACTIONS)
    return [Wait(number, *or_null(row)) for number, row in zip(numbers, found, strict=True)]


def hour_of_day(waits: Entries) -> Ints:
    """In which each entry's jobs were queued, UTC."""
    return waits.buckets // histogram.WIDTH


def label_of(labels: str) -> str:
    """How a runner is called: its labels, of JSON."""
    return _parsed(labels)[0]


@lru_cache(maxsize=10_000)
def _parsed(text: str) -> tuple[str, tuple[str, ...]]:
    labels = tuple(str(each) for each in json.loads(text) or ())
    return ", ".join(labels)[:_LONGEST_LABEL], labels


def busiest_hours(usage: Usage) -> dict[str, int]:
    """Of each label the single hour (whole hours since 1970) in which most of its jobs were queued, the latest of
    several. Of tiles of at most a day."""
    if not len(usage.waits.rows):
        return {}
    labels = sorted({key.label for key in usage.keys})
    of_row = _of_label(usage, labels)
    days = np.asarray([time_buckets.first_hour(key.tile) // HOURS for key in usage.keys], dtype=np.int64)
    hours = days[usage.waits.rows] * HOURS + hour_of_day(usage.waits)
    first = int(hours.min())
    width = int(hours.max()) - first + 1
    counts = np.bincount(of_row[usage.waits.rows] * width + hours - first, weights=usage.waits.counts,
                         minlength=len(labels) * width).reshape(len(labels), width)  # fmt: skip
    latest = width - 1 - np.argmax(counts[:, ::-1], axis=1)
    return {label: first + int(latest[place]) for place, label in enumerate(labels) if counts[place].any()}


def most_at_once(spans: Iterable[tuple[float, float | None]], since: float, until: float) -> int:
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
