"""Spans of jobs and attempts. Odd times become unknown (null), never negative or huge."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from db.vocabulary import Conclusion

# GitHub cancels a job after 35 days at the latest (5 on its own runners): anything longer is not a duration.
LONGEST_SPAN = timedelta(days=36)
_CLOCK_SKEW = timedelta(seconds=5)
# The page of a job belongs to a run (…/actions/runs/RUN/job/JOB); that of any other check run belongs to the
# repository alone (HOST/OWNER/NAME/runs/ID).
_JOB_PAGE = re.compile(r"/actions/runs/\d+(?:/attempts/\d+)?/jobs?/\d+", re.ASCII)
_CHECK_RUN_PAGE = re.compile(r"https?://[^/]+/[^/]+/[^/]+/runs/\d+/?", re.ASCII)
# How jobs end that never started and did not wait for a runner: refused, or rejected by an approver.
REFUSED = Conclusion.FAILURE


@dataclass(frozen=True)
class JobTimes:
    """What is needed of a job to say how long it took and whose it is."""

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
    """Seconds from start to end; a start up to 5 s after the end is skew of clocks and counts as 0."""
    if start is None or end is None:
        return None
    span = end - start
    if span < -_CLOCK_SKEW or span > LONGEST_SPAN:
        return None
    return max(span.total_seconds(), 0.0)


def has_started(runner: str | None, runner_id: int | None, steps: Sequence[object]) -> bool:
    """A job started when a runner took it: the runner's name or id is known, or at least one step. GitHub gives jobs
    that were cancelled, refused or rejected in the queue a started_at, too."""
    return bool(runner) or (runner_id or 0) > 0 or len(steps) > 0


def is_phantom(job: JobTimes) -> bool:
    """Whether this is a check run that a program (a test reporter) posted beside the run's jobs.

    The address of its page decides: a job whose matrix could not be evaluated also has no labels, steps or runner and
    lasts 0 s, and a report can be open or last any time. Servers of before 2022 gave jobs the address of check runs:
    whatever has a runner, labels or steps is a job. Without a known address, only what ended after 0 s is a report."""
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


def copied(jobs: Sequence[JobTimes]) -> list[bool]:
    """For each job: does the same (name, started_at, completed_at) stand at a lower attempt of its run?
    "Re-run failed jobs" lists the jobs that had passed again, under new ids."""
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
    """Earliest start of the attempt's own jobs − run_started_at, never below 0."""
    start = earliest_start(starts)
    if run_started_at is None or start is None or start - run_started_at > LONGEST_SPAN:
        return None
    return max((start - run_started_at).total_seconds(), 0.0)
