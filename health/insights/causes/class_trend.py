"""Failed runs by the class of their failure causes: over time, and in total. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from db.definitions.scope import INTERVAL_LENGTHS, Window, bucket_start
from db.enums import Interval
from health.insights.causes.model import stored_class


@dataclass(frozen=True)
class ClassPoint:
    """`runs`: the number of runs of the bucket by class; a run with causes of several classes counts once in each.
    `partial`: the bucket is not entirely in the window."""

    start: datetime
    partial: bool
    runs: Mapping[str, int]


def class_trend(jobs: Iterable[tuple[str, int, datetime]], window: Window, interval: Interval) -> list[ClassPoint]:
    """One point for each bucket of the window, oldest first. `jobs`: failed jobs with a cause as (class of the cause,
    ID of the run, creation time of the run)."""
    runs: dict[datetime, dict[str, set[int]]] = {start: {} for start in window.buckets(interval)}
    for kind, run_id, created_at in jobs:
        bucket = runs.get(bucket_start(created_at, interval))
        if bucket is not None:
            bucket.setdefault(kind, set()).add(run_id)
    return [
        ClassPoint(
            start,
            start < window.since or start + INTERVAL_LENGTHS[interval] > window.until,
            {kind: len(ids) for kind, ids in by_class.items()},
        )
        for start, by_class in runs.items()
    ]


@dataclass(frozen=True)
class ClassCount:
    """The number of causes of a class, and of the jobs and runs with one of them; one with causes of several classes
    counts once in each. Jobs without a cause that others share, such as cancelled ones, are in no cause."""

    kind: str
    causes: int
    jobs: int
    runs: int


def count_classes(causes: Iterable[str], failures: Iterable[tuple[str, int, int]]) -> list[ClassCount]:
    """One item for each class, those with most jobs first. `causes`: the class of each cause. `failures`: failed jobs
    as (class, ID of the job, ID of the run)."""
    number = Counter(causes)
    jobs: dict[str, set[int]] = defaultdict(set)
    runs: dict[str, set[int]] = defaultdict(set)
    for kind, job_id, run_id in failures:
        jobs[stored_class(kind)].add(job_id)
        runs[stored_class(kind)].add(run_id)
    counts = [ClassCount(kind, number[kind], len(jobs[kind]), len(runs[kind])) for kind in jobs]
    return sorted(counts, key=lambda count: (-count.jobs, count.kind))
