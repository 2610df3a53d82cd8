"""How workflows stand on the default branch: the one rule behind tables, pages, walls and badges. Pure.

Broken episodes of branches. Pure.

Runs of a workflow on a branch are ordered by when they were created. An episode begins with the first failure after a
success, or with the first known failure, at the completion of that run. It ends at the earliest completion of a success
that was created after it: of several later successes the one that is over first, be it an old one that was re-run.
A success that was over before the failure ends the episode at once, after 0 s. Runs whose completion is unknown do not
count.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from db.enums import Outcome, WorkflowState, is_inactive


class WorkflowStatus(StrEnum):
    """NO_RUNS: nothing completed as success or failure there in the time that is looked back. CATCHING_UP: what is
    stored does not show a failure, and newer or further runs are still to be read, so that it is not known."""

    FAILING = "failing"
    CATCHING_UP = "catching_up"
    PASSING = "passing"
    NO_RUNS = "no_runs"
    DISABLED = "disabled"
    DELETED = "deleted"
    ARCHIVED = "archived"

    @property
    def is_inactive(self) -> bool:
        """The workflow cannot run, so that its last result says nothing about now."""
        return self in (WorkflowStatus.DISABLED, WorkflowStatus.DELETED, WorkflowStatus.ARCHIVED)


@dataclass(frozen=True)
class BranchStatus:
    """`branch` is the default branch of the repository."""

    repo: str
    workflow_id: int
    branch: str
    status: WorkflowStatus


def workflow_status(outcome: str | None, workflow_state: str, *, archived: bool, catching_up: bool) -> WorkflowStatus:
    """`outcome` is that of the last run on the default branch that succeeded or failed; null where none did.
    `archived`: the repository is."""
    if archived or is_inactive(workflow_state):
        if archived:
            return WorkflowStatus.ARCHIVED
        return WorkflowStatus.DELETED if workflow_state == WorkflowState.DELETED else WorkflowStatus.DISABLED
    if outcome == Outcome.FAILURE:
        return WorkflowStatus.FAILING
    if catching_up:
        return WorkflowStatus.CATCHING_UP
    return WorkflowStatus.PASSING if outcome == Outcome.SUCCESS else WorkflowStatus.NO_RUNS


def combined_status(statuses: Iterable[WorkflowStatus], *, catching_up: bool) -> WorkflowStatus:
    """Of several workflows the one that counts most: a failure, then what is not known, then a success. `catching_up`:
    workflows that nobody has seen yet may follow."""
    listed = set(statuses)
    if catching_up:
        listed.add(WorkflowStatus.CATCHING_UP)
    return next((each for each in WorkflowStatus if each in listed), WorkflowStatus.NO_RUNS)


# Repository, workflow, branch.
Branch = tuple[int, int, str | None]


class DecidedRun(NamedTuple):
    """A run that succeeded or failed."""

    repository_id: int
    workflow_id: int
    branch: str | None
    id: int
    event: str
    actor: str | None
    created_at: datetime
    completed_at: datetime | None
    outcome: str


@dataclass(frozen=True)
class FailureEpisode:
    """Began with the failure of the run `first`, at `failed_at`; open while `recovered_at` is null."""

    first: DecidedRun
    failed_at: datetime
    recovered_at: datetime | None

    @property
    def branch(self) -> Branch:
        return self.first.repository_id, self.first.workflow_id, self.first.branch

    @property
    def seconds(self) -> float | None:
        return None if self.recovered_at is None else seconds_between(self.failed_at, self.recovered_at)

    def with_recovery(self, recovered_at: datetime | None) -> "FailureEpisode":
        """Where a success that was created later ended at `moment`."""
        return self if recovered_at is None else replace(self, recovered_at=earliest(self.recovered_at, recovered_at))


def episodes(runs: Iterable[DecidedRun], failing_before: Collection[Branch] = ()) -> list[FailureEpisode]:
    """Episodes that begin among `runs` (ascending by created_at and id), by the successes among them; in the order of
    their first runs. Branches in `failing_before` were already broken: their first failures here belong to an episode
    that began earlier."""
    branches: dict[Branch, list[DecidedRun]] = defaultdict(list)
    for run in runs:
        if run.completed_at is not None:
            branches[run.repository_id, run.workflow_id, run.branch].append(run)
    known = set(failing_before)
    found = [each for key, listed in branches.items() for each in _branch_episodes(listed, failing=key in known)]
    return sorted(found, key=lambda each: (each.first.created_at, each.first.id))


def with_later_successes(
    episodes: Sequence[FailureEpisode], completions: Mapping[Branch, datetime | None]
) -> list[FailureEpisode]:
    """`later`: of branches, the earliest completion of a success that was created after all of these episodes began."""
    return [each.with_recovery(completions.get(each.branch)) for each in episodes]


def earliest(first: datetime | None, second: datetime | None) -> datetime | None:
    return second if first is None else first if second is None else min(first, second)


def seconds_between(failed_at: datetime, recovered_at: datetime) -> float:
    return max((recovered_at - failed_at).total_seconds(), 0.0)


def _branch_episodes(runs: Sequence[DecidedRun], *, failing: bool) -> Iterator[FailureEpisode]:
    recoveries: list[datetime | None] = []
    recovered_at: datetime | None = None
    for run in reversed(runs):
        recoveries.append(recovered_at)
        if run.outcome == Outcome.SUCCESS:
            recovered_at = earliest(recovered_at, run.completed_at)
    for run, end in zip(runs, reversed(recoveries), strict=True):
        if run.outcome == Outcome.FAILURE and not failing and run.completed_at is not None:
            yield FailureEpisode(run, run.completed_at, end)
        failing = run.outcome == Outcome.FAILURE
