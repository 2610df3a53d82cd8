"""The chain of jobs that decided how long a run took. Pure.

GitHub's API does not say which job needs which, so the chain is read from the times: a job that needs others is created
when the last of them ends (docs.github.com, "jobs.<job_id>.needs"). Going back from the job that ended last, the one
before it in the chain is the one whose end came latest before it was created, within what GitHub takes to create a job.
A job that was created with the run was not waiting for another one, however long it waited for a runner. The longest
path through timed activities is that of J. E. Kelley, "Critical-Path Planning and Scheduling: Mathematical Basis",
Operations Research 9 (1961)."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from db.vocabulary import Conclusion

# GitHub writes whole seconds, its clocks disagree by one, and it needs a few seconds to create the next job.
_EARLY, _LATE = timedelta(seconds=2), timedelta(seconds=30)


class Timed(Protocol):
    """A job as it is stored."""

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
class Link:
    """It waited `queue_seconds` for a runner, then ran `seconds`, from `start` to `end`. `exclusive_seconds`: how long
    no other job of the run was running meanwhile, so what the run would have won if this job had taken no time."""

    job_id: int
    name: str
    start: datetime
    end: datetime
    queue_seconds: float
    seconds: float
    exclusive_seconds: float


@dataclass(frozen=True)
class _Ended:
    job: Timed
    created: datetime
    start: datetime
    end: datetime


def critical_path(jobs: Iterable[Timed]) -> list[Link]:
    """Of the jobs of one attempt, the first of the chain first; empty where none has ended. Copies, phantoms,
    skipped jobs and those that no runner took do not count."""
    ended = sorted(_own(jobs), key=lambda each: (each.end, each.job.id))
    if not ended:
        return []
    ends = [each.end for each in ended]
    chain: list[_Ended] = []
    place = len(ended) - 1
    while place >= 0 and (not chain or ends[place] >= chain[-1].created - _LATE):
        chain.append(ended[place])
        # Strictly down the list, so that it comes to an end whatever the clocks say.
        place = min(bisect_right(ends, ended[place].created + _EARLY) - 1, place - 1)
    running = _Running(ended)
    return [_link(each, running) for each in reversed(chain)]


def _own(jobs: Iterable[Timed]) -> Iterable[_Ended]:
    for job in jobs:
        start, end = job.started_at, job.completed_at
        counts = not job.copied and not job.phantom and job.conclusion != Conclusion.SKIPPED and job.has_started
        if counts and start is not None and end is not None and start <= end:
            yield _Ended(job, min(job.created_at or start, start), start, end)


def _link(each: _Ended, running: "_Running") -> Link:
    job = each.job
    queued, ran = (each.start - each.created).total_seconds(), (each.end - each.start).total_seconds()
    return Link(job.id, job.name, each.start, each.end, queued, ran, running.alone(each))


class _Running:
    """When which job ran, to ask how long one of them ran alone."""

    def __init__(self, jobs: Iterable[_Ended]) -> None:
        self._spans = sorted((each.start, each.end, each.job.id) for each in jobs)
        self._starts = [start for start, _, _ in self._spans]
        # The two latest ends among the spans up to each place, with their jobs: one of them may be the one in question.
        self._latest: list[tuple[tuple[datetime, int], ...]] = [()]
        for _, end, job_id in self._spans:
            self._latest.append(tuple(sorted((*self._latest[-1], (end, job_id)), reverse=True)[:2]))

    def alone(self, each: _Ended) -> float:
        """Seconds of its span in which none of the others ran."""
        first = bisect_left(self._starts, each.start)
        earlier = [end for end, job_id in self._latest[first] if job_id != each.job.id]
        alone, reached = 0.0, max([each.start, *earlier[:1]])
        for place in range(first, len(self._spans)):
            begin, stop, job_id = self._spans[place]
            if begin >= each.end or reached >= each.end:
                break
            if job_id != each.job.id:
                alone += max((begin - reached).total_seconds(), 0.0)
                reached = max(reached, stop)
        return alone + max((each.end - reached).total_seconds(), 0.0)
