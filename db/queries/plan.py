"""Where an answer is read: roll-ups where they have it, raw rows where only they do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.metrics import tiles
from db.metrics.grain import OVER_ALL, BranchKind, Grain, Part, coarsest
from db.metrics.losses import Losses, Lost, merged
from db.metrics.scope import Scope
from db.metrics.window import Window
from db.models import Repository, RollupMark, RollupState
from db.queries.filters import repository_ids
from db.vocabulary import GroupBy, Interval

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
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


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
    listed = session.execute(query.where(Repository.id.in_(repository_ids(scope)))).all()
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


def rollup_state(session: Session) -> RollupState | None:
    """Null before the first roll-up. Read once a transaction: the session holds it."""
    found = session.get(RollupState, 1)
    # Without a strong reference the next question would read it again.
    session.info[_STATE] = found
    return found


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
    begin = min((tiles.begins(tile) for piece in found.pieces for tile in piece.tiles), default=None)
    older = begin is not None and state.complete_from is not None and begin < state.complete_from
    return Losses(tuple(cut), state.complete_from if older else None)


def rows_from(state: RollupState) -> datetime:
    """Runs created before are deleted."""
    return state.pruned_before or _NEVER


def _of(
    session: Session, scope: Scope, window: Window, by: GroupBy | None, interval: Interval | None,
    state: RollupState, kinds: tuple[BranchKind, ...] | None,
) -> Plan:  # fmt: skip
    needed = set(_PARTS_OF[by])
    needed |= {Part.WORKFLOW} if scope.workflows else set()
    needed |= {Part.EVENT} if scope.events else set()
    needed |= {Part.BRANCH_KIND} if kinds else set()
    ids = tuple(session.scalars(repository_ids(scope)))
    grain = coarsest(needed, over_all=not scope.repos and not _stale_over_all(session, state))
    over_all = grain in OVER_ALL
    left, taken = tiles.without(window, _changed(session, (*ids, _ALL) if over_all else ids, window, state))
    top = {None: tiles.TOP, Interval.HOUR: tiles.HOUR}.get(interval, tiles.DAY)
    covers = [tiles.cover(each, state.hours_from, top=top) for each in left]
    wanted = tuple(tile for each in covers for tile in each.tiles)
    rest = (*taken, *(edge for each in covers for edge in each.rest))
    piece = Piece(grain, wanted, None if over_all else ids, kinds)
    return Plan((piece,) if wanted else (), (Rows(scope, rest, default_branches=True),) if rest else ())


def _changed(session: Session, ids: Sequence[int], window: Window, state: RollupState) -> set[int]:
    """Hours whose roll-ups are not made yet; of days for which hours are not kept, all of them. The roll-ups of days
    whose runs are deleted are all there is: they count as made."""
    first, last = max(tiles.day_of(window.since), tiles.day_of(rows_from(state))), tiles.day_of(window.until)
    query = select(RollupMark.day, RollupMark.hours).where(
        RollupMark.day >= first, RollupMark.day <= last, RollupMark.repository_id.in_(ids)
    )
    kept = tiles.day_of(state.hours_from)
    return {
        row.day * 24 + hour
        for row in session.execute(query)
        for hour in range(24)
        if row.day < kept or row.hours >> hour & 1
    }


def _stale_over_all(session: Session, state: RollupState) -> bool:
    """Are the sums over all repositories not made yet of days whose runs are deleted? Those of each are right."""
    if state.pruned_before is None:
        return False
    marks = select(RollupMark.day).where(
        RollupMark.repository_id == _ALL, RollupMark.day < tiles.day_of(state.pruned_before)
    )
    return session.scalar(marks.limit(1)) is not None
