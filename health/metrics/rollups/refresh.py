"""Writing roll-ups. Whoever changes a run marks its day in the same transaction; the sums are made from the rows
afterwards, again and again with the same result, and a mark goes only when nothing changed meanwhile."""

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
from db.models import Base, BrokenEpisode, Repository, Rollup, RollupInvalidation, RollupState, Run, UsageRollup
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
from health.metrics.rollups.broken_episodes import recompute_episodes
from health.metrics.rollups.usage_rollups import build_usage, build_usage_totals

# Rows in large numbers go past the unit of work.
_ROLLUPS, _INVALIDATIONS = Base.metadata.tables["rollups"], Base.metadata.tables["rollup_marks"]
_DAY_BATCH = 64
_ROW_BATCH, _BUCKET_BATCH = 500, 200


def refresh_rollups(engine: Engine, now: datetime) -> Iterator[int]:
    """Makes what is marked, one repository after the other and the sums over all of them last; yields how many days
    were made, transaction by transaction."""
    with write_scope(engine) as session:
        rollup_state(session, now)
        query = (
            select(RollupInvalidation.repository_id)
            .where(RollupInvalidation.repository_id != ALL_REPOSITORIES)
            .distinct()
        )
        marked = sorted(session.scalars(query))
    for repository_id in [*marked, ALL_REPOSITORIES]:
        made = 1
        while made:
            with write_scope(engine) as session:
                acquire_lock(session, AdvisoryLock.ROLLUPS)
                made = _refresh_batch(session, repository_id)
            yield made


def prune_hours(engine: Engine, now: datetime) -> None:
    """Drops the hours that are older than HOURS_KEPT."""
    keep = start_of_day(now - HOURLY_RETENTION)
    with write_scope(engine) as session:
        state = rollup_state(session, now)
        if keep <= state.hours_from:
            return
        state.hours_from = keep
        last = time_buckets.bucket_id(time_buckets.HOUR, time_buckets.day_of(keep) * 24)
        for model in (Rollup, UsageRollup):
            session.execute(delete(model).where(model.bucket < last))


def _refresh_batch(session: Session, repository_id: int) -> int:
    query = (
        select(RollupInvalidation)
        .where(RollupInvalidation.repository_id == repository_id)
        .order_by(RollupInvalidation.day.desc())
    )
    marks = session.scalars(query.limit(_DAY_BATCH)).all()
    state = session.get_one(RollupState, 1)
    kept = retention_start(state)
    seen = [(mark.day, mark.changes) for mark in marks]
    # Of days whose runs are deleted, only the sums over all repositories can be made: from those of each.
    masks = {mark.day: mark.hour_mask for mark in marks if mark.day >= kept or repository_id == ALL_REPOSITORIES}
    repository = session.get(Repository, repository_id)
    if masks and repository_id == ALL_REPOSITORIES:
        _build_totals(session, masks, state.hours_from)
    elif masks and repository is not None:
        _build_repository(session, repository, masks, state.hours_from, kept)
    same = tuple_(_INVALIDATIONS.c.day, _INVALIDATIONS.c.changes).in_(seen)
    session.execute(delete(_INVALIDATIONS).where(_INVALIDATIONS.c.repository_id == repository_id, same))
    return len(seen)


def _build_repository(
    session: Session, repository: Repository, masks: dict[int, int], hours_from: datetime, kept: int
) -> None:
    for span in list(consecutive_days(masks)):
        masks.update({day: ALL_HOURS_MASK for day in recompute_episodes(session, repository.id, span) if day >= kept})
    days = sorted(masks)
    runs = _from_runs(session, repository, days)
    found = _from_episodes(session, repository.id, days)
    facts = rollups_by_key(runs.keys + found.keys, concat_tables([runs.table, found.table]))
    hours = _hourly_buckets(masks, hours_from)
    _write_levels(session, repository.id, sorted(hours), facts.in_buckets(hours))
    lower = [time_buckets.day_bucket_id(day) for day in days]
    _write_levels(session, repository.id, lower, _coarsen(facts, time_buckets.DAY))
    for level in range(time_buckets.DAY + 1, time_buckets.COARSEST + 1):
        blocks = sorted({time_buckets.bucket_id(level, time_buckets.start_hour(tile)) for tile in lower})
        below = [child for block in blocks for child in time_buckets.children(block)]
        stored = _read_stored(session, RollupLevel.FINEST, below, Rollup.repository_id == repository.id)
        _write_levels(session, repository.id, blocks, _coarsen(stored, level))
        lower = blocks
    build_usage(session, repository, days, hours)
    invalidate(session, [(ALL_REPOSITORIES, day, mask) for day, mask in masks.items()])


def _coarsen(rollups: KeyedTable, level: int) -> KeyedTable:
    return rollups.at_level(
        RollupLevel.FINEST, [time_buckets.bucket_id(level, time_buckets.start_hour(key.bucket)) for key in rollups.keys]
    )


def _build_totals(session: Session, masks: dict[int, int], hours_from: datetime) -> None:
    wanted = _hourly_buckets(masks, hours_from)
    for level in range(time_buckets.DAY, time_buckets.COARSEST + 1):
        wanted |= {time_buckets.bucket_id(level, day * 24) for day in masks}
    monitored = Rollup.repository_id.in_(select(Repository.id).where(Repository.monitored))
    for some in chunks(sorted(wanted), _BUCKET_BATCH):
        made = []
        for grain, part in ((RollupLevel.ALL, RollupLevel.REPO), (RollupLevel.ALL_EVENT, RollupLevel.REPO_EVENT)):
            stored = _read_stored(session, part, some, monitored)
            made.append((grain, stored.at_level(grain, [key.bucket for key in stored.keys])))
        _write(session, ALL_REPOSITORIES, CROSS_REPOSITORY_LEVELS, some, made)
        build_usage_totals(session, some)


def _hourly_buckets(masks: dict[int, int], hours_from: datetime) -> set[int]:
    first = time_buckets.day_of(hours_from)
    return {
        time_buckets.bucket_id(time_buckets.HOUR, day * 24 + hour)
        for day, mask in masks.items() if day >= first for hour in range(24) if mask >> hour & 1
    }  # fmt: skip


def _from_runs(session: Session, repository: Repository, days: Sequence[int]) -> KeyedTable:
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
        hour = int(seconds) // 3600
        facts.append(RunFact._make((*values, time_buckets.hour_of_week(hour))))
        kind = BranchKind.DEFAULT if on_default else BranchKind(branch == repository.default_branch)
        keys.append(RollupKey(time_buckets.bucket_id(time_buckets.HOUR, hour), repository.id, workflow_id, kind, event))
    return KeyedTable(keys, from_runs(facts, np.arange(len(facts)), len(facts)))


def _from_episodes(session: Session, repository_id: int, days: Sequence[int]) -> KeyedTable:
    query = select(
        BrokenEpisode.seconds, epoch_seconds(BrokenEpisode.created_at), BrokenEpisode.workflow_id, BrokenEpisode.event
    ).where(BrokenEpisode.repository_id == repository_id, created_on(BrokenEpisode, days))
    rows = session.execute(query).all()
    keys = [
        RollupKey(
            time_buckets.bucket_id(time_buckets.HOUR, int(at) // 3600),
            repository_id,
            workflow_id,
            BranchKind.DEFAULT,
            event,
        )
        for _, at, workflow_id, event in rows
    ]
    return KeyedTable(keys, from_recoveries([row[0] for row in rows], np.arange(len(rows)), len(rows)))


def _read_stored(session: Session, grain: RollupLevel, wanted: Sequence[int], where: Any) -> KeyedTable:
    names = (*COUNTS, *SUMS, *HISTOGRAMS)
    columns = [getattr(Rollup, name) for name in names]
    keys = (Rollup.bucket, Rollup.repository_id, Rollup.workflow_id, Rollup.branch_kind, Rollup.event)
    query = select(*keys, *columns).where(Rollup.level == grain, Rollup.bucket.in_(list(wanted)), where)
    # In one order: sums of floats differ in their last digits by it.
    rows = session.execute(query.order_by(*keys)).all()
    table = from_rollups(dict(zip(names, list(zip(*rows, strict=True))[5:], strict=True))) if rows else empty_table()
    return KeyedTable([RollupKey(*row[:5]) for row in rows], table)


def _write_levels(session: Session, repository_id: int, wanted: Sequence[int], finest: KeyedTable) -> None:
    made = [(grain, finest.at_level(grain, [key.bucket for key in finest.keys])) for grain in REPOSITORY_LEVELS]
    _write(session, repository_id, REPOSITORY_LEVELS, wanted, made)


def _write(
    session: Session, repository_id: int, grains: Sequence[RollupLevel], wanted: Sequence[int],
    made: Sequence[tuple[RollupLevel, KeyedTable]],
) -> None:  # fmt: skip
    """Puts these in the place of all roll-ups of the wanted tiles."""
    if not wanted:
        return
    same = _ROLLUPS.c.repository_id == repository_id, _ROLLUPS.c.level.in_(list(grains))
    session.execute(delete(_ROLLUPS).where(*same, _ROLLUPS.c.bucket.in_(list(wanted))))
    rows = [row for grain, rollups in made for row in _rows(repository_id, grain, rollups)]
    for some in chunks(rows, _ROW_BATCH):
        session.execute(insert(_ROLLUPS), some)


def _rows(repository_id: int, grain: RollupLevel, rollups: KeyedTable) -> Iterator[dict[str, Any]]:
    packed = {name: packed_histograms(rollups.table, name) for name in HISTOGRAMS}
    for place, key in enumerate(rollups.keys):
        yield {
            "repository_id": repository_id, "level": int(grain), "bucket": key.bucket, "workflow_id": key.workflow_id,
            "branch_kind": int(key.branch_kind), "event": key.event,
            **dict(zip(COUNTS, map(int, rollups.table.counts[place]), strict=True)),
            **dict(zip(SUMS, map(float, rollups.table.sums[place]), strict=True)),
            **{name: listed[place] for name, listed in packed.items()},
        }  # fmt: skip
