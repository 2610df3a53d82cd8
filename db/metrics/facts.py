"""Folding runs into what can be added up: numerators, denominators and samples, never percentages."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from db.vocabulary import Outcome


class RunFact(NamedTuple):
    """What one run contributes. Times in UTC, spans in seconds, cost in US dollars."""

    repository_id: int
    workflow_id: int
    branch: str | None
    on_default_branch: bool
    created_at: datetime
    completed_at: datetime | None
    outcome: str
    attempt: int
    duration_seconds: float | None
    queue_seconds: float | None
    flaky: bool
    compute_seconds: float
    wasted_seconds: float
    cost_usd: float


@dataclass
class Facts:
    """Sums and samples of a set of runs; two of them could be merged without loss."""

    outcomes: dict[str, int] = field(default_factory=dict)
    total: int = 0
    rerun: int = 0
    flaky: int = 0
    durations: list[float] = field(default_factory=list)
    queues: list[float] = field(default_factory=list)
    compute_seconds: float = 0.0
    wasted_seconds: float = 0.0
    cost_usd: float = 0.0

    def add(self, run: RunFact) -> None:
        self.total += 1
        self.outcomes[run.outcome] = self.outcomes.get(run.outcome, 0) + 1
        if run.outcome != Outcome.IN_PROGRESS:
            self.rerun += run.attempt > 1
        self.flaky += run.flaky
        self.compute_seconds += run.compute_seconds
        self.wasted_seconds += run.wasted_seconds
        self.cost_usd += run.cost_usd
        if run.outcome in (Outcome.SUCCESS, Outcome.FAILURE):
            if run.duration_seconds is not None:
                self.durations.append(run.duration_seconds)
            if run.queue_seconds is not None:
                self.queues.append(run.queue_seconds)


def fold(runs: Iterable[RunFact]) -> Facts:
    facts = Facts()
    for run in runs:
        facts.add(run)
    return facts
