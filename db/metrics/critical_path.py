"""The chain of jobs that decided how long a run took. Pure.

GitHub's API does not say which job needs which, so the chain is read from the times: a job that needs others is created
when the last of them ends (docs.github.com, "jobs.<job_id>.needs"). Going back from the job that ended last, the one
before it in the chain is the one whose end came latest before it was created, within what GitHub takes to create a job.
The longest path through timed activities is that of J. E. Kelley, "Critical-Path Planning and Scheduling: Mathematical
Basis", Operations Research 9 (1961)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

# GitHub writes whole seconds, and needs a few of them to create the next job.
_EARLY, _LATE = timedelta(seconds=2), timedelta(seconds=30)


class Timed(Protocol):
    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def created_at(self) -> datetime | None: ...
    @property
    def started_at(self) -> datetime | None: ...
    @property
    def completed_at(self) -> datetime | None: ...


@dataclass(frozen=True)
class Link:
    """`queue_seconds` it waited for a runner, then ran `seconds`. `exclusive_seconds`: how long no other job of the run
    was running, so what the run would at most win if this job took no time and nothing else changed."""

    job_id: int
    name: str
    queue_seconds: float
    seconds: float
    exclusive_seconds: float


def critical_path(jobs: Sequence[Timed]) -> list[Link]:
    """First job first; empty where no job has ended. Give the own jobs of one attempt: no copies, no phantoms, none
    that were skipped."""
    ended = [job for job in jobs if job.started_at and job.completed_at]
    if not ended:
        return []
    chain = [max(ended, key=_end)]
    while before := _before(chain[-1], [job for job in ended if job not in chain]):
        chain.append(before)
    return [_link(job, ended) for job in reversed(chain)]


def _before(job: Timed, others: Sequence[Timed]) -> Timed | None:
    created = job.created_at or job.started_at
    if created is None:
        return None
    close = [each for each in others if created - _LATE <= _end(each) <= created + _EARLY]
    return max(close, key=_end, default=None)


def _link(job: Timed, all_jobs: Sequence[Timed]) -> Link:
    start, end = _start(job), _end(job)
    queued = max((start - (job.created_at or start)).total_seconds(), 0.0)
    others = [(_start(each), _end(each)) for each in all_jobs if each is not job]
    return Link(job.id, job.name, queued, (end - start).total_seconds(), _alone(start, end, others))


def _alone(start: datetime, end: datetime, others: Sequence[tuple[datetime, datetime]]) -> float:
    """Seconds between start and end in which none of the others ran."""
    alone, reached = 0.0, start
    for begin, stop in sorted(others):
        if begin >= end:
            break
        alone += max((begin - reached).total_seconds(), 0.0)
        reached = max(reached, stop)
    return alone + max((end - reached).total_seconds(), 0.0)


def _start(job: Timed) -> datetime:
    assert job.started_at is not None  # noqa: S101 - only jobs that ended come here
    return job.started_at


def _end(job: Timed) -> datetime:
    assert job.completed_at is not None  # noqa: S101 - only jobs that ended come here
    return job.completed_at
