"""Writing roll-ups. Whoever changes a run marks its day in the same transaction; the sums are made from the rows
afterwards, again and again with the same result, and a mark goes only when nothing changed meanwhile."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Engine, delete, insert, select, tuple_
from sqlalchemy.orm import Session

from db.collection.claims import Chore, take_turn
from db.definitions import time_buckets
from db.engine import write_scope
from db.enums import BranchKind, Grain
from db.models import Base, BrokenEpisode, Repository, Rollup, RollupMark, RollupState, Run, UsageRollup
from db.runs.rollup_invalidation import (
    ALL,
    HOURS_KEPT,
    WHOLE_DAY,
    created_on,
    kept_day,
    mark,
    portions,
    rollup_state,
    spans,
    start_of_day,
)
from db.sql import epoch_seconds
from health.metrics.definitions.rollup_levels import OF_ONE, OVER_ALL, Key, Rollups, gather
from health.metrics.definitions.table import (
    COUNTS,
    HISTOGRAMS,
    SUMS,
    RunFact,
    blobs,
    nothing,
    of_recoveries,
    of_rollups,
    of_runs,
    stack,
)
from health.metrics.rollups.broken_episodes import renew_episodes
from health.metrics.rollups.usage_rollups import make_usage, make_usage_over_all

# Rows in large numbers go past the unit of work.
_ROLLUPS, _MARKS = Base.metadata.tables["rollups"], Base.metadata.tables["rollup_marks"]
_DAYS_AT_ONCE = 64
_ROWS_AT_ONCE, _TILES_AT_ONCE = 500, 200


def refresh(engine: Engine, now: datetime) -> Iterator[int]:
    """Makes what is marked, one repository after the other and the sums over all of them last; yields how many days
    were made, transaction by transaction."""
    with write_scope(engine) as session:
        rollup_state(session, now)
        query = select(RollupMark.repository_id).where(RollupMark.repository_id != ALL).distinct()
        marked = sorted(session.scalars(query))
    for repository_id in [*marked, ALL]:
        made = 1
        while made:
            with write_scope(engine) as session:
                take_turn(session, Chore.ROLLUPS)
                made = _refresh_some(session, repository_id)
            yield made


def forget_hours(engine: Engine, now: datetime) -> None:
    """Drops the hours that are older than HOURS_KEPT."""
    keep = start_of_day(now - HOURS_KEPT)
    with write_scope(engine) as session:
        state = rollup_state(session, now)
        if keep <= state.hours_from:
            return
        state.hours_from = keep
        last = time_buckets.tile(time_buckets.HOUR, time_buckets.day_of(keep) * 24)
        for model in (Rollup, UsageRollup):
            session.execute(delete(model).where(model.tile < last))


def _refresh_some(session: Session, repository_id: int) -> int:
    query = select(RollupMark).where(RollupMark.repository_id == repository_id).order_by(RollupMark.day.desc())
    marks = session.scalars(query.limit(_DAYS_AT_ONCE)).all()
    state = session.get_one(RollupState, 1)
    kept = kept_day(state)
    seen = [(mark.day, mark.changes) for mark in marks]
    # Of days whose runs are deleted, only the sums over all repositories can be made: from those of each.
    masks = {mark.day: mark.hours for mark in marks if mark.day >= kept or repository_id == ALL}
    repository = session.get(Repository, repository_id)
    if masks and repository_id == ALL:
        _make_over_all(session, masks, state.hours_from)
    elif masks and repository is not None:
        _make(session, repository, masks, state.hours_from, kept)
    same = tuple_(_MARKS.c.day, _MARKS.c.changes).in_(seen)
    session.execute(delete(_MARKS).where(_MARKS.c.repository_id == repository_id, same))
    return len(seen)


def _make(session: Session, repository: Repository, masks: dict[int, int], hours_from: datetime, kept: int) -> None:
    for span in list(spans(masks)):
        masks.update({day: WHOLE_DAY for day in renew_episodes(session, repository.id, span) if day >= kept})
    days = sorted(masks)
    runs = _of_runs(session, repository, days)
    found = _of_episodes(session, repository.id, days)
    facts = gather(runs.keys + found.keys, stack([runs.table, found.table]))
    hours = _hours(masks, hours_from)
    _write_grains(session, repository.id, sorted(hours), facts.only(hours))
    lower = [time_buckets.day_tile(day) for day in days]
    _write_grains(session, repository.id, lower, _raised(facts, time_buckets.DAY))
    for level in range(time_buckets.DAY + 1, time_buckets.TOP + 1):
        blocks = sorted({time_buckets.tile(level, time_buckets.first_hour(tile)) for tile in lower})
        below = [child for block in blocks for child in time_buckets.children(block)]
        stored = _stored(session, Grain.FINEST, below, Rollup.repository_id == repository.id)
        _write_grains(session, repository.id, blocks, _raised(stored, level))
        lower = blocks
    make_usage(session, repository, days, hours)
    mark(session, [(ALL, day, mask) for day, mask in masks.items()])


def _raised(rollups: Rollups, level: int) -> Rollups:
    return rollups.at(
        Grain.FINEST, [time_buckets.tile(level, time_buckets.first_hour(key.tile)) for key in rollups.keys]
    )


def _make_over_all(session: Session, masks: dict[int, int], hours_from: datetime) -> None:
    wanted = _hours(masks, hours_from)
    for level in range(time_buckets.DAY, time_buckets.TOP + 1):
        wanted |= {time_buckets.tile(level, day * 24) for day in masks}
    monitored = Rollup.repository_id.in_(select(Repository.id).where(Repository.monitored))
    for some in portions(sorted(wanted), _TILES_AT_ONCE):
        made = []
        for grain, part in ((Grain.ALL, Grain.REPO), (Grain.ALL_EVENT, Grain.REPO_EVENT)):
            stored = _stored(session, part, some, monitored)
            made.append((grain, stored.at(grain, [key.tile for key in stored.keys])))
        _write(session, ALL, OVER_ALL, some, made)
        make_usage_over_all(session, some)


def _hours(masks: dict[int, int], hours_from: datetime) -> set[int]:
    first = time_buckets.day_of(hours_from)
    return {
        time_buckets.tile(time_buckets.HOUR, day * 24 + hour)
        for day, mask in masks.items() if day >= first for hour in range(24) if mask >> hour & 1
    }  # fmt: skip


def _of_runs(session: Session, repository: Repository, days: Sequence[int]) -> Rollups:
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
        facts.append(RunFact._make((*values, time_buckets.hour_of_the_week(hour))))
        kind = BranchKind.DEFAULT if on_default else BranchKind(branch == repository.default_branch)
        keys.append(Key(time_buckets.tile(time_buckets.HOUR, hour), repository.id, workflow_id, kind, event))
    return Rollups(keys, of_runs(facts, np.arange(len(facts)), len(facts)))


def _of_episodes(session: Session, repository_id: int, days: Sequence[int]) -> Rollups:
    query = select(
        BrokenEpisode.seconds, epoch_seconds(BrokenEpisode.created_at), BrokenEpisode.workflow_id, BrokenEpisode.event
    ).where(BrokenEpisode.repository_id == repository_id, created_on(BrokenEpisode, days))
    rows = session.execute(query).all()
    keys = [
        Key(
            time_buckets.tile(time_buckets.HOUR, int(at) // 3600), repository_id, workflow_id, BranchKind.DEFAULT, event
        )
        for _, at, workflow_id, event in rows
    ]
    return Rollups(keys, of_recoveries([row[0] for row in rows], np.arange(len(rows)), len(rows)))


def _stored(session: Session, grain: Grain, wanted: Sequence[int], where: Any) -> Rollups:
    names = (*COUNTS, *SUMS, *HISTOGRAMS)
    columns = [getattr(Rollup, name) for name in names]
    keys = (Rollup.tile, Rollup.repository_id, Rollup.workflow_id, Rollup.branch_kind, Rollup.event)
    query = select(*keys, *columns).where(Rollup.grain == grain, Rollup.tile.in_(list(wanted)), where)
    # In one order: sums of floats differ in their last digits by it.
    rows = session.execute(query.order_by(*keys)).all()
    table = of_rollups(dict(zip(names, list(zip(*rows, strict=True))[5:], strict=True))) if rows else nothing()
    return Rollups([Key(*row[:5]) for row in rows], table)


def _write_grains(session: Session, repository_id: int, wanted: Sequence[int], finest: Rollups) -> None:
    made = [(grain, finest.at(grain, [key.tile for key in finest.keys])) for grain in OF_ONE]
    _write(session, repository_id, OF_ONE, wanted, made)


def _write(
    session: Session, repository_id: int, grains: Sequence[Grain], wanted: Sequence[int],
    made: Sequence[tuple[Grain, Rollups]],
) -> None:  # fmt: skip
    """Puts these in the place of all roll-ups of the wanted tiles."""
    if not wanted:
        return
    same = _ROLLUPS.c.repository_id == repository_id, _ROLLUPS.c.grain.in_(list(grains))
    session.execute(delete(_ROLLUPS).where(*same, _ROLLUPS.c.tile.in_(list(wanted))))
    rows = [row for grain, rollups in made for row in _rows(repository_id, grain, rollups)]
    for some in portions(rows, _ROWS_AT_ONCE):
        session.execute(insert(_ROLLUPS), some)


def _rows(repository_id: int, grain: Grain, rollups: Rollups) -> Iterator[dict[str, Any]]:
    packed = {name: blobs(rollups.table, name) for name in HISTOGRAMS}
    for place, key in enumerate(rollups.keys):
        yield {
            "repository_id": repository_id, "grain": int(grain), "tile": key.tile, "workflow_id": key.workflow_id,
            "branch_kind": int(key.branch_kind), "event": key.event,
            **dict(zip(COUNTS, map(int, rollups.table.counts[place]), strict=True)),
            **dict(zip(SUMS, map(float, rollups.table.sums[place]), strict=True)),
            **{name: listed[place] for name, listed in packed.items()},
        }  # fmt: skip
