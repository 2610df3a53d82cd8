"""Failed runs over time, by the class of their failure causes. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from db.definitions.scope import INTERVAL_LENGTHS, Window, bucket_start
from db.enums import Interval


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
