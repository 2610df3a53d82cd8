"""Where an answer is read: roll-ups where they have it, raw rows where only they do."""

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
from db.runs.run_filters import repository_ids
from db.sql import execute
from health.metrics.definitions.formulas import Losses, LostWindow, merge_windows
from health.metrics.definitions.rollup_levels import CROSS_REPOSITORY_LEVELS, coarsest_level

# Shorter windows are read from the rows: they are few, and the percentiles exact.
MAX_RAW_WINDOW = timedelta(days=1)
_DIMENSIONS_OF_GROUP = {
    None: frozenset[Dimension](),
    GroupBy.REPO: frozenset({Dimension.REPOSITORY}),
    GroupBy.WORKFLOW: frozenset({Dimension.WORKFLOW}),
    GroupBy.EVENT: frozenset({Dimension.EVENT}),
}
_ALL_REPOSITORIES = 0
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
    """As db.models.RollupState."""

    hours_from: datetime
    pruned_before: datetime | None
    complete_from: datetime | None


@dataclass(frozen=True)
class RollupScan:
    """Roll-ups of a grain for the tiles; `repositories` null: all monitored ones together. `kinds` null: any branch."""

    level: RollupLevel
    buckets: tuple[int, ...]
    repositories: tuple[int, ...] | None
    branch_kinds: tuple[BranchKind, ...] | None


@dataclass(frozen=True)
class RunScan:
    """Windows that are read run by run. `default_branches`: of the scope's branches only those are meant."""

    scope: Scope
    windows: tuple[Window, ...]
    only_default_branches: bool


@dataclass(frozen=True)
class QueryPlan:
    """Each run of the scope and the window is in one piece, or in one of the windows of raw rows."""

    rollup_scans: tuple[RollupScan, ...] = ()
    run_scans: tuple[RunScan, ...] = ()


def plan(
    session: Session, scope: Scope, window: Window, by: GroupBy | None, interval: Interval | None,
    *, max_raw_window: timedelta = MAX_RAW_WINDOW,
) -> QueryPlan:  # fmt: skip
    """Windows of up to `short` are read from the rows alone, while these are there."""
    state = rollup_state(session)
    if (
        state is None
        or not _rollups_can_answer(scope, by)
        or (window.span <= max_raw_window and window.since >= runs_kept_since(state))
    ):
        return QueryPlan(run_scans=(RunScan(scope, (window,), only_default_branches=not scope.branches),))
    if not scope.branches:
        every = (BranchKind.OTHER, BranchKind.DEFAULT) if scope.own_branches else None
        return _plan_with_rollups(session, scope, window, by, interval, state, every)
    named = scope.branches[0]
    query = select(Repository.id, Repository.full_name, Repository.default_branch)
    listed = execute(session, query.where(Repository.id.in_(repository_ids(scope)))).all()
    ours = tuple(row.full_name for row in listed if row.default_branch == named)
    others = tuple(row.full_name for row in listed if row.default_branch != named)
    found = QueryPlan()
    if ours:
        kinds = (BranchKind.DEFAULT,) if scope.own_branches else (BranchKind.FORK_DEFAULT, BranchKind.DEFAULT)
        found = _plan_with_rollups(session, replace(scope, repos=ours), window, by, interval, state, kinds)
    if others:
        rows = RunScan(replace(scope, repos=others), (window,), only_default_branches=False)
        found = QueryPlan(found.rollup_scans, (*found.run_scans, rows))
    return found


def rollup_state(session: Session) -> RollupStateRow | None:
    """Null before the first roll-up. Read once a transaction."""
    transaction = session.get_transaction()
    known: tuple[object, RollupStateRow | None] = session.info.get(_SESSION_KEY, (None, None))
    if transaction is None or known[0] is not transaction:
        row = execute(session, _STATES).first()
        known = session.info[_SESSION_KEY] = session.get_transaction(), RollupStateRow(*row) if row else None
    return known[1]


def _rollups_can_answer(scope: Scope, by: GroupBy | None) -> bool:
    narrow = scope.actors or scope.conclusions or scope.statuses or len(scope.branches) > 1
    return by in _DIMENSIONS_OF_GROUP and not narrow


def losses_of_plan(session: Session, query_plan: QueryPlan) -> Losses:
    """What the answers of a plan cannot hold, because runs were deleted."""
    state = rollup_state(session)
    if state is None:
        return Losses()
    edge = runs_kept_since(state)
    cut = [
        LostWindow(window, rows.scope.repos)
        for rows in query_plan.run_scans
        for window in merge_windows(
            Window(each.since, min(each.until, edge)) for each in rows.windows if each.since < edge
        )
    ]
    cut.sort(key=lambda each: (each.window.since, each.window.until))
    begin = min(
        (time_buckets.start_time(tile) for piece in query_plan.rollup_scans for tile in piece.buckets), default=None
    )
    older = begin is not None and state.complete_from is not None and begin < state.complete_from
    return Losses(tuple(cut), state.complete_from if older else None)


def runs_kept_since(state: RollupStateRow) -> datetime:
    """Runs created before are deleted."""
    return state.pruned_before or _EPOCH


def _plan_with_rollups(
    session: Session, scope: Scope, window: Window, by: GroupBy | None, interval: Interval | None,
    state: RollupStateRow, kinds: tuple[BranchKind, ...] | None,
) -> QueryPlan:  # fmt: skip
    needed = set(_DIMENSIONS_OF_GROUP[by])
    needed |= {Dimension.WORKFLOW} if scope.workflows else set()
    needed |= {Dimension.EVENT} if scope.events else set()
    needed |= {Dimension.BRANCH_KIND} if kinds else set()
    ids = tuple(execute(session, repository_ids(scope)).scalars())
    grain = coarsest_level(needed, all_repositories=not scope.repos and not _totals_are_stale(session, state))
    over_all = grain in CROSS_REPOSITORY_LEVELS
    left, taken = time_buckets.split(
        window, _stale_hours(session, (*ids, _ALL_REPOSITORIES) if over_all else ids, window, state)
    )
    top = {None: time_buckets.COARSEST, Interval.HOUR: time_buckets.HOUR}.get(interval, time_buckets.DAY)
    covers = [time_buckets.cover_window(each, state.hours_from, coarsest=top) for each in left]
    wanted = tuple(tile for each in covers for tile in each.buckets)
    rest = (*taken, *(edge for each in covers for edge in each.remainder))
    piece = RollupScan(grain, wanted, None if over_all else ids, kinds)
    return QueryPlan((piece,) if wanted else (), (RunScan(scope, rest, only_default_branches=True),) if rest else ())


def _stale_hours(session: Session, ids: Sequence[int], window: Window, state: RollupStateRow) -> set[int]:
    """Hours whose roll-ups are not made yet; of days for which hours are not kept, all of them. The roll-ups of days
    whose runs are deleted are all there is: they count as made."""
    first, last = (
        max(time_buckets.day_of(window.since), time_buckets.day_of(runs_kept_since(state))),
        time_buckets.day_of(window.until),
    )
    kept = time_buckets.day_of(state.hours_from)
    return {
        row.day * 24 + hour
        for row in execute(session, _INVALIDATIONS, {"first": first, "last": last, "ids": ids})
        for hour in range(24)
        if row.day < kept or row.hour_mask >> hour & 1
    }


def _totals_are_stale(session: Session, state: RollupStateRow) -> bool:
    """Are the sums over all repositories not made yet of days whose runs are deleted? Those of each are right."""
    if state.pruned_before is None:
        return False
    marks = select(RollupInvalidation.day).where(
        RollupInvalidation.repository_id == _ALL_REPOSITORIES,
        RollupInvalidation.day < time_buckets.day_of(state.pruned_before),
    )
    return execute(session, marks.limit(1)).scalar() is not None
