"""Refresh of roll-ups. A transaction that changes a run also invalidates its day. A refresh recomputes invalidated days
from runs, with the same result each time; it deletes an invalidation only where nothing changed meanwhile."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Engine, delete, insert, select, tuple_
from sqlalchemy.orm import Session

from db.collection.claims import AdvisoryLock, acquire_lock
from db.definitions import time_buckets
from db.engine import write_scope
from db.enums import BranchKind, RollupLevel
from db.models import Base, FailureEpisode, Repository, Rollup, RollupInvalidation, RollupState, Run, UsageRollup
from db.runs.rollup_invalidation import (
    ALL_HOURS_MASK,
    ALL_REPOSITORIES,
    HOURLY_RETENTION,
    chunks,
    consecutive_days,
    created_on,
    invalidate,
    retention_start,
    rollup_state,
    start_of_day,
)
from db.sql import epoch_seconds
from health.metrics.definitions.rollup_levels import (
    CROSS_REPOSITORY_LEVELS,
    REPOSITORY_LEVELS,
    KeyedTable,
    RollupKey,
    rollups_by_key,
)
from health.metrics.definitions.table import (
    COUNTS,
    HISTOGRAMS,
    SUMS,
    RunFact,
    concat_tables,
    empty_table,
    from_recoveries,
    from_rollups,
    from_runs,
    packed_histograms,
)
from health.metrics.rollups.failure_episodes import recompute_episodes
from health.metrics.rollups.usage_rollups import build_usage, build_usage_totals

# Core tables without the unit of work: a refresh writes many rows.
_ROLLUPS, _INVALIDATIONS = Base.metadata.tables["rollups"], Base.metadata.tables["rollup_marks"]
_DAY_BATCH = 64
_ROW_BATCH, _BUCKET_BATCH = 500, 200


def refresh_rollups(engine: Engine, now: datetime) -> Iterator[int]:
    """Refreshes all invalidated days, one repository after the other, and the sums over all repositories last. Yields
    the number of refreshed days after each transaction."""
    with write_scope(engine) as session:
        rollup_state(session, now)
        query = (
            select(RollupInvalidation.repository_id)
            .where(RollupInvalidation.repository_id != ALL_REPOSITORIES)
            .distinct()
        )
        invalidated = sorted(session.scalars(query))
    for repository_id in [*invalidated, ALL_REPOSITORIES]:
        days = 1
        while days:
            with write_scope(engine) as session:
                acquire_lock(session, AdvisoryLock.ROLLUPS)
                days = _refresh_batch(session, repository_id)
            yield days


def prune_hours(engine: Engine, now: datetime) -> None:
    """Deletes hourly roll-ups that are older than HOURLY_RETENTION."""
    hours_from = start_of_day(now - HOURLY_RETENTION)
    with write_scope(engine) as session:
        state = rollup_state(session, now)
        if hours_from <= state.hours_from:
            return
        state.hours_from = hours_from
        first_bucket = time_buckets.bucket_id(time_buckets.HOUR, time_buckets.day_of(hours_from) * 24)
        for model in (Rollup, UsageRollup):
            session.execute(delete(model).where(model.bucket < first_bucket))


def _refresh_batch(session: Session, repository_id: int) -> int:
    """Refreshes up to _DAY_BATCH days of a repository, the newest first; returns their number."""
    query = (
        select(RollupInvalidation)
        .where(RollupInvalidation.repository_id == repository_id)
        .order_by(RollupInvalidation.day.desc())
    )
    invalidations = session.scalars(query.limit(_DAY_BATCH)).all()
    state = session.get_one(RollupState, 1)
    first_day = retention_start(state)
    versions = [(row.day, row.changes) for row in invalidations]
    # For days whose runs are deleted, only the sums over all repositories can be refreshed, from those of each one.
    masks = {
        row.day: row.hour_mask for row in invalidations if row.day >= first_day or repository_id == ALL_REPOSITORIES
    }
    repository = session.get(Repository, repository_id)
    if masks and repository_id == ALL_REPOSITORIES:
        _build_totals(session, masks, state.hours_from)
    elif masks and repository is not None:
        _build_repository(session, repository, masks, state.hours_from, first_day)
    unchanged = tuple_(_INVALIDATIONS.c.day, _INVALIDATIONS.c.changes).in_(versions)
    session.execute(delete(_INVALIDATIONS).where(_INVALIDATIONS.c.repository_id == repository_id, unchanged))
    return len(versions)


def _build_repository(
    session: Session, repository: Repository, masks: dict[int, int], hours_from: datetime, first_day: int
) -> None:
    """Rebuilds the roll-ups of days of a repository: hours and days from runs and episodes, longer buckets from shorter
    ones. `masks` has the changed hours as bits, by day (whole days since 1970)."""
    for span in list(consecutive_days(masks)):
        changed = recompute_episodes(session, repository.id, span)
        masks.update({day: ALL_HOURS_MASK for day in changed if day >= first_day})
    days = sorted(masks)
    runs = _from_runs(session, repository, days)
    episodes = _from_episodes(session, repository.id, days)
    hourly = rollups_by_key(runs.keys + episodes.keys, concat_tables([runs.table, episodes.table]))
    hours = _hourly_buckets(masks, hours_from)
    _write_levels(session, repository.id, sorted(hours), hourly.in_buckets(hours))
    shorter = [time_buckets.day_bucket_id(day) for day in days]
    _write_levels(session, repository.id, shorter, _coarsen(hourly, time_buckets.DAY))
    for resolution in range(time_buckets.DAY + 1, time_buckets.COARSEST + 1):
        buckets = time_buckets.parents(shorter)
        children = [child for bucket in buckets for child in time_buckets.children(bucket)]
        stored = _read_stored(session, RollupLevel.FINEST, children, Rollup.repository_id == repository.id)
        _write_levels(session, repository.id, buckets, _coarsen(stored, resolution))
        shorter = buckets
    build_usage(session, repository, days, hours)
    invalidate(session, [(ALL_REPOSITORIES, day, mask) for day, mask in masks.items()])


def _coarsen(rollups: KeyedTable, resolution: int) -> KeyedTable:
    """Adds up the roll-ups to buckets of a coarser resolution."""
    return rollups.at_level(
        RollupLevel.FINEST, [time_buckets.enclosing_bucket(key.bucket, resolution) for key in rollups.keys]
    )


def _build_totals(session: Session, masks: dict[int, int], hours_from: datetime) -> None:
    """Rebuilds the sums over all monitored repositories from the roll-ups of each repository."""
    buckets = _hourly_buckets(masks, hours_from)
    for resolution in range(time_buckets.DAY, time_buckets.COARSEST + 1):
        buckets |= {time_buckets.bucket_id(resolution, day * 24) for day in masks}
    monitored = Rollup.repository_id.in_(select(Repository.id).where(Repository.monitored))
    for batch in chunks(sorted(buckets), _BUCKET_BATCH):
        totals = []
        for level, source in ((RollupLevel.ALL, RollupLevel.REPO), (RollupLevel.ALL_EVENT, RollupLevel.REPO_EVENT)):
            stored = _read_stored(session, source, batch, monitored)
            totals.append((level, stored.at_level(level, [key.bucket for key in stored.keys])))
        _write(session, ALL_REPOSITORIES, CROSS_REPOSITORY_LEVELS, batch, totals)
        build_usage_totals(session, batch)


def _hourly_buckets(masks: dict[int, int], hours_from: datetime) -> set[int]:
    """Returns the buckets of the changed hours, of days for which hours are kept."""
    first_day = time_buckets.day_of(hours_from)
    return {
        time_buckets.bucket_id(time_buckets.HOUR, day * 24 + hour)
        for day, mask in masks.items()
        if day >= first_day
        for hour in range(24)
        if mask >> hour & 1
    }


def _from_runs(session: Session, repository: Repository, days: Sequence[int]) -> KeyedTable:
    """Returns one row a run, in hourly buckets."""
    columns = [*(getattr(Run, name) for name in RunFact._fields[:-1]), epoch_seconds(Run.created_at)]
    others = (Run.workflow_id, Run.branch, Run.on_default_branch, Run.event)
    rows = session.execute(
        select(*columns, *others)
        .where(Run.repository_id == repository.id, created_on(Run, days))
        .order_by(Run.created_at, Run.id)
    ).all()
    facts, keys = [], []
    for row in rows:
        *values, seconds, workflow_id, branch, on_default, event = row
        hour = int(seconds) // time_buckets.SECONDS_PER_HOUR
        facts.append(RunFact._make((*values, time_buckets.hour_of_week(hour))))
        kind = BranchKind.DEFAULT if on_default else BranchKind(branch == repository.default_branch)
        keys.append(RollupKey(time_buckets.bucket_id(time_buckets.HOUR, hour), repository.id, workflow_id, kind, event))
    return KeyedTable(keys, from_runs(facts, np.arange(len(facts)), len(facts)))


def _from_episodes(session: Session, repository_id: int, days: Sequence[int]) -> KeyedTable:
    """Returns one row an episode, in hourly buckets."""
    query = select(
        FailureEpisode.seconds,
        epoch_seconds(FailureEpisode.created_at),
        FailureEpisode.workflow_id,
        FailureEpisode.event,
    ).where(FailureEpisode.repository_id == repository_id, created_on(FailureEpisode, days))
    rows = session.execute(query).all()
    keys = [
        RollupKey(
            time_buckets.bucket_id(time_buckets.HOUR, int(created_at) // time_buckets.SECONDS_PER_HOUR),
            repository_id,
            workflow_id,
            BranchKind.DEFAULT,
            event,
        )
        for _, created_at, workflow_id, event in rows
    ]
    return KeyedTable(keys, from_recoveries([row[0] for row in rows], np.arange(len(rows)), len(rows)))


def _read_stored(session: Session, level: RollupLevel, buckets: Sequence[int], where: Any) -> KeyedTable:
    names = (*COUNTS, *SUMS, *HISTOGRAMS)
    columns = [getattr(Rollup, name) for name in names]
    keys = (Rollup.bucket, Rollup.repository_id, Rollup.workflow_id, Rollup.branch_kind, Rollup.event)
    query = select(*keys, *columns).where(Rollup.level == level, Rollup.bucket.in_(list(buckets)), where)
    # In a fixed order: sums of floats depend on it in their last digits.
    rows = session.execute(query.order_by(*keys)).all()
    table = from_rollups(dict(zip(names, list(zip(*rows, strict=True))[5:], strict=True))) if rows else empty_table()
    return KeyedTable([RollupKey(*row[:5]) for row in rows], table)


def _write_levels(session: Session, repository_id: int, buckets: Sequence[int], finest: KeyedTable) -> None:
    """Replaces the roll-ups of a repository in these buckets at all levels."""
    rollups = [(level, finest.at_level(level, [key.bucket for key in finest.keys])) for level in REPOSITORY_LEVELS]
    _write(session, repository_id, REPOSITORY_LEVELS, buckets, rollups)


def _write(
    session: Session,
    repository_id: int,
    levels: Sequence[RollupLevel],
    buckets: Sequence[int],
    rollups: Sequence[tuple[RollupLevel, KeyedTable]],
) -> None:
    """Replaces all roll-ups of the levels and buckets."""
    if not buckets:
        return
    same = _ROLLUPS.c.repository_id == repository_id, _ROLLUPS.c.level.in_(list(levels))
    session.execute(delete(_ROLLUPS).where(*same, _ROLLUPS.c.bucket.in_(list(buckets))))
    rows = [row for level, table in rollups for row in _rows(repository_id, level, table)]
    for batch in chunks(rows, _ROW_BATCH):
        session.execute(insert(_ROLLUPS), batch)


def _rows(repository_id: int, level: RollupLevel, rollups: KeyedTable) -> Iterator[dict[str, Any]]:
    packed = {name: packed_histograms(rollups.table, name) for name in HISTOGRAMS}
    for row, key in enumerate(rollups.keys):
        yield {
            "repository_id": repository_id,
            "level": int(level),
            "bucket": key.bucket,
            "workflow_id": key.workflow_id,
            "branch_kind": int(key.branch_kind),
            "event": key.event,
            **dict(zip(COUNTS, map(int, rollups.table.counts[row]), strict=True)),
            **dict(zip(SUMS, map(float, rollups.table.sums[row]), strict=True)),
            **{name: histograms[row] for name, histograms in packed.items()},
        }
