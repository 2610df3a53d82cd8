"""Decided runs of default branches as columns: what the detectors of changes look at."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import case, select
from sqlalchemy.orm import Session

from db.insights.sequences import Sequences
from db.metrics.distribution import Ints
from db.metrics.outcome import DECIDED
from db.metrics.scope import Scope
from db.models import Run
from db.queries.filters import in_scope
from db.types import epoch_seconds
from db.vocabulary import Outcome

# Repository and workflow.
Key = tuple[int, int]
_AT_ONCE = 20_000


@dataclass(frozen=True)
class DecidedRuns:
    """`keys` name the workflows of `runs`, `ids` its rows."""

    keys: list[Key]
    ids: Ints
    runs: Sequences


def read_decided(session: Session, scope: Scope, since: datetime, until: datetime) -> DecidedRuns:
    """Runs created in [since, until) on the default branch, by one statement: 48 bytes a run are held. Sorted here:
    numbers in columns sort ten times as fast as rows in a database."""
    parts = [np.zeros((3, 0), dtype=np.int64)]
    measures = [np.zeros((3, 0))]
    for rows in _portions(session, scope, since, until):
        repositories, workflows, ids, *rest = zip(*rows, strict=True)
        parts.append(np.asarray((repositories, workflows, ids), dtype=np.int64))
        # Durations that are not known become NaN.
        measures.append(np.asarray(rest, dtype=np.float64))
    repository, workflow, run = np.concatenate(parts, axis=1)
    created, failed, seconds = np.concatenate(measures, axis=1)
    order = np.lexsort((run, created, workflow, repository))
    repository, workflow = repository[order], workflow[order]
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (repository[1:] != repository[:-1]) | (workflow[1:] != workflow[:-1])
    keys = list(zip(repository[new].tolist(), workflow[new].tolist(), strict=True))
    starts = np.append(np.nonzero(new)[0], len(order)).astype(np.int64)
    return DecidedRuns(keys, run[order], Sequences(starts, created[order], failed[order] > 0, seconds[order]))


def _portions(session: Session, scope: Scope, since: datetime, until: datetime) -> Iterator[Any]:
    failed = case((Run.outcome == Outcome.FAILURE, 1), else_=0)
    query = (
        select(
            Run.repository_id, Run.workflow_id, Run.id, epoch_seconds(Run.created_at), failed, Run.duration_seconds
        )
        .where(
            *in_scope(session, scope), Run.on_default_branch, Run.outcome.in_(DECIDED), Run.created_at >= since,
            Run.created_at < until,
        )
        .execution_options(yield_per=_AT_ONCE)
    )  # fmt: skip
    # Past the unit of work: hundreds of thousands of rows may be read.
    yield from session.connection().execute(query).partitions()
