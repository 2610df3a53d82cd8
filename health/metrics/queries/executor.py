"""What can be added up of the runs of a scope and a window, by group and bucket of time; for health.metrics.service alone."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from itertools import repeat
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Select, bindparam, case, func, select
from sqlalchemy.orm import Session

from db.definitions import time_buckets
from db.definitions.scope import Scope, Window
from db.enums import GroupBy, Interval, Outcome
from db.models import Base, BrokenEpisode, Repository, Rollup, Run, Workflow
from db.runs.run_filters import in_scope, in_some_windows, in_window, repository_ids, window_parameters, workflow_ids
from db.sql import epoch_seconds, read
from health.metrics.definitions.aggregates import Facts, facts_of, hours_of_the_week, medians_of_successes
from health.metrics.definitions.distribution import UNKNOWN, Distribution
from health.metrics.definitions.episodes import seconds_between
from health.metrics.definitions.formulas import Losses
from health.metrics.definitions.table import (
    COUNTS,
    HOURS,
    OPEN,
    OUTCOMES,
    fold,
    nothing,
    of_recoveries,
    of_rollups,
    stack,
)
from health.metrics.queries.failure_episodes import branch_episodes
from health.metrics.queries.grouping import COLUMNS, Buckets, Found, Question, first_hour, key_of, with_rest
from health.metrics.queries.plan import Piece, Rows, plan, rollup_state, rows_from
from health.metrics.queries.plan import losses as plan_losses
from health.metrics.queries.raw_runs import read_runs

# An actor or a runner does not see the sequence of a branch's runs.
_WITH_RECOVERY = (None, GroupBy.REPO, GroupBy.WORKFLOW, GroupBy.BRANCH, GroupBy.EVENT)
_SUCCESSES = ("success_durations",)
_DECIDED = (str(Outcome.SUCCESS), str(Outcome.FAILURE))
_ALL = 0
# Columns without the weight of the unit of work: thousands of rows are read for a page.
_ROLLUPS = Base.metadata.tables[Rollup.__tablename__].c
_REPOSITORY_NAMES = select(Repository.id, Repository.full_name)
_WORKFLOW_NAMES = select(Workflow.repository_id, Workflow.id, Workflow.name)


def facts(session: Session, question: Question) -> dict[tuple[Any, datetime | None], Facts]:
    """By group and bucket; null where the question has none."""
    return facts_by_key(session, question, ask(session, question))


def facts_by_key(session: Session, question: Question, found: Found) -> dict[tuple[Any, datetime | None], Facts]:
    """Of each row of what the question found."""
    known_from = _details_from(session, found)
    detailed = [start is not None and start >= known_from for _, start in found.keys] if known_from else None
    made = facts_of(
        found.table, intervals=question.interval is None, ages=_open_for(question, found), detailed=detailed
    )
    return dict(zip(found.keys, made, strict=True))


def success_medians(
    session: Session, scope: Scope, window: Window, by: GroupBy, *, least: int
) -> dict[Any, tuple[int, Distribution]]:
    """Of each group its runs, whatever became of them, and the median duration of the successful ones with its
    interval; unknown of fewer than `least` successes."""
    question = Question(scope, window, by, histograms=_SUCCESSES, recoveries=False, counts=OUTCOMES, sums=())
    found = ask(session, question)
    runs = found.table.counts[:, : len(OUTCOMES)].sum(axis=1).tolist()
    known = {} if _details_from(session, found) else medians_of_successes(found.table, least)
    return {
        key: (number, known.get(row, UNKNOWN))
        for row, ((key, _), number) in enumerate(zip(found.keys, runs, strict=True))
    }


def _details_from(session: Session, found: Found) -> datetime | None:
    """Since when roll-ups count everything that is counted now; null where the answer holds no older ones."""
    state = rollup_state(session)
    oldest = found.rollups_from
    if state is None or state.complete_from is None or oldest is None or oldest >= state.complete_from:
        return None
    return state.complete_from


def _open_for(question: Question, found: Found) -> dict[int, list[float]]:
    """By row, for how many seconds each episode that is still open has been open."""
    now, ages = question.now or question.window.until, dict[int, list[float]]()
    if not found.open_since:
        return ages
    places = {key: row for row, key in enumerate(found.keys)}
    for key, since in found.open_since:
        if key in places:
            ages.setdefault(places[key], []).append(seconds_between(since, now))
    return ages


def outcomes(session: Session, question: Question) -> dict[tuple[Any, datetime | None], dict[str, int]]:
    """How many runs ended how, by group and bucket."""
    found = ask(session, replace(question, histograms=(), recoveries=False, counts=OUTCOMES, sums=()))
    size = len(OUTCOMES)
    counts = (dict(zip(OUTCOMES, row[:size], strict=True)) for row in found.table.counts.tolist())
    return dict(zip(found.keys, counts, strict=True))


def success_rates(session: Session, question: Question) -> dict[Any, list[float | None]]:
    """Of each group its success rate in each bucket of the window, null where nothing was decided."""
    found = ask(session, replace(question, histograms=(), recoveries=False, counts=_DECIDED, sums=()))
    starts = question.window.buckets(question.interval) if question.interval else []
    places: dict[datetime | None, int] = {start: place for place, start in enumerate(starts)}
    rates: dict[Any, list[float | None]] = defaultdict(lambda: [None] * len(starts))
    passed, failed = (found.table.counts[:, COUNTS.index(name)].tolist() for name in _DECIDED)
    # Thousands of groups and buckets for one page: one pass over them.
    for (key, start), one, other in zip(found.keys, passed, failed, strict=True):
        rates[key][places[start]] = one / (one + other) if one or other else None
    return dict(rates)


def hours(session: Session, scope: Scope, window: Window) -> list[tuple[int, int]]:
    """Decided and failed runs in each of the 168 hours of a week, UTC, from Monday on."""
    question = Question(scope, window, histograms=HOURS, recoveries=False, counts=(), sums=())
    return hours_of_the_week(ask(session, question).table)


def by_rollups(session: Session, scope: Scope, window: Window) -> bool:
    """Is at least a part of the answer in roll-ups?"""
    return bool(plan(session, scope, window, None, None).pieces)


def is_pruned(session: Session, moment: datetime) -> bool:
    """Are runs deleted that were created then?"""
    state = rollup_state(session)
    return state is not None and moment < rows_from(state)


def losses(
    session: Session, scope: Scope, window: Window, by: GroupBy | None, interval: Interval | None = None
) -> Losses:
    """What the answer to such a question cannot hold, because runs were deleted."""
    state = rollup_state(session)
    if state is None or window.since >= rows_from(state):
        return Losses()
    return plan_losses(session, plan(session, scope, window, by, interval))


def ask(session: Session, question: Question) -> Found:
    """The sums of each group and bucket, from wherever they are read."""
    found = plan(session, question.scope, question.window, question.by, question.interval)
    parts = [_read_piece(session, question, piece) for piece in found.pieces]
    parts += [
        _read_open(session, question, piece)
        for piece, part in zip(found.pieces, parts, strict=True)
        if question.recoveries and question.histograms and part.table.counts[:, OPEN].any()
    ]
    for rows in found.raw:
        parts += read_runs(session, question, rows.scope, rows.windows, exact=not found.pieces)
        parts += _read_recoveries(session, question, rows)
    answer = _gather(parts)
    if question.selected is not None:
        answer = with_rest(answer, question.selected)
    tiled = (tile for piece in found.pieces for tile in piece.tiles)
    oldest = min(tiled, key=time_buckets.first_hour, default=None)
    return answer if oldest is None else replace(answer, rollups_from=time_buckets.begins(oldest))


def _gather(parts: Sequence[Found]) -> Found:
    places: dict[tuple[Any, datetime | None], int] = {}
    rows = [places.setdefault(key, len(places)) for part in parts for key in part.keys]
    together = fold(stack(part.table for part in parts), np.asarray(rows, dtype=np.int64), len(places))
    return Found(list(places), together, open_since=tuple(each for part in parts for each in part.open_since))


@cache
def _rollup_rows(by: GroupBy | None, names: Sequence[str]) -> Select[Any]:
    """The tile, the group and the named sums of each roll-up of a grain."""
    return _of_piece(select(_ROLLUPS.tile, *(_ROLLUPS[name] for name in (*COLUMNS[by], *names))))


@cache
def _rollup_sums(by: GroupBy | None, names: Sequence[str], interval: Interval | None) -> Select[Any]:
    """The first hour of the bucket, the group and its sums."""
    hour, keys = first_hour(_hour(), interval), [_ROLLUPS[name] for name in COLUMNS[by]]
    sums = (func.sum(_ROLLUPS[name]) for name in names)
    return _of_piece(select(hour, *keys, *sums).group_by(hour, *keys))


def _of_piece(query: Select[Any]) -> Select[Any]:
    return query.where(
        _ROLLUPS.grain == bindparam("grain"), _ROLLUPS.tile.in_(bindparam("tiles", expanding=True)),
        _ROLLUPS.repository_id.in_(bindparam("repositories", expanding=True)),
    )  # fmt: skip


def _read_piece(session: Session, question: Question, piece: Piece) -> Found:
    group, scope = COLUMNS[question.by], question.scope
    names = (*question.counts, *question.sums, *question.histograms)
    if question.histograms:
        query = _rollup_rows(question.by, names)
    else:
        query = _rollup_sums(question.by, names, question.interval)
    if scope.workflows:
        query = query.where(_ROLLUPS.workflow_id.in_(read(session, workflow_ids(scope.workflows)).scalars().all()))
    if scope.events:
        query = query.where(_ROLLUPS.event.in_(scope.events))
    if piece.kinds is not None:
        query = query.where(_ROLLUPS.branch_kind.in_(piece.kinds))
    repositories = (_ALL,) if piece.repositories is None else piece.repositories
    parameters = {"grain": piece.grain, "tiles": piece.tiles, "repositories": repositories}
    # By columns: rows of so many values are slow to take apart.
    columns = list(zip(*read(session, query, parameters).all(), strict=True))
    if not columns:
        return Found([], nothing())
    width, size = len(group) + 1, len(columns[0])
    starts: Iterable[datetime | None] = repeat(None, size)
    if question.interval:
        buckets = Buckets(question.interval)
        hours = map(time_buckets.first_hour, columns[0]) if question.histograms else map(int, columns[0])
        starts = map(buckets.of_hour, hours)
    # Added up at once: there are many roll-ups of a group, and objects for each of them are slow.
    places: dict[tuple[Any, ...], int] = {}
    groups = zip(*columns[1:width], starts, strict=True)
    at = np.fromiter((places.setdefault(key, len(places)) for key in groups), np.int64, size)
    table = fold(of_rollups(dict(zip(names, columns[width:], strict=True))), at, len(places))
    return Found([(key_of(key[:-1]), key[-1]) for key in places], table)


def _hour() -> ColumnElement[int]:
    """The hour at which a tile begins."""
    level, block = (
        _ROLLUPS.tile.bitwise_rshift(time_buckets.SHIFT),
        _ROLLUPS.tile.bitwise_and((1 << time_buckets.SHIFT) - 1),
    )
    return block * case(dict(enumerate(time_buckets.HOURS)), value=level)


def _read_recoveries(session: Session, question: Question, of: Rows) -> list[Found]:
    if question.by not in _WITH_RECOVERY or not question.recoveries:
        return []
    if not of.default_branches or question.by is GroupBy.BRANCH:
        return [_read_sequences(session, question, of.scope, window) for window in of.windows]
    return [_episodes(question, _kept_episodes(session, question, of.scope, of.windows))]


def _read_open(session: Session, question: Question, piece: Piece) -> Found:
    """Since when episodes are open that roll-ups count."""
    rows = _kept_episodes(session, question, question.scope, time_buckets.windows_of(piece.tiles), still_open=True)
    return Found([], nothing(), open_since=_open_since(_keys(question, rows), rows))


def _kept_episodes(
    session: Session, question: Question, scope: Scope, windows: Sequence[Window], *, still_open: bool = False
) -> Sequence[Any]:
    """Of default branches: seconds, when they were created (in seconds since 1970), when they began, their group."""
    query = _episodes_of(question.by, len(windows), still_open, not scope.repos)
    if scope.repos:
        query = query.where(BrokenEpisode.repository_id.in_(repository_ids(scope)))
    if scope.workflows:
        query = query.where(BrokenEpisode.workflow_id.in_(workflow_ids(scope.workflows)))
    if scope.events:
        query = query.where(BrokenEpisode.event.in_(scope.events))
    if scope.actors:
        first = (Run.repository_id == BrokenEpisode.repository_id) & (Run.id == BrokenEpisode.run_id)
        query = query.join(Run, first).where(Run.actor.in_(scope.actors))
    return read(session, query, window_parameters(windows)).all()


@cache
def _episodes_of(by: GroupBy | None, windows: int, still_open: bool, monitored: bool) -> Select[Any]:
    columns = BrokenEpisode.seconds, epoch_seconds(BrokenEpisode.created_at), BrokenEpisode.failed_at
    query = select(*columns, *(getattr(BrokenEpisode, name) for name in COLUMNS[by]))
    query = query.where(in_some_windows(BrokenEpisode.created_at, windows))
    if still_open:
        query = query.where(BrokenEpisode.seconds.is_(None))
    return query.where(BrokenEpisode.repository_id.in_(repository_ids(Scope()))) if monitored else query


def _episodes(question: Question, rows: Sequence[Any]) -> Found:
    """Rows of seconds, created, began and the columns of the group."""
    keys = _keys(question, rows)
    table = of_recoveries([row[0] for row in rows], np.arange(len(rows)), len(rows))
    return Found(keys, table, open_since=_open_since(keys, rows))


def _keys(question: Question, rows: Sequence[Any]) -> list[tuple[Any, datetime | None]]:
    buckets = Buckets(question.interval)
    return [(key_of(row[3:]), buckets.of_hour(int(row[1]) // 3600)) for row in rows]


def _open_since(
    keys: Sequence[tuple[Any, datetime | None]], rows: Sequence[Any]
) -> tuple[tuple[tuple[Any, datetime | None], datetime], ...]:
    return tuple((key, row[2]) for key, row in zip(keys, rows, strict=True) if row[0] is None)


def _read_sequences(session: Session, question: Question, scope: Scope, window: Window) -> Found:
    rows, found = [], branch_episodes(session, scope, window)
    if question.selected is not None and scope != scope.whole_sequence():
        # A branch that has episodes and no runs of the scope is no group, and not a part of the rest.
        branches = set(
            read(session, select(Run.branch).where(*in_scope(session, scope), *in_window(window)).distinct()).scalars()
        )
        found = [each for each in found if each.first.branch in branches]
    for each in found:
        group = (getattr(each.first, name) for name in COLUMNS[question.by])
        rows.append((each.seconds, each.first.created_at.timestamp(), each.failed_at, *group))
    return _episodes(question, rows)


def repository_names(session: Session) -> dict[int, str]:
    return {row[0]: row[1] for row in read(session, _REPOSITORY_NAMES)}


def workflow_names(session: Session) -> dict[tuple[int, int], str]:
    return {(row[0], row[1]): row[2] for row in read(session, _WORKFLOW_NAMES)}
