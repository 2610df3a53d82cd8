"""Critical path of a run: the chain of jobs that determined its duration. Pure.

GitHub's API does not have the dependencies of jobs, so that the chain is derived from times: a job that needs others is
created when the last of them ends (docs.github.com, "jobs.<job_id>.needs"). The chain is followed backwards from the
job that ended last: its predecessor is the job whose end was the latest before its creation, within the time that
GitHub takes to create a job. A job that was created with the run did not wait for another one, however long it waited
for a runner. The longest path through timed activities is that of J. E. Kelley, "Critical-Path Planning and Scheduling:
Mathematical Basis", Operations Research 9 (1961)."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from db.enums import Conclusion

# GitHub writes whole seconds, its clocks differ by up to one, and it takes a few seconds to create the next job.
_MAX_EARLY_START, _MAX_LATE_START = timedelta(seconds=2), timedelta(seconds=30)


class TimedJob(Protocol):
    """The attributes of a stored job."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def conclusion(self) -> str | None: ...
    @property
    def created_at(self) -> datetime | None: ...
    @property
    def started_at(self) -> datetime | None: ...
    @property
    def completed_at(self) -> datetime | None: ...
    @property
    def copied(self) -> bool: ...
    @property
    def phantom(self) -> bool: ...
    @property
    def has_started(self) -> bool: ...


@dataclass(frozen=True)
class CriticalJob:
    """A job of the critical path: it waited `queue_seconds` for a runner, then ran for `seconds` from `start` to `end`.
    `exclusive_seconds` is the time in which no other job of the run was running: by so much the run would have been
    shorter without this job."""

    job_id: int
    name: str
    start: datetime
    end: datetime
    queue_seconds: float
    seconds: float
    exclusive_seconds: float


@dataclass(frozen=True)
class _FinishedJob:
    job: TimedJob
    created: datetime
    start: datetime
    end: datetime


def critical_path(jobs: Iterable[TimedJob]) -> list[CriticalJob]:
    """Returns the critical path of the jobs of one attempt, first job first; empty where no job has ended. Copies,
    phantoms, skipped jobs and jobs that never started do not count."""
    ended = sorted(_own_jobs(jobs), key=lambda job: (job.end, job.job.id))
    if not ended:
        return []
    ends = [job.end for job in ended]
    chain: list[_FinishedJob] = []
    index = len(ended) - 1
    while index >= 0 and (not chain or ends[index] >= chain[-1].created - _MAX_LATE_START):
        chain.append(ended[index])
        # The index always decreases, so that the loop ends even with inconsistent times.
        index = min(bisect_right(ends, ended[index].created + _MAX_EARLY_START) - 1, index - 1)
    overlap = _JobOverlap(ended)
    return [_critical_job(job, overlap) for job in reversed(chain)]


def _own_jobs(jobs: Iterable[TimedJob]) -> Iterable[_FinishedJob]:
    for job in jobs:
        start, end = job.started_at, job.completed_at
        is_own = not job.copied and not job.phantom and job.conclusion != Conclusion.SKIPPED and job.has_started
        if is_own and start is not None and end is not None and start <= end:
            yield _FinishedJob(job, min(job.created_at or start, start), start, end)


def _critical_job(finished: _FinishedJob, overlap: "_JobOverlap") -> CriticalJob:
    return CriticalJob(
        job_id=finished.job.id,
        name=finished.job.name,
        start=finished.start,
        end=finished.end,
        queue_seconds=(finished.start - finished.created).total_seconds(),
        seconds=(finished.end - finished.start).total_seconds(),
        exclusive_seconds=overlap.exclusive_seconds(finished),
    )


class _JobOverlap:
    """The times in which jobs ran, to compute for how long a job ran alone."""

    def __init__(self, jobs: Iterable[_FinishedJob]) -> None:
        self._spans = sorted((job.start, job.end, job.job.id) for job in jobs)
        self._starts = [start for start, _, _ in self._spans]
        # The two latest ends among the first k spans, with their jobs: one of them may be the job itself.
        self._latest: list[tuple[tuple[datetime, int], ...]] = [()]
        for _, end, job_id in self._spans:
            self._latest.append(tuple(sorted((*self._latest[-1], (end, job_id)), reverse=True)[:2]))

    def exclusive_seconds(self, job: _FinishedJob) -> float:
        """Returns the seconds of the job in which no other one ran."""
        first = bisect_left(self._starts, job.start)
        earlier = [end for end, job_id in self._latest[first] if job_id != job.job.id]
        exclusive, covered_to = 0.0, max([job.start, *earlier[:1]])
        # By index: a slice would copy the spans for each job.
        for index in range(first, len(self._spans)):
            begin, stop, job_id = self._spans[index]
            if begin >= job.end or covered_to >= job.end:
                break
            if job_id != job.job.id:
                exclusive += max((begin - covered_to).total_seconds(), 0.0)
                covered_to = max(covered_to, stop)
        return exclusive + max((job.end - covered_to).total_seconds(), 0.0)
