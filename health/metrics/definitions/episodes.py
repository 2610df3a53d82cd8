"""Status of workflows on the default branch, and broken episodes of branches. Pure.

The runs of a workflow on a branch are ordered by their creation. An episode begins at the completion of the first
failure after a success, or of the first known failure. It ends at the earliest completion of a success that was created
after that failure; this may be an old run that was re-run. A success that completed before the failure ends the episode
after 0 s. Runs whose completion is unknown do not count.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from db.enums import Outcome, WorkflowState, is_inactive


class WorkflowStatus(StrEnum):
    """The order is that of combined_status. NO_RUNS: no completed run in the look-back time. CATCHING_UP: the stored
    runs do not show a failure, but runs are still to be read, so that the status is not known."""

    FAILING = "failing"
    CATCHING_UP = "catching_up"
    PASSING = "passing"
    NO_RUNS = "no_runs"
    DISABLED = "disabled"
    DELETED = "deleted"
    ARCHIVED = "archived"

    @property
    def is_inactive(self) -> bool:
        """True where the workflow cannot run, so that its last outcome does not describe the present."""
        return self in (WorkflowStatus.DISABLED, WorkflowStatus.DELETED, WorkflowStatus.ARCHIVED)


@dataclass(frozen=True)
class BranchStatus:
    """`branch` is the default branch of the repository."""

    repo: str
    workflow_id: int
    branch: str
    status: WorkflowStatus


def workflow_status(outcome: str | None, workflow_state: str, *, archived: bool, catching_up: bool) -> WorkflowStatus:
    """Takes the outcome of the last completed run on the default branch, null without one. `archived` is that of the
    repository, `catching_up` whether its runs are still being read."""
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
    """Returns the most important status of several workflows: failing, then catching up, then passing. `catching_up`:
    further workflows may not be stored yet."""
    present = set(statuses)
    if catching_up:
        present.add(WorkflowStatus.CATCHING_UP)
    return next((status for status in WorkflowStatus if status in present), WorkflowStatus.NO_RUNS)


# Repository id, workflow id, name of the branch.
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
class Episode:
    """Begins at `failed_at` with the failure of the run `first`; open while `recovered_at` is null."""

    first: DecidedRun
    failed_at: datetime
    recovered_at: datetime | None

    @property
    def branch(self) -> Branch:
        return self.first.repository_id, self.first.workflow_id, self.first.branch

    @property
    def seconds(self) -> float | None:
        """The duration in seconds, null while the episode is open."""
        return None if self.recovered_at is None else seconds_between(self.failed_at, self.recovered_at)

    def with_recovery(self, recovered_at: datetime | None) -> "Episode":
        """Returns the episode with a later success that completed at `recovered_at`; null: there is none."""
        return self if recovered_at is None else replace(self, recovered_at=earliest(self.recovered_at, recovered_at))


def episodes(runs: Iterable[DecidedRun], failing_before: Collection[Branch] = ()) -> list[Episode]:
    """Returns the episodes that begin among `runs` (ascending by created_at and id), in the order of their first runs.
    Branches in `failing_before` were already broken: their first failures belong to an episode that began earlier."""
    branches: dict[Branch, list[DecidedRun]] = defaultdict(list)
    for run in runs:
        if run.completed_at is not None:
            branches[run.repository_id, run.workflow_id, run.branch].append(run)
    broken = set(failing_before)
    unsorted = [
        episode for key, listed in branches.items() for episode in _branch_episodes(listed, failing=key in broken)
    ]
    return sorted(unsorted, key=lambda episode: (episode.first.created_at, episode.first.id))


def with_later_successes(episodes: Sequence[Episode], completions: Mapping[Branch, datetime | None]) -> list[Episode]:
    """`completions` has, by branch, the earliest completion of a success that was created after all these episodes
    began."""
    return [episode.with_recovery(completions.get(episode.branch)) for episode in episodes]


def earliest(first: datetime | None, second: datetime | None) -> datetime | None:
    return second if first is None else first if second is None else min(first, second)


def seconds_between(failed_at: datetime, recovered_at: datetime) -> float:
    return max((recovered_at - failed_at).total_seconds(), 0.0)


def _branch_episodes(runs: Sequence[DecidedRun], *, failing: bool) -> Iterator[Episode]:
    recoveries: list[datetime | None] = []
    recovered_at: datetime | None = None
    for run in reversed(runs):
        recoveries.append(recovered_at)
        if run.outcome == Outcome.SUCCESS:
            recovered_at = earliest(recovered_at, run.completed_at)
    for run, end in zip(runs, reversed(recoveries), strict=True):
        if run.outcome == Outcome.FAILURE and not failing and run.completed_at is not None:
            yield Episode(run, run.completed_at, end)
        failing = run.outcome == Outcome.FAILURE
