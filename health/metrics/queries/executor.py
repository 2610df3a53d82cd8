"""Executes plans: reads roll-ups, runs and broken episodes, and adds them up by group and time bucket."""

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
from db.definitions.attempts import DECIDED
from db.definitions.scope import Scope, Window
from db.enums import GroupBy, Interval
from db.models import Base, FailureEpisode, Rollup, Run
from db.runs.rollup_invalidation import ALL_REPOSITORIES
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
from health.metrics.definitions.episodes import seconds_between
from health.metrics.definitions.percentiles import UNKNOWN, Distribution
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
    Key,
    MetricsQuery,
    bucket_start_hour,
    key_from_columns,
    merge_unselected,
)
from health.metrics.queries.plan import QueryPlan, RollupScan, RunScan, plan
from health.metrics.queries.raw_runs import read_runs

# Actors and runners do not have all runs of a branch, so that recoveries are not known for them.
_GROUPS_WITH_RECOVERY = (None, GroupBy.REPO, GroupBy.WORKFLOW, GroupBy.BRANCH, GroupBy.EVENT)
_SUCCESS_HISTOGRAMS = ("success_durations",)
_DECIDED = tuple(map(str, DECIDED))
# Core columns without the unit of work: a page reads thousands of rows.
_ROLLUPS = Base.metadata.tables[Rollup.__tablename__].c


def run(session: Session, planned: QueryPlan) -> GroupedTable:
    """Executes the scans of a plan and adds up their rows by group and bucket."""
    query = planned.query
    parts = [_read_rollups(session, query, scan) for scan in planned.rollup_scans]
    parts += [
        _read_open_episodes(session, query, scan)
        for scan, part in zip(planned.rollup_scans, parts, strict=True)
        if query.recoveries and query.histograms and part.table.counts[:, RECOVERY_OPEN_INDEX].any()
    ]
    for scan in planned.run_scans:
        parts += read_runs(session, query, scan.scope, scan.windows, as_samples=not planned.rollup_scans)
        parts += _read_recoveries(session, query, scan)
    grouped = merge(parts)
    return grouped if query.selected_keys is None else merge_unselected(grouped, query.selected_keys)


def aggregates_by_key(planned: QueryPlan, grouped: GroupedTable) -> dict[Key, Aggregates]:
    """Returns the aggregates of each row of the result of a plan."""
    query, details_since = planned.query, planned.details_since
    with_details = (
        [start is not None and start >= details_since for _, start in grouped.keys] if details_since else None
    )
    aggregates = aggregates_of(
        grouped.table,
        intervals=query.interval is None,
        open_ages=_open_ages(query, grouped),
        with_details=with_details,
    )
    return dict(zip(grouped.keys, aggregates, strict=True))


def aggregates(session: Session, query: MetricsQuery) -> dict[Key, Aggregates]:
    """Plans and executes a query."""
    planned = plan(session, query)
    return aggregates_by_key(planned, run(session, planned))


def success_medians(
    session: Session, scope: Scope, window: Window, by: GroupBy, *, min_size: int
) -> dict[Any, tuple[int, Distribution]]:
    """Returns, by group, the number of runs of any outcome, and the median duration of successful ones with its
    confidence interval; UNKNOWN with fewer than `min_size` successes."""
    query = MetricsQuery(scope, window, by, histograms=_SUCCESS_HISTOGRAMS, recoveries=False, counts=OUTCOMES, sums=())
    planned = plan(session, query)
    grouped = run(session, planned)
    runs = grouped.table.counts[:, : len(OUTCOMES)].sum(axis=1).tolist()
    medians = {} if planned.details_since else median_success_durations(grouped.table, min_size)
    return {
        key: (number, medians.get(row, UNKNOWN))
        for row, ((key, _), number) in enumerate(zip(grouped.keys, runs, strict=True))
    }


def outcomes(session: Session, query: MetricsQuery) -> dict[Key, dict[str, int]]:
    """Returns the number of runs by outcome, by group and bucket."""
    return outcomes_by_key(run(session, plan(session, outcomes_query(query))))


def outcomes_query(query: MetricsQuery) -> MetricsQuery:
    """The query without the columns that outcomes do not need."""
    return replace(query, histograms=(), recoveries=False, counts=OUTCOMES, sums=())


def outcomes_by_key(grouped: GroupedTable) -> dict[Key, dict[str, int]]:
    """As outcomes, of the result of a plan."""
    size = len(OUTCOMES)
    counts = (dict(zip(OUTCOMES, row[:size], strict=True)) for row in grouped.table.counts.tolist())
    return dict(zip(grouped.keys, counts, strict=True))


def success_rates(session: Session, query: MetricsQuery) -> dict[Any, list[float | None]]:
    """Returns, by group, the success rate in each bucket of the window, null without completed runs."""
    decided = replace(query, histograms=(), recoveries=False, counts=_DECIDED, sums=())
    grouped = run(session, plan(session, decided))
    starts = query.window.buckets(query.interval) if query.interval else []
    index: dict[datetime | None, int] = {start: number for number, start in enumerate(starts)}
    rates: dict[Any, list[float | None]] = defaultdict(lambda: [None] * len(starts))
    passed, failed = (grouped.table.counts[:, COUNTS.index(name)].tolist() for name in _DECIDED)
    # A single pass: a page has thousands of groups and buckets.
    for (key, start), successes, failures in zip(grouped.keys, passed, failed, strict=True):
        rates[key][index[start]] = successes / (successes + failures) if successes or failures else None
    return dict(rates)


def hours_of_week(session: Session, scope: Scope, window: Window) -> list[tuple[int, int]]:
    """Returns completed and failed runs in each of the 168 hours of a week, UTC, Monday 0 h first."""
    query = MetricsQuery(scope, window, histograms=HOUR_HISTOGRAMS, recoveries=False, counts=(), sums=())
    return hours_of_the_week(run(session, plan(session, query)).table)


def _open_ages(query: MetricsQuery, grouped: GroupedTable) -> dict[int, list[float]]:
    """Returns, by row, the ages of the episodes that are still open, in seconds."""
    now, ages = query.now or query.window.until, dict[int, list[float]]()
    if not grouped.open_since:
        return ages
    row_of_key = {key: row for row, key in enumerate(grouped.keys)}
    for key, since in grouped.open_since:
        if key in row_of_key:
            ages.setdefault(row_of_key[key], []).append(seconds_between(since, now))
    return ages


def merge(parts: Sequence[GroupedTable]) -> GroupedTable:
    """Adds up the rows of all parts with the same key."""
    row_of_key: dict[Key, int] = {}
    rows = [row_of_key.setdefault(key, len(row_of_key)) for part in parts for key in part.keys]
    table = sum_rows(concat_tables(part.table for part in parts), np.asarray(rows, dtype=np.int64), len(row_of_key))
    return GroupedTable(list(row_of_key), table, tuple(episode for part in parts for episode in part.open_since))


@cache
def _select_rollups(by: GroupBy | None, names: Sequence[str]) -> Select[Any]:
    """Selects the bucket, the group and the named columns of each roll-up of a scan."""
    return _where_scan(select(_ROLLUPS.bucket, *(_ROLLUPS[name] for name in (*COLUMNS[by], *names))))


@cache
def _select_rollup_sums(by: GroupBy | None, names: Sequence[str], interval: Interval | None) -> Select[Any]:
    """Selects the first hour of each bucket of the interval, the group and the sums of the named columns."""
    hour, keys = bucket_start_hour(_rollup_hour(), interval), [_ROLLUPS[name] for name in COLUMNS[by]]
    sums = (func.sum(_ROLLUPS[name]) for name in names)
    return _where_scan(select(hour, *keys, *sums).group_by(hour, *keys))


def _where_scan(query: Select[Any]) -> Select[Any]:
    return query.where(
        _ROLLUPS.level == bindparam("level"),
        _ROLLUPS.bucket.in_(bindparam("buckets", expanding=True)),
        _ROLLUPS.repository_id.in_(bindparam("repositories", expanding=True)),
    )


def _rollup_hour() -> ColumnElement[int]:
    """The SQL of db.definitions.time_buckets.start_hour."""
    resolution = _ROLLUPS.bucket.bitwise_rshift(time_buckets.RESOLUTION_SHIFT)
    block = _ROLLUPS.bucket.bitwise_and((1 << time_buckets.RESOLUTION_SHIFT) - 1)
    return block * case(dict(enumerate(time_buckets.BUCKET_HOURS)), value=resolution)


def _read_rollups(session: Session, query: MetricsQuery, scan: RollupScan) -> GroupedTable:
    group, scope = COLUMNS[query.by], query.scope
    names = (*query.counts, *query.sums, *query.histograms)
    if query.histograms:
        statement = _select_rollups(query.by, names)
    else:
        statement = _select_rollup_sums(query.by, names, query.interval)
    if scope.workflows:
        ids = execute(session, workflow_ids(scope.workflows)).scalars().all()
        statement = statement.where(_ROLLUPS.workflow_id.in_(ids))
    if scope.events:
        statement = statement.where(_ROLLUPS.event.in_(scope.events))
    if scan.branch_kinds is not None:
        statement = statement.where(_ROLLUPS.branch_kind.in_(scan.branch_kinds))
    repositories = (ALL_REPOSITORIES,) if scan.repositories is None else scan.repositories
    parameters = {"level": scan.level, "buckets": scan.buckets, "repositories": repositories}
    # By columns: taking apart rows of so many values is slow.
    columns = list(zip(*execute(session, statement, parameters).all(), strict=True))
    if not columns:
        return GroupedTable([], empty_table())
    width, size = len(group) + 1, len(columns[0])
    starts: Iterable[datetime | None] = repeat(None, size)
    if query.interval:
        bucket_starts = BucketStarts(query.interval)
        hours = map(time_buckets.start_hour, columns[0]) if query.histograms else map(int, columns[0])
        starts = map(bucket_starts.of_hour, hours)
    # Added up here: a group has many roll-ups, and an object for each of them is slow.
    row_of_group: dict[tuple[Any, ...], int] = {}
    groups = zip(*columns[1:width], starts, strict=True)
    rows = np.fromiter((row_of_group.setdefault(key, len(row_of_group)) for key in groups), np.int64, size)
    table = sum_rows(from_rollups(dict(zip(names, columns[width:], strict=True))), rows, len(row_of_group))
    return GroupedTable([(key_from_columns(key[:-1]), key[-1]) for key in row_of_group], table)


def _read_recoveries(session: Session, query: MetricsQuery, scan: RunScan) -> list[GroupedTable]:
    if query.by not in _GROUPS_WITH_RECOVERY or not query.recoveries:
        return []
    if not scan.only_default_branches or query.by is GroupBy.BRANCH:
        return [_read_sequences(session, query, scan.scope, window) for window in scan.windows]
    return [_group_episodes(query, _read_stored_episodes(session, query, scan.scope, scan.windows))]


def _read_open_episodes(session: Session, query: MetricsQuery, scan: RollupScan) -> GroupedTable:
    """Returns `open_since` of the open episodes that the roll-ups of a scan count, without rows."""
    windows = time_buckets.windows_of(scan.buckets)
    # A roll-up scan may have only a part of the repositories, such as those whose default branch has the name.
    rows = _read_stored_episodes(session, query, query.scope, windows, still_open=True, within=scan.repositories)
    return GroupedTable([], empty_table(), _open_since(_episode_keys(query, rows), rows))


def _read_stored_episodes(
    session: Session,
    query: MetricsQuery,
    scope: Scope,
    windows: Sequence[Window],
    *,
    still_open: bool = False,
    within: Sequence[int] | None = None,
) -> Sequence[Any]:
    """Returns rows of episodes of default branches: duration in seconds (null while open), created_at in seconds since
    1970, failed_at, and the columns of the group. `within`: ids of the only repositories to read; null: all of the
    scope."""
    statement = _select_episodes(query.by, len(windows), still_open, not scope.repos)
    if scope.repos:
        statement = statement.where(FailureEpisode.repository_id.in_(repository_ids(scope)))
    if within is not None:
        statement = statement.where(FailureEpisode.repository_id.in_(within))
    if scope.workflows:
        statement = statement.where(FailureEpisode.workflow_id.in_(workflow_ids(scope.workflows)))
    if scope.events:
        statement = statement.where(FailureEpisode.event.in_(scope.events))
    if scope.actors:
        first_run = (Run.repository_id == FailureEpisode.repository_id) & (Run.id == FailureEpisode.run_id)
        statement = statement.join(Run, first_run).where(Run.actor.in_(scope.actors))
    return execute(session, statement, window_parameters(windows)).all()


@cache
def _select_episodes(by: GroupBy | None, windows: int, still_open: bool, monitored: bool) -> Select[Any]:
    columns = FailureEpisode.seconds, epoch_seconds(FailureEpisode.created_at), FailureEpisode.failed_at
    query = select(*columns, *(getattr(FailureEpisode, name) for name in COLUMNS[by]))
    query = query.where(in_parameterized_windows(FailureEpisode.created_at, windows))
    if still_open:
        query = query.where(FailureEpisode.seconds.is_(None))
    return query.where(FailureEpisode.repository_id.in_(repository_ids(Scope()))) if monitored else query


def _read_sequences(session: Session, query: MetricsQuery, scope: Scope, window: Window) -> GroupedTable:
    """Reads episodes of any branch from the sequence of its runs."""
    episodes = branch_episodes(session, scope, window)
    if query.selected_keys is not None and scope != scope.for_sequences():
        # A branch with episodes and without runs of the scope is neither a group nor a part of REST.
        with_runs = select(Run.branch).where(*in_scope(session, scope), *in_window(window)).distinct()
        branches = set(execute(session, with_runs).scalars())
        episodes = [episode for episode in episodes if episode.first.branch in branches]
    rows = []
    for episode in episodes:
        group = (getattr(episode.first, name) for name in COLUMNS[query.by])
        rows.append((episode.seconds, episode.first.created_at.timestamp(), episode.failed_at, *group))
    return _group_episodes(query, rows)


def _group_episodes(query: MetricsQuery, rows: Sequence[Any]) -> GroupedTable:
    """Takes rows as _read_stored_episodes returns them; one row a key is made by merge."""
    keys = _episode_keys(query, rows)
    table = from_recoveries([row[0] for row in rows], np.arange(len(rows)), len(rows))
    return GroupedTable(keys, table, _open_since(keys, rows))


def _episode_keys(query: MetricsQuery, rows: Sequence[Any]) -> list[Key]:
    starts = BucketStarts(query.interval)
    return [(key_from_columns(row[3:]), starts.of_hour(int(row[1]) // time_buckets.SECONDS_PER_HOUR)) for row in rows]


def _open_since(keys: Sequence[Key], rows: Sequence[Any]) -> tuple[tuple[Key, datetime], ...]:
    return tuple((key, row[2]) for key, row in zip(keys, rows, strict=True) if row[0] is None)
