"""Where an answer is read: roll-ups where they have it, raw rows where only they do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import BindParameter, bindparam, select
from sqlalchemy.orm import Session

from db.definitions import time_buckets
from db.definitions.scope import Scope, Window
from db.enums import BranchKind, Grain, GroupBy, Interval, Part
from db.models import Repository, RollupMark, RollupState
from db.runs.run_filters import repository_ids
from db.sql import read
from health.metrics.definitions.formulas import Losses, Lost, merged
from health.metrics.definitions.rollup_levels import OVER_ALL, coarsest

# Shorter windows are read from the rows: they are few, and the percentiles exact.
SHORT = timedelta(days=1)
_PARTS_OF = {
    None: frozenset[Part](),
    GroupBy.REPO: frozenset({Part.REPOSITORY}),
    GroupBy.WORKFLOW: frozenset({Part.WORKFLOW}),
    GroupBy.EVENT: frozenset({Part.EVENT}),
}
_ALL = 0
_STATE = "roll-up state"
_STATES = select(RollupState.hours_from, RollupState.pruned_before, RollupState.complete_from).where(
    RollupState.id == 1
)
_IDS: BindParameter[Sequence[int]] = bindparam("ids", expanding=True)
_MARKS = select(RollupMark.day, RollupMark.hours).where(
    RollupMark.day >= bindparam("first"), RollupMark.day <= bindparam("last"), RollupMark.repository_id.in_(_IDS)
)
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class State(NamedTuple):
    """As db.models.RollupState."""

    hours_from: datetime
    pruned_before: datetime | None
    complete_from: datetime | None


@dataclass(frozen=True)
class Piece:
    """Roll-ups of a grain for the tiles; `repositories` null: all monitored ones together. `kinds` null: any branch."""

    grain: Grain
    tiles: tuple[int, ...]
    repositories: tuple[int, ...] | None
    kinds: tuple[BranchKind, ...] | None


@dataclass(frozen=True)
class Rows:
    """Windows that are read run by run. `default_branches`: of the scope's branches only those are meant."""

    scope: Scope
    windows: tuple[Window, ...]
    default_branches: bool


@dataclass(frozen=True)
class Plan:
    """Each run of the scope and the window is in one piece, or in one of the windows of raw rows."""

    pieces: tuple[Piece, ...] = ()
    raw: tuple[Rows, ...] = ()


def plan(
    session: Session, scope: Scope, window: Window, by: GroupBy | None, interval: Interval | None,
    *, short: timedelta = SHORT,
) -> Plan:  # fmt: skip
    """Windows of up to `short` are read from the rows alone, while these are there."""
    state = rollup_state(session)
    if state is None or not _answerable(scope, by) or (window.span <= short and window.since >= rows_from(state)):
        return Plan(raw=(Rows(scope, (window,), default_branches=not scope.branches),))
    if not scope.branches:
        every = (BranchKind.OTHER, BranchKind.DEFAULT) if scope.own_branches else None
        return _of(session, scope, window, by, interval, state, every)
    named = scope.branches[0]
    query = select(Repository.id, Repository.full_name, Repository.default_branch)
    listed = read(session, query.where(Repository.id.in_(repository_ids(scope)))).all()
    ours = tuple(row.full_name for row in listed if row.default_branch == named)
    others = tuple(row.full_name for row in listed if row.default_branch != named)
    found = Plan()
    if ours:
        kinds = (BranchKind.DEFAULT,) if scope.own_branches else (BranchKind.NAMESAKE, BranchKind.DEFAULT)
        found = _of(session, replace(scope, repos=ours), window, by, interval, state, kinds)
    if others:
        rows = Rows(replace(scope, repos=others), (window,), default_branches=False)
        found = Plan(found.pieces, (*found.raw, rows))
    return found


def rollup_state(session: Session) -> State | None:
    """Null before the first roll-up. Read once a transaction."""
    transaction = session.get_transaction()
    known: tuple[object, State | None] = session.info.get(_STATE, (None, None))
    if transaction is None or known[0] is not transaction:
        row = read(session, _STATES).first()
        known = session.info[_STATE] = session.get_transaction(), State(*row) if row else None
    return known[1]


def _answerable(scope: Scope, by: GroupBy | None) -> bool:
    narrow = scope.actors or scope.conclusions or scope.statuses or len(scope.branches) > 1
    return by in _PARTS_OF and not narrow


def losses(session: Session, found: Plan) -> Losses:
    """What the answers of a plan cannot hold, because runs were deleted."""
    state = rollup_state(session)
    if state is None:
        return Losses()
    edge = rows_from(state)
    cut = [
        Lost(window, rows.scope.repos)
        for rows in found.raw
        for window in merged(Window(each.since, min(each.until, edge)) for each in rows.windows if each.since < edge)
    ]
    cut.sort(key=lambda each: (each.window.since, each.window.until))
    begin = min((time_buckets.begins(tile) for piece in found.pieces for tile in piece.tiles), default=None)
    older = begin is not None and state.complete_from is not None and begin < state.complete_from
    return Losses(tuple(cut), state.complete_from if older else None)


def rows_from(state: State) -> datetime:
    """Runs created before are deleted."""
    return state.pruned_before or _NEVER


def _of(
    session: Session, scope: Scope, window: Window, by: GroupBy | None, interval: Interval | None,
    state: State, kinds: tuple[BranchKind, ...] | None,
) -> Plan:  # fmt: skip
    needed = set(_PARTS_OF[by])
    needed |= {Part.WORKFLOW} if scope.workflows else set()
    needed |= {Part.EVENT} if scope.events else set()
    needed |= {Part.BRANCH_KIND} if kinds else set()
    ids = tuple(read(session, repository_ids(scope)).scalars())
    grain = coarsest(needed, over_all=not scope.repos and not _stale_over_all(session, state))
    over_all = grain in OVER_ALL
    left, taken = time_buckets.without(window, _changed(session, (*ids, _ALL) if over_all else ids, window, state))
    top = {None: time_buckets.TOP, Interval.HOUR: time_buckets.HOUR}.get(interval, time_buckets.DAY)
    covers = [time_buckets.cover(each, state.hours_from, top=top) for each in left]
    wanted = tuple(tile for each in covers for tile in each.tiles)
    rest = (*taken, *(edge for each in covers for edge in each.rest))
    piece = Piece(grain, wanted, None if over_all else ids, kinds)
    return Plan((piece,) if wanted else (), (Rows(scope, rest, default_branches=True),) if rest else ())


def _changed(session: Session, ids: Sequence[int], window: Window, state: State) -> set[int]:
    """Hours whose roll-ups are not made yet; of days for which hours are not kept, all of them. The roll-ups of days
    whose runs are deleted are all there is: they count as made."""
    first, last = (
        max(time_buckets.day_of(window.since), time_buckets.day_of(rows_from(state))),
        time_buckets.day_of(window.until),
    )
    kept = time_buckets.day_of(state.hours_from)
    return {
        row.day * 24 + hour
        for row in read(session, _MARKS, {"first": first, "last": last, "ids": ids})
        for hour in range(24)
        if row.day < kept or row.hours >> hour & 1
    }


def _stale_over_all(session: Session, state: State) -> bool:
    """Are the sums over all repositories not made yet of days whose runs are deleted? Those of each are right."""
    if state.pruned_before is None:
        return False
    marks = select(RollupMark.day).where(
        RollupMark.repository_id == _ALL, RollupMark.day < time_buckets.day_of(state.pruned_before)
    )
    return read(session, marks.limit(1)).scalar() is not None
