"""Jobs of a run by the name that their matrix legs share. Pure.

GitHub names a leg of a matrix after its job and, in brackets, the values of the leg; a job of a reusable workflow is
named after the caller, " / " and the job that is called, and each part may have such brackets
(docs.github.com, "Running variations of jobs in a workflow" and "Reusing workflow configurations")."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from db.definitions.job_times import outcome_of
from db.enums import Outcome

_SEPARATOR = " / "
_OUTCOME_ORDER = (Outcome.FAILURE, Outcome.IN_PROGRESS, Outcome.CANCELLED, Outcome.OTHER, Outcome.SUCCESS)
_RANK: Mapping[str, int] = {outcome: place for place, outcome in enumerate(_OUTCOME_ORDER)}


class NamedJob(Protocol):
    """A job as it is stored."""

    @property
    def name(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def conclusion(self) -> str | None: ...
    @property
    def duration_seconds(self) -> float | None: ...
    @property
    def copied(self) -> bool: ...


JobT = TypeVar("JobT", bound=NamedJob)


@dataclass(frozen=True)
class JobGroup(Generic[JobT]):
    """Legs of one name, the worst first. `slowest` is the longest of the jobs that ran in this attempt; null where no
    duration is known. `failed` counts failed legs."""

    name: str
    jobs: list[JobT]
    failed: int
    slowest: JobT | None


def group_name(name: str) -> str:
    """The name without the values of its matrix: "build (3.11, 2/4)" is "build", and "call (a) / test (b)" is
    "call / test". A name that is nothing else, or whose brackets do not match, stays as it is."""
    opened: list[int] = []
    outer: list[tuple[int, int]] = []
    for place, letter in enumerate(name):
        if letter == "(":
            opened.append(place)
        elif letter == ")":
            if not opened:
                return name
            start = opened.pop()
            if not opened:
                outer.append((start, place + 1))
    if opened:
        return name
    parts, kept = [], 0
    for start, end in outer:
        if start and name[start - 1] == " " and (end == len(name) or name.startswith(_SEPARATOR, end)):
            parts.append(name[kept : start - 1])
            kept = end
    return "".join([*parts, name[kept:]]).strip() or name


def sort_by_outcome(jobs: Sequence[JobT]) -> list[JobT]:
    """Failed ones first, then those that run, were cancelled, ended otherwise, succeeded, were skipped; each kind in
    the given order."""
    return sorted(jobs, key=_rank)


def job_groups(jobs: Sequence[JobT]) -> list[JobGroup[JobT]]:
    """The group with the worst job first, then the one with the slowest."""
    legs: dict[str, list[JobT]] = {}
    for job in jobs:
        legs.setdefault(group_name(job.name), []).append(job)
    groups = [_group(name, listed) for name, listed in legs.items()]
    return sorted(groups, key=lambda group: (_rank(group.jobs[0]), -_seconds(group.slowest)))


def _group(name: str, jobs: list[JobT]) -> JobGroup[JobT]:
    timed = [job for job in jobs if job.duration_seconds is not None and not job.copied]
    failed = sum(outcome_of(job.status, job.conclusion) is Outcome.FAILURE for job in jobs)
    return JobGroup(name, sort_by_outcome(jobs), failed, max(timed, key=_seconds, default=None))


def _rank(job: NamedJob) -> int:
    return _RANK.get(outcome_of(job.status, job.conclusion), len(_RANK))


def _seconds(job: NamedJob | None) -> float:
    return (job.duration_seconds if job else None) or 0.0
