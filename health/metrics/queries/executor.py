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
from db.runs.run_filters import (
    in_parameterized_windows,
    in_scope,
    in_window,
    repository_ids,
    window_parameters,
    workflow_ids,
)
from db.sql import epoch_seconds, execute
from health.metrics.definitions.aggregates import Aggregates, aggregates_of, hours_of_the_week, median_success_durations
from health.metrics.definitions.distribution import UNKNOWN, Distribution
from health.metrics.definitions.episodes import seconds_between
from health.metrics.definitions.formulas import Losses
from health.metrics.definitions.table import (
    COUNTS,
    HOUR_HISTOGRAMS,
    OUTCOMES,
    RECOVERY_OPEN_INDEX,
    concat_tables,
    empty_table,
    from_recoveries,
    from_rollups,
    sum_rows,
)
from health.metrics.queries.failure_episodes import branch_episodes
from health.metrics.queries.grouping import (
    COLUMNS,
    BucketStarts,
    GroupedTable,
    MetricsQuery,
    bucket_start_hour,
    key_from_columns,
    merge_unselected,
)
from health.metrics.queries.plan import RollupScan, RunScan, plan, rollup_state, runs_kept_since
from health.metrics.queries.plan import losses_of_plan as plan_losses
from health.metrics.queries.raw_runs import read_runs

# An actor or a runner does not see the sequence of a branch's runs.
_GROUPS_WITH_RECOVERY = (None, GroupBy.REPO, GroupBy.WORKFLOW, GroupBy.BRANCH, GroupBy.EVENT)
_SUCCESS_HISTOGRAMS = ("success_durations",)
_DECIDED = (str(Outcome.SUCCESS), str(Outcome.FAILURE))
_ALL_REPOSITORIES = 0
# Columns without the weight of the unit of work: thousands of rows are read for a page.
_ROLLUPS = Base.metadata.tables[Rollup.__tablename__].c
_REPOSITORY_NAMES = select(Repository.id, Repository.full_name)
_WORKFLOW_NAMES = select(Workflow.repository_id, Workflow.id, Workflow.name)


def aggregates(session: Session, metrics_query: MetricsQuery) -> dict[tuple[Any, datetime | None], Aggregates]:
    """By group and bucket; null where the question has none."""
    return aggregates_by_key(session, metrics_query, read_groups(session, metrics_query))


def aggregates_by_key(
    session: Session, metrics_query: MetricsQuery, grouped: GroupedTable
) -> dict[tuple[Any, datetime | None], Aggregates]:
    """Of each row of what the question found."""
    known_from = _details_since(session, grouped)
    detailed = [start is not None and start >= known_from for _, start in grouped.keys] if known_from else None
    made = aggregates_of(
        grouped.table,
        intervals=metrics_query.interval is None,
        open_ages=_open_ages(metrics_query, grouped),
        with_details=detailed,
    )
    return dict(zip(grouped.keys, made, strict=True))


def success_medians(
    session: Session, scope: Scope, window: Window, by: GroupBy, *, min_size: int
) -> dict[Any, tuple[int, Distribution]]:
    """Of each group its runs, whatever became of them, and the median duration of the successful ones with its
    interval; unknown of fewer than `least` successes."""
    question = MetricsQuery(
        scope, window, by, histograms=_SUCCESS_HISTOGRAMS, recoveries=False, counts=OUTCOMES, sums=()
    )
    found = read_groups(session, question)
    runs = found.table.counts[:, : len(OUTCOMES)].sum(axis=1).tolist()
    known = {} if _details_since(session, found) else median_success_durations(found.table, min_size)
    return {
        key: (number, known.get(row, UNKNOWN))
        for row, ((key, _), number) in enumerate(zip(found.keys, runs, strict=True))
    }


def _details_since(session: Session, found: GroupedTable) -> datetime | None:
    """Since when roll-ups count everything that is counted now; null where the answer holds no older ones."""
    state = rollup_state(session)
    oldest = found.rollups_from
    if state is None or state.complete_from is None or oldest is None or oldest >= state.complete_from:
        return None
    return state.complete_from


def _open_ages(question: MetricsQuery, found: GroupedTable) -> dict[int, list[float]]:
    """By row, for how many seconds each episode that is still open has been open."""
    now, ages = question.now or question.window.until, dict[int, list[float]]()
    if not found.open_since:
        return ages
    places = {key: row for row, key in enumerate(found.keys)}
    for key, since in found.open_since:
        if key in places:
            ages.setdefault(places[key], []).append(seconds_between(since, now))
    return ages


def outcomes(session: Session, metrics_query: MetricsQuery) -> dict[tuple[Any, datetime | None], dict[str, int]]:
    """How many runs ended how, by group and bucket."""
    found = read_groups(session, replace(metrics_query, histograms=(), recoveries=False, counts=OUTCOMES, sums=()))
    size = len(OUTCOMES)
    counts = (dict(zip(OUTCOMES, row[:size], strict=True)) for row in found.table.counts.tolist())
    return dict(zip(found.keys, counts, strict=True))


def success_rates(session: Session, metrics_query: MetricsQuery) -> dict[Any, list[float | None]]:
    """Of each group its success rate in each bucket of the window, null where nothing was decided."""
    found = read_groups(session, replace(metrics_query, histograms=(), recoveries=False, counts=_DECIDED, sums=()))
    starts = metrics_query.window.buckets(metrics_query.interval) if metrics_query.interval else []
    places: dict[datetime | None, int] = {start: place for place, start in enumerate(starts)}
    rates: dict[Any, list[float | None]] = defaultdict(lambda: [None] * len(starts))
    passed, failed = (found.table.counts[:, COUNTS.index(name)].tolist() for name in _DECIDED)
    # Thousands of groups and buckets for one page: one pass over them.
    for (key, start), one, other in zip(found.keys, passed, failed, strict=True):
        rates[key][places[start]] = one / (one + other) if one or other else None
    return dict(rates)


def hours_of_week(session: Session, scope: Scope, window: Window) -> list[tuple[int, int]]:
    """Decided and failed runs in each of the 168 hours of a week, UTC, from Monday on."""
    question = MetricsQuery(scope, window, histograms=HOUR_HISTOGRAMS, recoveries=False, counts=(), sums=())
    return hours_of_the_week(read_groups(session, question).table)


def uses_rollups(session: Session, scope: Scope, window: Window) -> bool:
    """Is at least a part of the answer in roll-ups?"""
    return bool(plan(session, scope, window, None, None).rollup_scans)


def is_pruned(session: Session, moment: datetime) -> bool:
    """Are runs deleted that were created then?"""
    state = rollup_state(session)
    return state is not None and moment < runs_kept_since(state)


def find_losses(
    session: Session, scope: Scope, window: Window, by: GroupBy | None, interval: Interval | None = None
) -> Losses:
    """What the answer to such a question cannot hold, because runs were deleted."""
    state = rollup_state(session)
    if state is None or window.since >= runs_kept_since(state):
        return Losses()
    return plan_losses(session, plan(session, scope, window, by, interval))


def read_groups(session: Session, metrics_query: MetricsQuery) -> GroupedTable:
    """The sums of each group and bucket, from wherever they are read."""
    found = plan(session, metrics_query.scope, metrics_query.window, metrics_query.by, metrics_query.interval)
    parts = [_read_rollups(session, metrics_query, piece) for piece in found.rollup_scans]
    parts += [
        _read_open(session, metrics_query, piece)
        for piece, part in zip(found.rollup_scans, parts, strict=True)
        if metrics_query.recoveries and metrics_query.histograms and part.table.counts[:, RECOVERY_OPEN_INDEX].any()
    ]
    for rows in found.run_scans:
        parts += read_runs(session, metrics_query, rows.scope, rows.windows, as_samples=not found.rollup_scans)
        parts += _read_recoveries(session, metrics_query, rows)
    answer = _merge(parts)
    if metrics_query.selected_keys is not None:
        answer = merge_unselected(answer, metrics_query.selected_keys)
    tiled = (tile for piece in found.rollup_scans for tile in piece.buckets)
    oldest = min(tiled, key=time_buckets.start_hour, default=None)
    return answer if oldest is None else replace(answer, rollups_from=time_buckets.start_time(oldest))


def _merge(parts: Sequence[GroupedTable]) -> GroupedTable:
    places: dict[tuple[Any, datetime | None], int] = {}
    rows = [places.setdefault(key, len(places)) for part in parts for key in part.keys]
    together = sum_rows(concat_tables(part.table for part in parts), np.asarray(rows, dtype=np.int64), len(places))
    return GroupedTable(list(places), together, open_since=tuple(each for part in parts for each in part.open_since))


@cache
def _rollup_rows(by: GroupBy | None, names: Sequence[str]) -> Select[Any]:
    """The tile, the group and the named sums of each roll-up of a grain."""
    return _where_scan(select(_ROLLUPS.bucket, *(_ROLLUPS[name] for name in (*COLUMNS[by], *names))))


@cache
def _rollup_sums(by: GroupBy | None, names: Sequence[str], interval: Interval | None) -> Select[Any]:
    """The first hour of the bucket, the group and its sums."""
    hour, keys = bucket_start_hour(_bucket_start_hour(), interval), [_ROLLUPS[name] for name in COLUMNS[by]]
    sums = (func.sum(_ROLLUPS[name]) for name in names)
    return _where_scan(select(hour, *keys, *sums).group_by(hour, *keys))


def _where_scan(query: Select[Any]) -> Select[Any]:
    return query.where(
        _ROLLUPS.level == bindparam("grain"), _ROLLUPS.bucket.in_(bindparam("tiles", expanding=True)),
        _ROLLUPS.repository_id.in_(bindparam("repositories", expanding=True)),
    )  # fmt: skip


def _read_rollups(session: Session, question: MetricsQuery, piece: RollupScan) -> GroupedTable:
    group, scope = COLUMNS[question.by], question.scope
    names = (*question.counts, *question.sums, *question.histograms)
    if question.histograms:
        query = _rollup_rows(question.by, names)
    else:
        query = _rollup_sums(question.by, names, question.interval)
    if scope.workflows:
        query = query.where(_ROLLUPS.workflow_id.in_(execute(session, workflow_ids(scope.workflows)).scalars().all()))
    if scope.events:
        query = query.where(_ROLLUPS.event.in_(scope.events))
    if piece.branch_kinds is not None:
        query = query.where(_ROLLUPS.branch_kind.in_(piece.branch_kinds))
    repositories = (_ALL_REPOSITORIES,) if piece.repositories is None else piece.repositories
    parameters = {"grain": piece.level, "tiles": piece.buckets, "repositories": repositories}
    # By columns: rows of so many values are slow to take apart.
    columns = list(zip(*execute(session, query, parameters).all(), strict=True))
    if not columns:
        return GroupedTable([], empty_table())
    width, size = len(group) + 1, len(columns[0])
    starts: Iterable[datetime | None] = repeat(None, size)
    if question.interval:
        buckets = BucketStarts(question.interval)
        hours = map(time_buckets.start_hour, columns[0]) if question.histograms else map(int, columns[0])
        starts = map(buckets.of_hour, hours)
    # Added up at once: there are many roll-ups of a group, and objects for each of them are slow.
    places: dict[tuple[Any, ...], int] = {}
    groups = zip(*columns[1:width], starts, strict=True)
    at = np.fromiter((places.setdefault(key, len(places)) for key in groups), np.int64, size)
    table = sum_rows(from_rollups(dict(zip(names, columns[width:], strict=True))), at, len(places))
    return GroupedTable([(key_from_columns(key[:-1]), key[-1]) for key in places], table)


def _bucket_start_hour() -> ColumnElement[int]:
    """The hour at which a tile begins."""
    level, block = (
        _ROLLUPS.bucket.bitwise_rshift(time_buckets.RESOLUTION_SHIFT),
        _ROLLUPS.bucket.bitwise_and((1 << time_buckets.RESOLUTION_SHIFT) - 1),
    )
    return block * case(dict(enumerate(time_buckets.BUCKET_HOURS)), value=level)


def _read_recoveries(session: Session, question: MetricsQuery, of: RunScan) -> list[GroupedTable]:
    if question.by not in _GROUPS_WITH_RECOVERY or not question.recoveries:
        return []
    if not of.only_default_branches or question.by is GroupBy.BRANCH:
        return [_read_sequences(session, question, of.scope, window) for window in of.windows]
    return [_episode_groups(question, _stored_episodes(session, question, of.scope, of.windows))]


def _read_open(session: Session, question: MetricsQuery, piece: RollupScan) -> GroupedTable:
    """Since when episodes are open that roll-ups count."""
    rows = _stored_episodes(session, question, question.scope, time_buckets.windows_of(piece.buckets), still_open=True)
    return GroupedTable([], empty_table(), open_since=_open_since(_keys(question, rows), rows))


def _stored_episodes(
    session: Session, question: MetricsQuery, scope: Scope, windows: Sequence[Window], *, still_open: bool = False
) -> Sequence[Any]:
    """Of default branches: seconds, when they were created (in seconds since 1970), when they began, their group."""
    query = _select_episodes(question.by, len(windows), still_open, not scope.repos)
    if scope.repos:
        query = query.where(BrokenEpisode.repository_id.in_(repository_ids(scope)))
    if scope.workflows:
        query = query.where(BrokenEpisode.workflow_id.in_(workflow_ids(scope.workflows)))
    if scope.events:
        query = query.where(BrokenEpisode.event.in_(scope.events))
    if scope.actors:
        first = (Run.repository_id == BrokenEpisode.repository_id) & (Run.id == BrokenEpisode.run_id)
        query = query.join(Run, first).where(Run.actor.in_(scope.actors))
    return execute(session, query, window_parameters(windows)).all()


@cache
def _select_episodes(by: GroupBy | None, windows: int, still_open: bool, monitored: bool) -> Select[Any]:
    columns = BrokenEpisode.seconds, epoch_seconds(BrokenEpisode.created_at), BrokenEpisode.failed_at
    query = select(*columns, *(getattr(BrokenEpisode, name) for name in COLUMNS[by]))
    query = query.where(in_parameterized_windows(BrokenEpisode.created_at, windows))
    if still_open:
        query = query.where(BrokenEpisode.seconds.is_(None))
    return query.where(BrokenEpisode.repository_id.in_(repository_ids(Scope()))) if monitored else query


def _episode_groups(question: MetricsQuery, rows: Sequence[Any]) -> GroupedTable:
    """Rows of seconds, created, began and the columns of the group."""
    keys = _keys(question, rows)
    table = from_recoveries([row[0] for row in rows], np.arange(len(rows)), len(rows))
    return GroupedTable(keys, table, open_since=_open_since(keys, rows))


def _keys(question: MetricsQuery, rows: Sequence[Any]) -> list[tuple[Any, datetime | None]]:
    buckets = BucketStarts(question.interval)
    return [(key_from_columns(row[3:]), buckets.of_hour(int(row[1]) // 3600)) for row in rows]


def _open_since(
    keys: Sequence[tuple[Any, datetime | None]], rows: Sequence[Any]
) -> tuple[tuple[tuple[Any, datetime | None], datetime], ...]:
    return tuple((key, row[2]) for key, row in zip(keys, rows, strict=True) if row[0] is None)


def _read_sequences(session: Session, question: MetricsQuery, scope: Scope, window: Window) -> GroupedTable:
    rows, found = [], branch_episodes(session, scope, window)
    if question.selected_keys is not None and scope != scope.for_sequences():
        # A branch that has episodes and no runs of the scope is no group, and not a part of the rest.
        branches = set(
            execute(
                session, select(Run.branch).where(*in_scope(session, scope), *in_window(window)).distinct()
            ).scalars()
        )
        found = [each for each in found if each.first.branch in branches]
    for each in found:
        group = (getattr(each.first, name) for name in COLUMNS[question.by])
        rows.append((each.seconds, each.first.created_at.timestamp(), each.failed_at, *group))
    return _episode_groups(question, rows)


def repository_names(session: Session) -> dict[int, str]:
    return {row[0]: row[1] for row in execute(session, _REPOSITORY_NAMES)}


def workflow_names(session: Session) -> dict[tuple[int, int], str]:
    return {(row[0], row[1]): row[2] for row in execute(session, _WORKFLOW_NAMES)}
