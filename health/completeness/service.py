"""Completeness of the stored data: of every monitored repository, and behind the metrics of a scope and window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from db.models import Repository, RunGap, SyncState, Workflow
from db.repositories.repository_queries import RepositoryRow, TargetRow, list_repositories, unresolved_targets
from health.completeness import missing_queries
from health.completeness.gaps import (
    Completeness,
    Gap,
    MissingData,
    MissingRunNumbers,
    RunsWithoutJobs,
    gaps_in_window,
    list_gaps,
    recorded_gaps,
)
from health.completeness.repository_completeness import LogCounts, RepositoryCompleteness


@dataclass(frozen=True)
class RowCounts:
    """Stored runs, and logs that are not stored, by repository."""

    runs: Mapping[int, int]
    logs: Mapping[int, LogCounts]


NO_COUNTS = RowCounts({}, {})


def count_rows(session: Session) -> RowCounts:
    """Reads an index of all runs, which takes 0.1 s per million runs."""
    return RowCounts(missing_queries.count_runs(session), missing_queries.count_missing_logs(session))


def list_completeness(session: Session, counts: RowCounts | None = None) -> list[RepositoryCompleteness]:
    """The completeness of all monitored repositories, by name, with a fixed number of statements. `counts` avoids
    counting rows where older counts are sufficient."""
    query = (
        select(Repository, SyncState)
        .join(SyncState, SyncState.repository_id == Repository.id, isouter=True)
        .where(Repository.monitored)
        .order_by(func.lower(Repository.full_name))
    )
    rows = [(row[0], row[1]) for row in session.execute(query)]
    missing = missing_queries.find_missing(session, [repository.id for repository, _ in rows], absent=True)
    counts = counts or count_rows(session)
    return [_repository_completeness(repository, state, missing[repository.id], counts) for repository, state in rows]


def _repository_completeness(
    repository: Repository, state: SyncState | None, missing: MissingData, counts: RowCounts
) -> RepositoryCompleteness:
    return RepositoryCompleteness(
        id=repository.id,
        repo=repository.full_name,
        html_url=repository.html_url,
        default_branch=repository.default_branch,
        private=repository.private,
        archived=repository.archived,
        monitored=repository.monitored,
        complete_since=state.complete_since if state else None,
        covered_to=state.covered_to if state else None,
        synced_at=state.synced_at if state else None,
        rescanned_deep_at=state.rescanned_deep_at if state else None,
        audited_at=state.audited_at if state else None,
        error=state.error if state else None,
        error_code=state.error_code if state else None,
        error_at=state.error_at if state else None,
        recorded_gaps=recorded_gaps(repository.full_name, state.gaps) if state else (),
        missing=missing,
        runs=counts.runs.get(repository.id, 0),
        logs=counts.logs.get(repository.id, LogCounts()),
        actions_missing_since=state.actions_missing_since if state else None,
    )


def list_missing_numbers(session: Session, repository_id: int, *, limit: int = 50) -> list[MissingRunNumbers]:
    """The gaps in the run numbers of a repository: those that GitHub is still asked for first, then the newest."""
    query = (
        select(RunGap, Workflow.name)
        .join(
            Workflow,
            (Workflow.repository_id == RunGap.repository_id) & (Workflow.id == RunGap.workflow_id),
            isouter=True,
        )
        .where(RunGap.repository_id == repository_id)
        .order_by(RunGap.state.desc(), RunGap.created_before.desc(), RunGap.first_number.desc())
        .limit(limit)
    )
    return [
        MissingRunNumbers(
            workflow=name or str(gap.workflow_id),
            first=gap.first_number,
            last=gap.last_number,
            created_after=gap.created_after,
            created_before=gap.created_before,
            state=gap.state,
            checks=gap.checks,
        )
        for gap, name in session.execute(query)
    ]


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
    missing = missing_queries.find_backfills_and_number_gaps(session)
    unresolved = unresolved_targets(session, [row.repo for row in rows if row.monitored])
    return RepositoryOverview(rows, unresolved, missing, missing_queries.collector_seen_at(session))


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
    without_jobs = missing_queries.find_runs_without_jobs(
        session, [row.id for row in rows], overview.collector_seen_at, windows
    )
    complete_since = max((time for time in since if time), default=None) if all(since) else None
    synced_at = min((time for time in synced if time), default=None) if all(synced) else None
    completeness = []
    for index, by_repository in enumerate(without_jobs):
        gaps = [gap for row in rows for gap in _gaps(row, overview.missing, by_repository.get(row.id))] + unreadable
        shown = gaps_in_window(gaps, windows[index]) if windows else tuple(gaps)
        completeness.append(Completeness(complete_since, synced_at, shown))
    return completeness


def _gaps(row: RepositoryRow, missing: Mapping[int, MissingData], runs: RunsWithoutJobs | None) -> tuple[Gap, ...]:
    all_missing = replace(missing.get(row.id, MissingData()), runs_without_jobs=runs)
    return list_gaps(row.repo, row.error, row.synced_at, recorded_gaps(row.repo, row.gaps), all_missing)
