"""Durations of jobs and attempts, and which listed jobs are copies or phantoms. Pure.

Implausible times become unknown (null), never negative or huge.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from db.enums import Conclusion

# GitHub cancels a job after 35 days at the latest (5 on its own runners): anything longer is not a duration.
MAX_SPAN = timedelta(days=36)
_CLOCK_SKEW = timedelta(seconds=5)
# The page of a job is below its run (…/actions/runs/RUN/job/JOB); the page of any other check run is below the
# repository (HOST/OWNER/NAME/runs/ID).
_JOB_PAGE = re.compile(r"/actions/runs/\d+(?:/attempts/\d+)?/jobs?/\d+", re.ASCII)
_CHECK_RUN_PAGE = re.compile(r"https?://[^/]+/[^/]+/[^/]+/runs/\d+/?", re.ASCII)
# Conclusion of jobs that never started and did not wait for a runner: refused, or rejected by an approver.
NEVER_STARTED_CONCLUSION = Conclusion.FAILURE


@dataclass(frozen=True)
class JobTimes:
    """The fields of a job that determine its duration and whether it is a copy or a phantom."""

    attempt: int
    name: str
    started_at: datetime | None
    completed_at: datetime | None
    has_runner: bool
    labels: tuple[str, ...]
    step_count: int
    completed: bool = True
    skipped: bool = False
    html_url: str | None = None


def span_seconds(start: datetime | None, end: datetime | None) -> float | None:
    """Seconds from start to end; a start up to 5 s after the end is clock skew and counts as 0."""
    if start is None or end is None:
        return None
    span = end - start
    if span < -_CLOCK_SKEW or span > MAX_SPAN:
        return None
    return max(span.total_seconds(), 0.0)


def has_started(runner: str | None, runner_id: int | None, steps: Sequence[object]) -> bool:
    """Whether a runner took the job: the name or id of the runner is known, or the job has a step. started_at is not
    enough, because GitHub also sets it for jobs that were cancelled, refused or rejected in the queue."""
    return bool(runner) or (runner_id or 0) > 0 or len(steps) > 0


def is_phantom(job: JobTimes) -> bool:
    """Whether this is a check run that a program (a test reporter) posted beside the run's jobs.

    The URL of its page decides: a job whose matrix could not be evaluated also has no labels, steps or runner and
    lasts 0 s, and a report can be open or have any duration. GitHub servers before 2022 gave jobs the URL of check
    runs, so an item with a runner, labels or steps is a job. Without a known URL, only an item that ended after 0 s is
    a report."""
    if job.has_runner or job.labels or job.step_count:
        return False
    page = (job.html_url or "").partition("?")[0].partition("#")[0]
    if _JOB_PAGE.search(page):
        return False
    if _CHECK_RUN_PAGE.fullmatch(page):
        return True
    if not job.completed or job.skipped:
        return False
    return job.started_at is None or job.completed_at is None or job.completed_at <= job.started_at


def mark_copies(jobs: Sequence[JobTimes]) -> list[bool]:
    """For each job, whether a lower attempt of its run has a job with the same name, started_at and completed_at.
    "Re-run failed jobs" lists the jobs that had passed again, with new ids."""
    first: dict[tuple[str, datetime | None, datetime | None], int] = {}
    for job in jobs:
        key = (job.name, job.started_at, job.completed_at)
        first[key] = min(first.get(key, job.attempt), job.attempt)
    return [
        job.completed and job.started_at is not None and first[job.name, job.started_at, job.completed_at] < job.attempt
        for job in jobs
    ]


def latest_end(ends: Iterable[datetime | None]) -> datetime | None:
    return max((end for end in ends if end is not None), default=None)


def earliest_start(starts: Iterable[datetime | None]) -> datetime | None:
    return min((start for start in starts if start is not None), default=None)


def queue_seconds(run_started_at: datetime | None, starts: Iterable[datetime | None]) -> float | None:
    """Seconds from run_started_at to the earliest start of the attempt's own jobs, at least 0; null if unknown."""
    start = earliest_start(starts)
    if run_started_at is None or start is None or start - run_started_at > MAX_SPAN:
        return None
    return max((start - run_started_at).total_seconds(), 0.0)
