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
from db.repositories.repository_queries import RepositoryRow, TargetRow, list_repositories, unresolved_targets
from db.sql import execute
from health.completeness.gaps import (
    BackfillStatus,
    Completeness,
    Gap,
    MissingData,
    RunNumberGaps,
    RunsWithoutJobs,
    gaps_in_window,
    list_gaps,
    recorded_gaps,
)

# Jobs are fetched within seconds of a run's end; until then nothing is called missing.
_FETCH_DELAY = timedelta(minutes=2)


_IDS: BindParameter[Sequence[int]] = bindparam("ids", expanding=True)
_BACKFILLS = (
    select(
        Backfill.repository_id, Backfill.since, Backfill.until, Backfill.cursor, Backfill.phase, Backfill.runs_done,
        Backfill.runs_expected, Backfill.started_at,
    )
    .where(Backfill.phase != BackfillPhase.DONE)
    .order_by(Backfill.until.desc(), Backfill.since.desc())
)  # fmt: skip
_ALL_NUMBER_GAPS = (
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
_OPEN_NUMBER_GAPS = _ALL_NUMBER_GAPS.where(RunGap.state == GapState.OPEN)
# The offset keeps the two questions apart: in one, SQLite takes an index that has it read every run there is.
_PENDING = (
    select(Run.repository_id, Run.status, Run.created_at, Run.updated_at)
    .where(Run.details_pending, Run.repository_id.in_(_IDS))
    .offset(0)
    .subquery()
    .c
)
_RUNS_WITHOUT_JOBS = (
    select(_PENDING.repository_id, func.count(), func.min(_PENDING.created_at), func.max(_PENDING.created_at))
    .where(_PENDING.status == Status.COMPLETED)
    .group_by(_PENDING.repository_id)
)
_COLLECTOR_SEEN_AT = select(Heartbeat.seen_at).where(Heartbeat.name == "collector")


def find_missing(
    session: Session, repository_ids: Collection[int], *, absent: bool = False
) -> Mapping[int, MissingData]:
    """By repository. `absent` adds the run numbers that GitHub does not have."""
    found = dict(find_backfills_and_number_gaps(session, absent=absent))
    for repository_id, unfilled in find_runs_without_jobs(session, repository_ids).items():
        found[repository_id] = replace(found.get(repository_id, MissingData()), runs_without_jobs=unfilled)
    return defaultdict(MissingData, found)


def find_backfills_and_number_gaps(session: Session, *, absent: bool = False) -> Mapping[int, MissingData]:
    """By repository, of all of them, without runs that lack their jobs."""
    histories, holes = _backfills(session), _number_gaps(session, absent)
    return {
        repository_id: MissingData(tuple(histories.get(repository_id, ())), tuple(holes.get(repository_id, ())))
        for repository_id in {*histories, *holes}
    }


def _backfills(session: Session) -> dict[int, list[BackfillStatus]]:
    found: dict[int, list[BackfillStatus]] = defaultdict(list)
    for repository_id, *rest in execute(session, _BACKFILLS):
        found[repository_id].append(BackfillStatus(*rest))
    return found


def _number_gaps(session: Session, absent: bool) -> dict[int, list[RunNumberGaps]]:
    found: dict[int, list[RunNumberGaps]] = defaultdict(list)
    for repository_id, workflow_id, name, *rest in execute(session, _ALL_NUMBER_GAPS if absent else _OPEN_NUMBER_GAPS):
        found[repository_id].append(RunNumberGaps(name or str(workflow_id), *rest))
    return found


def find_runs_without_jobs(
    session: Session, ids: Collection[int], window: Window | None = None
) -> dict[int, RunsWithoutJobs]:
    """By repository, runs without their jobs that were over for a while when the collector was last seen; with a window
    only its runs."""
    query, seen_at = _RUNS_WITHOUT_JOBS, execute(session, _COLLECTOR_SEEN_AT).scalar()
    if seen_at:
        query = query.where(_PENDING.updated_at < seen_at - _FETCH_DELAY)
    if window:
        query = query.where(_PENDING.created_at >= window.since, _PENDING.created_at < window.until)
    return {row[0]: RunsWithoutJobs(*row[1:]) for row in execute(session, query, {_IDS.key: list(ids)})}


@dataclass(frozen=True)
class RepositoryOverview:
    """What is known of all repositories, monitored or not, whatever the window: read once for a request or a page.
    `missing` by repository id, without runs that lack their jobs."""

    repositories: list[RepositoryRow]
    unresolved: list[TargetRow]
    missing: Mapping[int, MissingData]


# Where a session keeps it: the key is there, with null, in sessions that ask more than once and end soon.
OVERVIEW_KEY = "collected"


def read_overview(session: Session) -> RepositoryOverview:
    rows = list_repositories(session, monitored_only=False)
    missing = find_backfills_and_number_gaps(session)
    return RepositoryOverview(rows, unresolved_targets(session, [row.repo for row in rows if row.monitored]), missing)


def completeness(session: Session, scope: Scope, window: Window | None = None) -> Completeness:
    """Complete since the latest such time of the scope's repositories; synced at the earliest. With a window only
    gaps that may be about its runs."""
    known, named = cached_overview(session), frozenset(scope.repos)
    rows = [row for row in known.repositories if (row.repo in named if named else row.monitored)]
    rows = [row for row in rows if row.is_collectable]
    since = [row.complete_since for row in rows]
    synced = [row.synced_at for row in rows]
    unfilled = find_runs_without_jobs(session, [row.id for row in rows], window)
    gaps = [
        gap for row in rows
        for gap in _gaps(row, replace(known.missing.get(row.id, MissingData()), runs_without_jobs=unfilled.get(row.id)))
    ]  # fmt: skip
    mine = {row.repo.lower() for row in rows}
    gaps += [
        Gap(target.name, "unreadable", target.error or "")
        for target in known.unresolved
        if target.name.lower() not in mine and (not named or target.name in named)
    ]
    return Completeness(
        complete_since=max((time for time in since if time), default=None) if all(since) else None,
        synced_at=min((time for time in synced if time), default=None) if all(synced) else None,
        gaps=gaps_in_window(gaps, window) if window else tuple(gaps),
    )


def cached_overview(session: Session) -> RepositoryOverview:
    """From the session where it is kept there."""
    found = session.info.get(OVERVIEW_KEY)
    if isinstance(found, RepositoryOverview):
        return found
    found = read_overview(session)
    if OVERVIEW_KEY in session.info:
        session.info[OVERVIEW_KEY] = found
    return found


@contextmanager
def overview_cache(session: Session) -> Iterator[None]:
    """What is known of all repositories is read once within it, where the session does not keep it anyway."""
    if OVERVIEW_KEY in session.info:
        yield
        return
    session.info[OVERVIEW_KEY] = None
    try:
        yield
    finally:
        del session.info[OVERVIEW_KEY]


def _gaps(row: RepositoryRow, missing: MissingData) -> tuple[Gap, ...]:
    return list_gaps(row.repo, row.error, row.synced_at, recorded_gaps(row.repo, row.gaps), missing)
