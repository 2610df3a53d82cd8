"""Waiting times of jobs for runners, and how many jobs run at once."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from db.definitions.time_buckets import SECONDS_PER_HOUR
from db.repositories.repository_queries import MAX_VALUES
from health.metrics.definitions.usage import SUMS, busiest_hours, peak_concurrency, runner_label, waits_by_hour
from health.metrics.definitions.usage import waits_by_label as waits_of
from health.metrics.queries import usage_queries as queries


@dataclass(frozen=True)
class LabelWaits:
    """Waiting times in seconds for a runner with these labels, null for jobs without labels, of the `jobs` whose
    waiting time is known. A job that never started waited until it ended."""

    label: str | None
    jobs: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True)
class QueueCell:
    """Waiting times in seconds of the jobs of a label that were queued in one hour of the day, UTC; null where none
    started."""

    label: str | None
    hour: int
    jobs: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True)
class RunnerQueue:
    """Waiting times in seconds of the jobs of a label. `busiest_jobs` were queued in the hour that begins at
    `busiest_hour`, more than in any other; at most `peak` of them were running at once in it."""

    label: str | None
    jobs: int
    p50: float | None
    p95: float | None
    busiest_hour: datetime | None
    busiest_jobs: int
    peak: int | None


@dataclass(frozen=True)
class Queues:
    """`runners` has the label with most jobs first; `cells` has each label and hour of the day with jobs. `since` is
    set where there are too many runs to read: only jobs of runs created since then count."""

    runners: list[RunnerQueue]
    cells: list[QueueCell]
    since: datetime | None


# Labels whose busiest hour is computed.
_MAX_BUSIEST_LABELS = 8


def queues(session: Session, scope: Scope, window: Window) -> Queues:
    """Returns waiting times by label. The busiest hour is computed for the 8 labels with most jobs."""
    used = queries.waits_by_bucket(session, scope, window)
    jobs: Counter[str] = Counter()
    for key, row in zip(used.usage.keys, used.usage.sums, strict=True):
        jobs[key.label] += int(row[SUMS.index("jobs")])
    labels = sorted(jobs, key=lambda label: (-jobs[label], label))
    hours = busiest_hours(used.usage)
    load = _busiest_hours(
        session, scope, {label: hours[label] for label in labels[:_MAX_BUSIEST_LABELS] if label in hours}
    )
    waits, hourly_waits = waits_of(used.usage, labels), waits_by_hour(used.usage, labels)
    runners = [
        RunnerQueue(label or None, jobs[label], wait.p50, wait.p95, *load.get(label, (None, 0, None)))
        for label, wait in zip(labels, waits, strict=True)
    ]
    cells = [
        QueueCell(label or None, hour, wait.jobs, wait.p50, wait.p95)
        for label, hourly in zip(labels, hourly_waits, strict=True)
        for hour, wait in enumerate(hourly)
        if wait.jobs
    ]
    return Queues(runners, cells, used.since)


def runner_names(session: Session, since: datetime, *, limit: int = MAX_VALUES) -> list[str]:
    """Returns the labels of the runners that jobs used since then, those with most jobs first."""
    return queries.used_labels(session, since, limit)


def waits_by_label(session: Session, scope: Scope, window: Window) -> list[LabelWaits]:
    """Returns the waiting times of the jobs of runs created in the window, the label with most jobs first. Compare with
    those of `week_before(window)`: they depend on the weekday and the hour."""
    usage = queries.waits_by_bucket(session, scope, window).usage
    labels = sorted({key.label for key in usage.keys})
    waits = [
        LabelWaits(label or None, wait.jobs, wait.p50, wait.p95)
        for label, wait in zip(labels, waits_of(usage, labels), strict=True)
        if wait.jobs
    ]
    return sorted(waits, key=lambda item: (-item.jobs, item.label or ""))


def week_before(window: Window) -> Window:
    """Returns the same weekdays and hours (UTC) a week earlier."""
    return Window(window.since - timedelta(days=7), window.until - timedelta(days=7))


def _busiest_hours(session: Session, scope: Scope, hours: Mapping[str, int]) -> dict[str, tuple[datetime, int, int]]:
    """Takes an hour (whole hours since 1970) a label. Returns the start of the hour, the number of jobs that were
    queued in it, and the largest number that ran at once."""
    starts = {hour: datetime.fromtimestamp(hour * SECONDS_PER_HOUR, UTC) for hour in hours.values()}
    jobs: dict[str, list[queries.JobInterval]] = defaultdict(list)
    for job in queries.jobs_in_hours(session, scope, sorted(starts.values())):
        jobs[runner_label(job.labels)].append(job)
    load = {}
    for label, hour in hours.items():
        since, until = hour * SECONDS_PER_HOUR, (hour + 1) * SECONDS_PER_HOUR
        queued = sum(since <= job.queued < until for job in jobs[label] if job.queued is not None)
        running = [(job.started, job.ended) for job in jobs[label] if job.started is not None]
        load[label] = starts[hour], queued, peak_concurrency(running, since, until)
    return load
