"""Queues: how long jobs wait for which runner, and how many run at once."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from health.metrics.definitions.usage import SUMS, busiest_hours, peak_concurrency, runner_label, waits_by_hour
from health.metrics.definitions.usage import waits_by_label as waits_of
from health.metrics.queries import usage_queries as queries


@dataclass(frozen=True)
class LabelWaits:
    """How long jobs waited for a runner with these labels (null: jobs without labels), in seconds, of the `jobs` whose
    wait is known. A job that never started waited until it ended."""

    label: str | None
    jobs: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True)
class QueueCell:
    """Jobs of a runner label that were queued in one hour of the day, UTC. Seconds; null where none began."""

    label: str | None
    hour: int
    jobs: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True)
class RunnerQueue:
    """Jobs of a runner's labels: how long they waited for it. `busiest_hour` begins the single hour in which most of
    them were queued, `busiest_jobs`; at most `peak` of them were running at once in it."""

    label: str | None
    jobs: int
    p50: float | None
    p95: float | None
    busiest_hour: datetime | None
    busiest_jobs: int
    peak: int | None


@dataclass(frozen=True)
class Queues:
    """The label with most jobs first; cells for each label and hour of the day that has jobs. `since`: where only the
    jobs of runs created since then were read, because there are too many."""

    runners: list[RunnerQueue]
    cells: list[QueueCell]
    since: datetime | None


# Labels whose busiest hour is looked at.
_MAX_BUSIEST_LABELS = 8
_HOUR = 3600


def queues(session: Session, scope: Scope, window: Window) -> Queues:
    """By the labels of runners. The busiest hour is looked at for the 8 of them with most jobs."""
    used = queries.waits_by_bucket(session, scope, window)
    jobs: Counter[str] = Counter()
    for key, row in zip(used.usage.keys, used.usage.sums, strict=True):
        jobs[key.label] += int(row[SUMS.index("jobs")])
    labels = sorted(jobs, key=lambda label: (-jobs[label], label))
    hours = busiest_hours(used.usage)
    load = _busiest_hours(
        session, scope, {label: hours[label] for label in labels[:_MAX_BUSIEST_LABELS] if label in hours}
    )
    whole, by_hour = waits_of(used.usage, labels), waits_by_hour(used.usage, labels)
    runners = [
        RunnerQueue(label or None, jobs[label], wait.p50, wait.p95, *load.get(label, (None, 0, None)))
        for label, wait in zip(labels, whole, strict=True)
    ]
    cells = [
        QueueCell(label or None, hour, wait.jobs, wait.p50, wait.p95)
        for label, listed in zip(labels, by_hour, strict=True) for hour, wait in enumerate(listed) if wait.jobs
    ]  # fmt: skip
    return Queues(runners, cells, used.since)


def waits_by_label(session: Session, scope: Scope, window: Window) -> list[LabelWaits]:
    """Of the jobs of runs created in the window; the label with most jobs first. Compare with `week_before(window)`:
    waits depend on the weekday and the hour."""
    usage = queries.waits_by_bucket(session, scope, window).usage
    labels = sorted({key.label for key in usage.keys})
    found = [
        LabelWaits(label or None, wait.jobs, wait.p50, wait.p95)
        for label, wait in zip(labels, waits_of(usage, labels), strict=True) if wait.jobs
    ]  # fmt: skip
    return sorted(found, key=lambda each: (-each.jobs, each.label or ""))


def week_before(window: Window) -> Window:
    """The same weekdays and hours (UTC) a week earlier."""
    return Window(window.since - timedelta(days=7), window.until - timedelta(days=7))


def _busiest_hours(session: Session, scope: Scope, hours: Mapping[str, int]) -> dict[str, tuple[datetime, int, int]]:
    """Of each label its busiest hour, how many jobs were queued in it, and how many at most ran at once."""
    moments = {hour: datetime.fromtimestamp(hour * _HOUR, UTC) for hour in hours.values()}
    jobs: dict[str, list[queries.JobInterval]] = defaultdict(list)
    for job in queries.jobs_in_hours(session, scope, sorted(moments.values())):
        jobs[runner_label(job.labels)].append(job)
    found = {}
    for label, hour in hours.items():
        since, until = hour * _HOUR, (hour + 1) * _HOUR
        queued = sum(since <= job.queued < until for job in jobs[label] if job.queued is not None)
        ran = [(job.started, job.ended) for job in jobs[label] if job.started is not None]
        found[label] = moments[hour], queued, peak_concurrency(ran, since, until)
    return found
