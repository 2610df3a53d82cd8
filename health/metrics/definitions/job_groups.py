"""Jobs of a run, grouped by the name that the jobs of a matrix share. Pure.

GitHub names a job of a matrix "job (value, value)". It names a job of a reusable workflow "caller / job", and each part
may have values in brackets (docs.github.com, "Running variations of jobs in a workflow" and "Reusing workflow
configurations").
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Generic, Protocol, TypeVar

from db.definitions.attempts import outcome_of
from db.enums import Outcome

_SEPARATOR = " / "
# With more names, a table of the jobs of a workflow has one row for the jobs of a matrix.
MAX_JOB_NAMES = 300
_OUTCOME_ORDER = (Outcome.FAILURE, Outcome.IN_PROGRESS, Outcome.CANCELLED, Outcome.OTHER, Outcome.SUCCESS)
_RANK: Mapping[str, int] = {outcome: rank for rank, outcome in enumerate(_OUTCOME_ORDER)}


class NamedJob(Protocol):
    """The attributes of a stored job."""

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
    """Jobs of one group name, in the order of sort_by_outcome. `slowest` is the longest job that ran in this attempt,
    null where no duration is known. `failed` is the number of failed jobs."""

    name: str
    jobs: list[JobT]
    failed: int
    slowest: JobT | None


def group_name(name: str) -> str:
    """Removes the values of the matrix: "build (3.11, 2/4)" becomes "build", "call (a) / test (b)" becomes
    "call / test". Returns the name as it is where nothing else would remain, or where brackets do not match."""
    parts, position = [], 0
    for start, end in _matrix_brackets(name):
        parts.append(name[position : start - 1])
        position = end
    return "".join([*parts, name[position:]]).strip() or name


def matrix_values(name: str) -> tuple[str, ...]:
    """The values of the matrix in the name of a job, in their order: "3.11" and "2/4" of "build (3.11, 2/4)"."""
    brackets = _matrix_brackets(name) if group_name(name) != name else []
    return tuple(value.strip() for start, end in brackets for value in name[start + 1 : end - 1].split(", "))


def _matrix_brackets(name: str) -> list[tuple[int, int]]:
    """The start and the end of each part in brackets that ends a part of the name; none if brackets do not match."""
    open_brackets: list[int] = []
    outer: list[tuple[int, int]] = []
    for index, letter in enumerate(name):
        if letter == "(":
            open_brackets.append(index)
        elif letter == ")":
            if not open_brackets:
                return []
            start = open_brackets.pop()
            if not open_brackets:
                outer.append((start, index + 1))
    if open_brackets:
        return []
    return [
        (start, end)
        for start, end in outer
        if start and name[start - 1] == " " and (end == len(name) or name.startswith(_SEPARATOR, end))
    ]


def row_names(names: Iterable[str]) -> Callable[[str], str]:
    """Returns the function from the name of a job to the name of its row in a table of the jobs of a workflow: the name
    itself, or its group name if there are more than MAX_JOB_NAMES different names."""
    return str if len(set(names)) <= MAX_JOB_NAMES else cache(group_name)


def sort_by_outcome(jobs: Sequence[JobT]) -> list[JobT]:
    """Sorts by outcome: failed, in progress, cancelled, other, succeeded, skipped. Jobs of one outcome keep their
    order."""
    return sorted(jobs, key=_rank)


def job_groups(jobs: Sequence[JobT]) -> list[JobGroup[JobT]]:
    """Returns the groups by the outcome of their first job, those of one outcome by their slowest job."""
    by_name: dict[str, list[JobT]] = {}
    for job in jobs:
        by_name.setdefault(group_name(job.name), []).append(job)
    groups = [_group(name, listed) for name, listed in by_name.items()]
    return sorted(groups, key=lambda group: (_rank(group.jobs[0]), -_seconds(group.slowest)))


def _group(name: str, jobs: list[JobT]) -> JobGroup[JobT]:
    timed = [job for job in jobs if job.duration_seconds is not None and not job.copied]
    failed = sum(outcome_of(job.status, job.conclusion) is Outcome.FAILURE for job in jobs)
    return JobGroup(name, sort_by_outcome(jobs), failed, max(timed, key=_seconds, default=None))


def _rank(job: NamedJob) -> int:
    return _RANK.get(outcome_of(job.status, job.conclusion), len(_RANK))


def _seconds(job: NamedJob | None) -> float:
    return (job.duration_seconds if job else None) or 0.0
