"""What the tables say to be missing, of many repositories with one question each.

Completeness of the figures of a scope and a window, read once for a request or a page.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import BindParameter, and_, bindparam, func, select
from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from db.enums import BackfillPhase, GapState, Status
from db.models import Backfill, Heartbeat, Repository, Run, RunGap, Workflow
from db.repositories.repository_queries import RepositoryRow, TargetRow, list_repositories, unread_targets
from db.sql import read
from health.completeness.gaps import (
    Completeness,
    Gap,
    History,
    Missing,
    NumberHoles,
    Unfilled,
    in_window,
    known_gaps,
    noted_gaps,
)

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


@dataclass(frozen=True)
class Collected:
    """What is known of all repositories, monitored or not, whatever the window: read once for a request or a page.
    `missing` by repository id, without runs that lack their jobs."""

    repositories: list[RepositoryRow]
    unread: list[TargetRow]
    missing: Mapping[int, Missing]


# Where a session keeps it: the key is there, with null, in sessions that ask more than once and end soon.
COLLECTED = "collected"


def collected(session: Session) -> Collected:
    rows = list_repositories(session, monitored_only=False)
    missing = find_lasting(session)
    return Collected(rows, unread_targets(session, [row.repo for row in rows if row.monitored]), missing)


def completeness(session: Session, scope: Scope, window: Window | None = None) -> Completeness:
    """Complete since the latest such time of the scope's repositories; synced at the earliest. With a window only
    gaps that may be about its runs."""
    known, named = collected_once(session), frozenset(scope.repos)
    rows = [row for row in known.repositories if (row.repo in named if named else row.monitored)]
    rows = [row for row in rows if row.collectable]
    since = [row.complete_since for row in rows]
    synced = [row.synced_at for row in rows]
    unfilled = find_unfilled(session, [row.id for row in rows], window)
    gaps = [
        gap for row in rows
        for gap in _gaps(row, replace(known.missing.get(row.id, Missing()), unfilled=unfilled.get(row.id)))
    ]  # fmt: skip
    mine = {row.repo.lower() for row in rows}
    gaps += [
        Gap(target.name, "unreadable", target.error or "")
        for target in known.unread
        if target.name.lower() not in mine and (not named or target.name in named)
    ]
    return Completeness(
        complete_since=max((time for time in since if time), default=None) if all(since) else None,
        synced_at=min((time for time in synced if time), default=None) if all(synced) else None,
        gaps=in_window(gaps, window) if window else tuple(gaps),
    )


def collected_once(session: Session) -> Collected:
    """From the session where it is kept there."""
    found = session.info.get(COLLECTED)
    if isinstance(found, Collected):
        return found
    found = collected(session)
    if COLLECTED in session.info:
        session.info[COLLECTED] = found
    return found


@contextmanager
def one_reading(session: Session) -> Iterator[None]:
    """What is known of all repositories is read once within it, where the session does not keep it anyway."""
    if COLLECTED in session.info:
        yield
        return
    session.info[COLLECTED] = None
    try:
        yield
    finally:
        del session.info[COLLECTED]


def _gaps(row: RepositoryRow, missing: Missing) -> tuple[Gap, ...]:
    return known_gaps(row.repo, row.error, row.synced_at, noted_gaps(row.repo, row.gaps), missing)
