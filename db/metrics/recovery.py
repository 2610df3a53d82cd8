"""Broken episodes: from the first failure on a branch of a workflow to the next success there."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from db.metrics.facts import RunFact
from db.metrics.formulas import Recovery, mean, percentile
from db.vocabulary import Outcome


@dataclass(frozen=True)
class Episode:
    """Began with the run created at `created_at`; open while `seconds` is null."""

    repository_id: int
    workflow_id: int
    branch: str | None
    created_at: datetime
    failed_at: datetime
    seconds: float | None


@dataclass(frozen=True)
class Broken:
    """An episode that is not over: when it began, for the walk that goes on from there."""

    created_at: datetime
    failed_at: datetime


def episodes(runs: Iterable[RunFact], failing_before: frozenset[tuple[int, int, str | None]]) -> list[Episode]:
    """Episodes that begin among `runs` (ascending created_at). A key (repository, workflow, branch) in
    `failing_before` was already broken: its first failures here belong to an episode that began earlier."""
    found: list[Episode] = []
    broken: dict[tuple[int, int, str | None], Broken | None] = dict.fromkeys(failing_before)
    for run in runs:
        key = (run.repository_id, run.workflow_id, run.branch)
        if run.completed_at is None:
            continue
        if run.outcome == Outcome.FAILURE:
            broken.setdefault(key, Broken(run.created_at, run.completed_at))
        elif run.outcome == Outcome.SUCCESS and key in broken:
            began = broken.pop(key)
            if began:
                over = max((run.completed_at - began.failed_at).total_seconds(), 0.0)
                found.append(Episode(*key, began.created_at, began.failed_at, over))
    found.extend(Episode(*key, began.created_at, began.failed_at, None) for key, began in broken.items() if began)
    return found


def recovery(found: Iterable[Episode]) -> Recovery:
    listed = list(found)
    over = sorted(episode.seconds for episode in listed if episode.seconds is not None)
    return Recovery(mean=mean(over), p50=percentile(over, 0.5), open=len(listed) - len(over))
