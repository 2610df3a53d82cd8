"""Query planner: roll-ups for the part of a window that they cover, runs for the rest. executor
builds the SQL of the plan."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import BindParameter, bindparam, select
from sqlalchemy.orm import Session

from db.definitions import time_buckets
from db.definitions.scope import Scope, Window
from db.enums import BranchKind, Dimension, GroupBy, Interval, RollupLevel
from db.models import Repository, RollupInvalidation, RollupState
from db.runs.rollup_invalidation import ALL_REPOSITORIES
from db.runs.run_filters import repository_ids
from db.sql import execute
from db.visibility import is_restricted
from health.metrics.definitions.losses import Losses, LostWindow, merge_windows
from health.metrics.definitions.rollup_levels import CROSS_REPOSITORY_LEVELS, coarsest_level
from health.metrics.queries.grouping import MetricsQuery

# Shorter windows are read from runs: there are few of them, and percentiles are exact.
MAX_RAW_WINDOW = timedelta(days=1)
_DIMENSIONS_OF_GROUP = {
    None: frozenset[Dimension](),
    GroupBy.REPO: frozenset({Dimension.REPOSITORY}),
    GroupBy.WORKFLOW: frozenset({Dimension.WORKFLOW}),
    GroupBy.EVENT: frozenset({Dimension.EVENT}),
}
_SESSION_KEY = "roll-up state"
_STATES = select(RollupState.hours_from, RollupState.pruned_before, RollupState.complete_from).where(
    RollupState.id == 1
)
_IDS: BindParameter[Sequence[int]] = bindparam("ids", expanding=True)
_INVALIDATIONS = select(RollupInvalidation.day, RollupInvalidation.hour_mask).where(
    RollupInvalidation.day >= bindparam("first"),
    RollupInvalidation.day <= bindparam("last"),
    RollupInvalidation.repository_id.in_(_IDS),
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RollupStateRow(NamedTuple):
    """The row of db.models.RollupState."""

    hours_from: datetime
    pruned_before: datetime | None
    complete_from: datetime | None

    @property
    def runs_stored_since(self) -> datetime:
        """Runs that were created before this time are deleted."""
        return self.pruned_before or _EPOCH


@dataclass(frozen=True)
class RollupScan:
    """Roll-ups of one level to read. `buckets` are ids (db.definitions.time_buckets). `repositories` null: the roll-ups
    of all monitored repositories together; `branch_kinds` null: any branch."""

    level: RollupLevel
    buckets: tuple[int, ...]
    repositories: tuple[int, ...] | None
    branch_kinds: tuple[BranchKind, ...] | None


@dataclass(frozen=True)
class RunScan:
    """Windows whose runs are read. With `only_default_branches`, the recoveries of these runs are those of default
    branches."""

    scope: Scope
    windows: tuple[Window, ...]
    only_default_branches: bool


@dataclass(frozen=True)
class QueryPlan:
    """How a query is answered: each run of its scope and window is in exactly one scan. `state` is that of the roll-ups
    when the plan was made; null before the first roll-up."""

    query: MetricsQuery
    state: RollupStateRow | None
    rollup_scans: tuple[RollupScan, ...] = ()
    run_scans: tuple[RunScan, ...] = ()

    @property
    def rollups_from(self) -> datetime | None:
        """The start of the oldest roll-up that is read; null where none is."""
        hours = (time_buckets.start_hour(bucket) for scan in self.rollup_scans for bucket in scan.buckets)
        first = min(hours, default=None)
        return None if first is None else _EPOCH + timedelta(hours=first)

    @property
    def details_since(self) -> datetime | None:
        """The time from which on the roll-ups that are read have all columns; null where all of them do."""
        oldest, complete_from = self.rollups_from, self.state.complete_from if self.state else None
        return complete_from if complete_from and oldest and oldest < complete_from else None

    @property
    def begins_in_deleted_runs(self) -> bool:
        """True where runs from the start of the window are deleted."""
        return self.state is not None and self.query.window.since < self.state.runs_stored_since

    @property
    def losses(self) -> Losses:
        """What the answer lacks because runs were deleted."""
        if self.state is None or not self.begins_in_deleted_runs:
            return Losses()
        edge = self.state.runs_stored_since
        lost = [
            LostWindow(window, scan.scope.repos)
            for scan in self.run_scans
            for window in merge_windows(
                Window(part.since, min(part.until, edge)) for part in scan.windows if part.since < edge
            )
        ]
        lost.sort(key=lambda part: (part.window.since, part.window.until))
        return Losses(tuple(lost), self.details_since)


def plan(session: Session, query: MetricsQuery, *, max_raw_window: timedelta = MAX_RAW_WINDOW) -> QueryPlan:
    """Plans a query. Windows of at most `max_raw_window` are read from runs alone while these are stored."""
    state, scope, window = rollup_state(session), query.scope, query.window
    if (
        state is None
        or not _rollups_can_answer(scope, query.by)
        or (window.span <= max_raw_window and window.since >= state.runs_stored_since)
    ):
        runs = RunScan(scope, (window,), only_default_branches=not scope.branches)
        return QueryPlan(query, state, run_scans=(runs,))
    if not scope.branches:
        own_branches = (BranchKind.OTHER, BranchKind.DEFAULT) if scope.own_branches else None
        return _plan_with_rollups(session, query, scope, state, own_branches)
    # Roll-ups have the branch of this name where it is the default branch; elsewhere runs are read.
    branch = scope.branches[0]
    repositories = select(Repository.id, Repository.full_name, Repository.default_branch)
    rows = execute(session, repositories.where(Repository.id.in_(repository_ids(scope)))).all()
    with_default = tuple(row.full_name for row in rows if row.default_branch == branch)
    others = tuple(row.full_name for row in rows if row.default_branch != branch)
    planned = QueryPlan(query, state)
    if with_default:
        kinds = (BranchKind.DEFAULT,) if scope.own_branches else (BranchKind.FORK_DEFAULT, BranchKind.DEFAULT)
        planned = _plan_with_rollups(session, query, replace(scope, repos=with_default), state, kinds)
    if others:
        runs = RunScan(replace(scope, repos=others), (window,), only_default_branches=False)
        planned = replace(planned, run_scans=(*planned.run_scans, runs))
    return planned


def rollup_state(session: Session) -> RollupStateRow | None:
    """Returns the state of the roll-ups, read once a transaction; null before the first roll-up."""
    transaction = session.get_transaction()
    cached: tuple[object, RollupStateRow | None] = session.info.get(_SESSION_KEY, (None, None))
    if transaction is None or cached[0] is not transaction:
        row = execute(session, _STATES).first()
        cached = session.info[_SESSION_KEY] = session.get_transaction(), RollupStateRow(*row) if row else None
    return cached[1]


def _rollups_can_answer(scope: Scope, by: GroupBy | None) -> bool:
    narrowed = scope.actors or len(scope.branches) > 1 or scope != scope.for_sequences()
    return by in _DIMENSIONS_OF_GROUP and not narrowed


def _plan_with_rollups(
    session: Session,
    query: MetricsQuery,
    scope: Scope,
    state: RollupStateRow,
    branch_kinds: tuple[BranchKind, ...] | None,
) -> QueryPlan:
    """Covers the window of the query with roll-ups of the scope: the coarsest level that has all dimensions, and the
    largest buckets that fit."""
    dimensions = set(_DIMENSIONS_OF_GROUP[query.by])
    dimensions |= {Dimension.WORKFLOW} if scope.workflows else set()
    dimensions |= {Dimension.EVENT} if scope.events else set()
    dimensions |= {Dimension.BRANCH_KIND} if branch_kinds else set()
    ids = tuple(execute(session, repository_ids(scope)).scalars())
    # The sums over all repositories include those that are hidden from a restricted session.
    of_all = not scope.repos and not is_restricted(session) and not _totals_are_stale(session, state)
    level = coarsest_level(dimensions, all_repositories=of_all)
    cross_repository = level in CROSS_REPOSITORY_LEVELS
    stale = _stale_hours(session, (*ids, ALL_REPOSITORIES) if cross_repository else ids, query.window, state)
    fresh_windows, stale_windows = time_buckets.split(query.window, stale)
    coarsest = {None: time_buckets.COARSEST, Interval.HOUR: time_buckets.HOUR}.get(query.interval, time_buckets.DAY)
    covers = [time_buckets.cover_window(part, state.hours_from, coarsest=coarsest) for part in fresh_windows]
    buckets = tuple(bucket for cover in covers for bucket in cover.buckets)
    rest = (*stale_windows, *(edge for cover in covers for edge in cover.remainder))
    rollups = RollupScan(level, buckets, None if cross_repository else ids, branch_kinds)
    runs = RunScan(scope, rest, only_default_branches=True)
    return QueryPlan(query, state, (rollups,) if buckets else (), (runs,) if rest else ())


def _stale_hours(session: Session, ids: Sequence[int], window: Window, state: RollupStateRow) -> set[int]:
    """Returns the hours (whole hours since 1970) whose roll-ups are not up to date: all hours of a day for which hourly
    roll-ups are not kept. Days whose runs are deleted count as up to date: their roll-ups are all there is."""
    parameters = {
        "first": max(time_buckets.day_of(window.since), time_buckets.day_of(state.runs_stored_since)),
        "last": time_buckets.day_of(window.until),
        "ids": ids,
    }
    first_hourly_day = time_buckets.day_of(state.hours_from)
    return {
        row.day * 24 + hour
        for row in execute(session, _INVALIDATIONS, parameters)
        for hour in range(24)
        if row.day < first_hourly_day or row.hour_mask >> hour & 1
    }


def _totals_are_stale(session: Session, state: RollupStateRow) -> bool:
    """True where sums over all repositories are not up to date for days whose runs are deleted. The roll-ups of each
    repository are up to date there."""
    if state.pruned_before is None:
        return False
    stale = select(RollupInvalidation.day).where(
        RollupInvalidation.repository_id == ALL_REPOSITORIES,
        RollupInvalidation.day < time_buckets.day_of(state.pruned_before),
    )
    return execute(session, stale.limit(1)).scalar() is not None
