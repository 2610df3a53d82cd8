"""What the tables say to be missing, of many repositories with one question each."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from db.metrics.ledger import History, Missing, NumberHoles, Unfilled
from db.metrics.window import Window
from db.models import Backfill, Heartbeat, Run, RunGap, Workflow
from db.vocabulary import BackfillPhase, GapState, Status

# Jobs are fetched within seconds of a run's end; until then nothing is called missing.
_ON_THEIR_WAY = timedelta(minutes=2)


def find_missing(session: Session, repository_ids: Collection[int], *, absent: bool = False) -> Mapping[int, Missing]:
    """By repository. `absent` adds the run numbers that GitHub does not have."""
    found = dict(find_lasting(session, repository_ids, absent=absent))
    for repository_id, unfilled in find_unfilled(session, repository_ids).items():
        found[repository_id] = replace(found.get(repository_id, Missing()), unfilled=unfilled)
    return defaultdict(Missing, found)


def find_lasting(session: Session, repository_ids: Collection[int], *, absent: bool = False) -> Mapping[int, Missing]:
    """By repository, without runs that lack their jobs."""
    histories, holes = _histories(session, repository_ids), _holes(session, repository_ids, absent)
    return {
        repository_id: Missing(tuple(histories.get(repository_id, ())), tuple(holes.get(repository_id, ())))
        for repository_id in {*histories, *holes}
    }


def _histories(session: Session, ids: Collection[int]) -> dict[int, list[History]]:
    query = (
        select(Backfill)
        .where(Backfill.phase != BackfillPhase.DONE, Backfill.repository_id.in_(list(ids)))
        .order_by(Backfill.until.desc(), Backfill.since.desc())
    )
    found: dict[int, list[History]] = defaultdict(list)
    for row in session.scalars(query):
        found[row.repository_id].append(
            History(row.since, row.until, row.cursor, row.phase, row.runs_done, row.runs_expected, row.started_at)
        )
    return found


def _holes(session: Session, ids: Collection[int], absent: bool) -> dict[int, list[NumberHoles]]:
    named = and_(Workflow.repository_id == RunGap.repository_id, Workflow.id == RunGap.workflow_id)
    query = (
        select(
            RunGap.repository_id, RunGap.workflow_id, Workflow.name, RunGap.state, func.count(),
            func.sum(RunGap.last_number - RunGap.first_number + 1), func.min(RunGap.first_number),
            func.max(RunGap.last_number), func.min(RunGap.created_after), func.max(RunGap.created_before),
        )
        .join(Workflow, named, isouter=True)
        .where(RunGap.repository_id.in_(list(ids)))
        .group_by(RunGap.repository_id, RunGap.workflow_id, Workflow.name, RunGap.state)
        .order_by(RunGap.repository_id, RunGap.workflow_id, RunGap.state)
    )  # fmt: skip
    if not absent:
        query = query.where(RunGap.state == GapState.OPEN)
    found: dict[int, list[NumberHoles]] = defaultdict(list)
    for repository_id, workflow_id, name, *rest in session.execute(query):
        found[repository_id].append(NumberHoles(name or str(workflow_id), *rest))
    return found


def find_unfilled(session: Session, ids: Collection[int], window: Window | None = None) -> dict[int, Unfilled]:
    """By repository, runs without their jobs that were over for a while when the collector was last seen; with a window
    only its runs."""
    # The offset keeps the two questions apart: in one, SQLite takes an index that has it read every run there is.
    pending = (
        select(Run.repository_id, Run.status, Run.created_at, Run.updated_at)
        .where(Run.details_pending, Run.repository_id.in_(list(ids)))
        .offset(0)
        .subquery()
        .c
    )
    query = (
        select(pending.repository_id, func.count(), func.min(pending.created_at), func.max(pending.created_at))
        .where(pending.status == Status.COMPLETED)
        .group_by(pending.repository_id)
    )
    seen_at = session.scalar(select(Heartbeat.seen_at).where(Heartbeat.name == "collector"))
    if seen_at:
        query = query.where(pending.updated_at < seen_at - _ON_THEIR_WAY)
    if window:
        query = query.where(pending.created_at >= window.since, pending.created_at < window.until)
    return {row[0]: Unfilled(*row[1:]) for row in session.execute(query)}
