"""What the tables say to be missing, of many repositories with one question each."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import BindParameter, and_, bindparam, func, select
from sqlalchemy.orm import Session

from db.metrics.ledger import History, Missing, NumberHoles, Unfilled
from db.metrics.window import Window
from db.models import Backfill, Heartbeat, Repository, Run, RunGap, Workflow
from db.queries.reading import read
from db.vocabulary import BackfillPhase, GapState, Status

# Jobs are fetched within seconds of a run's end; until then nothing is called missing.
_ON_THEIR_WAY = timedelta(minutes=2)


_IDS: BindParameter[Sequence[int]] = bindparam("ids", expanding=True)
_BACKFILLS = (
    select(
        Backfill.repository_id, Backfill.since, Backfill.until, Backfill.cursor, Backfill.phase, Backfill.runs_done,
        Backfill.runs_expected, Backfill.started_at,
    )
    .where(Backfill.phase != BackfillPhase.DONE)
    .order_by(Backfill.until.desc(), Backfill.since.desc())
)  # fmt: skip
_ALL_HOLES = (
    select(
        RunGap.repository_id, RunGap.workflow_id, Workflow.name, RunGap.state, func.count(),
        func.sum(RunGap.last_number - RunGap.first_number + 1), func.min(RunGap.first_number),
        func.max(RunGap.last_number), func.min(RunGap.created_after), func.max(RunGap.created_before),
    )
    .join(
        Workflow,
        and_(Workflow.repository_id == RunGap.repository_id, Workflow.id == RunGap.workflow_id),
        isouter=True,
    )
    .where(RunGap.repository_id.in_(select(Repository.id)))
    .group_by(RunGap.repository_id, RunGap.workflow_id, Workflow.name, RunGap.state)
    .order_by(RunGap.repository_id, RunGap.workflow_id, RunGap.state)
)  # fmt: skip
_OPEN_HOLES = _ALL_HOLES.where(RunGap.state == GapState.OPEN)
# The offset keeps the two questions apart: in one, SQLite takes an index that has it read every run there is.
_PENDING = (
    select(Run.repository_id, Run.status, Run.created_at, Run.updated_at)
    .where(Run.details_pending, Run.repository_id.in_(_IDS))
    .offset(0)
    .subquery()
    .c
)
_UNFILLED = (
    select(_PENDING.repository_id, func.count(), func.min(_PENDING.created_at), func.max(_PENDING.created_at))
    .where(_PENDING.status == Status.COMPLETED)
    .group_by(_PENDING.repository_id)
)
_SEEN_AT = select(Heartbeat.seen_at).where(Heartbeat.name == "collector")


def find_missing(session: Session, repository_ids: Collection[int], *, absent: bool = False) -> Mapping[int, Missing]:
    """By repository. `absent` adds the run numbers that GitHub does not have."""
    found = dict(find_lasting(session, absent=absent))
    for repository_id, unfilled in find_unfilled(session, repository_ids).items():
        found[repository_id] = replace(found.get(repository_id, Missing()), unfilled=unfilled)
    return defaultdict(Missing, found)


def find_lasting(session: Session, *, absent: bool = False) -> Mapping[int, Missing]:
    """By repository, of all of them, without runs that lack their jobs."""
    histories, holes = _histories(session), _holes(session, absent)
    return {
        repository_id: Missing(tuple(histories.get(repository_id, ())), tuple(holes.get(repository_id, ())))
        for repository_id in {*histories, *holes}
    }


def _histories(session: Session) -> dict[int, list[History]]:
    found: dict[int, list[History]] = defaultdict(list)
    for repository_id, *rest in read(session, _BACKFILLS):
        found[repository_id].append(History(*rest))
    return found


def _holes(session: Session, absent: bool) -> dict[int, list[NumberHoles]]:
    found: dict[int, list[NumberHoles]] = defaultdict(list)
    for repository_id, workflow_id, name, *rest in read(session, _ALL_HOLES if absent else _OPEN_HOLES):
        found[repository_id].append(NumberHoles(name or str(workflow_id), *rest))
    return found


def find_unfilled(session: Session, ids: Collection[int], window: Window | None = None) -> dict[int, Unfilled]:
    """By repository, runs without their jobs that were over for a while when the collector was last seen; with a window
    only its runs."""
    query, seen_at = _UNFILLED, read(session, _SEEN_AT).scalar()
    if seen_at:
        query = query.where(_PENDING.updated_at < seen_at - _ON_THEIR_WAY)
    if window:
        query = query.where(_PENDING.created_at >= window.since, _PENDING.created_at < window.until)
    return {row[0]: Unfilled(*row[1:]) for row in read(session, query, {_IDS.key: list(ids)})}
