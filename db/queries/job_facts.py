"""Jobs and steps of the newest runs of a workflow, for the figures of db.metrics.job_figures."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Text, cast, select
from sqlalchemy.orm import Session

from db.metrics.job_figures import JobFact, StepFact
from db.metrics.outcome import DECIDED
from db.metrics.scope import Scope
from db.metrics.window import Window
from db.models import Job, Repository, Run
from db.queries.filters import in_scope, in_window

# So many runs a question; jobs are read until there are enough, however many a run has.
_RUNS_AT_ONCE = 100
_ENOUGH_JOBS = 20_000
_ENOUGH_WITH_STEPS = 2_000
_Fact = TypeVar("_Fact", JobFact, StepFact)
_STEPS: list[Any] = [getattr(Job, name) for name in StepFact._fields]
# One of few values, made of JSON once each.
_JOBS: list[Any] = [*(getattr(Job, name) for name in JobFact._fields[:-1]), cast(Job.labels, Text)]


@dataclass(frozen=True)
class NewestRuns:
    """Ids, newest first; `decided` are those that succeeded or failed, `free` those for which GitHub bills nothing."""

    repository_id: int
    private: bool
    ids: list[int]
    decided: frozenset[int]
    free: frozenset[int]


def newest_runs(session: Session, repo: str, scope: Scope, window: Window, limit: int) -> NewestRuns | None:
    """Null where the repository is not known."""
    found = session.execute(select(Repository.id, Repository.private).where(Repository.full_name == repo)).first()
    if found is None:
        return None
    query = select(Run.id, Run.outcome, Run.is_free).where(*in_scope(session, scope), *in_window(window))
    rows = session.execute(query.order_by(Run.created_at.desc(), Run.id.desc()).limit(limit)).all()
    decided = frozenset(row.id for row in rows if row.outcome in DECIDED)
    free = frozenset(row.id for row in rows if row.is_free)
    return NewestRuns(found.id, found.private, [row.id for row in rows], decided, free)


def read_jobs(session: Session, runs: NewestRuns) -> tuple[list[JobFact], int]:
    """Newest runs first, and of how many runs they are."""
    rows, number = _read(session, runs, _JOBS, _ENOUGH_JOBS)
    return [JobFact._make((*row[:-1], _labels(row[-1]))) for row in rows], number


def read_steps(session: Session, runs: NewestRuns) -> tuple[list[StepFact], int]:
    """Newest runs first, and of how many runs they are."""
    rows, number = _read(session, runs, _STEPS, _ENOUGH_WITH_STEPS)
    return [StepFact._make(row) for row in rows], number


def _read(session: Session, runs: NewestRuns, columns: Sequence[Any], enough: int) -> tuple[list[Any], int]:
    place = {run_id: number for number, run_id in enumerate(runs.ids)}
    found: list[Any] = []
    read = 0
    for some in _portions(runs.ids):
        query = select(*columns).where(Job.repository_id == runs.repository_id, Job.run_id.in_(some))
        # Past the unit of work: thousands of rows are read for a page.
        rows = session.connection().execute(query).all()
        found += sorted(rows, key=lambda row: place[row.run_id])
        read += len(some)
        if len(found) >= enough:
            break
    return found, read


def _portions(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for first in range(0, len(ids), _RUNS_AT_ONCE):
        yield ids[first : first + _RUNS_AT_ONCE]


@lru_cache(maxsize=1000)
def _labels(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))
