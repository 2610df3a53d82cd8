"""What the tables say to be missing, of many repositories with one question each.

Completeness of the figures of a scope and a window, read once for a request or a page.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import BindParameter, and_, bindparam, case, func, or_, select
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
    (without_jobs,) = find_runs_without_jobs(session, repository_ids, _collector_seen_at(session))
    for repository_id, runs in without_jobs.items():
        found[repository_id] = replace(found.get(repository_id, MissingData()), runs_without_jobs=runs)
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
    session: Session, ids: Collection[int], seen_at: datetime | None, windows: Sequence[Window] = ()
) -> list[dict[int, RunsWithoutJobs]]:
    """Returns, by repository, the completed runs whose jobs are not stored although they ended well before `seen_at`,
    when the collector last ran: one dictionary a window, or a single one of all runs without windows. Windows must not
    overlap; one statement reads all of them."""
    query = _RUNS_WITHOUT_JOBS
    if seen_at:
        query = query.where(_PENDING.updated_at < seen_at - _FETCH_DELAY)
    inside = [and_(_PENDING.created_at >= each.since, _PENDING.created_at < each.until) for each in windows]
    if inside:
        query = query.where(or_(*inside))
    parameters = {_IDS.key: list(ids)}
    if len(inside) < 2:
        return [{row[0]: RunsWithoutJobs(*row[1:]) for row in execute(session, query, parameters)}]
    number = case(*((condition, place) for place, condition in enumerate(inside)))
    by_window: list[dict[int, RunsWithoutJobs]] = [{} for _ in inside]
    for *row, place in execute(session, query.add_columns(number).group_by(number), parameters):
        by_window[place][row[0]] = RunsWithoutJobs(*row[1:])
    return by_window


def _collector_seen_at(session: Session) -> datetime | None:
    return execute(session, _COLLECTOR_SEEN_AT).scalar()


@dataclass(frozen=True)
class RepositoryOverview:
    """The state of all repositories, monitored or not, independent of any window. `missing` is by repository id and
    leaves out runs without jobs. `collector_seen_at` is the last heartbeat of a collector, null before the first."""

    repositories: list[RepositoryRow]
    unresolved: list[TargetRow]
    missing: Mapping[int, MissingData]
    collector_seen_at: datetime | None = None


@dataclass(frozen=True)
class PeriodCompleteness:
    """Completeness of a window and of its previous period (Window.before)."""

    current: Completeness
    previous: Completeness


def read_overview(session: Session) -> RepositoryOverview:
    """Reads the state of all repositories. The number of statements does not depend on how many there are."""
    rows = list_repositories(session, monitored_only=False)
    missing = find_backfills_and_number_gaps(session)
    unresolved = unresolved_targets(session, [row.repo for row in rows if row.monitored])
    return RepositoryOverview(rows, unresolved, missing, _collector_seen_at(session))


def read_completeness(
    session: Session, scope: Scope, window: Window | None = None, overview: RepositoryOverview | None = None
) -> Completeness:
    """Returns the completeness of the runs of a scope: complete since the latest `complete_since` of its repositories,
    synced at their earliest `synced_at`. With a window, gaps outside of it are left out. `overview` is read where it is
    not given."""
    return _read_windows(session, scope, (window,) if window else (), overview or read_overview(session))[0]


def read_periods(
    session: Session, scope: Scope, window: Window, overview: RepositoryOverview | None = None
) -> PeriodCompleteness:
    """Returns the completeness of a window and of its previous period with the statements of one of them."""
    windows = window, window.before()
    return PeriodCompleteness(*_read_windows(session, scope, windows, overview or read_overview(session)))


def _read_windows(
    session: Session, scope: Scope, windows: Sequence[Window], overview: RepositoryOverview
) -> list[Completeness]:
    """Returns one item a window; one in all without windows."""
    names = frozenset(scope.repos)
    rows = [row for row in overview.repositories if (row.repo in names if names else row.monitored)]
    rows = [row for row in rows if row.is_collectable]
    since = [row.complete_since for row in rows]
    synced = [row.synced_at for row in rows]
    lower_names = {row.repo.lower() for row in rows}
    unreadable = [
        Gap(target.name, "unreadable", target.error or "")
        for target in overview.unresolved
        if target.name.lower() not in lower_names and (not names or target.name in names)
    ]
    without_jobs = find_runs_without_jobs(session, [row.id for row in rows], overview.collector_seen_at, windows)
    complete_since = max((time for time in since if time), default=None) if all(since) else None
    synced_at = min((time for time in synced if time), default=None) if all(synced) else None
    completeness = []
    for place, by_repository in enumerate(without_jobs):
        gaps = [gap for row in rows for gap in _gaps(row, overview.missing, by_repository.get(row.id))] + unreadable
        shown = gaps_in_window(gaps, windows[place]) if windows else tuple(gaps)
        completeness.append(Completeness(complete_since, synced_at, shown))
    return completeness


def _gaps(row: RepositoryRow, missing: Mapping[int, MissingData], runs: RunsWithoutJobs | None) -> tuple[Gap, ...]:
    everything = replace(missing.get(row.id, MissingData()), runs_without_jobs=runs)
    return list_gaps(row.repo, row.error, row.synced_at, recorded_gaps(row.repo, row.gaps), everything)
