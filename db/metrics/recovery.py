"""Broken episodes: from the first failure on a branch of a workflow to the next success there."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from db.vocabulary import Outcome


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
    """Began with the failure of the run `first`; open while `seconds` is null."""

    first: DecidedRun
    seconds: float | None


def episodes(runs: Iterable[DecidedRun], failing_before: frozenset[tuple[int, int, str | None]]) -> list[Episode]:
    """Episodes that begin among `runs` (ascending created_at). A key (repository, workflow, branch) in
    `failing_before` was already broken: its first failures here belong to an episode that began earlier."""
    found: list[Episode] = []
    broken: dict[tuple[int, int, str | None], DecidedRun | None] = dict.fromkeys(failing_before)
    for run in runs:
        key = (run.repository_id, run.workflow_id, run.branch)
        if run.completed_at is None:
            continue
        if run.outcome == Outcome.FAILURE:
            broken.setdefault(key, run)
        elif run.outcome == Outcome.SUCCESS and key in broken:
            first = broken.pop(key)
            if first and first.completed_at:
                found.append(Episode(first, seconds_between(first.completed_at, run.completed_at)))
    found.extend(Episode(first, None) for first in broken.values() if first)
    return found


def seconds_between(failed_at: datetime, recovered_at: datetime) -> float:
    return max((recovered_at - failed_at).total_seconds(), 0.0)
